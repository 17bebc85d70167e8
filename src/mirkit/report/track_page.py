"""The page of one track: what is known of it, gathered from its files."""

from collections.abc import Mapping
from typing import Any

from mirkit.catalog import PITCH_CLASSES, TEXT_KEYS, TRACK_KEYS, feature, stage
from mirkit.errors import InfoError, MirkitError, MissingInput
from mirkit.features.types import ANALYSIS_RATE
from mirkit.report.curves import curves
from mirkit.report.encode import text
from mirkit.report.midi import notes
from mirkit.report.waveform import waveform
from mirkit.store import Provenance, read_curves, read_curves_header, read_grid, read_info, read_onsets, read_provenance
from mirkit.track import Track
from mirkit.track.clip import clip_folders, cut_in

#: Facts in the order in which a page shows them, and what they are called there.
FACTS = (
    ("tags", "Tags"),
    ("key", "Key"),
    ("mode", "Mode"),
    ("meter", "Meter"),
    ("tempo_second_candidate", "Second tempo"),
    ("vocals_share", "Share with vocals"),
    ("duration", "Duration"),
    ("sample_rate", "Sample rate"),
    ("channels", "Channels"),
    ("codec", "Codec"),
    ("bandwidth", "Bandwidth"),
    ("original_name", "Original name"),
)
_UNITS = {"duration": "s", "sample_rate": "Hz", "bandwidth": "Hz", "tempo_second_candidate": "BPM"}


def gather(track: Track, audio: Mapping[str, str]) -> tuple[dict[str, Any], list[str]]:
    """Everything that a track's page shows.

    Parameters
    ----------
    track : Track
    audio : mapping
        Part -> address of its sound, from the page.

    Returns
    -------
    page : dict
        ``data`` for the script; the rest for the template.
    problems : list of str
        A line for each file that could not be read; the page is without what it holds.

    Raises
    ------
    InfoError
        The ``.INFO`` or the ``.PROVENANCE`` cannot be read: there is nothing to show.
    """
    info, provenance = read_info(track.info), read_provenance(track.provenance)
    problems: list[str] = []
    facts = {name: fact.get("value") for name, fact in provenance.facts.items()}
    arrays, samples = _curves(track, problems)
    duration = samples / ANALYSIS_RATE if samples else _number(facts.get("duration"))
    peaks = ""
    try:
        columns = waveform(track.mix, samples or round((duration or 0) * ANALYSIS_RATE))
        peaks = text(columns)
    except MirkitError as error:
        problems.append(str(error))
    beats, downbeats, onsets = _events(track, problems)
    data = {
        "duration": duration or 0.0,
        "peaks": peaks,
        "beats": beats,
        "downbeats": downbeats,
        "onsets": onsets,
        "crops": _crops(track),
        "midi": _midi(track, problems),
        "curves": curves(arrays),
        "audio": dict(audio),
        "values": {name: value for name in TRACK_KEYS if (value := _number(info.get(name))) is not None},
    }
    tags = facts.get("tags") if isinstance(facts.get("tags"), dict) else {}
    page = {
        "data": data,
        "name": track.name,
        "title": str(tags.get("title") or track.name),  # type: ignore[union-attr]
        "by": [str(tags[tag]) for tag in ("artist", "album", "genre", "year") if tags.get(tag)],  # type: ignore[union-attr, index, call-overload]
        "chips": _chips(info, facts, duration),
        "groups": _features(info, provenance),
        "texts": [(name, info[name]) for name in TEXT_KEYS if isinstance(info.get(name), str)],
        "facts": [row for row in (_fact(name, says, provenance) for name, says in FACTS) if row],
        "stages": _stages(provenance),
        "problems": problems,
    }
    return page, problems


def _curves(track: Track, problems: list[str]) -> tuple[dict[str, Any], int]:
    try:
        note: Any = read_curves_header(track.curves).get("full_mix/sound", {})
        samples = note.get("samples") if isinstance(note, dict) else 0
        return read_curves(track.curves), samples if isinstance(samples, int) else 0
    except MissingInput:
        return {}, 0
    except InfoError as error:
        problems.append(str(error))
        return {}, 0


