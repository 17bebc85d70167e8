"""Render random mixes of four stems.

    python -m training.render FOLDER [--count 10] [--first 0] [--held-out] [--data FOLDER] [--cache FOLDER]

writes mixes with their stems, to listen to. Training renders the same mixes without writing them (`training.examples`).

A mix of ten seconds is known by its number: the same number gives the same mix. Each stem is absent in about a third of
the mixes; one in eight mixes is a solo. A stem is a window of a real song, or random parts played with recorded and
synthesized sounds. Equalizer, compressor, room, position and level are random for each stem; width, limiter, sampling
rate and codec for the mix. The distributions are near those of real songs where `training.statistics` can compare them.
"""

import argparse
import time
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import soundfile

from training import effects, instruments, scores, singers, soundfonts
from training.effects import Random
from training.instruments import COUNT, transposed
from training.material import RATE, STEMS, Material, MaterialError, Sound, add_data_argument, checked, index
from training.scores import Arrangement, Harmony, any_of

#: Numbers of mixes with held-out sounds start here.
HELD_OUT_FROM = 900_000
#: What can be left out, to see what it contributes.
PARTS_OF_THE_MATERIAL = ("samples", "singing")
#: How often each stem sounds where the mix is no solo; mean and spread of its level in dB.
_PRESENT = {"drums": 0.72, "bass": 0.72, "other": 0.74, "vocals": 0.72}
_LEVELS = {"drums": (-19.0, 3.5), "bass": (-18.5, 3.5), "other": (-19.5, 3.5), "vocals": (-19.5, 3.5)}
_SOLO = 0.12
#: Share of the mixes that are made of windows of real songs alone, and of such stems in the others.
_REMIXED, _FROM_SONGS = 0.1, 0.18
_WETNESS = (0.0, 0.05, 0.12, 0.25, 0.45)


@dataclass(frozen=True)
class Sources:
    """Sounds and scores that mixes are made of."""

    material: Material
    songs: dict[str, dict[str, Sound]]
    scores: tuple[Path, ...]
    synthesized_singing: bool = True


def sources(data: Path, held_out: bool, cache: Path, without: Collection[str] = ()) -> tuple[Sources, list[str]]:
    """Return the sounds of training, or those held out, and lines for the log on the soundfonts.

    Mixes with held-out sounds contain no windows of songs: the songs that are held out are scored as they are.

    Parameters
    ----------
    data : Path
        The data folder.
    held_out : bool
        Whether to return the sounds of validation.
    cache : Path
        Folder of the notes of soundfonts.
    without : collection of str
        Of `PARTS_OF_THE_MATERIAL`: no recorded samples, or voices only as they were recorded.
    """
    notes, lines = soundfonts.notes(cache, held_out)
    material = Material(data, held_out, notes, recorded="samples" not in without)
    midi = data / "midi"
    rows = index(midi) if (midi / "index.csv").exists() else ()
    songs_of_midi = sorted(checked(midi / row["path"], midi) for row in rows if row["kind"] == "multi")
    split = [path for i, path in enumerate(songs_of_midi) if (i % 5 == 0) == held_out]
    songs = {} if held_out else material.songs()
    return Sources(material, songs, tuple(split), "singing" not in without), lines


def mix(number: int, source: Sources) -> tuple[Sound, Sound]:
    """Return a mix, float32, shape=(2, n), and its stems in the order of `STEMS`, shape=(4, 2, n)."""
    rng = np.random.default_rng(number)
    harmony = scores.harmony(rng)
    arrangement = scores.arrangement(rng, source.scores)
    from_songs = 1.0 if rng.random() < _REMIXED else _FROM_SONGS
    present = _present(rng)
    stems = np.zeros((len(STEMS), 2, COUNT), np.float32)
    for i, stem in enumerate(STEMS):
        if stem not in present:
            continue
        sound = _of_song(rng, stem, source) if rng.random() < from_songs else None
        if sound is None:
            sound = _played(rng, stem, source, harmony, arrangement)
        if rng.random() < 0.5:
            sound = effects.compress(rng, sound)
        stems[i] = sound * (10 ** (rng.normal(*_LEVELS[stem]) / 20) / (effects.level(sound) + 1e-6))
    return _mastered(rng, stems)


def remixed(number: int, songs: dict[str, dict[str, Sound]]) -> Sound:
    """Return stems of windows of real songs, of any of them, at random levels, shape=(4, 2, n).

    Nothing else is done to them; each is absent in a third of the mixes.
    """
    rng = np.random.default_rng(number)
    stems = np.zeros((len(STEMS), 2, COUNT), np.float32)
    present = _present(rng)
    for i, stem in enumerate(STEMS):
        found = [song[stem] for song in songs.values() if song[stem].any()]
        if stem not in present or not found:
            continue
        sound = any_of(rng, found)
        start = int(rng.integers(sound.shape[1]))
        window = np.take(sound, np.arange(start, start + COUNT), axis=1, mode="wrap")
        stems[i] = window * (10 ** (rng.normal(-20, 3) / 20) / (effects.level(window) + 1e-6))
    return stems


def _present(rng: Random) -> set[str]:
    if rng.random() < _SOLO:
        return {any_of(rng, STEMS)}
    present = {stem for stem in STEMS if rng.random() < _PRESENT[stem]}
    return present or {any_of(rng, STEMS)}


