"""The numeric kernels beside their SciPy twins: time, error and memory, as docs/development/kernels.md states them.

usage: PYTHONPATH=tests python benchmarks/kernels.py [--seconds 60]
"""

import argparse
import time
import tracemalloc
from collections.abc import Callable
from typing import Any

import numpy as np

import signals
from features.kernels import scipy_twins
from mirkit.features.kernels.batched_fft import Spectra, energies, spectra
from mirkit.features.kernels.hpss import PercussiveShare
from mirkit.features.kernels.sliding_median import _network, sliding_median
from mirkit.features.stft import HOP, N_FFT, hann

ROUNDS = 5


def seconds_of(work: Callable[[], Any]) -> float:
    """CPU seconds of the fastest of some rounds; the first call, which compiles, does not count."""
    work()
    best = np.inf
    for _ in range(ROUNDS):
        before = time.process_time()
        work()
        best = min(best, time.process_time() - before)
    return best


def peak_of(work: Callable[[], Any]) -> float:
    """MiB that NumPy holds at once while it works."""
    tracemalloc.start()
    work()
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return peak / 2**20


def row(name: str, kernel: Callable[[], Any], twin: Callable[[], Any], error: float) -> None:
    ours, theirs = seconds_of(kernel), seconds_of(twin)
    cells = (f"{ours * 1e3:.1f}", f"{theirs * 1e3:.1f}", f"{theirs / ours:.1f}", f"{error:.1e}")
    print(f"| {name} | {' | '.join(cells)} | {peak_of(kernel):.1f} | {peak_of(twin):.1f} |")


def transforms(x: np.ndarray, nfft: int, hop: int) -> Callable[[], None]:
    window, count = hann(nfft), 1 + len(x) // hop

    def work() -> None:
        for _ in Spectra(window, hop, nfft).blocks(x, -nfft // 2, count):
            pass

    return work


def percussive_share(x: np.ndarray) -> float:
    percussive, transform = PercussiveShare(len(x)), Spectra(hann(N_FFT), HOP, N_FFT)
    for power in transform.blocks(x, -N_FFT // 2, 1 + len(x) // HOP):
        percussive.push(transform.rows, transform.buffer, power)
    return percussive.share()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=60.0, help="length of the sound")
    x = signals.band(parser.parse_args().seconds)
    wide = x.astype(np.float64)
    print("| kernel | ms | SciPy, ms | factor | largest error | MiB | SciPy, MiB |")
    print("|---|---|---|---|---|---|---|")
    for nfft, hop in ((2048, 512), (4096, 1024)):
        window, count = hann(nfft), 1 + len(x) // hop

        def twin(nfft: int = nfft, hop: int = hop, window: np.ndarray = window, count: int = count) -> np.ndarray:
            return scipy_twins.power_spectra(x, window, hop, nfft, -nfft // 2, count)

        exact = scipy_twins.power_spectra(wide, window.astype(np.float64), hop, nfft, -nfft // 2, count)
        blocks = Spectra(window, hop, nfft).blocks(x, -nfft // 2, count)
        ours = np.concatenate([power.copy() for power in blocks], axis=1)[:, :count]
        error = float(np.abs(ours - exact).max() / exact.max())
        row(f"batched_fft, {nfft} points", transforms(x, nfft, hop), twin, error)
    rows = np.random.default_rng(0).random((1030, 1025), np.float32)
    row(
        "sliding_median, 1000 x 1025",
        lambda: sliding_median(rows, 31),
        lambda: scipy_twins.sliding_median(rows, 31),
        0.0,
    )
    exact = scipy_twins.hamming_spectra(wide, 4096, 1024)
    ours = np.concatenate([power.copy() for power in spectra(x, 4096, 1024)], axis=1)
    row(
        "hamming_spectra, 4096 points",
        lambda: [None for _ in spectra(x, 4096, 1024)],
        lambda: scipy_twins.hamming_spectra(x, 4096, 1024),
        float(np.abs(ours - exact).max() / exact.max()),
    )
    exact = scipy_twins.energies(wide, 4096, 1024)
    error = float(np.abs(energies(x, 4096, 1024) / exact - 1).max())
    row("energies", lambda: energies(x, 4096, 1024), lambda: scipy_twins.energies(x, 4096, 1024), error)
    share = scipy_twins.percussive_share(wide)
    error = abs(percussive_share(x) / share - 1)
    row("hpss, with its spectra", lambda: percussive_share(x), lambda: scipy_twins.percussive_share(x), error)
    steps, medians, slots = _network(31)
    both = int((steps[:, 0] == 0).sum())
    print(
        f"\nThe network of the sliding median makes {len(medians)} medians by {len(steps)} exchanges, of which {both}"
    )
    print(f"keep both results, in {slots} slots.")


if __name__ == "__main__":
    main()
