"""Score the separation on real multitracks, and write down that they were used.

    python -m training.multitracks PATH [PATH ...] --reason TEXT [--log FILE] [--methods NAME ...]

A PATH is a folder with drums, bass, other and vocals (FLAC, Ogg or WAV), or a folder of such folders. The mix is the
sum of the stems; a mastered mix beside them is not used.

Printed for each track, for the mix itself, each method, and the ideal ratio mask, which knows the stems: SDR of each
stem in dB, or in parentheses the leak of an absent stem in dB of the mix; F-measure (50 ms) of the onsets of the drums
stem. The onsets are annotated in FOLDER.json (``drums``: time and class) or ``annotations/FOLDER_class.txt`` beside it;
without annotation they are those of the true stem. Then CPU seconds and peak memory of each method for the same 3
minutes of stereo, in processes of their own.

Before anything is printed, a row for each estimate is appended to the log (default: ``training/multitrack_log.md``)
with the date, the commit and the reason.
"""

import argparse
import datetime
import json
import math
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import soundfile
import soxr

from mirkit.features.rhythm.onsets import OnsetExtractor
from mirkit.features.stft import PowerStft
from mirkit.separation import ALL_PRESENT, EMBEDDED, EMBEDDED_DSP, METHODS, separate, survey
from mirkit.separation.stft import Synthesis
from training.examples import CONFIG, spectra_of
from training.material import RATE, STEMS, Sound

#: A stem is absent if its energy is below this share of that of the mix.
ABSENT = 1e-6
LOG = Path(__file__).with_name("multitrack_log.md")
_BLOCK = 65536
_COST_SECONDS = 180
_MATCH_SECONDS = 0.05
_COLUMNS = (*STEMS, "mean", "leak", "onset F", "CPU s", "MiB")


def separated(read: Callable[[], Iterator[Sound]], method: str, channels: int) -> Iterator[dict[str, Sound]]:
    """Separate a mix at 44.1 kHz, which ``read`` reads anew each time, as ``mirkit separate`` does.

    Raises
    ------
    SystemExit
        mirkit has no method of this name.
    """
    if method not in METHODS:
        raise SystemExit(f"training.multitracks: there is no method {method!r}; there are {', '.join(METHODS)}")
    presence = survey(read(), channels) if method == EMBEDDED else ALL_PRESENT
    return separate(read(), RATE, channels, method, presence)


@dataclass(frozen=True)
class Track:
    """Stems of a recording, shape=(4, 2, n) at 44.1 kHz, and the onsets of its drums in seconds, None if unknown."""

    name: str
    stems: Sound
    onsets: tuple[float, ...] | None

    @property
    def mix(self) -> Sound:
        """The sum of the stems, shape=(2, n)."""
        return np.asarray(self.stems.sum(axis=0))


def find(paths: list[Path]) -> list[Path]:
    """Return the folders that hold four stems: the paths themselves, or what is in them."""
    found = []
    for path in paths:
        inside = [path] if _stem_files(path) else sorted(p for p in path.glob("*") if p.is_dir() and _stem_files(p))
        if not inside:
            raise SystemExit(f"training.multitracks: {path} holds no folder with drums, bass, other and vocals")
        found += inside
    return found


def _stem_files(folder: Path) -> list[Path]:
    kinds = (".flac", ".ogg", ".wav")
    files = [next((f for kind in kinds if (f := folder / f"{stem}{kind}").is_file()), None) for stem in STEMS]
    return [file for file in files if file is not None] if all(files) else []


def read_track(folder: Path) -> Track:
    """Read a folder of stems, cut to the shortest."""
    sounds = []
    for path in _stem_files(folder):
        samples, rate = soundfile.read(path, dtype="float32", always_2d=True)
        if rate != RATE:
            samples = soxr.resample(samples, rate, RATE)
        sounds.append(np.broadcast_to(samples[:, :2].T, (2, len(samples))))
    count = min(sound.shape[1] for sound in sounds)
    return Track(folder.name, np.stack([sound[:, :count] for sound in sounds]), _annotated(folder))


def _annotated(folder: Path) -> tuple[float, ...] | None:
    described = folder.with_name(f"{folder.name}.json")
    if described.exists():
        hits = json.loads(described.read_text(encoding="utf-8")).get("drums")
        return tuple(sorted({float(hit[0]) for hit in hits})) if hits else None
    listed = folder.parent / "annotations" / f"{folder.name}_class.txt"
    if listed.exists():
        lines = listed.read_text(encoding="utf-8").splitlines()
        return tuple(sorted({float(text.split()[0]) for text in lines if text.strip()}))
    return None