def _mastered(rng: Random, stems: Sound) -> tuple[Sound, Sound]:
    """Do to the mix what is done to mixes; the stems follow, except that a codec changes the mix alone."""
    chosen = rng.random()
    if chosen < 0.15:
        stems = effects.narrow(stems, 0)
    elif chosen < 0.35:
        stems = effects.narrow(stems, rng.uniform(0.2, 1.5))
    if rng.random() < 0.5:
        stems = effects.limit(stems, rng.uniform(7, 14))
    if rng.random() < 0.12:
        stems = effects.resample(stems, int(rng.choice([22050, 24000, 32000])))
    stems = (stems * (rng.uniform(0.3, 0.99) / (np.abs(stems.sum(axis=0)).max() + 1e-9))).astype(np.float32)
    mixed = stems.sum(axis=0)
    if rng.random() < 0.15:
        codec = any_of(rng, sorted(effects.CODECS))
        mixed = effects.encode(mixed, codec, int(rng.choice([64, 96, 128, 192])))
    return mixed, stems


def _of_song(rng: Random, stem: str, source: Sources) -> Sound | None:
    """Return a window of a stem of a real song with another pitch, start, equalizer, width and order of channels."""
    found = [stems[stem] for stems in source.songs.values() if stems[stem].any()]
    if not found:
        return None
    sound = transposed(any_of(rng, found).T, rng.uniform(-4, 4)).T
    if rng.random() < 0.5:
        sound = sound[::-1]
    start = int(rng.integers(sound.shape[1]))
    repeated = np.take(sound, np.arange(start, start + COUNT), axis=1, mode="wrap")
    narrowed = effects.narrow(repeated[None], float(rng.choice([0, 0.5, 1, 1])))[0]
    return effects.equalize(rng, narrowed)


def _played(rng: Random, stem: str, source: Sources, harmony: Harmony, arrangement: Arrangement) -> Sound:
    """Return a stem of random parts, placed between left and right, shape=(2, n)."""
    material = source.material
    if stem == "drums":
        return _kit(rng, instruments.drums(rng, material, harmony, arrangement.drums))
    if stem == "bass":
        part = instruments.bass(rng, material, harmony, arrangement.bass)
        pan = rng.uniform(-1, 1) if rng.random() < 0.06 else rng.uniform(-0.08, 0.08)
        return effects.place(rng, part, pan, float(rng.choice([0, 0, 0, 0, 0.1])))
    if stem == "vocals":
        return _sung(rng, singers.vocals(rng, material, harmony, source.synthesized_singing))
    count = max(len(arrangement.others[:4]), int(rng.choice([1, 1, 2, 2, 3, 4])))
    reach = float(rng.choice([0.1, 0.5, 0.95], p=[0.25, 0.3, 0.45]))
    total = np.zeros((2, COUNT), np.float32)
    for part in instruments.others(rng, material, harmony, arrangement.others, count):
        pan = rng.uniform(-reach, reach) if rng.random() < 0.9 else float(rng.choice([-1, 1]))
        placed = effects.place(rng, part, pan, any_of(rng, _WETNESS))
        if rng.random() < 0.45:
            placed = effects.widen(rng, placed, part, rng.uniform(0.2, 1.1))
        elif rng.random() < 0.3:  # played twice, to the left and to the right
            placed = 0.5 * placed + np.stack(effects.double(rng, part, 2))
        total += 10 ** (rng.normal(0, 3) / 20) * placed
    return total


def _kit(rng: Random, part: Sound) -> Sound:
    """Place drums: their low end in the center, a width that grows with frequency."""
    stereo = effects.place(rng, part, rng.uniform(-0.1, 0.1), any_of(rng, _WETNESS))
    return effects.widen(rng, stereo, part, rng.uniform(0.1, 0.9)) if rng.random() < 0.75 else stereo


def _sung(rng: Random, parts: list[Sound]) -> Sound:
    """Place a lead voice near the center, its doubles and harmonies to the sides."""
    pan = rng.uniform(-0.08, 0.08) if rng.random() < 0.88 else rng.uniform(-0.8, 0.8)
    wet = any_of(rng, _WETNESS)
    total = effects.place(rng, parts[0], pan, wet)
    spread = rng.uniform(0.2, 1)
    for i, part in enumerate(parts[1:]):
        total = total + effects.place(rng, part, spread * (-1) ** i * rng.uniform(0.3, 1), wet)
    if rng.random() < 0.25:  # a chorus
        total = effects.widen(rng, total, parts[0], rng.uniform(0.2, 0.9))
    if rng.random() < 0.2:  # an echo
        delay = int(rng.uniform(0.12, 0.6) * RATE)
        total[:, delay:] += rng.uniform(0.1, 0.4) * total[:, :-delay]
    return total


def main() -> None:
    """Write mixes and their stems as audio files."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--count", type=int, default=10)
    parser.add_argument("--first", type=int, default=0, help="number of the first mix")
    parser.add_argument("--held-out", action="store_true", help="with the sounds of validation")
    parser.add_argument("--cache", type=Path, help="folder of notes of soundfonts (default: FOLDER/notes)")
    add_data_argument(parser)
    arguments = parser.parse_args()
    try:
        source, lines = sources(arguments.data, arguments.held_out, arguments.cache or arguments.folder / "notes")
    except (MaterialError, FileNotFoundError) as error:
        raise SystemExit(f"training.render: {error}") from None
    print("\n".join(lines))
    for number in range(arguments.first, arguments.first + arguments.count):
        started = time.process_time()
        mixed, stems = mix(number, source)
        folder = arguments.folder / f"{number:06}"
        folder.mkdir(parents=True, exist_ok=True)
        for name, sound in (("full_mix", mixed), *zip(STEMS, stems, strict=True)):
            soundfile.write(folder / f"{name}.wav", sound.T, RATE)
        print(f"{folder}  {time.process_time() - started:.2f} CPU s")


if __name__ == "__main__":
    main()
