"""The share of the percussive part of a sound, by median filtering (Fitzgerald 2010).

Derivation: docs/development/kernels.md.
"""

import math

import numpy as np

from mirkit.features.kernels.batched_fft import BUFFER, LANES, POINTS, ROW_OF, SEPARATION, Float32, transform, transpose
from mirkit.features.kernels.kernel import kernel
from mirkit.features.kernels.sliding_median import sliding_median
from mirkit.features.stft import HOP, N_FFT, hann

_OVERLAP = N_FFT // HOP
_BINS = 1 + POINTS
#: Frames and bins of a median, and how far they reach to each side.
_SIZE = 31
_REACH = _SIZE // 2
#: Frames separated at a time.
_CHUNK = 2 * LANES
#: Sum of the squared windows at a sample that four frames cover.
_FULL = 1.5
#: Hops of 32 frames.
_WIDTH = LANES + _OVERLAP - 1
_ROWS = ROW_OF.astype(np.uint64)
_LANES = np.uint64(LANES)
_IMAGINARY = np.uint64(POINTS * LANES)
_LAST = np.uint64(POINTS * LANES - 1)


class PercussiveShare:
    """Separate a signal into a harmonic and a percussive part, block by block, and compare their levels.

    A bin belongs to the percussive part by the square of its median over 31 bins against the square of its median over
    31 frames (as in ``librosa.decompose.hpss``; medians of powers are powers of medians). The harmonic part is the
    signal less the percussive part, as the two masks add up to one, so only one part needs an inverse transform.

    Parameters
    ----------
    samples : int
        Length of the signal.
    """

    def __init__(self, samples: int) -> None:
        self._frames = 1 + samples // HOP
        self._done = 0
        self._blocks: list[tuple[Float32, Float32, Float32]] = []  # from frame _done on
        # Power spectra of the frames _first to _first + _held - 1.
        self._power = np.empty((_CHUNK + 2 * _REACH + LANES, _BINS), np.float32)
        self._first = self._held = 0
        # Scale factors: 4 from the separation of bins, the number of points of the transform, 1.5 from the squared
        # windows.
        self._window = (hann(N_FFT) / (4 * POINTS * _FULL)).astype(np.float32)
        # Contribution of the last frames to the three hops after their own.
        self._tail = np.zeros((HOP, _OVERLAP - 1), np.float32)
        self._masked = np.empty(BUFFER, np.float32)
        self._energies: list[Float32] = []

    def push(self, rows: Float32, buffer: Float32, power: Float32) -> None:
        """Take the next 32 frames (Hann, 2048/512, centered), as computed by ``Spectra``.

        Parameters
        ----------
        rows, buffer : float32 arrays
            ``Spectra.rows`` and ``Spectra.buffer`` of these frames.
        power : float32 array, shape=(1025, 32)
            Their power spectra.
        """
        self._blocks.append((rows.copy(), buffer.copy(), power.copy()))
        transpose(power.ravel(), LANES, self._power[self._held : self._held + LANES].reshape(-1))
        self._held += LANES
        seen = self._first + self._held
        while self._done < self._frames and seen >= min(self._frames, self._done + _CHUNK + _REACH):
            self._separate(min(_CHUNK, self._frames - self._done))

    def share(self) -> float:
        """Level of the percussive part over that of both, summed over windows of 1024 samples; NaN of no sound."""
        # The last three hops of a block are complete only after the following frames.
        blocks = [block[:, :LANES] for block in self._energies] + [self._energies[-1][:, LANES:]]
        energy = np.concatenate(blocks, axis=1)[:, 2 : self._frames + 1]
        if not energy.size:
            return math.nan
        if energy.shape[1] > 1:
            energy = energy[:, 1:] + energy[:, :-1]
        percussive, harmonic = (float(level) for level in np.sqrt(energy).sum(axis=1))
        both = percussive + harmonic
        return percussive / both if both else math.nan

    def _separate(self, count: int) -> None:
        """Separate the next ``count`` frames."""
        around = np.arange(self._done - _REACH, self._done + count + _REACH)
        if around[0] >= 0 and around[-1] < self._frames:
            beside = self._power[around[0] - self._first :][: len(around)]
        else:
            around %= 2 * self._frames  # mirrored at both ends, with the outer frames repeated
            beside = self._power[np.where(around < self._frames, around, 2 * self._frames - 1 - around) - self._first]
        harmonic = np.empty((_BINS, count), np.float32)
        transpose(sliding_median(beside, _SIZE).ravel(), _BINS, harmonic.ravel())
        blocks, self._blocks = self._blocks[: -(-count // LANES)], self._blocks[-(-count // LANES) :]
        power = np.empty((_BINS + 2 * _REACH, len(blocks) * LANES), np.float32)
        for i, block in enumerate(blocks):
            power[_REACH:-_REACH, i * LANES : (i + 1) * LANES] = block[2]
        power[:_REACH] = power[2 * _REACH - 1 : _REACH - 1 : -1]
        power[-_REACH:] = power[-_REACH - 1 : -2 * _REACH - 1 : -1]
        share = sliding_median(power, _SIZE)
        # If both medians are zero, the spectrum is too, except for single bins. Frames beyond the end are not included.
        harmonic += share[:, :count]
        np.maximum(harmonic, np.float32(1e-37), out=harmonic)
        share[:, :count] /= harmonic
        share[:, count:] = 0
        for i, (rows, buffer, _) in enumerate(blocks):
            self._overlap_add(share, i * LANES, rows, buffer)
        self._done += count
        drop = max(0, self._done - _REACH) - self._first
        self._held -= drop
        self._first += drop
        self._power[: self._held] = self._power[drop : drop + self._held]

    def _overlap_add(self, share: Float32, column: int, samples: Float32, buffer: Float32) -> None:
        """Synthesize the percussive part of the next 32 frames, and store the energies of both parts.

        Frame t fills the hops t to t + 3, and hop q begins at sample (q - 2) * HOP of the sound.
        """
        _mask(buffer, *SEPARATION, share.ravel(), share.shape[1], column, self._masked)
        transform(self._masked)
        sound = np.zeros((HOP, _WIDTH), np.float32)
        sound[:, : _OVERLAP - 1] = self._tail
        _add_frames(self._masked, _ROWS, self._window, sound.ravel())
        self._tail = sound[:, LANES:].copy()
        # The first and the last hop lack a frame, so they are divided by the sum of the windows that they have.
        first = LANES * len(self._energies)
        for hop in {2, self._frames}.intersection(range(first, first + _WIDTH)):
            there = [k for k in range(_OVERLAP) if 0 <= hop - k < self._frames]
            squares = np.square(hann(N_FFT)).reshape(_OVERLAP, HOP)[there]
            sound[:, hop - first] *= _FULL / squares.sum(axis=0)
        energies = np.zeros((2, _WIDTH), np.float32)
        _energies(sound.ravel(), samples, energies[0], energies[1])
        self._energies.append(energies)


# Indices are unsigned: see batched_fft.


@kernel(fastmath={"contract"})
def _mask(buffer, wires, turns, share, width, column, out):  # type: ignore[no-untyped-def]
    # Bins k and n - k are computed as for a power spectrum, multiplied by the percussive share, and separated again
    # into four times the spectra of even and odd samples. Real and imaginary parts are swapped, so that the forward
    # transform computes the inverse one.
    for k in range(len(wires)):
        a, b, low, high = wires[k, 0] * _LANES, wires[k, 1] * _LANES, wires[k, 2] * _LANES, wires[k, 3] * _LANES
        mirror = high & _LAST
        p, q = wires[k, 2] * np.uint64(width) + np.uint64(column), wires[k, 3] * np.uint64(width) + np.uint64(column)
        c, s = turns[2 * k], turns[2 * k + 1]
        for j in range(_LANES):
            ar, ai, br, bi = buffer[a + j], buffer[a + j + _IMAGINARY], buffer[b + j], buffer[b + j + _IMAGINARY]
            sr, si = ar + br, ai - bi
            dr, di = ar - br, ai + bi
            tr, ti = di * c + dr * s, di * s - dr * c
            m, w = share[p + j], share[q + j]
            yr, yi, zr, zi = m * (sr + tr), m * (si + ti), w * (sr - tr), w * (si - ti)
            sr, si, dr, di = yr + zr, yi + zi, yr - zr, yi - zi
            tr, ti = dr * s - di * c, di * s + dr * c
            out[low + j] = si + ti
            out[low + j + _IMAGINARY] = sr + tr
            out[mirror + j] = ti - si
            out[mirror + j + _IMAGINARY] = sr - tr


@kernel(fastmath={"contract"})
def _add_frames(buffer, row_of, window, sound):  # type: ignore[no-untyped-def]
    # Imaginary parts hold the even samples, real parts the odd ones.
    one, hop, width = np.uint64(1), np.uint64(HOP), np.uint64(_WIDTH)
    for i in range(np.uint64(len(window))):
        o = row_of[i >> one] * _LANES + (one - (i & one)) * _IMAGINARY
        at = (i % hop) * width + i // hop
        w = window[i]
        for j in range(_LANES):
            sound[at + j] += buffer[o + j] * w


@kernel(fastmath={"contract"})
def _energies(percussive, samples, percussive_energy, harmonic_energy):  # type: ignore[no-untyped-def]
    width = np.uint64(len(percussive_energy))
    for i in range(np.uint64(len(percussive)) // width):
        o = i * width
        for j in range(width):
            p = percussive[o + j]
            h = samples[o + j] - p
            percussive_energy[j] += p * p
            harmonic_energy[j] += h * h
