"""Play composed pieces with recorded sounds instead of a soundfont: a kit, a bass, keys or guitars, a lead.

The sounds are a folder with an ``index.csv`` (columns path, class, instrument, midi_note, drum_class), such as
``../shared/data/samples``. A third of the instruments is held out: what is fitted uses the others, what is measured
uses these.
"""

import csv
from functools import cache
from pathlib import Path

import numpy as np
import soundfile
from rhythm_corpus import DRUM_CHANNEL, RATE

SAMPLES = Path(__file__).resolve().parents[2] / "shared" / "data" / "samples"
_FADE = 900  # samples
_LONGEST_DRUM = 2.5  # seconds
#: Classes of drum sounds by General MIDI pitch; others are played by a percussion sound.
_DRUMS = {
    **dict.fromkeys((35, 36), ("kick",)),
    **dict.fromkeys((38, 40), ("snare",)),
    37: ("sidestick", "rimshot"),
    39: ("clap",),
    41: ("tom_low",),
    43: ("tom_low",),
    **dict.fromkeys((42, 44), ("hihat_closed", "hihat_pedal")),
    46: ("hihat_open", "hihat_half"),
    **dict.fromkeys((45, 47), ("tom_mid",)),
    **dict.fromkeys((48, 50), ("tom_high",)),
    **dict.fromkeys((49, 52, 55, 57), ("crash", "china")),
    **dict.fromkeys((51, 53, 59), ("ride", "ride_bell")),
    54: ("tambourine",),
    56: ("cowbell",),
    **dict.fromkeys((69, 70, 82), ("shaker", "cabasa", "maracas")),
}
_PERCUSSION = ("conga", "bongo", "tabla", "hand_drum", "woodblock", "darbuka")
_KITS = ("audiophob", "gog2_close", "gog2_retro", "gog2_room", "muldjord3", "rumpf", "sonicpi", "uzu")
HELD_OUT = frozenset(
    (
        *("muldjord1_room", "muldjord3", "rumpf", "uzu", "gog1", "berklee"),
        *("growly", "meat_pizz", "swag", "yamaha_yr", "emily", "ganjo", "spanish", "upright_kw", "wurli"),
        *("meat_arco", "bearsax", "ixox_flute", "mtgsax_alt", "bk_female", "bk_choir_m"),
    )
)
_BACKING = ("keys", "guitar", "guitar", "keys", "strings")
_TUNES, _SUNG = ("wind", "strings", "guitar", "keys"), ("bk_female", "bk_male", "bk_choir_f", "bk_choir_m")
#: Mean and spread of the levels of the stems in the mix, dB.
_LEVELS = {"drums": (-16, 2.5), "bass": (-19, 2.5), "other": (-20, 2.5), "vocals": (-19, 2)}


def play(
    notes: dict[str, list], count: int, rng: np.random.Generator, *, held_out: bool, samples: Path = SAMPLES
) -> dict[str, np.ndarray]:
    """Return the stems, shape=(2, count), of notes (channel, pitch, velocity, start, end) by stem."""
    rows = _index(samples)
    kit = str(rng.choice([name for name in _KITS if (name in HELD_OUT) == held_out]))
    chosen: dict[object, list[tuple[Path, float]]] = {}

    def instrument(channel: int, pitch: int, stem: str) -> list[tuple[Path, float]]:
        """Recordings, with their notes, of what plays a channel (a pitch of the drums)."""
        name = (channel, pitch) if channel == DRUM_CHANNEL else channel
        if name not in chosen:
            if channel == DRUM_CHANNEL:
                found = [r for r in rows if r["drum_class"] in _DRUMS.get(pitch, _PERCUSSION)]
                found = [r for r in found if (r["instrument"] in HELD_OUT) == held_out] or found
                found = [r for r in found if r["instrument"] == kit] or found
                found = [found[int(rng.integers(len(found)))]]
            else:
                kind = "bass" if stem == "bass" else str(rng.choice(_TUNES if channel == 2 else _BACKING))
                found = [r for r in rows if r["class"] == kind and r["midi_note"]]
                if stem == "vocals":
                    found = [r for r in rows if r["instrument"] in _SUNG and r["midi_note"]]
                makers = sorted({r["instrument"] for r in found})
                makers = [m for m in makers if (m in HELD_OUT) == held_out] or makers
                makers = [m for m in makers if sum(r["instrument"] == m for r in found) > 5] or makers
                maker = str(rng.choice(makers))
                found = [r for r in found if r["instrument"] == maker]
            chosen[name] = [(samples / r["path"], float(r["midi_note"] or 0)) for r in found]
        return chosen[name]

    stems = {}
    for stem, played in notes.items():
        out = np.zeros(count)
        for channel, pitch, velocity, start, end in played:
            drum = channel == DRUM_CHANNEL
            path, note = min(instrument(channel, pitch, stem), key=lambda found: abs(found[1] - pitch))
            ratio = 1.0 if drum else 2 ** ((pitch - note) / 12)
            tone = _resampled(path, ratio)[: int((_LONGEST_DRUM if drum else max(end - start, 0.08)) * RATE)].copy()
            fade = min(len(tone), _FADE)
            tone[len(tone) - fade :] *= np.linspace(1, 0, fade)
            at = int(start * RATE)
            tone = tone[: count - at]
            out[at : at + len(tone)] += tone * (velocity / 127) ** 1.5
        level = np.sqrt(np.mean(out**2)) + 1e-12
        mean, spread = _LEVELS[stem]
        out *= 10 ** (rng.normal(mean, spread) / 20) / level if played else 0
        stems[stem] = np.tile(out, (2, 1)).astype(np.float32)
    return stems


@cache
def _index(folder: Path) -> tuple[dict[str, str], ...]:
    with (folder / "index.csv").open() as table:
        return tuple(row for row in csv.DictReader(table) if row["instrument"] != "stems")


@cache
def _sound(path: Path) -> np.ndarray:
    """Samples from shortly before the onset on, with a peak of 1."""
    sound, rate = soundfile.read(path, dtype="float32", always_2d=True)
    assert rate == RATE, path
    mono = sound.mean(axis=1)
    mono /= max(float(abs(mono).max()), 1e-9)
    return mono[max(0, int(np.argmax(abs(mono) > 0.03)) - 40) :]


@cache
def _resampled(path: Path, ratio: float) -> np.ndarray:
    sound = _sound(path)
    return np.interp(np.arange(0, len(sound) - 1, ratio), np.arange(len(sound)), sound)
