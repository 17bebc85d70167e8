"""How percussive a sound is: the share of its percussive part after median filtering (Fitzgerald 2010)."""

import math

import numpy as np
import numpy.typing as npt
import scipy.fft

from mirkit.features.stft import HOP, N_FFT, hann
from mirkit.features.timbre.median import REACH, sliding_median
from mirkit.features.types import FloatArray

_OVERLAP = N_FFT // HOP
_BLOCK = 128
#: Sum of the squared windows over a sample that four frames cover.
_FULL = 1.5


class PercussiveShare:
    """Separate a sound into harmonic and percussive, frame block by frame block, and compare their levels.

    A bin belongs to the percussive part by the square of its median over 31 bins against the square of its median over
    31 frames (as in ``librosa.decompose.hpss``; medians of powers are powers of medians). The harmonic part is what the
    percussive part leaves of the signal, as the two masks add up to one: only one part goes back to the time domain.

    Parameters
    ----------
    x : float32 array, shape=(n,)
        The sound.
    """

    def __init__(self, x: FloatArray) -> None:
        self._x = x
        self._frames = 1 + len(x) // HOP
        self._spectra = np.empty((0, 1 + N_FFT // 2), np.complex64)
        self._power = np.empty((0, 1 + N_FFT // 2), np.float32)
        self._first = 0  # frame of self._power[0]; self._spectra begins at self._done
        self._done = 0
        self._window = hann(N_FFT)
        self._tail = np.zeros((_OVERLAP - 1, HOP), np.float32)
        self._energies: list[FloatArray] = []

    def push(self, spectra: npt.NDArray[np.complex64], power: FloatArray) -> None:
        """Take the next frames (Hann, 2048/512, centred): complex and squared spectra, shape=(frames, 1025)."""
        self._spectra = np.concatenate((self._spectra, spectra))
        self._power = np.concatenate((self._power, power))
        seen = self._first + len(self._power)
        while self._done < self._frames and (seen == self._frames or seen >= self._done + _BLOCK + REACH):
            self._separate(min(_BLOCK, self._frames - self._done))

    def share(self) -> float:
        """Level of the percussive part over that of both, summed over windows of 1024 samples; NaN if too short.

        Not weighted by time alone: as in upstream loud windows count by their level.
        """
        if not self._energies:
            return math.nan
        energy = np.concatenate(self._energies, axis=1)
        if energy.shape[1] > 1:
            energy = energy[:, 1:] + energy[:, :-1]
        percussive, harmonic = np.sqrt(energy).sum(axis=1)
        return float(percussive / (percussive + harmonic))

    def _separate(self, count: int) -> None:
        """Separate the next ``count`` frames."""
        around = np.arange(self._done - REACH, self._done + count + REACH)
        around %= 2 * self._frames  # mirrored at both ends, the outer frames twice
        around = np.where(around < self._frames, around, 2 * self._frames - 1 - around) - self._first
        harmonic = sliding_median(self._power[around])
        power = self._power[self._done - self._first :][:count]
        over_bins = np.ascontiguousarray(np.pad(power, ((0, 0), (REACH, REACH)), mode="symmetric").T)
        percussive = np.ascontiguousarray(sliding_median(over_bins).T)
        harmonic += percussive
        # Where both are zero, half goes to either.
        mask = np.divide(percussive, harmonic, out=np.full_like(harmonic, 0.5), where=harmonic > 0)
        self._overlap_add(self._spectra[:count] * mask)
        self._spectra = self._spectra[count:]
        self._done += count
        drop = max(0, self._done - REACH) - self._first
        self._power, self._first = self._power[drop:], self._first + drop

    def _overlap_add(self, spectra: npt.NDArray[np.complex64]) -> None:
        """Overlap and add the next frames; keep the energies of both parts in each hop that this completes.

        Frame t fills the hops t to t + 3, and hop q begins at sample (q - 2) * HOP of the sound. The hops that frames
        fill only in part, at both ends, are made up for by the windows that are there.
        """
        count = len(spectra)
        pieces = scipy.fft.irfft(spectra, N_FFT, axis=1)
        pieces *= self._window
        pieces = pieces.reshape(count, _OVERLAP, HOP)
        sound = np.zeros((count + _OVERLAP - 1, HOP), np.float32)
        sound[: _OVERLAP - 1] = self._tail
        for k in range(_OVERLAP):
            sound[k : k + count] += pieces[:, k]
        self._tail = sound[count:]

        begin, end = max(self._done, 2), self._done + count
        end += end == self._frames  # the last frame completes its second hop too
        if end <= begin:
            return
        percussive = sound[begin - self._done : end - self._done]
        squares = np.square(self._window).reshape(_OVERLAP, HOP)
        percussive /= _FULL
        for q in {2, self._frames}.intersection(range(begin, end)):
            there = [k for k in range(_OVERLAP) if 0 <= q - k < self._frames]
            percussive[q - begin] *= _FULL / squares[there].sum(axis=0)
        harmonic = self._x[(begin - 2) * HOP : (end - 2) * HOP].reshape(-1, HOP) - percussive
        self._energies.append(np.array([np.einsum("ij,ij->i", part, part) for part in (percussive, harmonic)], float))
