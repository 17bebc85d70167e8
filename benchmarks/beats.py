"""Beat, downbeat and tempo accuracy of the embedded tracker beside librosa, Essentia and Beat This!, in one run.

    python benchmarks/beats.py [--corpus FOLDER] [--data FOLDER] [--split NAME] [--ours-only] [--json FILE]

Pieces: the rendered corpus (``rhythm_corpus.py``; "test" has six styles and a soundfont that nothing was tuned on) and
the annotated excerpts of ``../shared/data``. The split "levels-test" has tempi from 45 to 260 BPM, "bars-test" odd
meters. Columns: beat F-measure (70 ms), CMLt and AMLt (mir_eval; the first five seconds trimmed as is usual, and
untrimmed), downbeat F, share of pieces with the meter right, tempo within 4 % (Acc1)
and within 4 % of it, its double, half, triple or third (Acc2), the share with a tempo defined, and the mean of the
columns that every tracker has. Rubato counts for "defined" alone. What the others find is kept in the corpus' folder,
so that a second run only measures ours; Beat This! takes part where its weights are. The table ends with the CPU
seconds of each tracker on three minutes of sound, decoding not included, ours with its transform.
"""

import argparse
import functools
import itertools
import json
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import mir_eval
import numpy as np
import rhythm_corpus
import soundfile

from mirkit import models
from mirkit.errors import MirkitError
from mirkit.features.rhythm.beats import Beats, track_beats
from mirkit.features.rhythm.beats.from_activations import beats_from_activations
from mirkit.features.rhythm.onsets import OnsetCurve, OnsetExtractor
from mirkit.features.rhythm.tempo import tempo
from mirkit.features.stft import PowerStft
from mirkit.features.types import Window
from mirkit.store import Settings
from mirkit.store.settings_file import with_values

RATE = 44100
COLUMNS = ("F", "CMLt", "AMLt", "F all", "CMLt all", "AMLt all", "down F", "meter", "Acc1", "Acc2", "defined")
Found = tuple[np.ndarray, np.ndarray | None, str | None, float | None, bool]


def onset_curve(mono: np.ndarray) -> OnsetCurve:
    stft, meter = PowerStft(), OnsetExtractor()
    meter.push_samples(mono)
    for source in (stft.push(mono), stft.finish()):
        for frames in source:  # each block is overwritten by the next
            meter.push_frames(frames)
    return meter.finish()


def found(beats: Beats, samples: int) -> Found:
    bpm = tempo(beats, Window(0, samples / RATE)).bpm
    if not isinstance(bpm, float):
        bpm = 60 / float(np.median(np.diff(beats.times))) if len(beats.times) > 1 else None
    return beats.times, beats.downbeats, beats.meter, bpm, beats.steady


def ours(mono: np.ndarray) -> Found:
    return found(track_beats(onset_curve(mono)), len(mono))


def theirs_librosa(mono: np.ndarray) -> Found:
    import librosa

    bpm, beats = librosa.beat.beat_track(y=mono, sr=RATE, units="time")
    return beats, None, None, float(np.atleast_1d(bpm)[0]), True


def theirs_essentia(method: str) -> Callable[[np.ndarray], Found]:
    import essentia
    import essentia.standard

    essentia.log.infoActive = False
    extractor = essentia.standard.RhythmExtractor2013(method=method)

    def track(mono: np.ndarray) -> Found:
        bpm, beats, *_ = extractor(mono)
        return beats, None, None, float(bpm), True

    return track


def theirs_beat_this() -> Callable[[np.ndarray], Found] | None:
    """Beat This! with our decoder, or None without its weights or PyTorch."""
    settings = with_values(Settings(), {"backends.beats": "beat_this"}, "benchmark")
    try:
        tracker = models.load("beats", settings)
    except MirkitError as missing:
        print(f"beat_this skipped: {missing}")
        return None

    def track(mono: np.ndarray) -> Found:
        stream = tracker.stream()
        stream.push(mono[None])
        return found(beats_from_activations(stream.finish(), onset_curve(mono)), len(mono))

    return track


def kept(folder: Path, tracker: str, name: str, track: Callable[[], Found]) -> Found:
    """What a tracker found in a piece, from the file of an earlier run where there is one."""
    path = folder / "found" / tracker / f"{name}.json"
    if not path.exists():
        beats, downbeats, *rest = track()
        lists = [None if times is None else np.asarray(times, np.float64).tolist() for times in (beats, downbeats)]
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps([*lists, *rest]))
    beats, downbeats, meter, bpm, steady = json.loads(path.read_text())
    return np.array(beats), None if downbeats is None else np.array(downbeats), meter, bpm, steady


