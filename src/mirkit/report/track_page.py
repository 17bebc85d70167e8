"""The content of a track's page, read from the files of the track."""

from collections.abc import Callable, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from mirkit.audio import probe
from mirkit.catalog import (
    ALL_SPECS,
    INFO_KEYS,
    MODES,
    PITCH_CLASSES,
    REQUESTED,
    TEXT_KEYS,
    TIME_SIGNATURES,
    VOICES,
    FeatureSpec,
    feature,
    stage,
)
from mirkit.dataset.audit import read_audit
from mirkit.errors import InfoError, MirkitError, MissingInput, printable
from mirkit.features.harmony.chord_symbols import short_form, third_of
from mirkit.features.types import ANALYSIS_RATE, OTHER_METER, SILENT, Unknown
from mirkit.report.attention import CONFIDENCES, two_digits, unsure
from mirkit.report.encode import SERIES, series, stored_waveform, to_base64, waveform
from mirkit.report.spelling import key_spelling, note_name
from mirkit.store import (
    Provenance,
    as_number,
    read_chords,
    read_feature_series,
    read_feature_series_header,
    read_grid,
    read_info,
    read_onsets,
    read_provenance,
    read_sections,
)
from mirkit.store.midi_notes import midi_notes
from mirkit.track import MIDI_NAMES, MIX, NOTES_MIDI, Track
from mirkit.track.clip import clip_folders, cut_in

T = TypeVar("T")

#: Metadata in the order of the page, with their labels.
METADATA = (
    ("tags", "Tags"),
    ("pulse", "Pulse"),
    ("tempo_second_candidate", "Second tempo"),
    ("vocals_share", "Share with vocals"),
    ("duration", "Duration"),
    ("sample_rate", "Sample rate"),
    ("channels", "Channels"),
    ("codec", "Codec"),
    ("bandwidth", "Bandwidth"),
    ("audit", "Audit of the source"),
    ("original_name", "Original name"),
)
FACTS = "music_facts"
#: Most notes of a MIDI file that a page shows.
_MAX_NOTES = 20_000
_UNITS = {"duration": "s", "sample_rate": "Hz", "bandwidth": "Hz", "tempo_second_candidate": "BPM"}


def track_content(track: Track, audio: Mapping[str, str], path: str = "") -> tuple[dict[str, Any], list[str]]:
    """Read what a track's page shows.

    Parameters
    ----------
    track : Track
    audio : mapping
        Source (mix or stem) -> address of its audio, relative to the page.
    path : str
        Path of the track from the folder that the report describes.

    Returns
    -------
    page : dict
        ``data`` is for the script, all other entries are for the template.
    problems : list of str
        A line for each file that could not be read; the page lacks its content.

    Raises
    ------
    InfoError
        The ``.INFO`` or the ``.PROVENANCE`` cannot be read: there is nothing to show.
    """
    info, provenance = read_info(track.info), read_provenance(track.provenance)
    problems: list[str] = []
    metadata = {name: fact.get("value") for name, fact in provenance.facts.items()}
    arrays, samples = _series(track, problems)
    duration = samples / ANALYSIS_RATE if samples else as_number(metadata.get("duration"))
    peaks = ""
    try:
        probe(track.mix)  # a file that cannot be read is a problem, although nothing needs to be decoded
        columns = stored_waveform(arrays)
        if columns is None:
            columns = waveform(track.mix, samples or round((duration or 0) * ANALYSIS_RATE))
        peaks = to_base64(columns)
    except MirkitError as error:
        problems.append(str(error).removeprefix(f"{printable(track.mix)}: "))
    beats, downbeats, onsets = _events(track, problems)
    silent = _reasons(provenance).get("lufs") == SILENT.reason and as_number(info.get("lufs")) is None
    data = {
        "path": path,
        "duration": duration or 0.0,
        "peaks": peaks,
        "beats": beats,
        "downbeats": downbeats,
        "onsets": onsets,
        "sections": _sections(track, problems),
        "chords": _chords(track, problems),
        "crops": _crops(track),
        "midi": _midi(track, provenance, problems),
        "curves": series(arrays),
        "audio": dict(audio),
        "values": {row.name: value for row in ALL_SPECS if (value := as_number(info.get(row.name))) is not None},
    }
    if silent:  # its lanes would be empty
        data |= {name: [] for name in ("beats", "downbeats", "onsets", "sections", "chords", "midi")}
        data |= {"curves": {}, "audio": {name: address for name, address in audio.items() if name == MIX}}
    tags = metadata.get("tags") if isinstance(metadata.get("tags"), dict) else {}
    page = {
        "data": data,
        "name": track.name,
        "title": str(tags.get("title") or track.name),  # type: ignore[union-attr]
        "by": [str(tags[tag]) for tag in ("artist", "album", "genre", "year") if tags.get(tag)],  # type: ignore[union-attr, index, call-overload]
        "chips": _chips(info, metadata, duration, silent=silent),
        "silent": silent,
        "groups": _features(info, provenance),
        "texts": [(name, info[name]) for name in (FACTS, *TEXT_KEYS) if isinstance(info.get(name), str)],
        "metadata": [row for row in (_metadata_row(name, label, provenance) for name, label in METADATA) if row],
        "stages": _stages(provenance),
        "warnings": _warnings(provenance),
        "problems": problems,
    }
    return page, problems


