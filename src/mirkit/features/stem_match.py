"""Whether stems that a user brought belong to their mix: the offset between both, and how near their sum is.

The sum of the stems is compared with the mix by the cross-correlation of their whitened spectra (PHAT; Knapp and
Carter, 1976). Its peak is sharp for the same recording, also where mastering has changed the mix; another one has
no peak.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Samples = npt.NDArray[np.floating]

#: Largest offset that is looked for (s).
MAX_OFFSET = 2.0
#: Peak of the correlation, in standard deviations of its values, from which two signals are the same recording: it is
#: 147 or more for true stems, or the voice alone, and 32 or less for those of another song
#: (docs/concepts/data_sets.md).
SAME = 50.0
#: Standard deviation below which an excerpt is silent.
_SILENT = 1e-5
#: A sum that is as near to the mix belongs to it in any case, also a pure tone, whose correlation has no sharp peak.
_NEAR_DB = -10.0


@dataclass(frozen=True)
class StemMatch:
    """How stems fit their mix, on one excerpt.

    Attributes
    ----------
    offset : int
        Samples by which the stems are later than the mix.
    peak : float
        Height of the peak of the correlation, in its standard deviations; negative where the polarity is inverted.
    residual_db : float
        Energy of the mix minus the sum of the stems, moved by the offset, relative to that of the mix (dB).
    """

    offset: int
    peak: float
    residual_db: float

    @property
    def is_same(self) -> bool:
        """Whether the stems are of the same recording as the mix."""
        return bool(abs(self.peak) >= SAME or self.residual_db <= _NEAR_DB)


def match_stems(mix: Samples, stems: Samples, rate: int) -> StemMatch | None:
    """Compare an excerpt of a mix with the sum of its stems.

    Parameters
    ----------
    mix, stems : array, shape=(n,)
        The same excerpt of both, as mono.
    rate : int
        Sample rate (Hz).

    Returns
    -------
    StemMatch or None
        None where one of them is silent.

    Examples
    --------
    >>> noise = np.random.default_rng(0).standard_normal(44100)
    >>> match_stems(noise, np.roll(noise, 441), 44100).offset
    441
    """
    n = min(len(mix), len(stems))
    mix, stems = (x[:n].astype(np.float64) for x in (mix, stems))
    mix, stems = mix - mix.mean(), stems - stems.mean()
    if min(mix.std(), stems.std()) < _SILENT:
        return None
    size = 1 << (2 * n - 1).bit_length()
    cross = np.fft.rfft(stems, size) * np.conj(np.fft.rfft(mix, size))
    strength = np.abs(cross)
    # Bins far below the rest hold rounding alone; whitened, they would drown the others.
    cross = np.where(strength > 1e-8 * strength.max(), cross / np.maximum(strength, 1e-300), 0)
    correlation = np.fft.irfft(cross, size)
    reach = min(round(MAX_OFFSET * rate), n - 1)
    near = np.concatenate((correlation[-reach:], correlation[: reach + 1]))
    at = int(np.argmax(np.abs(near)))
    offset = at - reach
    peak = float(near[at] / near.std())
    moved = np.zeros(n)
    if offset >= 0:
        moved[: n - offset] = stems[offset:]
    else:
        moved[-offset:] = stems[:offset]
    inner = slice(max(0, -offset), n - max(0, offset))
    energy = float(np.square(mix[inner]).sum())
    residual = float(np.square(mix[inner] - moved[inner]).sum())
    return StemMatch(offset, peak, float(10 * np.log10(max(residual, 1e-12 * energy) / energy)) if energy else 0.0)
