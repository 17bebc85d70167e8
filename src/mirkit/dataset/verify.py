"""Verify tracks: which features are known, missing, out of range or out of date."""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Set
from dataclasses import asdict, dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

from mirkit import __version__, engines
from mirkit.captions.facts import Compared
from mirkit.captions.prompts import PREFIX
from mirkit.catalog import ALL_SPECS, FEATURES, INFO_KEYS, INFO_SPECS, REQUESTED, FeatureSpec, feature, stage
from mirkit.dataset.audit import read_audit
from mirkit.dataset.facts import compare_texts
from mirkit.dataset.find import reason
from mirkit.dataset.library import Library
from mirkit.dataset.ranges import is_within_range
from mirkit.engines.processes import iter_chunked
from mirkit.errors import MirkitError, MissingInput, printable
from mirkit.staleness import changed_since, editable_files, pending_edits
from mirkit.staleness.stem_match import misfit_line
from mirkit.store import (
    EXTERNAL,
    FileDigest,
    Provenance,
    ProvenanceRecord,
    as_number,
    file_digest,
    read_chords,
    read_grid,
    read_info,
    read_onsets,
    read_provenance,
    read_sections,
    read_settings,
    recorded_digests,
    restamp,
)
from mirkit.track import NOTES_MIDI, Track, is_marked, rename_hint
from mirkit.track.clip import CUT, ClipSource, clip_fault, clip_folders
from mirkit.track.listing import Unread

#: Stages whose values can be compared between tracks only if the same method computed them.
_METHOD_STAGES = ("separate", "beats", "danceability")


#: Version of the cached reports; increased when the same files would give another report.
_REPORT = 4
#: What cached reports depend on besides the files.
_BASIS = [__version__, _REPORT, [asdict(row) for row in ALL_SPECS]]
_FEATURES = tuple(row.name for row in FEATURES)
#: Fields that are stored in the cached report of a complete track without texts.
_PLAIN = ("name", "values", "nulls", "out_of_range", "methods", "audit")


@dataclass(frozen=True)
class TrackReport:
    """The state of one track.

    Attributes
    ----------
    name : str
    values : int
        Number of features that are known.
    nulls : dict
        Feature or descriptor -> why it is unknown.
    missing : tuple of str
        Features and descriptors that are absent, or null without a reason.
    out_of_range : dict
        Feature or descriptor -> value outside the catalog's range, or none of its categories.
    methods : dict
        Stage -> method that computed its values.
    failed : dict
        Stage -> why it failed; the next run tries it again.
    stale : tuple of str
        Stages whose input files have changed since they ran.
    edited : tuple of str
        Keys of the ``.INFO`` and files that the user has changed since their stage ran: values that are computed from
        them are those of before.
    older : tuple of str
        Of a clip, the stages of its track that have changed since its values were computed.
    altered : tuple of str
        Files whose content has changed since mirkit wrote them.
    problem : str
        Problem of the whole track: it cannot be read, was renamed, or is a clip that is incomplete or out of date; else
        "".
    excluded : str
        Why the user excluded it, or "".
    texts : dict
        Field -> result of comparing its text with the measured facts.
    absent : dict
        Key of a text -> why it is missing although it was requested.
    notices : tuple of str
        What the user should know about the files, which is no failure.
    path : str
        Path of the track.
    audit : dict
        What was found about the source -> ``fault`` or ``notice``.
    """

    name: str
    values: int = 0
    nulls: dict[str, str] = field(default_factory=dict)
    missing: tuple[str, ...] = ()
    out_of_range: dict[str, float | str] = field(default_factory=dict)
    methods: dict[str, str] = field(default_factory=dict)
    failed: dict[str, str] = field(default_factory=dict)
    stale: tuple[str, ...] = ()
    edited: tuple[str, ...] = ()
    older: tuple[str, ...] = ()
    altered: tuple[str, ...] = ()
    problem: str = ""
    excluded: str = ""
    texts: dict[str, Compared] = field(default_factory=dict)
    absent: dict[str, str] = field(default_factory=dict)
    notices: tuple[str, ...] = ()
    path: str = ""
    audit: dict[str, str] = field(default_factory=dict)

    @property
    def ok(self) -> bool:
        """Whether it is complete, and no value is out of range."""
        return bool(self.excluded) or (self.complete and not self.out_of_range)

    @property
    def complete(self) -> bool:
        """Whether every feature has a value or a reason, computed from the present audio."""
        faults = self.missing or self.problem or self.failed or self.stale or self.edited or self.older or self.altered
        return bool(self.excluded) or not faults


