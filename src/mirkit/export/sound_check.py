"""Check that the audio of a bundle is what its index says: every file is decoded and measured.

Loudness, peak, duration and number of channels of every file are compared; the other features that depend on the level
are compared for at least 20 files.
"""

import math
import random
import shutil
import tarfile
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mirkit import engines
from mirkit.audio import open_audio, to_dbfs
from mirkit.catalog import LEVEL_KEYS
from mirkit.errors import AudioError, printable
from mirkit.export.bundle import MIXES, read_summary
from mirkit.export.level_features import measure_levels
from mirkit.export.plan import FILES
from mirkit.export.validation import LOADED_SUFFIXES, CheckResult, load_json, parse_json
from mirkit.export.weights import weight_folder
from mirkit.features.loudness import HOPS_PER_SECOND, MOMENTARY_HOPS
from mirkit.store import as_number

#: Files of which all features that depend on the level are measured: at least so many, and at least this share.
MIN_DEEP_FILES, DEEP_SHARE = 20, 0.02
#: Largest differences between a file and the index. A clip has the loudness and the band levels of its window of the
#: track, whose limits are on a grid of 100 ms (186 ms), so they differ a little from those of its file. What the file
#: itself has at its ends (see ``Measured.spread``) is added.
SECONDS_TOLERANCE = 0.02
PEAK_TOLERANCE_DB = 0.05
LUFS_TOLERANCE = 0.5
BAND_TOLERANCE_DB = 1.0
_MANY_FILES = 50
#: A clip shorter than this (s) may differ more, in inverse proportion to its length.
_FULL_SECONDS = 4.0
#: Features below this level (LUFS, dBFS) are near the gates under which they are unknown, and are not compared.
_QUIET = -60.0
#: A band that is this much (dB) below the loudest one may hold what leaks from it at the ends of a clip.
_LEAKAGE_DB = -30.0
#: A peak that differs by less than this (full scale 1) is the same: dither and rounding.
_SAME_PEAK = 1e-4


@dataclass(frozen=True)
class _Job:
    """An audio file or a tar, the entries of the index that belong to it, and the names to measure completely."""

    path: Path
    where: str
    entries: Mapping[str, Any]
    deep: frozenset[str]


@dataclass(frozen=True)
class Measured:
    """What was measured on one exported file.

    Attributes
    ----------
    channels : int
    seconds : float
    peak_dbfs : float or None
        None for silence.
    levels : dict
        Feature's name -> value; unknown ones are left out.
    spread : dict
        Feature's name -> by how much it changes without the first or the last step of the grid.
    """

    channels: int
    seconds: float
    peak_dbfs: float | None
    levels: Mapping[str, float]
    spread: Mapping[str, float]


def check_sound(out: Path, result: CheckResult, numbers: Mapping[str, Mapping[str, float]]) -> None:
    """Compare every audio file of a bundle with its index, and the index with the numbers that the trainer reads.

    Parameters
    ----------
    out : Path
        Folder of the bundle.
    result : CheckResult
        Gets faults, each with both numbers, and notes.
    numbers : mapping
        Name of a file without suffix -> the numbers that the trainer reads with it.
    """
    faults: list[str] = []
    index = load_json(out / FILES, faults)
    if not isinstance(index, dict):
        result.faults += faults or [f"{FILES}: the file is damaged; export the bundle again"]
        return
    entries = {name: entry for name, entry in index.items() if isinstance(entry, dict) and "levels" in entry}
    if len(entries) < len(index):
        result.notes.append(
            f"{FILES}: it has no levels for {len(index) - len(entries)} of {len(index)} files, because an earlier "
            "mirkit wrote it, so their audio was not compared with it; export the bundle again"
        )
    result.faults += _pair_faults(out, entries)
    policy = str(((read_summary(out) or {}).get("numbers") or {}).get("unknown", {}).get("policy", ""))
    if policy.startswith("fill"):  # the trainer reads a number where the index has none
        numbers = {
            name: {key: value for key, value in row.items() if key in entries[name]["levels"] or key not in LEVEL_KEYS}
            for name, row in numbers.items()
            if name in entries
        }
    for name in sorted(numbers.keys() & entries.keys()):
        result.faults += _number_faults(name, numbers[name], entries[name]["levels"])
    jobs = list(_jobs(out, entries))
    if len(entries) <= _MANY_FILES:  # starting workers would take longer than decoding the files
        result.faults += [fault for job in jobs for fault in _check(job)]
        return
    for done in engines.run(_check, jobs, jobs=engines.cores()):
        result.faults += done.result if isinstance(done.result, list) else [f"{done.item.where}: {done.error}"]


def _pair_faults(out: Path, entries: Mapping[str, Any]) -> Iterator[str]:
    """Yield what is wrong with the mixes beside stems: each must be as long as its stem, and as the index says."""
    for name, entry in sorted(entries.items()):
        pair = entry.get("pair")
        if not isinstance(pair, dict):
            continue
        path = out / str(pair.get("file"))
        stem = out / weight_folder(entry["split"], entry.get("weight", 1)) / f"{name}{path.suffix}"
        stem = stem if stem.exists() else out / entry["split"] / stem.name
        stem = stem if stem.exists() else next(iter(out.glob(f"data/*/{name}{path.suffix}")), stem)
        where = printable(str(pair.get("file")))
        if not path.exists():
            yield f"{where}: the file is missing, so the stem has no mix; export the bundle again"
            continue
        yield from _file_faults(path, where, pair, deep=False)
        try:
            lengths = [measure_file(each, deep=False).seconds for each in (path, stem)] if stem.exists() else [0.0, 0.0]
        except AudioError:
            continue  # reported with the file
        if lengths[0] != lengths[1]:
            yield f"{where}: the mix has {lengths[0]:.6f} s and its stem {lengths[1]:.6f} s, so they are not aligned"


