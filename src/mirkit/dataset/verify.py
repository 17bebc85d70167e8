"""What every track has, lacks, or has out of range."""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from mirkit import __version__, engines
from mirkit.captions.facts import Compared
from mirkit.captions.prompts import PREFIX
from mirkit.catalog import FEATURES, TRACK_KEYS, feature, stage
from mirkit.dataset.exclusion import reason
from mirkit.dataset.facts import compare_texts
from mirkit.engines.processes import map_chunked
from mirkit.errors import MirkitError, MissingInput
from mirkit.store import (
    EXTERNAL,
    FileDigest,
    Provenance,
    ProvenanceRecord,
    file_digest,
    find_root,
    read_info,
    read_provenance,
    read_settings,
    recorded,
    restamp,
)
from mirkit.store.folder_cache import FolderCache
from mirkit.track import Track, find_all, is_track, rename_hint
from mirkit.track.clip import CUT, ClipSource, clip_fault, clip_folders
from mirkit.track.own import is_marked

#: Stages whose values two tracks can only share when the same method made them.
_METHOD_STAGES = ("separate", "beats", "danceability")


#: Raised when a report of the same files says something else.
_REPORT = 1
#: What a report of a complete track without texts consists of.
_PLAIN = ("name", "values", "nulls", "out_of_range", "methods")


@dataclass(frozen=True)
class TrackReport:
    """State of one track.

    Attributes
    ----------
    name : str
    values : int
        Keys that have a number.
    nulls : dict
        Key -> why it has none.
    missing : tuple of str
        Keys that are absent, or null without a reason.
    out_of_range : dict
        Key -> value outside the catalog's range.
    methods : dict
        Stage -> method that made its values.
    failed : dict
        Stage -> why it failed; the same command tries it again.
    stale : tuple of str
        Stages that worked on other sound than what is there now.
    altered : tuple of str
        Files whose content is not what was recorded when mirkit wrote them.
    problem : str
        What is wrong with the track as a whole: it cannot be read, was renamed, or is a clip that is half made
        or out of date.
    excluded : str
        Why it is left out, or "".
    texts : dict
        Field -> what came of comparing its text with what is measured.
    absent : dict
        Key of a text -> why there is none though it was asked for.
    """

    name: str
    values: int = 0
    nulls: dict[str, str] = field(default_factory=dict)
    missing: tuple[str, ...] = ()
    out_of_range: dict[str, float] = field(default_factory=dict)
    methods: dict[str, str] = field(default_factory=dict)
    failed: dict[str, str] = field(default_factory=dict)
    stale: tuple[str, ...] = ()
    altered: tuple[str, ...] = ()
    problem: str = ""
    excluded: str = ""
    texts: dict[str, Compared] = field(default_factory=dict)
    absent: dict[str, str] = field(default_factory=dict)

    @property
    def complete(self) -> bool:
        """Whether every key has a number or a reason, measured on the sound that is there."""
        return bool(self.excluded) or not (self.missing or self.problem or self.failed or self.stale or self.altered)


def verify(track: Track, *, deep: bool = False) -> TrackReport:
    """Look at one track's files; ``deep`` reads every sound and MIDI file and compares its content."""
    try:
        stems = track.stems
        parts = track.parts
        if hint := rename_hint(track):
            return TrackReport(track.name, problem=hint)
        info = read_info(track.info)
        provenance = read_provenance(track.provenance)
        prints = _prints(track, parts, provenance, deep=deep)
        provenance = restamp(track.provenance, provenance, prints)
        if (cut := ClipSource.of(provenance)) and (fault := clip_fault(track, cut, provenance)):
            return TrackReport(track.name, problem=fault)
        measured = {name: entry for name, entry in provenance.stages.items() if name != CUT}
        stale = tuple(name for name, entry in measured.items() if _is_stale(entry, prints))
        altered = _altered(provenance, prints) if deep else ()
    except MirkitError as error:
        return TrackReport(track.name, problem=str(error))
    reasons = {name: why for entry in provenance.stages.values() for name, why in entry.reasons.items()}
    wanted = [row.name for row in FEATURES] if cut else TRACK_KEYS
    nulls = {name: reasons[name] for name in wanted if name in info and info[name] is None and name in reasons}
    found = {name: info[name] for name in wanted if name in info}
    numbers = {k: v for k, v in found.items() if isinstance(v, int | float) and not isinstance(v, bool)}
    missing = tuple(name for name in wanted if name not in numbers and name not in nulls)
    outside = {}
    for name, value in numbers.items():
        row = feature(name)
        if (row.low is not None and value < row.low) or (row.high is not None and value > row.high):
            outside[name] = value
    methods = {name: _method(entry) for name, entry in provenance.stages.items() if name in _METHOD_STAGES}
    failed = {name: entry.failed for name, entry in provenance.stages.items() if entry.failed}
    files = {"beats": track.grid, "onsets": track.onsets}
    missing += tuple(path.name for name, path in files.items() if name in provenance.stages and not path.exists())
    if "separate" not in methods:
        marked = any(map(is_marked, stems.values()))
        methods["separate"] = "mirkit, not known how" if marked else EXTERNAL if stems else "none"
    absent = {name: why for name, why in reasons.items() if name.startswith(PREFIX) and name not in info}
    texts = compare_texts(info, provenance)
    return TrackReport(
        track.name, len(numbers), nulls, missing, outside, methods, failed, stale, altered, texts=texts, absent=absent
    )