def verify(track: Track, *, deep: bool = False, mirrored: bool = False) -> TrackReport:
    """Verify the files of one track.

    Parameters
    ----------
    track : Track
    deep : bool
        Read all audio and MIDI files and compare their content with what was recorded.
    mirrored : bool
        Whether beat grid and onsets are placeholders of objects, whose content is not there.

    Returns
    -------
    TrackReport
    """
    try:
        stems = track.stems
        sources = track.sources
        if hint := rename_hint(track):
            return TrackReport(track.name, problem=hint)
        info = read_info(track.info)
        provenance = read_provenance(track.provenance)
        digests = _digests(track, sources, provenance, deep=deep)
        provenance = restamp(track.provenance, provenance, digests)
        if (clip := ClipSource.of(provenance)) and (fault := clip_fault(track, clip, provenance)):
            return TrackReport(track.name, problem=fault)
        measured = {name: entry for name, entry in provenance.stages.items() if name != CUT}
        # A file that the stage read has been removed or has changed.
        stale = tuple(
            name
            for name, entry in measured.items()
            if any(digests.get(source) != known for source, known in entry.inputs.items())
        )
        # The records of a clip hold the digests of its track's files.
        files_now = {} if clip else editable_files(track, measured)
        written = {
            name for name, now in files_now.items() if any(e.outputs.get(name) == now for e in measured.values())
        }
        if damaged := _damaged(track, mirrored=mirrored, written=written):
            return TrackReport(track.name, problem="; ".join(damaged))
        changed: tuple[str, ...] = ()
        if not clip:
            provenance = restamp(track.provenance, provenance, files_now)
            changed = tuple(pending_edits(info, files_now, measured))
        older = _older(track, clip, provenance) if clip else ()
        altered = _altered(provenance, digests) if deep else ()
    except MirkitError as error:
        return TrackReport(track.name, problem="; ".join(_damaged(track, mirrored=mirrored, whole=True)) or str(error))
    reasons = {name: why for entry in provenance.stages.values() for name, why in entry.reasons.items()}
    expected = [row.name for row in INFO_SPECS] if clip else list(INFO_KEYS)
    expected += [row.name for row in REQUESTED if row.stage in provenance.stages]
    nulls = {name: reasons[name] for name in expected if name in info and info[name] is None and name in reasons}
    numbers = {name: value for name in expected if (value := as_number(info.get(name))) is not None}
    # What the user has written may be no number and no category.
    named = {name: text for name in expected if isinstance(text := info.get(name), str)}
    missing = tuple(name for name in expected if name not in numbers and name not in nulls and name not in named)
    outside: dict[str, float | str] = {name: v for name, v in numbers.items() if not is_within_range(v, feature(name))}
    outside |= {name: value for name, value in named.items() if not _is_valid_text(value, feature(name))}
    methods = {name: _method(entry) for name, entry in provenance.stages.items() if name in _METHOD_STAGES}
    failed = {name: entry.failed for name, entry in provenance.stages.items() if entry.failed}
    files = {"beats": track.grid, "onsets": track.onsets, "chords": track.chords}
    files |= {} if clip else {"sections": track.sections}
    missing += tuple(path.name for name, path in files.items() if name in provenance.stages and not path.exists())
    if "notes" in provenance.stages and not clip:
        midi = [track.path_of(name) for stem, name in NOTES_MIDI.items() if stem in stems]
        missing += tuple(path.name for path in midi if not path.exists())
    if "separate" not in methods:
        marked = any(map(is_marked, stems.values()))
        methods["separate"] = "mirkit, method unknown" if marked else EXTERNAL if stems else "none"
    known = sum(name in numbers for name in _FEATURES)
    absent = {name: why for name, why in reasons.items() if name.startswith(PREFIX) and name not in info}
    texts = compare_texts(info, provenance)
    return TrackReport(
        track.name,
        known,
        nulls,
        missing,
        outside,
        methods,
        failed,
        stale,
        changed,
        older,
        altered,
        texts=texts,
        absent=absent,
        notices=tuple(filter(None, (misfit_line(provenance, digests),))),
        audit={} if clip or "audit" in stale else _audit(provenance),
    )


