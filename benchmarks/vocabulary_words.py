"""How often the words of prompts are right, on renderings that were made to deserve them or not.

    python benchmarks/vocabulary_words.py [--judge N] [--cache FOLDER]

Pieces (``benchmarks.pieces``) are changed on purpose: filtered, compressed, faded, made narrow and wide. Drum patterns
have a known density, tempo and swing. A word is right where the change it names was made. Thresholds are chosen on the
pieces for tuning; ``--judge 1`` and ``--judge 2`` take others, with other seeds. Prints the table of
docs/how_good/vocabulary.md.
"""

import argparse
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import scipy.signal
from pieces import HELD_OUT, TUNING, Piece, instruments, render
from pieces.score import HAT, KICK, SNARE, Note

import mirkit
from mirkit.captions.vocabulary import RULES
from mirkit.features.rhythm.onset_statistics import onset_density
from mirkit.features.rhythm.onsets import OnsetExtractor
from mirkit.features.stft import PowerStft
from mirkit.features.types import Window

RATE = 44100
SECONDS = 10
#: Stages whose values the words of a changed piece need.
STAGES = ("loudness", "level", "bands")
#: Words that a change makes true; a piece without changes deserves none of them.
CHANGES = ("dark", "bright", "heavy bass", "little bass", "quiet", "loud", "wide dynamics", "mono", "wide")
DESERVES: dict[str, set[str]] = {
    "dark": {"dark"},
    "bright": {"bright"},
    "heavy bass": {"heavy bass"},
    "little bass": {"little bass"},
    "quiet": {"quiet"},
    "loud": {"loud", "heavily compressed"},
    "wide dynamics": {"wide dynamics"},
    "mono": {"mono"},
    "wide": {"wide stereo"},
}


def shelf(sound: np.ndarray, hz: float, db: float, *, high: bool) -> np.ndarray:
    """Raise or lower what is above (or below) a frequency, over an octave."""
    spectrum = np.fft.rfft(sound, axis=1)
    octaves = np.log2(np.maximum(np.fft.rfftfreq(sound.shape[1], 1 / RATE), 1) / hz)
    weight = np.clip(octaves + 0.5, 0, 1) if high else np.clip(0.5 - octaves, 0, 1)
    return np.fft.irfft(spectrum * 10 ** (db * weight / 20), sound.shape[1], axis=1)


def scaled(sound: np.ndarray, peak: float) -> np.ndarray:
    """Scale to a peak."""
    return sound * (peak / np.abs(sound).max())


def compressed(sound: np.ndarray, reach: float) -> np.ndarray:
    """Bring all levels near to that of the loudest part, as by fast compression."""
    power = scipy.signal.fftconvolve(np.square(sound).mean(axis=0), np.hanning(int(reach * RATE)), "same")
    return sound / np.sqrt(np.maximum(power, power.max() * 1e-3))