def load(path: Path) -> np.ndarray:
    import soxr

    samples, rate = soundfile.read(path, dtype="float32", always_2d=True)
    mono = np.ascontiguousarray(samples.mean(axis=1))
    return mono if rate == RATE else soxr.resample(mono, rate, RATE)


def score(truth: dict, measured: Found) -> list[float]:
    """Return one piece's row of ``COLUMNS``; NaN where a column does not apply."""
    beats, downbeats, meter, bpm, defined = measured
    if truth["bpm"] is None:
        return [np.nan] * 10 + [float(defined)]
    row: list[float] = []
    for trim in (mir_eval.beat.trim_beats, np.asarray):
        reference, estimate = trim(np.array(truth["beats"])), trim(np.asarray(beats))
        if len(truth["beats"]) < 8:
            row += [np.nan] * 3
            continue
        continuity = mir_eval.beat.continuity(reference, estimate)
        row += [mir_eval.beat.f_measure(reference, estimate), continuity[1], continuity[3]]
    trimmed = mir_eval.beat.trim_beats
    known = downbeats is not None and len(truth["downbeats"]) > 2
    row.append(mir_eval.beat.f_measure(trimmed(np.array(truth["downbeats"])), trimmed(downbeats)) if known else np.nan)
    row.append(float(meter == truth["meter"]) if meter and truth["meter"] else np.nan)
    ratio = bpm / truth["bpm"] if bpm else 0
    return [
        *row,
        float(abs(ratio - 1) < 0.04),
        float(any(abs(ratio / k - 1) < 0.04 for k in (1, 2, 0.5, 3, 1 / 3))),
        float(defined),
    ]


def rendered(folder: Path, split: str) -> Iterator[tuple[str, dict, np.ndarray]]:
    try:
        paths = rhythm_corpus.render(folder, split)
    except rhythm_corpus.Unavailable as missing:
        print(missing)
        return
    for path in paths:
        yield path.stem, json.loads(path.with_suffix(".json").read_text()), load(path)


def annotated(data: Path) -> Iterator[tuple[str, dict, np.ndarray]]:
    if not data.is_dir():
        print(f"annotated excerpts skipped: no {data}")
        return
    paths = sorted((data / "mdb" / "drum_only").glob("*.flac")) + sorted(
        (data / "mdb").glob("MusicDelta_*/full_mix.flac")
    )
    for path in paths:
        mix = path.stem == "full_mix"
        name = path.parent.name if mix else path.stem.removesuffix("_Drum")
        table = np.loadtxt(data / "mdb" / "annotations" / f"{name}_MIX.beats")
        beats, downbeats = table[:, 0], table[table[:, 1] == 1, 0]
        truth = {"beats": beats, "downbeats": downbeats, "meter": "4/4", "bpm": 60 / float(np.median(np.diff(beats)))}
        yield f"{name}{' mix' if mix else ' drums'}", truth | {"style": "mdb"}, load(path)
    for path in sorted((data / "beats").glob("*.flac")):
        table = np.loadtxt(path.with_suffix(".beats"))
        truth = {"beats": table[:, 0], "downbeats": table[table[:, 1] == 1, 0], "style": "excerpt"}
        yield path.stem, truth | {"meter": None, "bpm": float(path.with_suffix(".bpm").read_text())}, load(path)


def table(title: str, rows: dict[str, list[list[float]]], names: list[str], only: Callable[[int], bool]) -> None:
    shared = [COLUMNS.index(c) for c in ("F", "CMLt", "AMLt", "F all", "CMLt all", "AMLt all", "Acc1", "Acc2")]
    print(f"\n{title}\n{'':14s}" + "".join(f"{c:>9s}" for c in (*COLUMNS, "mean")))
    for tracker, scores in rows.items():
        chosen = np.array([s for i, s in enumerate(scores) if only(i)])
        if len(chosen):
            means = [np.nan if np.isnan(column).all() else np.nanmean(column) for column in chosen.T]
            means.append(np.mean([means[i] for i in shared]))
            print(f"{tracker:14s}" + "".join(f"{'-' if np.isnan(m) else f'{m:.3f}':>9s}" for m in means))


