"""The network of Basic Pitch (Spotify, Apache-2.0), computed with numba.

Two seconds of sound at 22.05 kHz become a constant-Q spectrogram (36 bands an octave), whose copies shifted by the
intervals of partials are the input of six convolutions. They give, for each frame and semitone, the probability that a
note sounds and that one begins. *Source*: R. M. Bittner, J. J. Bosch, D. Rubinstein, G. Meseguer-Brocal and S. Ewert,
"A lightweight instrument-agnostic model for polyphonic note transcription and multipitch estimation", ICASSP 2022. The
weights are those of the package basic-pitch 0.4.0; the result equals ONNX Runtime's to rounding.
"""

from pathlib import Path

import numpy as np
import numpy.typing as npt
from numpy.lib.stride_tricks import sliding_window_view

from mirkit.features.kernels.kernel import kernel
from mirkit.features.types import FloatArray
from mirkit.models.onnx_weights import read_onnx

Matrix = npt.NDArray[np.float32]

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
        contour = _sigmoid(_conv(_relu(_conv(stacked, *self._contour, 1)), *self._contour_out, 1))
        hidden = _relu(_conv(contour, *self._note, 3))
        note = _sigmoid(_conv(hidden, *self._note_out, 1))
        both = np.concatenate((note, _relu(_conv(stacked, *self._onset, 3))), axis=1)
        return note[:, 0], _sigmoid(_conv(both, *self._onset_out, 1))[:, 0]

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


def _relu(values: Matrix) -> Matrix:
    out: Matrix = np.maximum(values, np.float32(0), out=values)
    return out


def _sigmoid(values: Matrix) -> Matrix:
    out: Matrix = np.reciprocal(1 + np.exp(-values))
    return out


def _conv(values: Matrix, weights: FloatArray, bias: FloatArray, stride: int) -> Matrix:
    """Convolve, shape=(frames, channels, bands); every third band with a stride of 3, padded to the same size."""
    frames, channels, bands = values.shape
    size, reach = weights.shape[2:]
    before = (reach - stride) // 2 if stride > 1 else reach // 2
    width = bands // stride
    padded = np.zeros((frames + size - 1, channels, stride, width + reach // stride + 1), np.float32)
    flat = np.zeros((frames, channels, padded.shape[3] * stride), np.float32)
    flat[:, :, before : before + bands] = values
    # Phases of the stride are rows of their own, so that the inner loop reads contiguous numbers.
    padded[size // 2 : size // 2 + frames] = flat.reshape(frames, channels, -1, stride).transpose(0, 1, 3, 2)
    out = np.empty((frames, len(weights), width), np.float32)
    kernels, biases = np.ascontiguousarray(weights.transpose(0, 2, 1, 3)).view(), np.ascontiguousarray(bias).view()
    kernels.setflags(write=False)  # so that all layers have one type
    biases.setflags(write=False)
    _convolve(padded, kernels, biases, out)
    return out


@kernel()
def _convolve(values, weights, bias, out):  # type: ignore[no-untyped-def]
    # weights: outputs, frames, channels, bands. Slices and four bands at once let the compiler use vector registers.
    outputs, size, channels, reach = weights.shape
    stride, width = values.shape[2], out.shape[2]
    for t in range(len(out)):
        for o in range(outputs):
            line = out[t, o]
            for i in range(width):
                line[i] = bias[o]
            for k in range(size):
                for c in range(channels):
                    rows, w = values[t + k, c], weights[o, k, c]
                    r = 0
                    while r + 4 <= reach:
                        w0, w1, w2, w3 = w[r], w[r + 1], w[r + 2], w[r + 3]
                        p0 = rows[r % stride, r // stride :][:width]
                        p1 = rows[(r + 1) % stride, (r + 1) // stride :][:width]
                        p2 = rows[(r + 2) % stride, (r + 2) // stride :][:width]
                        p3 = rows[(r + 3) % stride, (r + 3) // stride :][:width]
                        for i in range(width):
                            line[i] += (w0 * p0[i] + w1 * p1[i]) + (w2 * p2[i] + w3 * p3[i])
                        r += 4
                    while r < reach:
                        w0, p0 = w[r], rows[r % stride, r // stride :][:width]
                        for i in range(width):
                            line[i] += w0 * p0[i]
                        r += 1