def _read(read: Callable[[Path], T], path: Path, problems: list[str]) -> T | None:
    """Read a file of a track; None if it does not exist, or if it cannot be read, which is a problem."""
    try:
        return read(path)
    except MissingInput:
        return None
    except InfoError as error:
        problems.append(str(error))
        return None


def _series(track: Track, problems: list[str]) -> tuple[dict[str, Any], int]:
    headers = _read(read_feature_series_header, track.feature_series, problems)
    if headers is None:
        return {}, 0
    header: Any = headers.get("full_mix/sound", {})
    samples = header.get("samples") if isinstance(header, dict) else 0
    arrays = _read(lambda path: read_feature_series(path, *SERIES), track.feature_series, problems)
    return ({}, 0) if arrays is None else (dict(arrays), samples if isinstance(samples, int) else 0)


def _events(track: Track, problems: list[str]) -> list[list[float]]:
    grid, onsets = _read(read_grid, track.grid, problems), _read(read_onsets, track.onsets, problems)
    empty = np.zeros(0)
    beats, downbeats = (grid.beats, grid.downbeats) if grid else (empty, empty)
    return [times.round(3).tolist() for times in (beats, downbeats, empty if onsets is None else onsets)]


def _sections(track: Track, problems: list[str]) -> list[dict[str, Any]]:
    """Sections of the track; the first sections of each letter decide its color."""
    form = _read(read_sections, track.sections, problems)
    if form is None or isinstance(form, Unknown):
        return []
    order = list(dict.fromkeys(section.label for section in form.sections))
    return [asdict(section) | {"color": order.index(section.label)} for section in form.sections]


def _chords(track: Track, problems: list[str]) -> list[dict[str, Any]]:
    """Chords of the track, as musicians write them."""
    return [
        {
            "start": round(chord.start, 3),
            "end": round(chord.end, 3),
            "name": short_form(chord.symbol),
            "third": third_of(chord.symbol),
            "confidence": chord.confidence,
        }
        for chord in _read(read_chords, track.chords, problems) or ()
    ]


def _crops(track: Track) -> list[dict[str, Any]]:
    clips = []
    for folder in clip_folders(track):
        clip = cut_in(folder)
        if clip:
            window = clip.window
            clips.append({"name": folder.name, "set": clip.set, "start": window.start, "end": window.end})
    return sorted(clips, key=lambda row: (row["set"], row["start"]))


def _midi(track: Track, provenance: Provenance, problems: list[str]) -> list[dict[str, Any]]:
    record = provenance.stages.get("notes")
    warned = record is not None and "warning" in record.details
    found = {path: _read(notes, path, problems) for name in MIDI_NAMES if (path := track.path_of(name)).exists()}
    stems = {track.path_of(name): stem for stem, name in NOTES_MIDI.items()}
    return [
        {"file": path.name, "stem": stems.get(path, "drums"), "notes": rows, "weak": warned and path in stems}
        for path, rows in found.items()
        if rows is not None
    ]


def notes(path: Path) -> list[tuple[float, int, int, float]]:
    """Read the notes of a MIDI file, at most 20,000.

    Returns
    -------
    list of (float, int, int, float)
        Onset (s), pitch (0 to 127), velocity (1 to 127) and end (s) of each.

    Raises
    ------
    InfoError
        The file cannot be read as MIDI.
    """
    try:
        return midi_notes(path.read_bytes())[:_MAX_NOTES]
    except (OSError, ValueError) as error:
        raise InfoError(
            f"{printable(path)}: the file cannot be read as MIDI; remove it, and mirkit writes it again"
        ) from error