def estimates(track: Track, methods: tuple[str, ...]) -> Iterator[tuple[str, Sound]]:
    """Yield the name of each estimate and its stems, shape=(4, 2, n)."""
    mix = track.mix
    yield "mix", np.broadcast_to(mix, track.stems.shape)
    for method in methods:
        parts = list(separated(partial(blocks_of, mix), method, len(mix)))
        yield method, np.stack([np.concatenate([part[stem] for part in parts], axis=1) for stem in STEMS])
    yield "ideal ratio mask", ideal(track)


def blocks_of(mix: Sound) -> Iterator[Sound]:
    """Return a mix in blocks."""
    return (mix[:, i : i + _BLOCK] for i in range(0, mix.shape[1], _BLOCK))


def ideal(track: Track) -> Sound:
    """Mask the mix with the true shares of the power of each stem."""
    power = np.stack([(np.abs(spectra_of(stem)) ** 2).sum(axis=0) for stem in track.stems]).astype(np.float32)
    power /= power.sum(axis=0) + 1e-20
    spectra = spectra_of(track.mix)
    count = track.stems.shape[2]
    return np.stack([Synthesis(CONFIG, 2).push(spectra * share)[:, :count] for share in power])


def onset_times(mono: Sound) -> tuple[float, ...]:
    """Return the onsets that mirkit finds, in seconds."""
    stft, meter = PowerStft(), OnsetExtractor()
    samples = np.ascontiguousarray(mono, np.float32)
    meter.push_samples(samples)
    for source in (stft.push(samples), stft.finish()):
        for frames in source:  # each block is overwritten by the next
            meter.push_frames(frames)
    return tuple(float(time) for time in meter.finish().all_onsets.times)


def f_measure(truth: tuple[float, ...], found: tuple[float, ...]) -> float:
    """Return the F-measure of times: pairs at most 50 ms apart, each time in one pair."""
    matched = i = j = 0
    while i < len(truth) and j < len(found):
        if abs(truth[i] - found[j]) <= _MATCH_SECONDS:
            matched, i, j = matched + 1, i + 1, j + 1
        elif truth[i] < found[j]:
            i += 1
        else:
            j += 1
    return 2 * matched / (len(truth) + len(found)) if truth or found else math.nan


def score(track: Track, estimate: Sound) -> dict[str, float]:
    """Return SDR of the stems that are there, ``leak STEM`` of those that are not, in dB, and ``onset F``."""
    total = float(np.square(track.mix, dtype=float).sum())
    row = {}
    for stem, true, made in zip(STEMS, track.stems, estimate, strict=True):
        energy = float(np.square(true, dtype=float).sum())
        error = float(np.square(true - made, dtype=float).sum())
        if energy > ABSENT * total:
            row[stem] = _decibels(energy, error)
        else:
            row[f"leak {stem}"] = _decibels(float(np.square(made, dtype=float).sum()), total)
    if "drums" in row:
        truth = track.onsets or onset_times(track.stems[0].mean(axis=0))
        row["onset F"] = f_measure(truth, onset_times(estimate[0].mean(axis=0)))
    return row


def _decibels(numerator: float, denominator: float) -> float:
    return 10 * math.log10(max(numerator, 1e-12) / max(denominator, 1e-12))


def means(rows: list[dict[str, float]]) -> dict[str, float]:
    """Return the means over tracks; ``mean`` is that of the stems' means, ``leak`` that of all absent stems."""

    def mean(values: list[float]) -> float:
        return float(np.mean(values)) if values else math.nan

    found = {key: mean([row[key] for row in rows if key in row]) for key in (*STEMS, "onset F")}
    found["mean"] = mean([found[stem] for stem in STEMS if not math.isnan(found[stem])])
    found["leak"] = mean([value for row in rows for key, value in row.items() if key.startswith("leak ")])
    return found


def measure_cost(sound: Path, method: str) -> dict[str, float]:
    """Return CPU seconds and peak memory in MiB of this process for a file that is read in blocks."""
    import resource

    noise = np.random.default_rng(0).normal(0, 0.1, (2, RATE)).astype(np.float32)
    list(separated(lambda: iter([noise]), method, 2))  # compile and import before the clock runs
    started = time.process_time()

    def read() -> Iterator[Sound]:
        return (block.T for block in soundfile.blocks(sound, _BLOCK, dtype="float32", always_2d=True))

    for _ in separated(read, method, 2):
        pass
    seconds = time.process_time() - started
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (2**20 if sys.platform == "darwin" else 2**10)
    return {"CPU s": seconds, "MiB": peak}


