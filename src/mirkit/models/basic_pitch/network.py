"""The network of Basic Pitch (Spotify, Apache-2.0), computed with numba.

Two seconds of sound at 22.05 kHz become a constant-Q spectrogram (36 bands an octave), whose copies shifted by the
intervals of partials are the input of six convolutions. They give, for each frame and semitone, the probability that a
note sounds and that one begins. *Source*: R. M. Bittner, J. J. Bosch, D. Rubinstein, G. Meseguer-Brocal and S. Ewert,
"A lightweight instrument-agnostic model for polyphonic note transcription and multipitch estimation", ICASSP 2022. The
weights are those of the package basic-pitch 0.4.0; the result equals ONNX Runtime's to rounding.
"""

from pathlib import Path

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from mirkit.features.types import FloatArray
from mirkit.models.convolution import Matrix, convolve, relu, sigmoid
from mirkit.models.onnx_weights import read_onnx

RATE = 22050
HOP = 256
#: Samples and frames of a window; the levels of the spectrogram are relative to those of its window.
WINDOW, FRAMES = 43844, 172
#: Lowest semitone (A0) and number of semitones.
LOWEST, SEMITONES = 21, 88

_OCTAVES, _BANDS, _KERNEL = 9, 36, 256
_USED, _CONTOURS = 309, 264
#: Shifts in bands to the partials 1/2, 1, 2, ... 7.
_SHIFTS = (-36, 0, 36, 57, 72, 84, 93, 101)
_FLOOR = 1e-10


class Network:
    """The network; a call computes one window.

    Parameters
    ----------
    path : Path
        The file ``nmp.onnx`` of basic-pitch.
    """

    def __init__(self, path: Path) -> None:
        graph = read_onnx(path)
        of = {weights.shape: (weights, bias) for weights, bias in graph.convolutions()}
        bands = [weights for weights, _ in graph.convolutions() if weights.shape == (_BANDS, 1, 1, _KERNEL)][:2]
        self._bands = np.concatenate(bands).reshape(2 * _BANDS, _KERNEL)
        self._low_pass = np.ascontiguousarray(of[1, 1, 1, _KERNEL][0].reshape(_KERNEL))
        self._lengths = next(c.reshape(-1) for c in graph.constants.values() if c.shape == (_USED, 1, 1))
        scale = next(c for name, c in graph.constants.items() if name.endswith("/FusedBatchNormV3"))
        shift = next(c for name, c in graph.constants.items() if name.endswith("/FusedBatchNormV31"))
        self._scale, self._shift = float(scale[0]), float(shift[0])
        self._contour, self._contour_out = of[8, 8, 3, 39], of[1, 8, 5, 5]
        self._note, self._note_out = of[32, 1, 7, 7], of[1, 32, 7, 3]
        self._onset, self._onset_out = of[32, 8, 5, 5], of[1, 33, 3, 3]

    def __call__(self, samples: FloatArray) -> tuple[Matrix, Matrix]:
        """Compute the probabilities of sounding and beginning notes.

        Parameters
        ----------
        samples : float32 array, shape=(WINDOW,)

        Returns
        -------
        notes, onsets : float32 array, shape=(FRAMES, SEMITONES)
        """
        stacked = self._stacked(self._spectrogram(np.asarray(samples, np.float32)))
        contour = sigmoid(convolve(relu(convolve(stacked, *self._contour)), *self._contour_out))
        hidden = relu(convolve(contour, *self._note, stride=3))
        note = sigmoid(convolve(hidden, *self._note_out))
        both = np.concatenate((note, relu(convolve(stacked, *self._onset, stride=3))), axis=1)
        return note[:, 0], sigmoid(convolve(both, *self._onset_out))[:, 0]

    def _spectrogram(self, samples: FloatArray) -> Matrix:
        """Constant-Q levels, 0 to 1 in each window, shape=(FRAMES, _USED)."""
        half, hop, octaves = _KERNEL // 2, HOP, []
        for octave in range(_OCTAVES):
            padded = np.pad(samples, half, mode="reflect")
            frames = sliding_window_view(padded, _KERNEL)[::hop][:FRAMES]
            octaves.append(np.einsum("fk,bk->fb", frames, self._bands))
            if octave < _OCTAVES - 1:
                padded = np.pad(samples, half - 1)
                samples = np.einsum("fk,k->f", sliding_window_view(padded, _KERNEL)[::2], self._low_pass)
                hop //= 2
        parts = np.stack(octaves[::-1], axis=1).reshape(FRAMES, _OCTAVES, 2, _BANDS)
        power = np.square(parts).sum(axis=2).reshape(FRAMES, -1)[:, -_USED:] * np.square(self._lengths)
        level = 10 * np.log10(power + np.float32(_FLOOR))
        level -= level.min()
        highest = level.max()
        scaled: Matrix = (level / highest if highest > 0 else level).astype(np.float32)
        return scaled

    def _stacked(self, levels: Matrix) -> Matrix:
        """Copies shifted to the partials, shape=(FRAMES, partials, _CONTOURS)."""
        scaled = levels * np.float32(self._scale) + np.float32(self._shift)
        out = np.zeros((FRAMES, len(_SHIFTS), _CONTOURS), np.float32)
        for i, shift in enumerate(_SHIFTS):
            part = scaled[:, max(shift, 0) : max(shift, 0) + _CONTOURS - max(-shift, 0)]
            out[:, i, max(-shift, 0) :][:, : part.shape[1]] = part
        return out
