"""What a studio does to a sound, with random settings: equalizer, amplifier, compressor, room, position, codec ...

Signals are float32, shape=(n,) or (channels, n). The effects of a mix (`narrow`, `limit`, `resample`) act on all stems
alike, shape=(stems, 2, n), so that the stems still add up to the mix; after `encode` they do so but for its error.
"""

import io
from typing import Any

import av
import numpy as np
import numpy.typing as npt
import scipy.fft
from scipy.ndimage import maximum_filter1d, uniform_filter1d
from scipy.signal import butter, lfilter

from training.material import RATE, Sound

Random = np.random.Generator
_LOWEST = 20.0


def level(sound: Sound) -> float:
    """Return the root mean square over all samples."""
    return float(np.sqrt(np.mean(np.square(sound)) + 1e-20))


def equalizer_curve(rng: Random, hertz: npt.NDArray[Any], depth: float = 5.0) -> npt.NDArray[Any]:
    """Return gains at frequencies: a tilt of up to 2 dB in three octaves, and three peaks of up to ``depth`` dB."""
    octaves = np.log2(np.maximum(hertz, _LOWEST) / 1000)
    decibels = rng.uniform(-2, 2) * octaves / 3
    for _ in range(3):
        center, width = rng.uniform(-4, 4), rng.uniform(0.3, 1.2)
        decibels = decibels + rng.uniform(-depth, depth) * np.exp(-(((octaves - center) / width) ** 2))
    return np.asarray(10 ** (decibels / 20), np.float32)


def equalize(rng: Random, channels: Sound, depth: float = 5.0) -> Sound:
    """Apply one random curve to all channels, shape=(channels, n)."""
    count = channels.shape[-1]
    spectra = scipy.fft.rfft(channels)
    return np.asarray(scipy.fft.irfft(spectra * equalizer_curve(rng, np.fft.rfftfreq(count, 1 / RATE), depth), count))


def band_pass(mono: Sound, low: float, high: float, order: int = 2) -> Sound:
    """Return what is between two frequencies in Hz, with slopes of ``order`` times 6 dB per octave."""
    return np.asarray(lfilter(*butter(order, (low / (RATE / 2), high / (RATE / 2)), "band"), mono), np.float32)


def amplify(rng: Random, mono: Sound) -> Sound:
    """Distort as a guitar amplifier does: input filter, one or two stages of clipping, cabinet with resonances."""
    sound = band_pass(mono, rng.uniform(60, 200), 9000, 1)
    for _ in range(int(rng.integers(1, 3))):
        drive, bias = 10 ** rng.uniform(0.4, 1.6), rng.uniform(0, 0.3)
        peak = np.abs(sound).max() + 1e-6
        sound = (np.tanh(drive * sound / peak + bias) - np.tanh(bias)).astype(np.float32)
    hertz = np.fft.rfftfreq(len(sound), 1 / RATE)
    low, high = rng.uniform(70, 130), rng.uniform(3000, 6000)
    cabinet = 1 / np.sqrt(1 + (low / np.maximum(hertz, 1)) ** 6) / np.sqrt(1 + (hertz / high) ** 8)
    for _ in range(3):
        center = rng.uniform(np.log2(200), np.log2(4000))
        octaves = np.log2(np.maximum(hertz, _LOWEST)) - center
        cabinet = cabinet * 10 ** (rng.uniform(-6, 6) / 20 * np.exp(-((octaves / 0.35) ** 2)))
    return np.asarray(scipy.fft.irfft(scipy.fft.rfft(sound) * cabinet.astype(np.float32), len(sound)), np.float32)


def compress(rng: Random, channels: Sound) -> Sound:
    """Reduce what is above a random percentile of the level, by a random ratio, all channels alike."""
    smooth = np.exp(-1 / (RATE * rng.uniform(0.01, 0.1)))
    envelope = np.sqrt(np.maximum(lfilter([1 - smooth], [1, -smooth], np.square(channels).mean(axis=0)), 0)) + 1e-4
    threshold = np.percentile(envelope[::32], rng.uniform(40, 90))
    gain = np.minimum(1, (threshold / envelope) ** rng.uniform(0.2, 0.7))
    return np.asarray(channels * gain, np.float32)


def place(rng: Random, mono: Sound, pan: float, wet: float) -> Sound:
    """Equalize a sound, place it between left (-1) and right (1) at constant power, and add a room; shape=(2, n).

    The room is decaying noise with a random delay, decay time and upper frequency, different on both sides. Its power
    is ``wet`` squared times that of the sound.
    """
    count = len(mono)
    room = rng.uniform(0.2, 1.5) if wet > 0 else 0.0
    size = scipy.fft.next_fast_len(count + int(room * RATE), real=True)
    spectrum = scipy.fft.rfft(mono, size)
    spectrum *= equalizer_curve(rng, np.fft.rfftfreq(size, 1 / RATE))
    angle = (pan + 1) * np.pi / 4
    gains = np.array([[np.cos(angle)], [np.sin(angle)]], np.float32) * np.sqrt(2, dtype=np.float32)
    spectra = gains * spectrum
    if wet > 0:
        spectra = spectra + np.float32(wet) * spectrum * scipy.fft.rfft(_room(rng, room), size)
    return np.asarray(scipy.fft.irfft(spectra, size)[:, :count], np.float32)