def changed(sound: np.ndarray, change: str, rng: np.random.Generator) -> np.ndarray:
    """Apply one change; ``""`` is none but a normal level."""
    mid, side = sound.mean(axis=0, keepdims=True), (sound[:1] - sound[1:]) / 2
    if change == "dark":
        return scaled(shelf(sound, rng.uniform(500, 1200), rng.uniform(-30, -18), high=True), 0.5)
    if change == "bright":
        return scaled(shelf(sound, rng.uniform(2000, 4000), rng.uniform(14, 22), high=True), 0.5)
    if change == "heavy bass":
        return scaled(shelf(sound, 120, rng.uniform(12, 18), high=False), 0.5)
    if change == "little bass":
        return scaled(shelf(sound, 120, rng.uniform(-30, -18), high=False), 0.5)
    if change == "quiet":
        return scaled(sound, 10 ** (rng.uniform(-30, -20) / 20))
    if change == "loud":
        return 0.98 * np.tanh(rng.uniform(1.5, 3) * scaled(compressed(sound, 0.05), 1.0) * 2)
    if change == "wide dynamics":
        steps = np.repeat([0.0, rng.uniform(-26, -18)], -(-sound.shape[1] // 2))[: sound.shape[1]]
        return scaled(sound * 10 ** (steps / 20), 0.5)
    if change == "mono":
        return scaled(np.repeat(mid, 2, axis=0), 0.5)
    if change == "wide":
        late = np.roll(mid, round(rng.uniform(0.011, 0.019) * RATE), axis=1)
        wide = side + rng.uniform(0.8, 1.1) * late
        return scaled(np.concatenate((mid + wide, mid - wide)), 0.5)
    return scaled(sound, 0.5)


def brightness(sound: np.ndarray) -> float:
    """Measure brightness alone, which is much faster than all timbre features."""
    from mirkit.features.timbre.brightness import brightness as measure
    from mirkit.features.timbre.normalize import Cascade, high_pass

    mono = np.ascontiguousarray(sound.mean(axis=0), np.float32)
    found = measure(Cascade(high_pass(20.0))(mono, np.empty_like(mono)).copy(), np.empty_like(mono))
    return float(found)


def of_pieces(pieces: tuple[Piece, ...], cache: Path) -> Iterator[tuple[set[str], dict[str, float]]]:
    """Yield what each changed piece deserves, and its values."""
    for number, piece in enumerate(pieces):
        stems = render(piece, cache)
        if stems is None:
            continue
        sound = sum(stems.values())[:, : SECONDS * RATE].astype(np.float64)
        rng = np.random.default_rng(number)
        for change in ("", *CHANGES):
            heard = changed(sound, change, rng).astype(np.float32)
            values = {"brightness": brightness(heard)}
            for stage in STAGES:
                values |= {name: v for name, v in mirkit.analyze((heard, RATE), stage).items() if v is not None}
            yield DESERVES.get(change, set()), values


def drum_notes(bpm: float, per_beat: int, swing: float) -> list[Note]:
    """A plain pattern: kick and snare in turn, and a hat on every step; odd steps are late by the swing."""
    notes, beat, count = [], 0.0, 0
    while beat * 60 / bpm < SECONDS:
        start = beat * 60 / bpm
        notes.append(Note(start, 0.2, KICK if count % 2 == 0 else SNARE, 1.0))
        places = [i / per_beat for i in range(per_beat)] if per_beat > 1 else []
        places = [swing if place == 0.5 else place for place in places]
        notes += [Note(start + place * 60 / bpm, 0.1, HAT, 0.7) for place in places]
        beat, count = beat + 1, count + 1
    return notes


def of_drums(seeds: range) -> Iterator[tuple[set[str], dict[str, float]]]:
    """Yield what drum patterns deserve: their tempo, density and swing are known."""
    for seed in seeds:
        rng = np.random.default_rng(seed)
        bpm, per_beat = float(rng.choice((66, 74, 92, 104, 118, 126, 148, 160))), int(rng.choice((2, 2, 4)))
        if seed % 4 == 0:  # without eighths, only a moderate tempo is unambiguous
            bpm, per_beat = float(rng.choice((92, 104, 118))), 1
        swing = float(rng.choice((0.5, 0.5, 0.64, 0.67))) if per_beat == 2 else 0.5
        sound = instruments.play(instruments.drum_kit(rng), drum_notes(bpm, per_beat, swing), SECONDS, rng)
        sound = scaled(sound[:, : SECONDS * RATE], 0.5).astype(np.float32)
        deserved = {"slow tempo" if bpm <= 85 else "fast tempo" if bpm >= 135 else "medium tempo"}
        deserved |= {"swung eighths"} if swing > 0.55 else {"straight eighths"} if per_beat > 1 else set()
        strokes = max(1, per_beat) * bpm / 60
        deserved |= {"sparse drums"} if strokes <= 2.5 else {"busy drums"} if strokes >= 7 else set()
        found = mirkit.analyze((sound, RATE), "rhythm")
        values = {name: v for name, v in found.items() if isinstance(v, int | float)}
        onsets, stft = OnsetExtractor(), PowerStft()
        mono = sound.mean(axis=0)
        onsets.push_samples(mono)
        for power in (*stft.push(mono), *stft.finish()):
            onsets.push_frames(power)
        density = onset_density(onsets.finish().all_onsets, Window(0, SECONDS)).onset_density_average
        yield deserved, values | {"onset_density_average_drums": density, "drums_presence": 1.0}


def of_noise(seeds: range) -> Iterator[tuple[set[str], dict[str, float]]]:
    """Yield what noises and random notes deserve: no beat, no key."""
    times = np.arange(SECONDS * RATE) / RATE
    for seed in seeds:
        rng = np.random.default_rng(seed)
        noise = scipy.signal.lfilter(
            *scipy.signal.butter(1, rng.uniform(500, 8000), fs=RATE), rng.standard_normal(len(times))
        )
        drone = sum(np.sin(2 * np.pi * rng.uniform(80, 900) * times + i) for i in range(4))
        for kind, sound in (("noise", noise), ("drone", drone)):
            heard = np.tile(scaled(sound[None], 0.4), (2, 1)).astype(np.float32)
            values = dict(mirkit.analyze((heard, RATE), "tempo")) | dict(mirkit.analyze((heard, RATE), "danceability"))
            deserved = {"no beat"} | ({"atonal"} if kind == "noise" else set())
            yield deserved, {name: v for name, v in values.items() if isinstance(v, int | float)}
        chords = [
            Note(2.0 * i, 2.0, 48 + int(n), 0.8) for i in range(SECONDS // 2) for n in ((0, 4, 7), (5, 9, 12))[i % 2]
        ]
        tonal = instruments.play(instruments.chords("organ"), chords, SECONDS, rng)[:, : SECONDS * RATE]
        heard = scaled(tonal, 0.4).astype(np.float32)
        yield (
            set(),
            {n: v for n, v in mirkit.analyze((heard, RATE), "danceability").items() if isinstance(v, int | float)},
        )


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--judge", type=int, choices=(1, 2), help="judge on other pieces and seeds: set 1 or 2")
    parser.add_argument("--cache", type=Path, default=Path("/tmp/mirkit-pieces"))
    parser.add_argument("--dump", type=Path, help="write all values as JSON, to choose thresholds")
    arguments = parser.parse_args()
    sets = {None: tuple(piece for piece in TUNING if piece.seed == 1)[:6], 1: HELD_OUT[:6], 2: HELD_OUT[6:]}
    pieces, start = sets[arguments.judge], 1000 * (arguments.judge or 0)
    rows = [
        *of_drums(range(start, start + 24)),
        *of_noise(range(start, start + 4)),
        *of_pieces(pieces, arguments.cache),
    ]
    if arguments.dump:
        import json

        arguments.dump.write_text(json.dumps([[sorted(deserved), values] for deserved, values in rows]))
    counts: dict[str, list[int]] = defaultdict(lambda: [0, 0, 0])
    for deserved, values in rows:
        for rule in RULES:
            value = rule.value(values)
            if value is None:
                continue
            said, right = rule.holds(value), rule.text in deserved
            counts[rule.text][0] += said
            counts[rule.text][1] += said and right
            counts[rule.text][2] += right
    print("| word | condition | said | right | precision | deserved | found |\n|---|---|---|---|---|---|---|")
    for rule in RULES:
        said, right, deserving = counts[rule.text]
        precision, share = right / max(said, 1), right / max(deserving, 1)
        print(f"| {rule.text} | `{rule.threshold}` | {said} | {right} | {precision:.2f} | {deserving} | {share:.2f} |")


if __name__ == "__main__":
    main()