def _prints(track: Track, parts: Mapping[str, Path], provenance: Provenance, *, deep: bool) -> dict[str, FileDigest]:
    """What the recorded files hold now; content is read where the stamp is not a known one, always if ``deep``."""
    known = recorded(provenance)
    files = {path.name: path for path in (track.adtof_midi, track.drums_midi) if deep and path.is_file()} | dict(parts)
    return {name: file_digest(path, *(() if deep else known[name])) for name, path in files.items() if name in known}


def _is_stale(entry: ProvenanceRecord, prints: Mapping[str, FileDigest]) -> bool:
    """Whether a file that a stage read is gone or has changed."""
    return any(prints.get(part) != known for part, known in entry.inputs.items())


def _altered(provenance: Provenance, prints: Mapping[str, FileDigest]) -> tuple[str, ...]:
    """Files that are not what mirkit wrote; those that the user is known to have put there are left out."""
    found: list[str] = []
    for entry in provenance.stages.values():
        wrong = [name for name, known in entry.outputs.items() if name in prints and prints[name] != known]
        found += [name for name in wrong if not (entry.backend == EXTERNAL or entry.failed or name in entry.external)]
    return tuple(dict.fromkeys(found))


def _method(entry: ProvenanceRecord) -> str:
    """Method of a stage, and whether the user has replaced some of what it made."""
    return f"{entry.backend or 'none'} + external" if entry.external else entry.backend or "none"


def mixed_methods(reports: Iterable[TrackReport]) -> dict[str, dict[str, int]]:
    """Stages that different methods did in different tracks: stage -> method -> number of tracks."""
    seen: dict[str, Counter[str]] = {}
    for report in (report for report in reports if report.values):
        for name, method in report.methods.items():
            seen.setdefault(name, Counter())[method] += 1
    return {name: dict(counts) for name, counts in seen.items() if len(counts) > 1}


def stages_of(missing: Iterable[str]) -> tuple[str, ...]:
    """Stages that would write the missing keys."""
    known = {row.name: row.stage for row in FEATURES if row.stage != "crop"}
    return tuple(dict.fromkeys(stage(known[name]).name for name in missing if name in known))


def verify_all(path: Path, *, crops: bool = False, deep: bool = False) -> list[TrackReport]:
    """Look at a track, or at every track below a folder, and with ``crops`` at the clips of each.

    With ``deep`` the content of all files is read and compared with what was recorded.

    Raises
    ------
    MissingInput
        There is no track.
    SettingsError
        The settings file is wrong.
    """
    several = path.is_dir() and not is_track(path)
    tracks = find_all(path) if several else [Track.at(path)]
    if not tracks:
        raise MissingInput(f"{path}: no track in it")
    root = find_root(path if several else tracks[0].path, batch=several)
    excluded = read_settings(root).exclude
    known = _Known(root) if several and not deep else None
    found: dict[Track, TrackReport] = {}
    for track in tracks:
        if why := reason(track, root, excluded):
            found[track] = TrackReport(track.name, excluded=why)
        elif known and (report := known.get(track)):
            found[track] = report
    unknown = [track for track in tracks if track not in found]
    for track, report in zip(
        unknown, map_chunked(partial(verify, deep=True) if deep else verify, unknown, jobs=engines.cores()), strict=True
    ):
        found[track] = report
        if known:
            known.put(track, report)
    if known:
        known.index.save()
    reports = []
    for track in tracks:
        reports.append(found[track])
        for folder in clip_folders(track) if crops and not found[track].excluded else ():
            left_out = reason(Track(folder), root, excluded)
            reports.append(TrackReport(folder.name, excluded=left_out) if left_out else _verify_clip(folder, deep))
    return reports


class _Known:
    """Reports of tracks that are complete, and whose files have not changed since."""

    def __init__(self, root: Path) -> None:
        self.index = FolderCache(root, "verify", [__version__, _REPORT, [asdict(row) for row in FEATURES]])

    def get(self, track: Track) -> TrackReport | None:
        """Give the report of a track; None where its files must be looked at."""
        told: Any = None if track.loose else self.index.get(track.folder)
        return TrackReport(**told) if _is_plain(told) else None

    def put(self, track: Track, report: TrackReport) -> None:
        """Keep the report of a track."""
        if not track.loose and report.complete and not (report.texts or report.absent):
            self.index.put(track.folder, {name: getattr(report, name) for name in _PLAIN})


def _is_plain(told: Any) -> bool:
    """Whether what the index knows is the report of a complete track: a data set may come from a stranger."""
    if not (isinstance(told, dict) and told.keys() == set(_PLAIN)):
        return False
    if not (isinstance(told["name"], str) and isinstance(told["values"], int)):
        return False
    kinds = (("nulls", str), ("out_of_range", int | float), ("methods", str))
    return all(
        isinstance(told[name], dict) and all(isinstance(value, kind) for value in told[name].values())
        for name, kind in kinds
    )


def _verify_clip(folder: Path, deep: bool) -> TrackReport:
    try:
        return verify(Track.at(folder), deep=deep)
    except MissingInput as error:
        return TrackReport(folder.name, problem=str(error))
