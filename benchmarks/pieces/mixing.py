"""Rooms, widths and levels that turn dry parts into stems of a mix."""

import numpy as np
import scipy.signal

RATE = 44100


def reverb(x: np.ndarray, seconds: float, wet: float, rng: np.random.Generator) -> np.ndarray:
    """Add a stereo room: decaying noise that loses its treble first. Stereo in and out, shape=(2, n)."""
    n = int(1.2 * seconds * RATE)
    t = np.arange(n) / RATE
    tails = rng.standard_normal((2, n)) * 10 ** (-3 * t / seconds)
    dull = scipy.signal.lfilter([0.35], [1, -0.65], tails) * np.minimum(1, t / 0.01)
    dull /= np.sqrt(np.square(dull).sum(axis=1, keepdims=True))
    send = np.stack((0.7 * x[0] + 0.3 * x[1], 0.3 * x[0] + 0.7 * x[1]))
    room = scipy.signal.fftconvolve(send, dull, axes=1)[:, : x.shape[1]]
    return (x + wet * room).astype(np.float32)


def squeeze(x: np.ndarray, drive: float) -> np.ndarray:
    """Soft saturation; drive 0 leaves all as it is."""
    if not drive:
        return x
    peak = np.abs(x).max() + 1e-9
    return (np.tanh(x / peak * drive) * peak / np.tanh(drive)).astype(np.float32)


def pan(mono: np.ndarray, where: float) -> np.ndarray:
    """Place a mono sound (-1 left, 1 right) with constant power, shape=(2, n)."""
    angle = (where + 1) * np.pi / 4
    return np.stack((np.cos(angle) * mono, np.sin(angle) * mono)).astype(np.float32)


def widen(x: np.ndarray, delay: float) -> np.ndarray:
    """Delay the right channel by some milliseconds' worth of seconds: a cheap double."""
    k = int(delay * RATE)
    return np.stack((x[0], np.concatenate((np.zeros(k, np.float32), x[1][: x.shape[1] - k])))) if k else x


def narrow(x: np.ndarray, width: float) -> np.ndarray:
    """Scale the difference between the channels (1 leaves all as it is, 0 makes mono)."""
    middle = x.mean(axis=0, keepdims=True)
    return (middle + width * (x - middle)).astype(np.float32)


def level(x: np.ndarray, decibel: float) -> np.ndarray:
    """Scale to a root mean square over the parts that sound; silence stays silence."""
    power = np.square(x, dtype=float).mean(axis=0)
    loud = power[power > 1e-4 * power.max()] if power.max() > 0 else power
    rms = np.sqrt(loud.mean())
    return x if rms == 0 else (x * (10 ** (decibel / 20) / rms)).astype(np.float32)


def tone(x: np.ndarray, tilt: float, top: float) -> np.ndarray:
    """Tilt the spectrum around 600 Hz (decibel an octave) and roll it off above ``top`` Hz."""
    spectrum = np.fft.rfft(x)
    octaves = np.log2(np.maximum(np.fft.rfftfreq(x.shape[1], 1 / RATE), 30) / 600)
    gain = 10 ** (tilt * octaves / 20) / (1 + 2.0 ** (4 * (octaves - np.log2(top / 600))))
    return np.fft.irfft(spectrum * gain, x.shape[1]).astype(np.float32)