def costs(track: Track, methods: tuple[str, ...]) -> dict[str, dict[str, float]]:
    """Return the cost of each method for three minutes of a track, repeated, each in a process of its own."""
    found = {}
    with tempfile.TemporaryDirectory() as scratch:
        sound = Path(scratch, "mix.wav")
        soundfile.write(sound, np.resize(track.mix.T, (_COST_SECONDS * RATE, 2)), RATE, subtype="FLOAT")
        for method in methods:
            command = [sys.executable, "-m", "training.multitracks", "--cost", method, str(sound)]
            environment = os.environ | {"OMP_NUM_THREADS": "1"}
            done = subprocess.run(command, check=True, capture_output=True, text=True, env=environment)
            found[method] = json.loads(done.stdout)
    return found


def commit() -> str:
    """Return the commit, with a plus sign if files were changed since."""

    def git(*words: str) -> str:
        folder = Path(__file__).parent
        return subprocess.run(["git", *words], cwd=folder, check=True, capture_output=True, text=True).stdout.strip()

    try:
        return git("rev-parse", "--short", "HEAD") + ("+" if git("status", "--porcelain") else "")
    except (OSError, subprocess.CalledProcessError):
        return "unknown"


def append(log: Path, reason: str, tracks: int, rows: dict[str, dict[str, float]]) -> None:
    """Append a row for each estimate to the log, which is a table in Markdown."""
    why = " ".join(reason.split()).replace("|", "/")
    start = f"| {datetime.date.today().isoformat()} | {commit()} | {why} | {tracks}"
    lines = []
    for name, row in rows.items():
        cells = (_cell(row.get(column, math.nan), 3 if column == "onset F" else 2) for column in _COLUMNS)
        lines.append(f"{start} | {name} | {' | '.join(cells)} |\n")
    with log.open("a", encoding="utf-8") as file:
        file.writelines(lines)


def _cell(value: float, digits: int) -> str:
    return "-" if math.isnan(value) else f"{value:.{digits}f}"


def show(name: str, rows: dict[str, dict[str, float]]) -> None:
    """Print a track, a line for each estimate."""
    for estimate, row in rows.items():
        cells = []
        for stem in STEMS:
            absent = f"({_cell(row.get(f'leak {stem}', math.nan), 1)})"
            cells.append(_cell(row[stem], 2) if stem in row else absent)
        print(f"{name:28} {estimate:18}" + "".join(f"{c:>9}" for c in (*cells, _cell(row.get("onset F", math.nan), 3))))


def main() -> None:
    """Score, append to the log, print."""
    if sys.argv[1:2] == ["--cost"]:
        print(json.dumps(measure_cost(Path(sys.argv[3]), sys.argv[2])))
        return
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("paths", type=Path, nargs="+", metavar="PATH")
    parser.add_argument("--reason", required=True, help="why the real multitracks are used, for the log")
    parser.add_argument("--log", type=Path, default=LOG)
    parser.add_argument("--methods", nargs="+", default=[EMBEDDED_DSP, EMBEDDED])
    arguments = parser.parse_args()
    if not arguments.reason.strip():
        parser.error("--reason is empty; it says in the log why the real multitracks were used")
    folders, methods = find(arguments.paths), tuple(arguments.methods)
    rows: dict[str, dict[str, dict[str, float]]] = {}
    for folder in folders:
        track = read_track(folder)
        rows[track.name] = {name: score(track, estimate) for name, estimate in estimates(track, methods)}
    names = list(next(iter(rows.values())))
    summary = {name: means([row[name] for row in rows.values()]) for name in names}
    for method, cost in costs(track, methods).items():
        summary[method] |= cost
    append(arguments.log, arguments.reason, len(rows), summary)
    print(f"{'':28} {'':18}" + "".join(f"{column:>9}" for column in (*STEMS, "onset F")))
    for name, row in rows.items():
        show(name, row)
    print(f"\n{'means':18}" + "".join(f"{column:>9}" for column in _COLUMNS))
    for name, found in summary.items():
        print(f"{name:18}" + "".join(f"{_cell(found.get(column, math.nan), 2):>9}" for column in _COLUMNS))
    print(f"written to {arguments.log}")


if __name__ == "__main__":
    main()