def _audit(provenance: Provenance) -> dict[str, str]:
    found = read_audit({name: fact.get("value") for name, fact in provenance.facts.items()})
    return dict.fromkeys(found.faults, "fault") | dict.fromkeys(found.notices, "notice") if found else {}


def _older(clip: Track, cut: ClipSource, provenance: Provenance) -> tuple[str, ...]:
    """Stages of the track of a clip that have changed since its values were computed; none if it was moved away."""
    try:
        return changed_since(Track.at(clip.folder / cut.source), provenance.stages[CUT].needs)
    except MissingInput:
        return ()


def _damaged(track: Track, *, mirrored: bool, whole: bool = False, written: Set[str] = frozenset()) -> list[str]:
    """Return what is wrong with each sidecar of events that cannot be read; ``whole``: with each sidecar.

    Those of the kinds ``written`` are as mirkit wrote them.
    """
    readers: dict[Path, Callable[[Path], object]] = {}
    readers |= {} if "CHORDS" in written else {track.chords: read_chords}
    readers |= {} if "SECTIONS" in written else {track.sections: read_sections}
    if not mirrored:
        readers |= {track.grid: read_grid, track.onsets: read_onsets}
    if whole:
        readers |= {track.info: read_info, track.provenance: read_provenance}
    found = []
    for path, read in readers.items():
        if path.is_file():
            try:
                read(path)
            except MirkitError as error:
                found.append(str(error))
    return found


def _is_valid_text(value: str, spec: FeatureSpec) -> bool:
    return spec.kind == "text" or value in spec.categories


def _digests(track: Track, sources: Mapping[str, Path], provenance: Provenance, *, deep: bool) -> dict[str, FileDigest]:
    """Digests of the recorded files; a file is read if its attributes have changed, and always if ``deep``."""
    known = recorded_digests(provenance)
    files = {path.name: path for path in (track.adtof_midi, track.drums_midi) if deep and path.is_file()} | dict(
        sources
    )
    return {name: file_digest(path, *(() if deep else known[name])) for name, path in files.items() if name in known}


def _altered(provenance: Provenance, digests: Mapping[str, FileDigest]) -> tuple[str, ...]:
    """Files that have changed since mirkit wrote them, except those that are recorded as replaced by the user."""
    altered: list[str] = []
    for entry in provenance.stages.values():
        wrong = [name for name, known in entry.outputs.items() if name in digests and digests[name] != known]
        altered += [name for name in wrong if not (entry.backend == EXTERNAL or entry.failed or name in entry.external)]
    return tuple(dict.fromkeys(altered))


def _method(entry: ProvenanceRecord) -> str:
    """Method of a stage, and whether the user has replaced some of its files."""
    return f"{entry.backend or 'none'} + external" if entry.external else entry.backend or "none"


