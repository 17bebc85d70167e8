"""Drum kits, basses, guitars and voices put together from recorded single sounds (``samples`` of the shared data).

Every sound may be used to train weights that are shipped (CC0, CC BY, BSD; its README lists sources and credits).
A kit takes each of its instruments from any of the recorded ones, tuned a little up or down.
"""

import csv
from collections import defaultdict
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
import soundfile
from drum_corpus import RATE, Hit

#: Instruments whose sounds only the validation pieces use.
HELD_OUT = ("audiophob", "rumpf", "gog2_retro", "muldjord1_room")
#: Part of a kit -> level of its loudest sound (dB), and the classes of sounds it may be.
_PARTS: dict[str, tuple[float, tuple[str, ...]]] = {
    "kick": (0, ("kick",)),
    "snare": (0, ("snare", "snare", "snare", "rimshot")),
    "closed": (-12, ("hihat_closed",)),
    "open": (-10, ("hihat_open", "hihat_half")),
    "pedal": (-15, ("hihat_pedal",)),
    "tom_low": (0, ("tom_low",)),
    "tom_mid": (0, ("tom_mid",)),
    "tom_high": (0, ("tom_high",)),
    "crash": (-5, ("crash", "crash", "china", "splash")),
    "ride": (-10, ("ride", "ride", "ride_bell")),
    "stick": (-5, ("sidestick",)),
    "percussion": (
        -9,
        (
            "tambourine",
            "tambourine",
            "shaker",
            "cabasa",
            "maracas",
            "cowbell",
            "conga",
            "bongo",
            "woodblock",
            "triangle",
        ),
    ),
}
_PITCHES = {
    "kick": (35, 36),
    "snare": (38, 40),
    "closed": (22, 42),
    "open": (26, 46),
    "pedal": (44,),
    "tom_low": (41, 43, 58),
    "tom_mid": (45, 47),
    "tom_high": (48, 50),
    "crash": (49, 52, 55, 57),
    "ride": (51, 53, 59),
    "stick": (37,),
}
#: Note of the drum channel -> part of the kit; the others are percussion.
PART_OF = {pitch: part for part, pitches in _PITCHES.items() for pitch in pitches}
#: Group of parts that are mixed together: they have one fader.
GROUPS = ("kick", "snare", "tom", "hat", "cymbal", "percussion")
_GROUP_OF = {
    **dict.fromkeys(("closed", "open", "pedal"), "hat"),
    **dict.fromkeys(("tom_low", "tom_mid", "tom_high"), "tom"),
    **dict.fromkeys(("crash", "ride"), "cymbal"),
    "stick": "percussion",
}


def group_of(pitch: int) -> str:
    """Return the group of ``GROUPS`` that plays a note of the drum channel."""
    part = PART_OF.get(pitch, "percussion")
    return _GROUP_OF.get(part, part)


@dataclass(frozen=True)
class Sound:
    """A recorded sound; ``onset`` is the time (s) from its start to 30 % of its peak."""

    samples: np.ndarray
    onset: float


