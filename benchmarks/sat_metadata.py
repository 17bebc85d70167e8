"""What the metadata module of a ``sat`` bundle costs the trainer for each sample: milliseconds, and size of its pickle.

    python benchmarks/sat_metadata.py [OTHER_MODULE.py]

stable-audio-tools 0.0.19 calls the function as it is; 0.0.20 pickles it by dill once and unpickles it for every sample.
Both are done here as their ``SampleDataset`` does them, for bundles of 100, 2,000 and 20,000 clips with 80 numbers and
four prompts each. The index is read once in each worker: that is the first call. Another file takes the module's place,
such as the module of an earlier bundle. dill is looked for in .venv/trainers too, where ``make bench`` puts it.
"""

import importlib.util
import json
import shutil
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
sys.path.append(str(ROOT / ".venv" / "trainers" / "0.0.20"))

try:
    import dill
except ImportError:
    dill = None

MODULE = ROOT / "src" / "mirkit" / "export" / "targets" / "sat_module.py"
CLIPS = (100, 2_000, 20_000)
NUMBERS = 80
#: A measurement takes at least this long.
SECONDS = 1.0


def main() -> None:
    module = Path(sys.argv[1]) if len(sys.argv) > 1 else MODULE
    rows = []
    with tempfile.TemporaryDirectory() as temp:
        for clips in CLIPS:
            rows.append(measure(bundle(Path(temp) / f"{clips:06d}", clips, module), clips))
    print("| clips | index, MB | first call, ms | 0.0.19, ms a sample | pickle, bytes | 0.0.20, ms a sample |")
    print("|---|---|---|---|---|---|")
    for row in rows:
        newer = f"{row['pickle']:,} | {row['0.0.20']:.3f}" if "pickle" in row else "dill is not installed | -"
        print(f"| {row['clips']:,} | {row['index']:.1f} | {row['first']:.1f} | {row['0.0.19']:.4f} | {newer} |")
    path = ROOT / "benchmarks" / "results" / "sat_metadata.json"
    path.parent.mkdir(exist_ok=True)
    path.write_text(json.dumps(rows))


def bundle(out: Path, clips: int, module: Path) -> Path:
    """Write the files that the module reads."""
    out.mkdir()
    prompts = ["A warm lo-fi track with brushed drums and a soft electric piano. 85 BPM, F# minor, 4/4 time"] * 4
    files = {
        f"Artist-Track-{i:06d}-001-{i:010x}.flac": {
            "prompts": prompts,
            "numbers": [round(i + k / 7, 6) for k in range(NUMBERS)],
        }
        for i in range(clips)
    }
    index = {"names": [f"key_{k}" for k in range(NUMBERS)], "sample_rate": 44100, "sample_size": 2**21, "hop": 1.0}
    (out / "mirkit_index.json").write_text(json.dumps(index | {"files": files}), encoding="ascii")
    (out / "mirkit_windows.f32").write_bytes(b"")
    return Path(shutil.copy(module, out / "mirkit_metadata.py"))


def measure(path: Path, clips: int) -> dict[str, float]:
    spec = importlib.util.spec_from_file_location("metadata_module", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    function = module.get_custom_metadata
    name = f"Artist-Track-{clips // 2:06d}-001-{clips // 2:010x}.flac"

    def sample(function: Callable[..., dict[str, Any]]) -> None:
        found = function({"relpath": name, "padding_mask": [0]}, None)
        assert found["key_7"] == clips // 2 + 1

    began = time.perf_counter()
    sample(function)
    row = {"clips": clips, "index": (path.parent / "mirkit_index.json").stat().st_size / 1e6}
    row["first"] = 1000 * (time.perf_counter() - began)
    row["0.0.19"] = milliseconds(lambda: sample(function))
    if dill is not None:
        pickled = dill.dumps(function)
        row["pickle"] = len(pickled)
        row["0.0.20"] = milliseconds(lambda: sample(dill.loads(pickled)))
    return row


def milliseconds(call: Callable[[], None]) -> float:
    count, began = 0, time.perf_counter()
    while time.perf_counter() - began < SECONDS:
        call()
        count += 1
    return 1000 * (time.perf_counter() - began) / count


if __name__ == "__main__":
    main()
