"""Coverage-guided fuzzing of everything that mirkit reads beside the sound (``pip install atheris``; Linux, macOS).

``python benchmarks/fuzz.py [KIND ...] [--seconds 60] [--corpus FOLDER]``. Each kind of file is fuzzed in a process of
its own, from an example that mirkit wrote; any error but a ``MirkitError`` ends it, and the input is kept.
"""

import argparse
import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT / "tests" / "trust"), str(ROOT / "tests"), str(ROOT / "src")]

KINDS = ("INFO", "BEATS_GRID", "ONSETS", "CURVES", "PROVENANCE", "settings", "journal", "log")


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

    with atheris.instrument_imports(include=["mirkit.store", "mirkit.organize", "mirkit.dataset", "mirkit.cropping"]):
        from readers import read_all, write_examples

    from library import make_track
    from mirkit.cli import main as mirkit

    root = Path(tempfile.mkdtemp())
    make_track(root / "A", seconds=1.0)
    assert mirkit(["extract", str(root / "A"), "--quiet"]) == 0
    (corpus / "example").write_bytes(write_examples(root)[kind])
    os.fsync = lambda handle: None  # the disk is not what is tested
    words = [sys.argv[0], str(corpus), f"-max_total_time={seconds}", "-max_len=20000", "-timeout=20"]
    atheris.Setup(words, lambda data: read_all(root, kind, data, commands=False))
    atheris.Fuzz()


if __name__ == "__main__":
    main()