def mixed_methods(reports: Iterable[TrackReport]) -> dict[str, dict[str, int]]:
    """Stages that were computed by different methods: stage -> method -> number of tracks."""
    methods: dict[str, Counter[str]] = {}
    for report in (report for report in reports if report.values):
        for name, method in report.methods.items():
            methods.setdefault(name, Counter())[method] += 1
    return {name: dict(counts) for name, counts in methods.items() if len(counts) > 1}


def stages_of(missing: Iterable[str]) -> tuple[str, ...]:
    """Stages that would compute the missing features."""
    known = {row.name: row.stage for row in ALL_SPECS if row.stage != "crop"}
    return tuple(dict.fromkeys(stage(known[name]).name for name in missing if name in known))


def verify_all(
    path: Path,
    *,
    problems: list[str] | None = None,
    crops: bool = False,
    deep: bool = False,
    mirrored: bool = False,
) -> list[TrackReport]:
    """Verify a track, or every track below a folder.

    Parameters
    ----------
    path : Path
    problems : list of str, optional
        Gets a line for each folder, and each stem, that cannot be read.
    crops : bool
        Verify the clips of each track too.
    deep : bool
        Read all audio and MIDI files and compare their content with what was recorded.
    mirrored : bool
        Whether the folder is the local copy of a data set on object storage, in which most files are placeholders.

    Returns
    -------
    list of TrackReport

    Raises
    ------
    MissingInput
        There is no track.
    SettingsError
        The settings file is wrong.
    """
    with Library.open(path) as library:
        unread: list[Unread] = []
        tracks, root = library.find_tracks(unread, samples=False), library.root
        if problems is not None:
            problems += [one.line for one in unread]
        if not tracks:
            raise MissingInput(f"{printable(path)}: there is no track in this folder")
        excluded = read_settings(root).exclude
        reports_of = {
            track: TrackReport(track.name, excluded=why, path=str(track.path))
            for track in tracks
            if (why := reason(track, root, excluded))
        }
        included = [track for track in tracks if track not in reports_of]
        answers = library.answers("verify", _BASIS) if library.several and not deep else None
        if answers:
            known = answers.known(included, jobs=engines.cores())
            reports_of |= {
                track: TrackReport(**stored, path=str(track.path))
                for track, stored in known.items()
                if _is_valid(stored)
            }
        unknown = [track for track in included if track not in reports_of]
        check = partial(verify, deep=deep, mirrored=mirrored)
        for start, checked in iter_chunked(check, unknown, jobs=engines.cores()):
            for track, report in zip(unknown[start : start + len(checked)], checked, strict=True):
                reports_of[track] = replace(report, path=str(track.path))
                # Not those of texts: what they are compared with is not stored. What is wrong is looked at each time.
                if answers and report.complete and not (report.texts or report.absent or report.notices):
                    answers.put(track, {name: getattr(report, name) for name in _PLAIN})
        if answers:
            answers.save()
    reports = []
    for track in tracks:
        reports.append(reports_of[track])
        for folder in clip_folders(track) if crops and not reports_of[track].excluded else ():
            why = reason(Track(folder), root, excluded)
            found = TrackReport(folder.name, excluded=why) if why else _verify_clip(folder, deep, mirrored)
            reports.append(replace(found, path=str(folder)))
    return reports


def _is_valid(stored: Any) -> bool:
    """Whether a cached value is the report of a complete track; the cache may come from an untrusted data set."""
    if not (isinstance(stored, dict) and stored.keys() == set(_PLAIN)):
        return False
    if not (isinstance(stored["name"], str) and isinstance(stored["values"], int)):
        return False
    kinds = (("nulls", str), ("out_of_range", int | float | str), ("methods", str), ("audit", str))
    return all(
        isinstance(stored[name], dict) and all(isinstance(value, kind) for value in stored[name].values())
        for name, kind in kinds
    )


def _verify_clip(folder: Path, deep: bool, mirrored: bool) -> TrackReport:
    try:
        return verify(Track.at(folder), deep=deep, mirrored=mirrored)
    except MissingInput as error:
        return TrackReport(folder.name, problem=str(error))
