"""Beat This! at full size with random weights: speed of our path beside the package's, and memory.

Run: ``OMP_NUM_THREADS=1 python benchmarks/beat_tracker.py [seconds] [device]``. Needs PyTorch; the package is compared
with where it is installed (``pip install --no-deps beat-this einops rotary-embedding-torch``).
"""

import importlib.util
import resource
import sys
import time
import types
from collections.abc import Callable
from typing import Any

import numpy as np
import soxr
import torch

from mirkit.features.types import ANALYSIS_RATE
from mirkit.models.backend import Weights
from mirkit.models.beat_this.network import BeatThis
from mirkit.models.beat_this.tracker import RATE, LogMel, Tracker

BLOCK = 1 << 16


def megabytes() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def clocked(work: Callable[[], Any]) -> tuple[Any, float, float]:
    wall, cpu = time.perf_counter(), time.process_time()
    result = work()
    return result, time.perf_counter() - wall, time.process_time() - cpu


def main() -> None:
    seconds = float(sys.argv[1]) if len(sys.argv) > 1 else 60.0
    device = sys.argv[2] if len(sys.argv) > 2 else "cpu"
    rng = np.random.default_rng(0)
    sound = (0.1 * rng.standard_normal(round(seconds * ANALYSIS_RATE))).astype(np.float32)
    torch.manual_seed(0)
    network = BeatThis().eval()
    print(f"{seconds:.0f} s of sound, {device}, {torch.get_num_threads()} threads, PyTorch {torch.__version__}")
    print(f"before: {megabytes():.0f} MB resident at most")

    resampled = soxr.resample(sound, ANALYSIS_RATE, RATE)

    def front_end() -> None:
        mel = LogMel()
        for start in range(0, len(resampled), BLOCK):
            list(mel.push(resampled[start : start + BLOCK]))

    def ours() -> Any:
        stream = Tracker(network.to(device), Weights("random", (), ""), device).stream()
        for start in range(0, len(sound), BLOCK):
            stream.push(sound[None, start : start + BLOCK])
        return stream.finish()

    front_end()
    _, _, cpu = clocked(front_end)
    print(f"log-mel, ours        {cpu:7.2f} s CPU  {seconds / cpu:7.0f} x real time")
    if device != "cpu":
        ours()
    activations, wall, cpu = clocked(ours)
    spent = cpu if device == "cpu" else wall
    print(f"whole path, ours     {cpu:7.2f} s CPU  {wall:7.2f} s  {seconds / spent:7.1f} x real time")
    print(f"after: {megabytes():.0f} MB resident at most")
    if device != "cpu":
        print(f"on the card: {torch.cuda.max_memory_allocated() / 1e6:.0f} MB at most")
    if importlib.util.find_spec("beat_this") is None:
        return
    sys.modules.setdefault("torchaudio", types.ModuleType("torchaudio"))  # imported by the package, not needed here
    from beat_this.inference import split_predict_aggregate
    from beat_this.model.beat_tracker import BeatThis as Published

    published = Published().eval().to(device)
    published.load_state_dict(network.state_dict())
    mel = LogMel()
    spectra = torch.from_numpy(np.concatenate([*mel.push(resampled), *mel.finish()])).to(device)

    def package() -> Any:
        with torch.inference_mode():
            return split_predict_aggregate(spectra, 1500, 6, "keep_first", published)["beat"].cpu().numpy()

    theirs, wall, cpu = clocked(package)
    spent = cpu if device == "cpu" else wall
    print(f"network, the package {cpu:7.2f} s CPU  {wall:7.2f} s  {seconds / spent:7.1f} x real time")
    print(f"largest difference of a logit: {np.abs(theirs - activations.beat).max():.1e}")


if __name__ == "__main__":
    main()