def _jobs(out: Path, entries: Mapping[str, Any]) -> Iterator[_Job]:
    names = sorted(entries)
    count = max(MIN_DEEP_FILES, math.ceil(DEEP_SHARE * len(names)))
    deep = frozenset(random.Random(0).sample(names, min(count, len(names))))
    for path in sorted(out.rglob("*")):
        where = printable(path.relative_to(out).as_posix())
        if path.suffix == ".tar":
            yield _Job(path, where, entries, deep)
        elif path.suffix.lower() in LOADED_SUFFIXES and path.stem in entries:
            if path.relative_to(out).parts[0] == MIXES:
                continue  # compared with the stem to which it belongs
            yield _Job(path, where, {path.stem: entries[path.stem]}, deep & {path.stem})


def _check(job: _Job) -> list[str]:
    if job.path.suffix == ".tar":
        return list(_tar_faults(job))
    name = job.path.stem
    return list(_file_faults(job.path, job.where, job.entries[name], deep=name in job.deep))


def _tar_faults(job: _Job) -> Iterator[str]:
    try:
        with tarfile.open(job.path) as tar:
            for member in tar:
                name, _, suffix = member.name.partition(".")
                file = tar.extractfile(member)
                if name not in job.entries or file is None:
                    continue
                where, entry = f"{job.where}: {printable(name)}", job.entries[name]
                if f".{suffix}" in LOADED_SUFFIXES:
                    with tempfile.NamedTemporaryFile(suffix=f".{suffix}") as copy:
                        shutil.copyfileobj(file, copy)
                        copy.flush()
                        yield from _file_faults(Path(copy.name), where, entry, deep=name in job.deep)
                elif suffix == "json":
                    content = parse_json(file.read(), where, [])
                    if isinstance(content, dict):
                        yield from _number_faults(where, content, entry["levels"])
    except (tarfile.TarError, OSError, EOFError):
        return  # the validator of the target reports it


def _number_faults(where: str, numbers: Mapping[str, Any], levels: Mapping[str, float]) -> Iterator[str]:
    """Yield numbers for the trainer that are not those of the index."""
    for key in LEVEL_KEYS:
        value = as_number(numbers.get(key))
        if value is None or numbers.get(f"{key}_known") == 0:
            continue
        known = levels.get(key)
        if known is None or not math.isclose(value, known, rel_tol=1e-5, abs_tol=1e-3):
            yield f"{where}: {key} is {value:g} for the trainer, and {_shown(known)} in {FILES}"


def _file_faults(path: Path, where: str, entry: Mapping[str, Any], *, deep: bool) -> Iterator[str]:
    try:
        measured = measure_file(path, deep=deep)
    except AudioError as error:
        yield f"{where}: the audio cannot be decoded ({error})"
        return
    if measured.channels != entry["channels"]:
        yield f"{where}: the file has {measured.channels} channels, the index says {entry['channels']}"
    if abs(measured.seconds - entry["seconds"]) > SECONDS_TOLERANCE:
        yield f"{where}: the file has {measured.seconds:.3f} s, the index says {entry['seconds']:.3f} s"
    if not _same_peak(measured.peak_dbfs, entry["peak_dbfs"]):
        yield (
            f"{where}: the peak of the file is {_shown(measured.peak_dbfs)} dBFS, "
            f"the index says {_shown(entry['peak_dbfs'])} dBFS"
        )
    slack = max(1.0, _FULL_SECONDS / max(measured.seconds, 0.4))
    loudest = max((value for key, value in measured.levels.items() if key != "lufs"), default=0.0)
    for key, value in measured.levels.items():
        known = entry["levels"].get(key)
        tolerance = slack * (LUFS_TOLERANCE if key == "lufs" else BAND_TOLERANCE_DB) + measured.spread[key]
        least = _QUIET if key == "lufs" else max(_QUIET, loudest + _LEAKAGE_DB)
        if known is None or max(value, known) < least:  # the data set may not have been measured completely
            continue
        if abs(value - known) > tolerance:
            yield f"{where}: {key} of the file is {value:.2f}, the index says {_shown(known)}"
    long_enough = measured.seconds >= MOMENTARY_HOPS / HOPS_PER_SECOND
    known = entry["levels"].get("lufs")
    if long_enough and "lufs" not in measured.levels and known is not None and known > _QUIET:
        yield f"{where}: the file is silent, the index says that its lufs is {known:.2f}"


def _shown(value: float | None) -> str:
    return "unknown" if value is None else f"{value:.2f}"


def _same_peak(measured: float | None, known: float | None) -> bool:
    if measured is not None and known is not None and abs(measured - known) <= PEAK_TOLERANCE_DB:
        return True
    a, b = (0.0 if level is None else 10 ** (level / 20) for level in (measured, known))
    return abs(a - b) <= _SAME_PEAK


def measure_file(path: Path, *, deep: bool) -> Measured:
    """Decode a file, and measure what depends on its level.

    Parameters
    ----------
    path : Path
    deep : bool
        Whether to measure the band levels too.

    Raises
    ------
    AudioError
        It cannot be decoded.
    """
    audio = open_audio(path, rate=None, hold_seconds=0)
    found = measure_levels(audio.blocks(), audio.rate, audio.channels, deep=deep)
    return Measured(audio.source.channels, found.seconds, to_dbfs(found.peak), found.levels, found.spread)