def _chips(
    info: Mapping[str, Any], metadata: Mapping[str, Any], duration: float | None, *, silent: bool
) -> list[tuple[str, str, str]]:
    """Label, value and remark of the facts at the top of the page."""
    bpm, level = as_number(info.get("bpm")), as_number(info.get("lufs"))
    key, mode, meter, voice = (info.get(name) for name in ("key", "mode", "time_signature", "voice"))
    known = {"bpm": bpm, "key": key if key in PITCH_CLASSES else None, "mode": mode if mode in MODES else None}
    known["meter"] = meter if meter in TIME_SIGNATURES and meter != OTHER_METER else None
    sure = {name: as_number(info.get(field)) for name, field in CONFIDENCES.items()}
    notes = {name: f"unsure, confidence {two_digits(sure[name] or 0.0)}" for name in unsure(known | {"sure": sure})}
    chips = []
    if bpm is not None:
        chips.append(("tempo", f"{bpm:.1f} BPM", notes.get("tempo", "")))
    elif not silent:
        chips.append(("tempo", "no steady tempo", ""))
    if known["key"] is not None:
        name = key_spelling(str(key), str(mode)) if known["mode"] else str(key)
        chips.append(("key", name, notes.get("key", "")))
    if known["meter"] is not None:
        chips.append(("meter", str(meter), notes.get("meter", "")))
    if voice in VOICES:
        chips.append(("voice", str(voice), ""))
    if level is not None:
        chips.append(("loudness", f"{level:.1f} LUFS".replace("-", "−"), ""))
    if duration:
        minutes, seconds = divmod(round(duration, 1), 60)
        chips.append(("length", f"{int(minutes)}:{seconds:04.1f}", ""))
    if metadata.get("codec"):
        rate = (as_number(metadata.get("sample_rate")) or 0) / 1000
        chips.append(("file", f"{metadata['codec']}, {rate:g} kHz", ""))
    return chips


def _reasons(provenance: Provenance) -> dict[str, str]:
    """Return why values are unknown."""
    return {name: reason for entry in provenance.stages.values() for name, reason in entry.reasons.items()}


def _features(info: Mapping[str, Any], provenance: Provenance) -> list[tuple[str, list[dict[str, Any]]]]:
    """Features by module: value, unit and description, or why the value is unknown."""
    reasons = _reasons(provenance)
    groups: dict[str, list[dict[str, Any]]] = {}
    for name in (*INFO_KEYS, *(row.name for row in REQUESTED if row.name in info)):
        if name == FACTS:  # shown with the captions
            continue
        row = feature(name)
        value = as_number(info.get(name)) if row.is_number else as_text(info.get(name))
        reason = ""
        if value is None:
            reason = reasons.get(name, "not measured" if name not in info else "no reason given")
        line = {
            "key": name,
            "value": "" if value is None else f"{value:.4g}" if isinstance(value, float) else str(value),
            "unit": f"MIDI note, {note_name(value)}"
            if row.unit == "MIDI note" and isinstance(value, float)
            else row.shown_unit,
            "description": row.description,
            "why": reason,
            "outside": value is not None and not _is_valid(value, row),
        }
        groups.setdefault(stage(row.stage).section, []).append(line)
    return list(groups.items())


def as_text(value: Any) -> str | None:
    """Return a value of an ``.INFO`` if it is a text."""
    return value if isinstance(value, str) else None


def _is_valid(value: float | str, row: FeatureSpec) -> bool:
    """Whether a value is within the catalog's range, or one of its categories."""
    if isinstance(value, str):
        return row.kind == "text" or value in row.categories
    return (row.low is None or value >= row.low) and (row.high is None or value <= row.high)


def _metadata_row(name: str, label: str, provenance: Provenance) -> tuple[str, str, str] | None:
    """Label, value and confidence; None where it is unknown."""
    entry: Any = provenance.facts.get(name)
    value = entry.get("value") if isinstance(entry, dict) else None
    if value is None or value == {}:
        return None
    text = ", ".join(f"{tag}: {item}" for tag, item in value.items()) if isinstance(value, dict) else str(value)
    if name == "audit":
        found = read_audit({name: value})
        text = found.line if found else ""
    if isinstance(value, float):
        text = f"{value:.6g}"
    confidence = as_number(entry.get("confidence"))
    return label, f"{text} {_UNITS.get(name, '')}".strip(), "" if confidence is None else f"confidence {confidence:.2f}"


def _warnings(provenance: Provenance) -> list[str]:
    """What a reader should know first: faults of the source, and files of mirkit's that are known to be unreliable."""
    audit = read_audit({name: fact.get("value") for name, fact in provenance.facts.items()})
    return [f"Source: {text}" for text in (audit.faults if audit else ())] + [
        f"{', '.join(stage(name).files)}: {text}"
        for name, entry in provenance.stages.items()
        if isinstance(text := entry.details.get("warning"), str)
    ]


def _stages(provenance: Provenance) -> list[dict[str, str]]:
    return [
        {
            "name": name,
            "method": entry.backend or "",
            "version": entry.mirkit_version,
            "when": entry.when[:10],
            "failed": entry.failed,
        }
        for name, entry in provenance.stages.items()
    ]
