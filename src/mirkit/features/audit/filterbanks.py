"""Transforms of lossy codecs, for finding their traces in decoded audio: MDCT, and the hybrid filter bank of MP3.

Each transform turns the audio that begins at some sample into the coefficients that the encoder has quantized, if a
frame of the codec begins there; anywhere else the coefficients are those of ordinary audio.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache

import numpy as np
import numpy.typing as npt
from numpy.lib.stride_tricks import sliding_window_view
from scipy.fft import dct

Matrix = npt.NDArray[np.float32]

#: First half of the window of MP3's polyphase filter bank, times 65536 (ISO/IEC 11172-3, table 3-C.1, whose signs are
#: those of the modulated filters).
_POLYPHASE = (
    "0 -1 -1 -1 -1 -1 -1 -2 -2 -2 -2 -3 -3 -4 -4 -5 -5 -6 -7 -7 -8 -9 -10 -11 -13 -14 -16 -17 -19 -21 -24 -26 "
    "-29 -31 -35 -38 -41 -45 -49 -53 -58 -63 -68 -73 -79 -85 -91 -97 -104 -111 -117 -125 -132 -139 -147 -154 -161 "
    "-169 -176 -183 -190 -196 -202 -208 "
    "213 218 222 225 227 228 228 227 224 221 215 208 200 189 177 163 146 127 106 83 57 29 -2 -36 -72 -111 -153 -197 "
    "-244 -294 -347 -401 -459 -519 -581 -645 -711 -779 -848 -919 -991 -1064 -1137 -1210 -1283 -1356 -1428 -1498 "
    "-1567 -1634 -1698 -1759 -1817 -1870 -1919 -1962 -2001 -2032 -2057 -2075 -2085 -2087 -2080 -2063 "
    "2037 2000 1952 1893 1822 1739 1644 1535 1414 1280 1131 970 794 605 402 185 -45 -288 -545 -814 -1095 -1388 -1692 "
    "-2006 -2330 -2663 -3004 -3351 -3705 -4063 -4425 -4788 -5153 -5517 -5879 -6237 -6589 -6935 -7271 -7597 -7910 "
    "-8209 -8491 -8755 -8998 -9219 -9416 -9585 -9727 -9838 -9916 -9959 -9966 -9935 -9863 -9750 -9592 -9389 -9139 "
    "-8840 -8492 -8092 -7640 -7134 "
    "6574 5959 5288 4561 3776 2935 2037 1082 70 -998 -2122 -3300 -4533 -5818 -7154 -8540 -9975 -11455 -12980 -14548 "
    "-16155 -17799 -19478 -21189 -22929 -24694 -26482 -28289 -30112 -31947 -33791 -35640 -37489 -39336 -41176 -43006 "
    "-44821 -46617 -48390 -50137 -51853 -53534 -55178 -56778 -58333 -59838 -61289 -62684 -64019 -65290 -66494 -67629 "
    "-68692 -69679 -70590 -71420 -72169 -72835 -73415 -73908 -74313 -74630 -74856 -74992 75038"
)
_SUBBANDS, _TAPS = 32, 512
#: Coefficients of the alias reduction of MP3 (ISO/IEC 11172-3, table 3-B.9).
_ALIAS = np.array((-0.6, -0.535, -0.33, -0.185, -0.095, -0.041, -0.0142, -0.0037))


#: Frames that are computed at once: few enough for the processor's cache.
_CHUNK = 128


@dataclass(frozen=True, eq=False)
class Transform:
    """A transform that a codec quantizes.

    Attributes
    ----------
    name : str
    hop : int
        Samples from one frame to the next, which is also the number of coefficients.
    length : int
        Samples on which one frame depends.
    """

    name: str
    hop: int
    length: int

    def frames(self, samples: Matrix, starts: npt.NDArray[np.integer]) -> Iterator[Matrix]:
        """Yield the coefficients of the frames that begin at some samples.

        Parameters
        ----------
        samples : float32 array, shape=(n,)
        starts : int array, shape=(frames,)
            First sample of each frame, of which ``length`` samples must be there.

        Yields
        ------
        float32 array, shape=(some frames, hop)
            Of a transform that keeps the energy, nearly so for MP3.
        """
        raise NotImplementedError


@dataclass(frozen=True, eq=False)
class Mdct(Transform):
    """Modified discrete cosine transform.

    Attributes
    ----------
    name, hop, length
        See ``Transform``.
    window : float32 array, shape=(length,)
    emphasis : float
        Coefficient of the pre-emphasis before the transform.
    """

    window: Matrix
    emphasis: float = 0.0

    def frames(self, samples: Matrix, starts: npt.NDArray[np.integer]) -> Iterator[Matrix]:
        """Yield the coefficients of the frames that begin at some samples.

        Parameters
        ----------
        samples, starts
            See ``Transform.frames``.

        Yields
        ------
        float32 array, shape=(some frames, hop)
        """
        if self.emphasis:
            samples = np.concatenate((samples[:1], samples[1:] - np.float32(self.emphasis) * samples[:-1]))
        half, window = self.hop // 2, self.window
        a, b, c, d = (slice(i * half, (i + 1) * half) for i in range(4))
        views = sliding_window_view(samples, self.length)
        for at in range(0, len(starts), _CHUNK):
            parts = views[starts[at : at + _CHUNK]]
            folded = np.empty((len(parts), self.hop), np.float32)
            np.multiply(parts[:, c][:, ::-1], -window[c][::-1], out=folded[:, :half])
            folded[:, :half] -= parts[:, d] * window[d]
            np.multiply(parts[:, a], window[a], out=folded[:, half:])
            folded[:, half:] -= parts[:, b][:, ::-1] * window[b][::-1]
            yield dct(folded, type=4, norm="ortho", axis=1)


@dataclass(frozen=True, eq=False)
class Mp3Hybrid(Transform):
    """The filter bank of MP3 with long blocks: 32 subbands, an MDCT of 18 coefficients in each, alias reduction.

    Attributes
    ----------
    name, hop, length
        See ``Transform``.
    """

    def frames(self, samples: Matrix, starts: npt.NDArray[np.integer]) -> Iterator[Matrix]:
        """Yield the coefficients of the frames that begin at some samples.

        Parameters
        ----------
        samples, starts
            See ``Transform.frames``.

        Yields
        ------
        float32 array, shape=(some frames, hop)
        """
        prototype, modulation = _polyphase()
        cs, ca = (x.astype(np.float32) for x in (1 / np.sqrt(1 + _ALIAS**2), _ALIAS / np.sqrt(1 + _ALIAS**2)))
        times = starts[:, None] + 32 * np.arange(36)
        needed, places = np.unique(times, return_inverse=True)  # frames share subband samples
        places = places.reshape(times.shape)
        views = sliding_window_view(samples, _TAPS)
        subbands = np.empty((len(needed), _SUBBANDS), np.float32)
        for at in range(0, len(needed), _CHUNK):
            taps = (views[needed[at : at + _CHUNK]] * prototype).reshape(-1, 4, 128)
            subbands[at : at + _CHUNK] = taps.sum(axis=1) @ modulation
        for at in range(0, len(starts), _CHUNK):
            blocks = subbands[places[at : at + _CHUNK]]
            blocks[:, 1::2, 1::2] *= -1
            lines = np.ascontiguousarray(blocks.transpose(0, 2, 1)) @ _mdct_18()
            upper, lower = lines[:, :-1, :9:-1].copy(), lines[:, 1:, :8].copy()
            lines[:, :-1, :9:-1] = upper * cs + lower * ca
            lines[:, 1:, :8] = lower * cs - upper * ca
            yield lines.reshape(len(blocks), -1)


@cache
def _polyphase() -> tuple[Matrix, Matrix]:
    """Prototype of the 32 filters, for samples in the order of time, and its modulation, shape=(128, 32)."""
    half = np.array(_POLYPHASE.split(), np.float64) / (65536 * np.sqrt(32))
    window = np.concatenate((half, -half[255:0:-1]))
    window[320::64] *= -1
    n = np.arange(_TAPS)
    prototype = np.where(n // 64 % 2, -window, window)[::-1]
    phases = np.cos(np.outer(_TAPS - 1 - n[:128] - 16, 2 * np.arange(_SUBBANDS) + 1) * np.pi / 64)
    # The cosines repeat after 128 samples.
    return prototype.astype(np.float32), phases.astype(np.float32)


@cache
def _mdct_18() -> Matrix:
    """MDCT of 36 samples with a sine window, shape=(36, 18)."""
    n, k = np.arange(36)[:, None], np.arange(18)
    cosines = np.cos(np.pi / 72 * (2 * n + 1 + 18) * (2 * k + 1))
    found: Matrix = (np.sin(np.pi / 36 * (n + 0.5)) * cosines / 3).astype(np.float32)
    return found


def sine_window(length: int) -> Matrix:
    """Return a sine window.

    Parameters
    ----------
    length : int
        Even.

    Returns
    -------
    float32 array, shape=(length,)
    """
    window: Matrix = np.sin(np.pi / length * (np.arange(length) + 0.5)).astype(np.float32)
    return window


def kaiser_bessel_window(length: int, alpha: float = 4.0) -> Matrix:
    """Return the window of AAC that is derived from a Kaiser window.

    Parameters
    ----------
    length : int
        Even.
    alpha : float
        Its parameter; 4 for the long blocks of AAC.

    Returns
    -------
    float32 array, shape=(length,)
    """
    rising = np.cumsum(np.kaiser(length // 2 + 1, np.pi * alpha))
    half = np.sqrt(rising[:-1] / rising[-1])
    return np.concatenate((half, half[::-1])).astype(np.float32)


def vorbis_window(length: int, overlap: int | None = None) -> Matrix:
    """Return the window of Vorbis, which Opus uses too.

    Parameters
    ----------
    length : int
        Even.
    overlap : int, optional
        Samples in which it rises, and falls; half of the length by default.

    Returns
    -------
    float32 array, shape=(length,)
    """
    overlap = overlap or length // 2
    rising = np.sin(np.pi / 2 * np.sin(np.pi / (2 * overlap) * (np.arange(overlap) + 0.5)) ** 2)
    silent = np.zeros((length // 2 - overlap) // 2)
    half = np.concatenate((silent, rising, np.ones(len(silent))))
    return np.concatenate((half, half[::-1])).astype(np.float32)