def without_pulse(seeds: int = 20) -> None:
    """Count false tempi on noise, drones and speech-like bursts."""
    false: dict[str, int] = {}
    t = np.arange(20 * RATE) / RATE
    for seed in range(seeds):
        rng = np.random.default_rng(seed)
        speech = np.zeros(len(t))
        at = 0.2
        while at < 19:
            length = rng.uniform(0.06, 0.3)
            n, start = int(length * RATE), int(at * RATE)
            voiced = sum(np.sin(2 * np.pi * k * rng.uniform(90, 180) * t[:n]) / k for k in range(1, 20))
            speech[start : start + n] += (voiced if rng.random() < 0.7 else rng.normal(0, 1, n)) * np.sin(
                np.pi * np.arange(n) / n
            )
            at += length + (rng.uniform(0.2, 0.7) if rng.random() < 0.2 else rng.uniform(0, 0.08))
        color = np.fft.irfft(
            np.fft.rfft(rng.normal(0, 1, len(t))) / np.maximum(1, np.arange(len(t) // 2 + 1)) ** rng.uniform(0, 1)
        )
        drone = sum(
            np.sin(2 * np.pi * rng.uniform(60, 600) * t + 3 * np.sin(rng.uniform(0.2, 3) * t)) for _ in range(4)
        )
        for name, sound in (("noise", color), ("drone", drone), ("speech-like", speech)):
            measured = ours((0.3 * sound / np.abs(sound).max()).astype(np.float32))
            false[name] = false.get(name, 0) + int(measured[4])
    print(f"\nbpm_is_defined on {seeds} seeds each:", ", ".join(f"{name} {count}" for name, count in false.items()))


def cost(trackers: dict[str, Callable[[np.ndarray], Found]], sound: np.ndarray) -> None:
    three_minutes = np.resize(sound, 180 * RATE)
    print("\nCPU seconds for three minutes")
    for name, track in trackers.items():
        track(sound[: 20 * RATE])
        spent = []
        for _ in range(2):
            start = time.process_time()
            track(three_minutes)
            spent.append(time.process_time() - start)
        print(f"{name:14s}{min(spent):9.2f}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    root = Path(__file__).resolve().parents[1]
    parser.add_argument("--corpus", type=Path, default=rhythm_corpus.FOLDER)
    parser.add_argument("--data", type=Path, default=root.parent / "shared" / "data")
    parser.add_argument("--split", choices=rhythm_corpus.SPLITS, default="test")
    parser.add_argument("--ours-only", action="store_true")
    parser.add_argument("--pieces", action="store_true", help="print ours piece by piece where it is wrong")
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    trackers: dict[str, Callable[[np.ndarray], Found]] = {"ours": ours}
    if not options.ours_only:
        if neural := theirs_beat_this():
            trackers["beat_this"] = neural
        trackers |= {"librosa": theirs_librosa}
        trackers |= {method: theirs_essentia(method) for method in ("multifeature", "degara")}
    rows: dict[str, list[list[float]]] = {name: [] for name in trackers}
    names, truths, sound = [], [], np.zeros(0, np.float32)
    for name, truth, sound in itertools.chain(rendered(options.corpus, options.split), annotated(options.data)):
        names.append(name)
        truths.append(truth)
        for tracker, track in trackers.items():
            own = tracker == "ours"
            measured = track(sound) if own else kept(options.corpus, tracker, name, functools.partial(track, sound))
            rows[tracker].append(score(truth, measured))
            last = rows[tracker][-1]
            if (
                tracker == "ours"
                and options.pieces
                and truth["bpm"]
                and (last[3] < 0.9 or last[6] < 0.8 or not last[8])
            ):
                print(
                    f"{name:28s} F {last[3]:.2f} down {last[6]:.2f} bpm {measured[3]:.1f}/{truth['bpm']:.1f} "
                    f"{measured[2]}/{truth['meter']}"
                )
    styles = [truth["style"] for truth in truths]
    corpus = [style not in ("mdb", "excerpt") for style in styles]
    table(f"Rendered, {options.split}", rows, names, lambda i: corpus[i])
    table("  steady tempo", rows, names, lambda i: corpus[i] and styles[i] not in ("ramp", "rubato"))
    table("  unseen styles", rows, names, lambda i: styles[i] in rhythm_corpus.UNSEEN)
    table("  unseen soundfont", rows, names, lambda i: corpus[i] and truths[i]["soundfont"] == "timgm")
    for style in sorted(set(styles)):
        if style.startswith(("level ", "bar ")):
            table(f"  {style}", rows, names, lambda i, style=style: styles[i] == style)
    table("  rubato (defined should be 0)", rows, names, lambda i: styles[i] == "rubato")
    table("Real drums and mixes", rows, names, lambda i: styles[i] == "mdb")
    table("Tempo excerpts", rows, names, lambda i: styles[i] == "excerpt")
    without_pulse()
    if len(sound):
        cost(trackers, sound)
    if options.json:
        options.json.write_text(json.dumps({"columns": COLUMNS, "pieces": names, "scores": rows}, indent=1))


if __name__ == "__main__":
    main()
