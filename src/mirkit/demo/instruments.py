"""The instruments of the demo set: each function synthesizes one sound, mono, about full scale, at 44.1 kHz.

All pitched sounds use the same additive synthesis with different partials. They are band-limited, and have the
envelopes of real music (hard attacks for struck and plucked sounds, slow ones for pads).
"""

import numpy as np
import numpy.typing as npt

Sound = npt.NDArray[np.float64]

RATE = 44100
#: Partials above this are left out (Hz).
TOP_HZ = 9000.0
#: Formants of a sung "ah": center and bandwidth in Hz, and level.
AH = ((700.0, 130.0, 1.0), (1220.0, 150.0, 0.5), (2600.0, 220.0, 0.2), (3300.0, 260.0, 0.12))


def hertz(midi: float) -> float:
    """Frequency of a MIDI note number; 69 is A = 440 Hz."""
    return float(440.0 * 2.0 ** ((midi - 69.0) / 12.0))


def clock(seconds: float) -> Sound:
    """Time of every sample of a sound that lasts ``seconds``."""
    return np.arange(round(seconds * RATE)) / RATE


def edges(length: int, attack: float, release: float) -> Sound:
    """Envelope of ``length`` samples that rises in ``attack`` seconds and falls in ``release``, both half cosines."""
    gain = np.ones(length)
    rise, fall = (min(length, round(seconds * RATE)) for seconds in (attack, release))
    if rise:
        gain[:rise] *= 0.5 - 0.5 * np.cos(np.pi * np.arange(rise) / rise)
    if fall:
        gain[length - fall :] *= 0.5 + 0.5 * np.cos(np.pi * np.arange(1, fall + 1) / fall)
    return gain


def tone(midi: float, seconds: float, levels: Sound, *, damping: float = 0.0, vibrato: float = 0.0) -> Sound:
    """Sum of harmonic partials.

    Parameters
    ----------
    midi, seconds
        Pitch and length.
    levels : array, shape (partials,)
        Amplitude of each partial; those above `TOP_HZ` are not played.
    damping
        Decay rate of the first partial (1/s); partial k decays k times as fast, as on a string.
    vibrato
        Depth of a 5.5 Hz vibrato, as a share of the frequency; it swells over the first half second.
    """
    f0 = hertz(midi)
    levels = levels[: max(1, int(TOP_HZ / f0))]
    t = clock(seconds)
    phase = 2 * np.pi * f0 * t
    if vibrato:
        phase += f0 * vibrato / 5.5 * np.minimum(t / 0.5, 1.0) * np.sin(2 * np.pi * 5.5 * t)
    # Partial k is the k-th power of one damped rotation, so the whole sum is a polynomial: Horner's scheme.
    rotation = np.empty(len(t), np.complex64)
    decay = np.exp(-damping * t)
    rotation.real, rotation.imag = decay * np.cos(phase), decay * np.sin(phase)
    total = np.full(len(t), levels[-1], np.complex64)
    for level in levels[-2::-1]:
        total *= rotation
        total += np.float32(level)
    total *= rotation
    return total.imag.astype(np.float64)


def band_noise(rng: np.random.Generator, seconds: float, low: float, high: float) -> Sound:
    """Gaussian noise between two frequencies (Hz), with soft skirts, at a peak of 1."""
    length = len(clock(seconds))
    spectrum = np.fft.rfft(rng.standard_normal(length))
    hz = np.maximum(np.fft.rfftfreq(length, 1 / RATE), 1.0)
    spectrum *= 1 / np.sqrt((1 + (low / hz) ** 8) * (1 + (hz / high) ** 8))
    noise: Sound = np.fft.irfft(spectrum, length)
    noise /= np.max(np.abs(noise))
    return noise


def kick(*, punch: float = 1.0) -> Sound:
    """Bass drum: a sine that falls to 48 Hz, and the click of the beater."""
    t = clock(0.32)
    phase = 2 * np.pi * (48.0 * t + 120.0 * 0.028 * (1 - np.exp(-t / 0.028)))
    body = np.cos(phase) * np.exp(-t / 0.11)
    click = 0.5 * punch * np.cos(2 * np.pi * 2800.0 * t) * np.exp(-t / 0.0025)
    return (body + click) * edges(len(t), 0.0005, 0.05)


def snare(rng: np.random.Generator, *, wires: float = 0.8) -> Sound:
    """Snare drum: two modes of the head and the rattle of the wires."""
    t = clock(0.3)
    head = np.cos(2 * np.pi * 188.0 * t) * np.exp(-t / 0.05) + 0.6 * np.cos(2 * np.pi * 331.0 * t) * np.exp(-t / 0.035)
    rattle = band_noise(rng, 0.3, 900.0, 9000.0) * np.exp(-t / 0.075)
    return (0.55 * head + wires * rattle) * edges(len(t), 0.0005, 0.05)


def cymbal(rng: np.random.Generator, *, decay: float, low: float = 6500.0) -> Sound:
    """Hi-hat or cymbal: high noise that dies away with time constant ``decay`` (s)."""
    t = clock(min(6 * decay, 2.5))
    return band_noise(rng, t.size / RATE, low, 15000.0) * np.exp(-t / decay) * edges(len(t), 0.0005, 0.02)


def bass(midi: float, seconds: float) -> Sound:
    """Electric bass: a dark, quickly mellowing string."""
    sound = tone(midi, seconds, 1 / np.arange(1, 25) ** 1.2, damping=1.1)
    return 0.8 * sound * edges(len(sound), 0.004, 0.03)


def guitar(midi: float, seconds: float) -> Sound:
    """Driven electric guitar: a bright string through a soft clipper."""
    sound = tone(midi, seconds, 1 / np.arange(1, 31), damping=0.5)
    return 0.6 * np.tanh(2.5 * sound) * np.exp(-0.9 * clock(seconds)) * edges(len(sound), 0.003, 0.04)


def piano(midi: float, seconds: float) -> Sound:
    """Struck string, brighter when it is hit than when it rings."""
    sound = tone(midi, seconds, 1 / np.arange(1, 21) ** 1.4, damping=0.9)
    return 0.8 * sound * np.exp(-1.2 * clock(seconds)) * edges(len(sound), 0.002, 0.05)


def stab(midi: float, seconds: float) -> Sound:
    """Synthesizer chord stab: a hollow tone with a filter that closes."""
    levels = 1 / np.arange(1, 25) ** 1.1
    levels[1::2] *= 0.4
    sound = tone(midi, seconds, levels, damping=2.2)
    return 0.7 * sound * edges(len(sound), 0.003, 0.05)


def pad(midi: float, seconds: float, *, attack: float, release: float) -> Sound:
    """Slow strings: two detuned voices that fade in and out."""
    levels = 1 / np.arange(1, 13) ** 1.8
    sound = tone(midi - 0.04, seconds, levels) + tone(midi + 0.04, seconds, levels)
    return 0.4 * sound * edges(len(sound), attack, release)


def voice(midi: float, seconds: float) -> Sound:
    """A sung "ah" with vibrato: partials weighted by the formants of the vowel."""
    hz = hertz(midi) * np.arange(1, 61)
    formants = sum(level / (1 + ((hz - center) / width) ** 2) for center, width, level in AH)
    sound = tone(midi, seconds, formants / np.sqrt(np.arange(1, 61)), vibrato=0.008)
    sound /= 2 * np.max(np.abs(sound))
    return sound * edges(len(sound), 0.03, 0.08)
