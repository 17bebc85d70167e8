"""Speed and memory of the full-size classifiers, with random weights in the official formats.

Run ``python benchmarks/classifiers.py [--seconds 60] [--device cpu] [--json FILE]`` from the repository. Each model
runs in a process of its own, over the same noise, through the path that a track takes: decoded blocks in, numbers out.
``x`` is seconds of sound per CPU second (per second of the clock on a card). Where the authors' package is installed,
its network runs on the same windows.
"""

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests"))

RATE = 44100


def write_vggish(path: Path) -> None:
    """VGGish as published: 72 million weights, patches of 96 x 64 to 128 numbers."""
    import onnx
    from onnx import TensorProto, helper, numpy_helper

    rng = np.random.default_rng(0)
    steps = [helper.make_node("Reshape", ["melspectrogram", "image"], ["x0"])]
    kept = [numpy_helper.from_array(np.array([-1, 1, 96, 64], np.int64), "image")]

    def weight(name: str, *shape: int) -> str:
        scale = np.float32(np.prod(shape[1:]) ** -0.5)
        kept.append(numpy_helper.from_array(scale * rng.standard_normal(shape, np.float32), name))
        return name

    last, channels, number = "x0", 1, 0
    for convolutions in ((64,), (128,), (256, 256), (512, 512)):
        for wide in convolutions:
            number += 1
            kernel = weight(f"k{number}", wide, channels, 3, 3)
            steps.append(helper.make_node("Conv", [last, kernel], [f"c{number}"], pads=[1, 1, 1, 1]))
            steps.append(helper.make_node("Relu", [f"c{number}"], [f"r{number}"]))
            last, channels = f"r{number}", wide
        steps.append(helper.make_node("MaxPool", [last], [f"p{number}"], kernel_shape=[2, 2], strides=[2, 2]))
        last = f"p{number}"
    steps.append(helper.make_node("Flatten", [last], ["flat"]))
    last, size = "flat", 512 * 6 * 4
    for i, wide in enumerate((4096, 4096, 128)):
        name = "embeddings" if i == 2 else f"f{i}"
        steps.append(helper.make_node("Gemm", [last, weight(f"w{i}", wide, size)], [name], transB=1))
        if i < 2:
            steps.append(helper.make_node("Relu", [name], [f"g{i}"]))
            name = f"g{i}"
        last, size = name, wide
    shapes = (("melspectrogram", ("n", 96, 64)), ("embeddings", ("n", 128)))
    given, result = (helper.make_tensor_value_info(name, TensorProto.FLOAT, shape) for name, shape in shapes)
    graph = helper.make_graph(steps, "vggish", [given], [result], kept)
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), path)


def files_of(name: str, folder: Path) -> tuple[Path, ...]:
    """Full-size random files of a model, in the official format."""
    if name == "essentia":
        from models.onnx_models import write_all

        files = write_all(folder)
        write_vggish(files[0])
        return files
    from models.aesthetics_files import SMALL, write_own

    published = {
        "channels": 512, "size": 768, "inner": 3072, "heads": 12, "layers": 12, "buckets": 320, "reach": 128,
        "groups": 16, "head_layers": 5,
    }  # fmt: skip
    return write_own(folder, type(SMALL)(**(vars(SMALL) | published)))


def stream(name: str, seconds: float, device: str) -> dict[str, Any]:
    """Run one model over some noise; called in a process of its own."""
    import importlib

    from mirkit.models.backend import Weights

    signal = (0.1 * np.random.default_rng(0).standard_normal((2, round(seconds * RATE)))).astype(np.float32)
    with tempfile.TemporaryDirectory() as folder:
        subprocess.run([sys.executable, __file__, "--make", name, "--folder", folder], check=True)
        paths = tuple(Path(folder, path) for path in json.loads(Path(folder, "files.json").read_text()))
        started = time.perf_counter()
        model = importlib.import_module(f"mirkit.models.{name}").load(Weights(name, paths, "0"), device)
        loading = time.perf_counter() - started
        size = sum(path.stat().st_size for path in paths)
    clock = time.process_time if device == "cpu" else time.perf_counter
    run(model, signal[:, : 10 * RATE])  # what is compiled or tuned at the first call
    started = clock()
    values = run(model, signal)
    spent = clock() - started
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**10
    row = {"model": name, "x": seconds / spent, "load_s": loading, "file_mb": size / 1e6, "peak_mib": peak}
    if device != "cpu" and name == "audiobox":
        import torch

        row["card_mib"] = torch.cuda.max_memory_allocated() / 2**20
    return row | {"values": values}


def run(model: Any, signal: np.ndarray) -> dict[str, float]:
    stream = model.stream()
    for first in range(0, signal.shape[1], 1 << 16):
        stream.push(signal[:, first : first + (1 << 16)])
    found = stream.finish()
    return {key: round(value, 4) if isinstance(value, float) else str(value) for key, value in found.items()}


def package(seconds: float) -> dict[str, Any]:
    """The authors' network on windows of 10 s, as its predictor runs it."""
    import torch

    from models.aesthetics_files import packages_model

    model = packages_model(full=True)
    windows = max(1, round(seconds / 10))
    batch = {"wav": 0.1 * torch.randn(1, 1, 160_000), "mask": torch.ones(1, 1, 160_000, dtype=torch.bool)}
    with torch.inference_mode():
        model(batch)
        started = time.process_time()
        for _ in range(windows):
            model(batch)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**10
    return {"model": "audiobox_aesthetics", "x": 10 * windows / (time.process_time() - started), "peak_mib": peak}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--json", type=Path)
    parser.add_argument("--only", help=argparse.SUPPRESS)
    parser.add_argument("--make", help=argparse.SUPPRESS)
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.make:
        names = [path.name for path in files_of(arguments.make, arguments.folder)]
        (arguments.folder / "files.json").write_text(json.dumps(names))
        return
    if arguments.only:
        alone = arguments.only == "package"
        row = package(arguments.seconds) if alone else stream(arguments.only, arguments.seconds, arguments.device)
        print(json.dumps(row))
        return
    rows = []
    for name in ("audiobox", "package", "essentia"):
        command = [sys.executable, __file__, "--only", name, "--device", arguments.device]
        command += ["--seconds", str(arguments.seconds)]
        done = subprocess.run(command, capture_output=True, text=True)
        if done.returncode:
            print(f"{name}: {done.stderr.strip().splitlines()[-1]}")
            continue
        rows.append(json.loads(done.stdout.splitlines()[-1]))
        last = rows[-1]
        print(f"{last['model']:20} {last['x']:6.1f} x   peak {last['peak_mib']:5.0f} MiB   {last}")
    if arguments.json:
        arguments.json.write_text(json.dumps(rows, indent=2))


if __name__ == "__main__":
    main()
