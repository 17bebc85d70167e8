"""Which stems of a track play at all: drums and vocals, before it is separated.

*Measured*: the share of the energy of the mix that the network gives to drums, and the evidence of a voice
(``mirkit.features.voice``). *Reading*: docs/how_good/separation.md says how often both are right. Bass and other cannot
be told from what the rules leave in their stems.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field

import numpy as np

from mirkit.features.stft import PowerStft
from mirkit.features.types import ANALYSIS_RATE, FloatArray
from mirkit.features.voice import LEAST_SECONDS, RATE, VoiceExtractor, evidence_of
from mirkit.separation.masker import Masker
from mirkit.separation.stft import Spectra

#: Drums below this level beside the mix (dB) are only what other instruments leave in their stem: of real music
#: without drums, the highest is -22 dB; of rendered music with drums, 2 % are below -17 dB.
DRUMS_DB = -20.0
#: Evidence of a voice below which none is expected. It is lower than where ``voice`` says ``instrumental``, so that
#: quiet voices stay.
VOICE = -0.5
#: Level of the stem of a voice that is not expected, beside the mix (dB). It is not silenced, because a very quiet
#: voice may be in it.
LOWERED_DB = -40.0


@dataclass(frozen=True)
class Presence:
    """What is heard in a mix.

    Attributes
    ----------
    drums_db : float
        Level of the drums beside the mix in dB.
    vocals_db : float
        Level of what the rules take for vocals.
    voice : float or None
        Evidence of a voice; None if the mix is too short to judge.
    """

    drums_db: float = 0.0
    vocals_db: float = 0.0
    voice: float | None = None

    @property
    def no_drums(self) -> bool:
        """Whether no drums play."""
        return self.drums_db < DRUMS_DB

    @property
    def no_voice(self) -> bool:
        """Whether no voice is expected."""
        return self.voice is not None and self.voice < VOICE

    @property
    def notes(self) -> list[str]:
        """What the user should know about the stems."""
        found = []
        if self.no_drums:
            found.append(f"no drums were heard: the drums stem is silent (it would be {self.drums_db:.0f} dB)")
        if self.no_voice and self.vocals_db > LOWERED_DB:
            found.append(f"no voice was heard: the vocals stem is lowered to {LOWERED_DB:.0f} dB beside the mix")
        return found

    @property
    def gains(self) -> FloatArray:
        """Factors of the masks of drums, bass and vocals."""
        vocals = 10 ** (min(0.0, LOWERED_DB - self.vocals_db) / 20) if self.no_voice else 1.0
        return np.array((0.0 if self.no_drums else 1.0, 1.0, vocals), np.float32)


#: For mixes that were not surveyed.
ALL_PRESENT = Presence()


def survey(blocks: Iterable[FloatArray], channels: int) -> Presence:
    """Listen to a whole mix, and judge what plays.

    Parameters
    ----------
    blocks : iterable of arrays
        The mix, float32, shape=(channels, n) each, at ``ANALYSIS_RATE``.
    channels : int

    Returns
    -------
    Presence
        `ALL_PRESENT` if the mix is silent.
    """
    masker, listener = Masker(ANALYSIS_RATE, channels, trained=True), _Listener()
    energy = _Energy()
    for block in blocks:
        listener.push(block)
        for spectra, masks in masker.push(block):
            energy.add(spectra, masks)
    for spectra, masks in masker.finish():
        energy.add(spectra, masks)
    if energy.mix <= 0:
        return ALL_PRESENT
    drums, _, vocals = 10 * np.log10(np.maximum(energy.stems / energy.mix, 1e-12))
    return Presence(float(drums), float(vocals), listener.evidence())


@dataclass
class _Energy:
    """Energy of a mix, and of its drums, bass and vocals."""

    mix: float = 0.0
    stems: FloatArray = field(default_factory=lambda: np.zeros(3))

    def add(self, spectra: Spectra, masks: FloatArray) -> None:
        power = (spectra.real**2 + spectra.imag**2).sum(axis=0)
        self.mix += float(power.sum(dtype=np.float64))
        self.stems += (masks**2 * power).sum(axis=(1, 2), dtype=np.float64)


class _Listener:
    """Evidence of a voice."""

    def __init__(self) -> None:
        self._stft, self._voice = PowerStft(), VoiceExtractor()

    def push(self, block: FloatArray) -> None:
        for power in self._stft.push(block.mean(axis=0, dtype=np.float32)):
            self._voice.push_frames(power)

    def evidence(self) -> float | None:
        for power in self._stft.finish():
            self._voice.push_frames(power)
        odds = self._voice.finish().log_odds
        return evidence_of(odds) if len(odds) >= LEAST_SECONDS * RATE else None