def _room(rng: Random, seconds: float) -> Sound:
    """Impulse responses of two channels, power 1 each."""
    time = np.arange(int(seconds * RATE), dtype=np.float32) / RATE
    noise = rng.standard_normal((2, len(time)), np.float32) * 10 ** (-3 * time / np.float32(rng.uniform(0.3, 1.4)))
    response = lfilter(*butter(1, rng.uniform(2000, 9000) / (RATE / 2)), noise)
    start = int(rng.uniform(0, 0.03) * RATE)
    response[:, start:] = response[:, : len(time) - start].copy()
    response[:, :start] = 0
    return np.asarray(response / np.sqrt(np.square(response).sum(axis=1, keepdims=True) + 1e-9), np.float32)


def widen(rng: Random, stereo: Sound, mono: Sound, amount: float) -> Sound:
    """Add a difference between the channels that grows with frequency, as overheads and choruses do; shape=(2, n).

    The difference is the sound, delayed and high-passed, with its power ``amount`` squared times that of the sound.
    """
    delay = int(rng.uniform(0.0005, 0.015) * RATE)
    side = lfilter(*butter(1, rng.uniform(300, 3000) / (RATE / 2), "high"), np.roll(mono, delay))
    side = (amount * side).astype(np.float32)
    return np.asarray(stereo + np.stack((side, -side)), np.float32)


def double(rng: Random, mono: Sound, copies: int) -> list[Sound]:
    """Return copies that wander in time, and so in pitch, as a part that is played again does."""
    count = len(mono)
    time = np.arange(count, dtype=np.float64)
    played = []
    for _ in range(copies):
        knots = rng.normal(0, 0.006 * RATE, 8)
        delay = rng.uniform(0.005, 0.03) * RATE + np.interp(time, np.linspace(0, count, 8), knots)
        played.append(np.interp(time - np.maximum(delay, 0), time, mono, left=0).astype(np.float32))
    return played


def narrow(stems: Sound, width: float) -> Sound:
    """Scale the difference between the channels of all stems: 0 is mono; shape=(stems, 2, n)."""
    middle = stems.mean(axis=1, keepdims=True)
    return np.asarray(middle + np.float32(width) * (stems - middle), np.float32)


def limit(stems: Sound, crest: float) -> Sound:
    """Limit the sum of the stems to peaks of ``crest`` dB above its level, by one gain that all stems share."""
    peak = np.abs(stems.sum(axis=0)).max(axis=0)
    threshold = level(stems.sum(axis=0)) * 10 ** (crest / 20)
    window = int(0.005 * RATE)
    gain = np.minimum(1, threshold / (maximum_filter1d(peak, window) + 1e-9))
    return np.asarray(stems * uniform_filter1d(gain, window), np.float32)


def resample(stems: Sound, rate: int) -> Sound:
    """Remove what a lower sampling rate cannot hold, with a steep slope, at the same rate as before."""
    count = stems.shape[-1]
    hertz = np.fft.rfftfreq(count, 1 / RATE)
    edge = rate / 2
    slope = np.clip((edge - hertz) / (0.08 * edge), 0, 1).astype(np.float32)
    return np.asarray(scipy.fft.irfft(scipy.fft.rfft(stems) * slope, count), np.float32)


#: Encoders of lossy formats: name, container, sample format.
CODECS = {"mp3": ("libmp3lame", "mp3"), "aac": ("aac", "mp4"), "opus": ("libopus", "ogg")}


def encode(mix: Sound, codec: str, kilobits: int) -> Sound:
    """Return a mix, shape=(2, n), as it is after lossy coding: the same length, not shifted."""
    encoder, container = CODECS[codec]
    rate = 48000 if codec == "opus" else RATE
    buffer = io.BytesIO()
    with av.open(buffer, "w", format=container) as output:
        stream: Any = output.add_stream(encoder, rate=rate, layout="stereo")
        stream.bit_rate = 1000 * kilobits
        frame = av.AudioFrame.from_ndarray(np.ascontiguousarray(mix, np.float32), format="fltp", layout="stereo")
        frame.sample_rate, frame.pts = RATE, 0  # with times, the encoder's delay is written and removed
        resampler = av.AudioResampler(format=stream.format, layout="stereo", rate=rate)
        for resampled in (*resampler.resample(frame), *resampler.resample(None)):
            output.mux(stream.encode(resampled))
        output.mux(stream.encode(None))
    buffer.seek(0)
    blocks = []
    with av.open(buffer, "r") as found:
        back = av.AudioResampler(format="fltp", layout="stereo", rate=RATE)
        for decoded in found.decode(audio=0):
            blocks += [f.to_ndarray() for f in back.resample(decoded)]
        blocks += [f.to_ndarray() for f in back.resample(None)]
    sound = np.concatenate(blocks, axis=1)[:, : mix.shape[1]]
    return np.asarray(np.pad(sound, ((0, 0), (0, mix.shape[1] - sound.shape[1]))), np.float32)
