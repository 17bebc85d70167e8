"""Coverage-guided fuzzing of everything that mirkit reads beside the sound (``pip install atheris``; Linux, macOS).

``python benchmarks/fuzz.py [KIND ...] [--seconds 60] [--corpus FOLDER]``. Each kind of file is fuzzed in a process of
its own, from an example that mirkit wrote; any error but a ``MirkitError`` ends it, and the input is kept. Beside the
sidecars: sound files and their tags, and with torch checkpoints.
"""

import argparse
import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT / folder) for folder in ("tests/trust", "tests/audio", "tests", "src")]

SIDECARS = ("INFO", "BEATS_GRID", "ONSETS", "SECTIONS", "CURVES", "PROVENANCE", "settings", "journal", "log", "index")
KINDS = (*SIDECARS, "ledger", "lease", "midi", "yaml", "sound", "checkpoint")
from mirkit.errors import MirkitError  # noqa: E402 (from this checkout)

#: Modules whose branches guide the search.
GUIDES = (
    *(
        f"mirkit.{package}"
        for package in ("audio", "clips", "dataset", "models", "organize", "pipeline", "report", "store")
    ),
    *("mido", "yaml", "torch._weights_only_unpickler"),
)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("kinds", nargs="*", metavar="KIND", help=", ".join(KINDS))
    parser.add_argument("--seconds", type=int, default=60, help="for each kind")
    parser.add_argument("--corpus", type=Path, help="keep what is found, and go on from it")
    parser.add_argument("--child", nargs=2, metavar=("KIND", "FOLDER"), help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.child:
        fuzz(arguments.child[0], Path(arguments.child[1]), arguments.seconds)
        return
    with tempfile.TemporaryDirectory() as temporary:
        print("| file | inputs tried | a second | branches reached | inputs kept | result |")
        print("|---|---:|---:|---:|---:|---|")
        results = [
            run(kind, arguments.corpus or Path(temporary), arguments.seconds) for kind in arguments.kinds or KINDS
        ]
    sys.exit(0 if all(results) else 1)


def run(kind: str, corpus: Path, seconds: int) -> bool:
    folder = corpus / kind
    folder.mkdir(parents=True, exist_ok=True)
    command = [sys.executable, __file__, "--child", kind, str(folder), "--seconds", str(seconds)]
    done = subprocess.run(command, capture_output=True, text=True)
    tried = re.findall(r"#(\d+)\s+\w+\s+cov: (\d+).*?corp: (\d+)", done.stderr)
    number, branches, kept = tried[-1] if tried else ("0", "0", "0")
    total = re.search(r"Done (\d+) runs in (\d+) second", done.stderr)
    number, rate = (total[1], int(total[1]) // max(1, int(total[2]))) if total else (number, 0)
    result = "well" if done.returncode == 0 and total else "FAILED"
    print(f"| {kind} | {number} | {rate} | {branches} | {kept} | {result} |", flush=True)
    if result == "FAILED":
        print(done.stdout[-2000:], done.stderr[-4000:], sep="\n", file=sys.stderr)
    return result == "well"


def fuzz(kind: str, corpus: Path, seconds: int) -> None:
    import atheris

    with atheris.instrument_imports(include=list(GUIDES)):
        import yaml  # noqa: F401 (later would be too late to guide)
        from readers import FILES, read_all, write_examples

        from mirkit import audio
        from mirkit.models import safe_load

        if kind == "checkpoint":
            import torch._weights_only_unpickler  # noqa: F401

    root = Path(tempfile.mkdtemp())
    os.fsync = lambda handle: None  # the disk is not what is tested
    if kind in FILES:
        examples = [_measured(root, write_examples)[kind]]

        def read(data: bytes) -> None:
            read_all(root, kind, data, commands=False)
    elif kind == "sound":
        examples = _sounds(root)

        def read(data: bytes) -> None:
            _hear(audio, root / "x.wav", data)
    else:
        examples = _checkpoints(root)

        def read(data: bytes) -> None:
            for name in ("x.ckpt", "x.safetensors"):
                (root / name).write_bytes(data)
                with suppress(MirkitError):
                    safe_load.load_tensors(root / name)

    for number, example in enumerate(examples):
        (corpus / f"example{number}").write_bytes(example)
    words = [sys.argv[0], str(corpus), f"-max_total_time={seconds}", "-max_len=20000", "-timeout=20"]
    atheris.Setup([*words, "-rss_limit_mb=4096", f"-artifact_prefix={corpus}-"], read)
    atheris.Fuzz()


def _measured(root: Path, write_examples: Callable[[Path], dict[str, bytes]]) -> dict[str, bytes]:
    from library import make_track

    make_track(root / "A", seconds=1.0)
    # In a process of its own: code that counts its branches cannot be compiled.
    command = [sys.executable, "-m", "mirkit", "extract", str(root / "A"), "--quiet"]
    subprocess.run(command, check=True, env={**os.environ, "PYTHONPATH": str(ROOT / "src")})
    return write_examples(root)


def _sounds(root: Path) -> list[bytes]:
    from audio_files import KINDS as FORMATS
    from audio_files import music, write

    paths = [root / name for name in FORMATS]
    for path in paths:
        write(path, music(0.05, 48000), 48000, tags={"title": "A title", "date": "2001-02", "TBPM": "120"})
    return [path.read_bytes() for path in paths]


def _hear(audio: Any, path: Path, data: bytes) -> None:
    path.write_bytes(data)
    for reader in (audio.probe, audio.read_tags):
        with suppress(MirkitError):
            reader(path)
    with suppress(MirkitError):
        for block in audio.open_audio(path, max_seconds=60).blocks():
            assert np.isfinite(block).all()


def _checkpoints(root: Path) -> list[bytes]:
    import torch
    from safetensors.torch import save_file

    state = {"a.weight": torch.ones(2, 3), "steps": torch.tensor(7)}
    torch.save({"state_dict": state, "args": (1, 0.5, None, "x", [True])}, root / "zip")
    torch.save(state, root / "legacy", _use_new_zipfile_serialization=False)
    save_file(state, root / "plain", {"klass": "HTDemucs"})
    return [(root / name).read_bytes() for name in ("zip", "legacy", "plain")]


if __name__ == "__main__":
    main()
