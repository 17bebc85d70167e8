"""The waveform of a track: the highest and the lowest sample of each of some thousand stretches."""

from pathlib import Path

import numpy as np
import numpy.typing as npt

from mirkit.audio import open_audio

#: Stretches of a track.
COLUMNS = 4800
_BLOCK = 1 << 16


def waveform(path: Path, samples: int) -> npt.NDArray[np.int8]:
    """Decode a file and give its extremes, of all channels together.

    Parameters
    ----------
    path : Path
    samples : int
        How long it is, at 44.1 kHz, as far as is known; the sound itself decides.

    Returns
    -------
    array, shape=(columns, 2)
        Lowest and highest sample of each stretch, 127 for full scale.

    Raises
    ------
    AudioError
        It cannot be read.
    """
    size = max(1, -(-samples // COLUMNS))
    found: list[npt.NDArray[np.float32]] = []
    rest = np.zeros((2, 0), np.float32)
    for block in open_audio(path, hold_seconds=0).blocks(_BLOCK):
        rest = np.concatenate((rest, np.stack((block.min(axis=0), block.max(axis=0)))), axis=1)
        whole = rest.shape[1] // size * size
        found.append(_extremes(rest[:, :whole], size))
        rest = rest[:, whole:]
    if rest.shape[1]:
        found.append(_extremes(rest, rest.shape[1]))
    columns = np.concatenate(found) if found else np.zeros((0, 2), np.float32)
    return np.clip(np.rint(127 * columns), -127, 127).astype(np.int8)


def _extremes(bounds: npt.NDArray[np.float32], size: int) -> npt.NDArray[np.float32]:
    stretches = bounds.reshape(2, -1, size)
    return np.stack((stretches[0].min(axis=1), stretches[1].max(axis=1)), axis=1)