class Samples:
    """The sounds of ``index.csv``, by class and instrument."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        with (folder / "index.csv").open() as file:
            self.rows = list(csv.DictReader(file))
        self.drums: dict[str, dict[str, dict[str, list[dict[str, str]]]]] = defaultdict(
            lambda: defaultdict(lambda: defaultdict(list))
        )
        for row in self.rows:
            if row["class"] == "drums" and row["drum_class"]:
                self.drums[row["drum_class"]][row["instrument"]][row["articulation"]].append(row)

    @lru_cache(maxsize=4000)  # noqa: B019
    def load(self, path: str) -> np.ndarray:
        """Return a sound as mono float32."""
        return soundfile.read(self.folder / path, dtype="float32", always_2d=True)[0].mean(axis=1)

    def chosen(self, kinds: tuple[str, ...], held_out: bool, rng: np.random.Generator) -> list[dict[str, str]]:
        """Draw an instrument that has one of these classes, then one of its articulations."""
        kinds = tuple(kind for kind in kinds if self._instruments(kind, held_out))
        kind = str(rng.choice(kinds))
        articulations = self.drums[kind][str(rng.choice(self._instruments(kind, held_out)))]
        return articulations[str(rng.choice(sorted(articulations)))]

    def _instruments(self, kind: str, held_out: bool) -> list[str]:
        names = sorted(self.drums[kind])
        apart = [name for name in names if (name in HELD_OUT) == held_out]
        return apart or (names if held_out else [])


class Kit:
    """A kit drawn at random."""

    def __init__(self, samples: Samples, held_out: bool, rng: np.random.Generator) -> None:
        self._parts: dict[str, list[list[Sound]]] = {}
        for part, (level, kinds) in _PARTS.items():
            rows = samples.chosen(kinds, held_out, rng)
            tuning = rng.uniform(0.86, 1.16)
            by_layer: dict[float, list[Sound]] = defaultdict(list)
            for row in rows:
                sound = _tuned(samples.load(row["path"]), tuning)
                by_layer[float(row["velocity_layer"] or 1)].append(Sound(sound, float(row["onset_ms"]) / 1000 / tuning))
            layers = [by_layer[layer] for layer in sorted(by_layer)]
            gain = 10 ** (level / 20) / max(1e-6, max(np.abs(sound.samples).max() for sound in layers[-1]))
            self._parts[part] = [[Sound(s.samples * np.float32(gain), s.onset) for s in layer] for layer in layers]

    def play(
        self, hits: list[Hit], seconds: float, rng: np.random.Generator
    ) -> tuple[dict[str, np.ndarray], list[tuple[float, str]]]:
        """Return the sound of each group, shape=(n,), and the audible onset and group of every hit."""
        count = round(seconds * RATE)
        sounds = {group: np.zeros(count, np.float32) for group in GROUPS}
        hats = sorted(hit.time for hit in hits if group_of(hit.pitch) == "hat")
        truth = []
        for hit in hits:
            part = PART_OF.get(hit.pitch, "percussion")
            group = _GROUP_OF.get(part, part)
            sound = self._sound(part, hit.velocity, rng)
            until = next((time for time in hats if time > hit.time + 0.01), None) if group == "hat" else None
            start, wave = round(hit.time * RATE), sound.samples
            if until is not None:  # the next stroke or the pedal ends it
                wave = _ended(wave, round(until * RATE) - start)
            wave = wave[: count - start]
            sounds[group][start : start + len(wave)] += wave
            truth.append((hit.time + sound.onset, group))
        return sounds, truth

    def _sound(self, part: str, velocity: int, rng: np.random.Generator) -> Sound:
        layers = self._parts[part]
        share = velocity / 127
        layer = round(share * (len(layers) - 1))
        sound = layers[layer][rng.integers(len(layers[layer]))]
        # Recorded layers differ in level themselves; between them, and where there is one, the gain does.
        rest = share ** rng.uniform(1.0, 1.6) if len(layers) < 3 else 10 ** ((share - layer / (len(layers) - 1)) * 0.5)
        return Sound(sound.samples * np.float32(rest), sound.onset)


class Instrument:
    """A tuned instrument that plays notes with the nearest of its recorded ones."""

    def __init__(self, samples: Samples, kind: str, rng: np.random.Generator) -> None:
        by_name: dict[str, list[dict[str, str]]] = defaultdict(list)
        for row in samples.rows:
            if row["class"] == kind and row["midi_note"]:
                by_name[row["instrument"]].append(row)
        names = sorted(name for name, rows in by_name.items() if len(rows) >= 8)
        self._samples = samples
        self._rows = by_name[str(rng.choice(names))]
        self._notes = np.array([float(row["midi_note"]) for row in self._rows])

    def play(self, notes: list[tuple[int, int, int, float, float]], seconds: float) -> np.ndarray:
        """Play ``(channel, pitch, velocity, start, end)``; mono, shape=(n,)."""
        out = np.zeros(round(seconds * RATE), np.float32)
        for _, pitch, velocity, start, end in notes:
            row = self._rows[int(np.abs(self._notes - pitch).argmin())]
            wave = _tuned(self._samples.load(row["path"]), 2 ** ((pitch - float(row["midi_note"])) / 12))
            at = round(start * RATE)
            wave = _ended(wave, round((end - start) * RATE) + 1)[: len(out) - at]
            out[at : at + len(wave)] += wave * np.float32((velocity / 127) ** 1.5)
        return out


def voices(samples: Samples, seconds: float, rng: np.random.Generator) -> np.ndarray:
    """Sung phrases of one voice, one after the other with rests, mono, shape=(n,)."""
    by_name: dict[str, list[str]] = defaultdict(list)
    for row in samples.rows:
        if row["class"] == "voice" and row["instrument"] not in ("stems", "speech_rtvc"):
            by_name[row["instrument"]].append(row["path"])
    paths = by_name[str(rng.choice(sorted(by_name)))]
    out, at = np.zeros(round(seconds * RATE), np.float32), int(rng.uniform(0, 2) * RATE)
    while at < len(out):
        wave = samples.load(str(rng.choice(paths)))[: len(out) - at]
        out[at : at + len(wave)] += wave / max(1e-3, float(np.sqrt(np.mean(wave**2))))
        at += len(wave) + int(rng.exponential(0.6) * RATE)
    return out


def _tuned(wave: np.ndarray, factor: float) -> np.ndarray:
    """Play a sound faster or slower by a factor; its pitch changes with it."""
    if abs(factor - 1) < 1e-3:
        return wave
    return np.interp(np.arange(0, len(wave) - 1, factor), np.arange(len(wave)), wave).astype(np.float32)


def _ended(wave: np.ndarray, count: int) -> np.ndarray:
    """Fade a sound out over 20 ms after this many samples."""
    fade = round(0.02 * RATE)
    if len(wave) <= count + fade:
        return wave
    ended = wave[: count + fade].copy()
    ended[count:] *= np.linspace(1, 0, fade, dtype=np.float32)
    return ended