def _events(track: Track, problems: list[str]) -> tuple[list[float], list[float], list[float]]:
    beats: list[float] = []
    downbeats: list[float] = []
    onsets: list[float] = []
    try:
        grid = read_grid(track.grid)
        beats, downbeats = grid.beats.round(3).tolist(), grid.downbeats.round(3).tolist()
    except MissingInput:
        pass
    except InfoError as error:
        problems.append(str(error))
    try:
        onsets = read_onsets(track.onsets).round(3).tolist()
    except MissingInput:
        pass
    except InfoError as error:
        problems.append(str(error))
    return beats, downbeats, onsets


def _crops(track: Track) -> list[dict[str, Any]]:
    found = []
    for folder in clip_folders(track):
        cut = cut_in(folder)
        if cut:
            window = cut.window
            found.append({"name": folder.name, "set": cut.set, "start": window.start, "end": window.end})
    return sorted(found, key=lambda clip: (clip["set"], clip["start"]))


def _midi(track: Track, problems: list[str]) -> list[dict[str, Any]]:
    found = []
    for path in (track.adtof_midi, track.drums_midi):
        if path.exists():
            try:
                found.append({"file": path.name, "notes": notes(path)})
            except InfoError as error:
                problems.append(str(error))
    return found


def _number(value: Any) -> float | None:
    return value if isinstance(value, int | float) and not isinstance(value, bool) else None


def _chips(info: Mapping[str, Any], facts: Mapping[str, Any], duration: float | None) -> list[tuple[str, str]]:
    """What one wants to know first: label and value."""
    chips = [("tempo", f"{bpm:.1f} BPM" if (bpm := _number(info.get("bpm"))) else "no steady tempo")]
    if facts.get("key") in PITCH_CLASSES:
        chips.append(("key", f"{facts['key']} {facts.get('mode') or ''}".strip()))
    if facts.get("meter"):
        chips.append(("meter", str(facts["meter"])))
    if (level := _number(info.get("lufs"))) is not None:
        chips.append(("loudness", f"{level:.1f} LUFS"))
    if duration:
        chips.append(("length", f"{int(duration) // 60}:{duration % 60:04.1f}"))
    if facts.get("codec"):
        chips.append(("file", f"{facts['codec']}, {(_number(facts.get('sample_rate')) or 0) / 1000:g} kHz"))
    return chips


def _features(info: Mapping[str, Any], provenance: Provenance) -> list[tuple[str, list[dict[str, Any]]]]:
    """Features by module: value, unit and meaning, or why there is none."""
    reasons = {name: why for entry in provenance.stages.values() for name, why in entry.reasons.items()}
    groups: dict[str, list[dict[str, Any]]] = {}
    for name in TRACK_KEYS:
        row = feature(name)
        value = _number(info.get(name))
        why = "" if value is not None else reasons.get(name, "not measured" if name not in info else "no reason given")
        shown = "" if value is None else f"{value:.4g}" if isinstance(value, float) else str(value)
        outside = value is not None and not (
            (row.low is None or value >= row.low) and (row.high is None or value <= row.high)
        )
        line = {"key": name, "value": shown, "unit": row.unit, "says": row.description, "why": why, "outside": outside}
        groups.setdefault(stage(row.stage).module, []).append(line)
    return list(groups.items())


def _fact(name: str, says: str, provenance: Provenance) -> tuple[str, str, str] | None:
    fact: Any = provenance.facts.get(name)
    value = fact.get("value") if isinstance(fact, dict) else None
    if value is None or value == {}:
        return None
    told = ", ".join(f"{tag}: {item}" for tag, item in value.items()) if isinstance(value, dict) else str(value)
    if isinstance(value, float):
        told = f"{value:.6g}"
    confidence = _number(fact.get("confidence"))
    sure = "" if confidence is None else f"confidence {confidence:.2f}"
    return says, f"{told} {_UNITS.get(name, '')}".strip(), sure


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
