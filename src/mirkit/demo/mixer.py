"""Mixing of the demo set: sounds are placed in time and in the stereo picture, get reverb, and add up to the stems."""

import numpy as np
import numpy.typing as npt

from mirkit.demo.instruments import RATE, Sound
from mirkit.features.types import FloatArray

Stereo = npt.NDArray[np.float32]

STEMS = ("drums", "bass", "other", "vocals")
#: The mix peaks at -1 dBFS.
PEAK = 10 ** (-1 / 20)


class Mixer:
    """A mixer with one bus per stem. Every path through it is linear, so the stems add up to the mix."""

    def __init__(self, seconds: float, seed: int) -> None:
        self.rng = np.random.default_rng(seed)
        self._length = round(seconds * RATE)
        self._bus = {stem: np.zeros((2, self._length), np.float32) for stem in STEMS}
        self._send = {stem: np.zeros(self._length, np.float32) for stem in STEMS}
        self._attacks: dict[str, set[int]] = {stem: set() for stem in STEMS}
        self._hits: dict[str, set[int]] = {}

    def play(
        self, stem: str, sound: Sound, time: float, *, gain: float = 1.0, pan: float = 0.0, reverb: float = 0.1
    ) -> None:
        """Add a sound with an attack at ``time`` (s).

        ``pan`` is -1 (left) to 1 (right); ``reverb`` is the share that is sent to the reverb.
        """
        self._attacks[stem].add(round(time * RATE))
        self.blend(stem, sound, time, gain=gain, pan=pan, reverb=reverb)

    def hit(self, drum: str, sound: Sound, time: float, *, gain: float, pan: float = 0.0, reverb: float = 0.1) -> None:
        """Add ``sound`` to the drums, and record which drum it is.

        Parameters
        ----------
        drum : str
        sound : float64 array, shape=(n,)
            Mono samples.
        time : float
            Seconds.
        gain : float
        pan : float
            -1 (left) to 1 (right).
        reverb : float
            Share that is sent to the reverb.
        """
        self._hits.setdefault(drum, set()).add(round(time * RATE))
        self.play("drums", sound, time, gain=gain, pan=pan, reverb=reverb)

    def blend(self, stem: str, sound: Sound, time: float, *, gain: float, pan: float, reverb: float) -> None:
        """Add a sound that fades in: like `play`, but without recording an onset.

        Parameters
        ----------
        stem : str
        sound : float64 array, shape=(n,)
            Mono samples.
        time : float
            Seconds.
        gain : float
        pan : float
            -1 (left) to 1 (right).
        reverb : float
            Share that is sent to the reverb.
        """
        start = round(time * RATE)
        part = gain * sound[: max(0, self._length - start)]
        angle = (pan + 1) * np.pi / 4
        for channel, side in enumerate((np.cos(angle), np.sin(angle))):
            self._bus[stem][channel, start : start + len(part)] += side * part
        self._send[stem][start : start + len(part)] += reverb * part

    @property
    def onsets(self) -> dict[str, FloatArray]:
        """Times of the attacks of each stem (s), ascending."""
        return {stem: np.array(sorted(times)) / RATE for stem, times in self._attacks.items()}

    @property
    def drums(self) -> dict[str, FloatArray]:
        """Times of the hits of each drum (s), ascending."""
        return {drum: np.array(sorted(times)) / RATE for drum, times in self._hits.items()}

    def mixdown(self, *, decay: float, fade: float = 0.5) -> dict[str, Stereo]:
        """Return the stems, each with its reverb (time constant ``decay`` s), under one common gain and fade-out.

        It may be called once: the buses are changed in place.
        """
        impulse = self._impulse_response(decay)
        size = -(-(self._length + impulse.shape[1]) // RATE) * RATE  # whole seconds: efficient FFT lengths
        response = np.fft.rfft(impulse, size)
        for stem, send in self._send.items():
            if send.any():
                wet = np.fft.irfft(np.fft.rfft(send, size) * response, size)
                self._bus[stem] += wet[:, : self._length]
        last = round(fade * RATE)
        ramp = np.ones(self._length, np.float32)
        ramp[self._length - last :] = np.linspace(1, 0, last)
        gain = PEAK / np.max(np.abs(ramp * sum(self._bus.values())))
        return {stem: (gain * ramp * sound).astype(np.float32) for stem, sound in self._bus.items()}

    def _impulse_response(self, decay: float) -> Stereo:
        """Impulse response: decaying noise, different on the two sides, after a pre-delay of 12 ms."""
        t = np.arange(round(5 * decay * RATE)) / RATE
        noise = self.rng.standard_normal((2, len(t))) * np.exp(-t / decay)
        noise[:, : round(0.012 * RATE)] = 0
        # A running mean attenuates high frequencies, as air and walls do.
        smooth = noise + np.roll(noise, 1, axis=1) + np.roll(noise, 2, axis=1)
        smooth /= np.sqrt(np.sum(smooth**2, axis=1, keepdims=True))
        return np.asarray(smooth, np.float32)
