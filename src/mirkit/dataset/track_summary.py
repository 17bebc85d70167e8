"""What is known about one track, for showing it: values by section, events, texts, and where they come from."""

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from mirkit.catalog import ALL_SPECS, DESCRIPTORS, INFO_SPECS, REQUESTED, TEXT_KEYS, FeatureSpec, stage
from mirkit.dataset.verify import verify
from mirkit.errors import InfoError, MissingInput
from mirkit.features.harmony.chord_list import Chord
from mirkit.features.structure.form import Section
from mirkit.features.types import Unknown
from mirkit.store import (
    JsonObject,
    Provenance,
    as_number,
    read_chords,
    read_info,
    read_provenance,
    read_sections,
)
from mirkit.track import Track, as_measured

T = TypeVar("T")

#: Texts of an ``.INFO``, which are shown apart from the values.
TEXTS = ("music_facts", "chords", *TEXT_KEYS)


@dataclass(frozen=True)
class ShownValue:
    """One value of a track.

    Attributes
    ----------
    spec : FeatureSpec
    value : float, str or None
        None if it is unknown.
    reason : str
        Why it is unknown, or "".
    note : str
        What is special about it: set by the user, or outside its range; or "".
    """

    spec: FeatureSpec
    value: float | str | None
    reason: str = ""
    note: str = ""


@dataclass(frozen=True)
class TrackSummary:
    """What is known about a track or clip.

    Attributes
    ----------
    track : Track
    values : dict
        Section of the catalog -> its values.
    info : dict
        The whole ``.INFO``.
    provenance : Provenance
    sections : tuple of Section
    chords : tuple of Chord
    texts : dict
        Name -> text of ``.INFO``.
    problems : list of str
        A line for each file that could not be read.
    outdated : str
        Why some values are not those of the present files, or "".
    """

    track: Track
    values: Mapping[str, list[ShownValue]]
    info: JsonObject
    provenance: Provenance
    sections: tuple[Section, ...] = ()
    chords: tuple[Chord, ...] = ()
    texts: Mapping[str, str] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)
    outdated: str = ""

    @property
    def is_measured(self) -> bool:
        """Whether any of its values is known."""
        return any(shown.value is not None for rows in self.values.values() for shown in rows)

    @property
    def metadata(self) -> dict[str, Any]:
        """Metadata of the provenance: name -> value."""
        return {name: fact.get("value") for name, fact in self.provenance.facts.items()}


def summarize(track: Track) -> TrackSummary:
    """Read what is known about a track or clip; of a renamed folder, the results under its former name.

    Raises
    ------
    InfoError
        Its ``.INFO`` or ``.PROVENANCE`` cannot be read.
    """
    track = as_measured(track)
    info, provenance = read_info(track.info), read_provenance(track.provenance)
    problems: list[str] = []
    sections = _read(read_sections, track.sections, problems)
    chords = _read(read_chords, track.chords, problems)
    return TrackSummary(
        track,
        _values(info, provenance),
        info,
        provenance,
        () if sections is None or isinstance(sections, Unknown) else sections.sections,
        chords or (),
        {name: text for name in TEXTS if isinstance(text := info.get(name), str) and text.strip()},
        problems,
        _outdated(track),
    )


def values_of(track: Track, stages: Collection[str]) -> list[ShownValue]:
    """Return the values that stages have written, in the order of the catalog.

    Raises
    ------
    InfoError
        The ``.INFO`` or ``.PROVENANCE`` of the track cannot be read.
    """
    info = read_info(track.info)
    sections = _values(info, read_provenance(track.provenance))
    found = [shown for rows in sections.values() for shown in rows]
    for row in ALL_SPECS:
        if row.name in TEXTS and isinstance(text := info.get(row.name), str):
            found.append(ShownValue(row, text))
    return [shown for shown in found if shown.spec.stage in stages]


def _outdated(track: Track) -> str:
    """Return what has changed since the values were computed, as ``mirkit verify`` finds it, or ""."""
    report = verify(track)
    changed = {
        "the audio has changed since it was measured": report.stale,
        "changed by hand, and not yet used by other values": report.edited,
        "the track has changed since the clip was cut": report.older,
    }
    return "; ".join(f"{what} ({', '.join(names)})" for what, names in changed.items() if names)


def _read(read: Callable[[Path], T], path: Path, problems: list[str]) -> T | None:
    """Read a file of a track; None if it does not exist, or if it cannot be read, which is a problem."""
    try:
        return read(path)
    except MissingInput:
        return None
    except InfoError as error:
        problems.append(str(error))
        return None


def _values(info: JsonObject, provenance: Provenance) -> dict[str, list[ShownValue]]:
    reasons = {name: why for entry in provenance.stages.values() for name, why in entry.reasons.items()}
    is_clip = "cut" in provenance.stages
    sections: dict[str, list[ShownValue]] = {}
    for row in (*INFO_SPECS, *REQUESTED):
        is_asked = row in REQUESTED
        if row.name in TEXTS or (row.stage == "crop" and not is_clip) or (is_asked and row.name not in info):
            continue
        raw = info.get(row.name)
        value = as_number(raw) if row.is_number else raw if isinstance(raw, str) else None
        reason = ""
        if value is None:
            reason = reasons.get(row.name, "not measured" if row.name not in info else "no reason given")
        note = "outside its range" if value is not None and not _is_valid(value, row) else ""
        if reasons.get(row.name) == "user" or _is_of_user(row, provenance):
            note = "set by you"
        sections.setdefault(stage(row.stage).section, []).append(ShownValue(row, value, reason, note))
    return sections


def _is_of_user(row: FeatureSpec, provenance: Provenance) -> bool:
    entry = provenance.stages.get(row.stage)
    return row in DESCRIPTORS and entry is not None and row.name in entry.user


def _is_valid(value: float | str, row: FeatureSpec) -> bool:
    """Whether a value is within the catalog's range, or one of its categories."""
    if isinstance(value, str):
        return row.kind == "text" or value in row.categories
    return (row.low is None or value >= row.low) and (row.high is None or value <= row.high)
