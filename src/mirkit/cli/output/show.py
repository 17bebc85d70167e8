"""Print what is known about one track: the most important first, then values by section, texts, and methods."""

import json
import textwrap
from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import asdict
from typing import Any

from mirkit.captions.vocabulary import key_name
from mirkit.catalog import MODES, PITCH_CLASSES, STAGES, FeatureSpec
from mirkit.cli.output import failure
from mirkit.cli.output.columns import bar, pad, shorten, terminal_width
from mirkit.dataset.audit import read_audit
from mirkit.dataset.query import query_fields
from mirkit.dataset.shown import clock, number
from mirkit.dataset.track_summary import ShownValue, TrackSummary
from mirkit.errors import pasted, printable
from mirkit.features.harmony.chord_symbols import short_form
from mirkit.store import as_number

#: Width of the output where it goes to a file or another program.
_PAGE = 100
_LABEL = 12
_NAME = max(map(len, query_fields()))
_SECTIONS = tuple(dict.fromkeys(row.section for row in STAGES))


def show(found: TrackSummary, ranks: Mapping[str, float], compared: str, *, verbose: bool) -> None:
    """Print a summary.

    Parameters
    ----------
    found : TrackSummary
    ranks : mapping
        Name of a number -> share of the other tracks with lower values.
    compared : str
        What it is compared with, such as ``340 tracks``, or "".
    verbose : bool
        Print the meaning of each value, and when each stage ran.
    """
    width = terminal_width() or _PAGE
    for line in _lines(found, ranks, compared, width, verbose=verbose):
        print(line)
    for line in found.problems:
        failure(line)


def _lines(
    found: TrackSummary, ranks: Mapping[str, float], compared: str, width: int, *, verbose: bool
) -> Iterator[str]:
    yield from _title(found, width)
    if not found.is_measured:
        failed = dict.fromkeys(entry.failed for entry in found.provenance.stages.values() if entry.failed)
        for why in failed:
            yield from textwrap.wrap(printable(f"measuring failed: {why}"), width)
        again = "try again with" if failed else "not measured; measure it with"
        yield f"{again}: mirkit run {pasted(found.track.path)}"
    if former := found.track.former:
        told = f"the folder was renamed, and its results are still named {printable(former)}; mirkit run renames them"
        yield from textwrap.wrap(told, width)
    if found.outdated:
        yield from textwrap.wrap(printable(f"outdated: {found.outdated}"), width)
        yield f"bring it up to date with: mirkit run {pasted(found.track.path)}"
    yield ""
    yield from _headline(found)
    if found.sections:
        spans = "  ".join(
            f"{clock(row.start)} {row.label}{f' ({row.function})' if row.function else ''}" for row in found.sections
        )
        yield from _wrapped("sections", spans, width)
    chords = found.texts.get("chords") or " ".join(short_form(row.symbol) for row in found.chords)
    if chords:
        yield from _wrapped("chords", chords, width, most=None if verbose else 4)
    if compared:
        yield ""
        yield f"Bars: the share of {compared} with a lower value."
    # without any value, the lists of names say nothing
    for section in sorted(found.values if found.is_measured or verbose else (), key=_SECTIONS.index):
        yield ""
        yield section
        before = ""
        for row in found.values[section]:
            yield from value_lines(row, ranks, width, verbose=verbose, before=before)
            before = row.reason
        if section == "source":
            yield from _metadata(found.metadata, width)
    texts = [(name, text) for name, text in found.texts.items() if name != "chords"]
    if texts:
        yield ""
        yield "texts"
        for name, text in texts:
            yield f"  {name}"
            yield from textwrap.wrap(printable(text), width - 4, initial_indent="    ", subsequent_indent="    ")
    yield from _provenance(found, width, verbose=verbose)


def _title(found: TrackSummary, width: int) -> Iterator[str]:
    facts = found.metadata
    tags = facts.get("tags") if isinstance(facts.get("tags"), dict) else {}
    named = [str(tags[name]) for name in ("artist", "title") if tags.get(name)]  # type: ignore[union-attr, index]
    yield shorten(printable(" - ".join(named) or found.track.name), width)
    more = [str(tags[name]) for name in ("album", "year", "genre") if tags.get(name)]  # type: ignore[union-attr, index]
    duration = as_number(facts.get("duration"))
    more += [clock(duration)] if duration is not None else []
    more += [str(facts["codec"])] if isinstance(facts.get("codec"), str) else []
    rate, channels = as_number(facts.get("sample_rate")), facts.get("channels")
    more += [f"{rate / 1000:g} kHz"] if rate else []
    if isinstance(channels, int):
        more.append({1: "mono", 2: "stereo"}.get(channels, f"{channels} channels"))
    if more:
        yield shorten(printable(", ".join(more)), width)
    yield shorten(printable(found.track.path), width)


def _headline(found: TrackSummary) -> Iterator[str]:
    """Tempo, key and meter, with their confidences or the reasons why they are unknown."""
    values = {row.spec.name: row for rows in found.values.values() for row in rows}

    def line(label: str, name: str, text: str, confidence: str) -> str:
        row = values.get(name)
        if row is None or row.value is None:
            return f"{pad(label, _LABEL)}unknown: {printable(row.reason if row else 'not measured')}"
        share = values[confidence].value if confidence in values else None
        sure = f"confidence {share:.2f}" if isinstance(share, float | int) else ""
        return f"{pad(label, _LABEL)}{pad(text, 14)}{row.note or sure}".rstrip()

    bpm, meter, key, mode = (
        values[name].value if name in values else None for name in ("bpm", "time_signature", "key", "mode")
    )
    yield line("tempo", "bpm", f"{bpm:.1f} BPM" if isinstance(bpm, float | int) else "", "bpm_confidence")
    name = key_name(key, mode) if key in PITCH_CLASSES and mode in MODES else str(key)
    yield line("key", "key", printable(name), "key_confidence")
    yield line("meter", "time_signature", printable(str(meter)), "time_signature_confidence")


def _wrapped(label: str, text: str, width: int, most: int | None = None) -> Iterator[str]:
    lines = textwrap.wrap(
        printable(text), width, initial_indent=pad(label, _LABEL), subsequent_indent=" " * _LABEL, max_lines=most
    )
    yield from lines


def value_lines(
    row: ShownValue, ranks: Mapping[str, float], width: int, *, verbose: bool, before: str
) -> Iterator[str]:
    """Yield the lines of a value; ``before`` is the reason of the one before it."""
    spec, name = row.spec, f"  {pad(row.spec.name, _NAME)}"
    if row.value is None:
        reason = "as above" if row.reason == before else printable(row.reason)
        start = f"{name}  {pad('-', 9, right=True)}  "
        yield from textwrap.wrap(reason, max(width, 70), initial_indent=start, subsequent_indent=" " * len(start))
    else:
        text = printable(row.value) if isinstance(row.value, str) else _digits(row)
        rank = ranks.get(spec.name)
        compared = f"{bar(rank)} {100 * rank:3.0f} %" if rank is not None else " " * 16 if ranks else ""
        line = f"{name}  {pad(text, 9, right=True)}  {pad(_unit(spec), 11)}  {compared}"
        yield f"{line}  {row.note}".rstrip()
    if verbose:
        yield from textwrap.wrap(spec.description, width, initial_indent=" " * 6, subsequent_indent=" " * 6)


#: Metadata that are shown with the file, and their units.
_METADATA = {"audit": "", "bandwidth": "Hz", "pulse": "", "tempo_second_candidate": "BPM", "original_name": ""}


def _metadata(facts: Mapping[str, Any], width: int) -> Iterator[str]:
    """Metadata and tags, as far as they are known."""
    tags = facts.get("tags")
    known = {f"tag {name}": text for name, text in tags.items()} if isinstance(tags, dict) else {}
    for name, value in ({name: facts.get(name) for name in _METADATA} | known).items():
        if value not in (None, "", []):
            text = _text(name, value)
            unit = _METADATA.get(name, "")
            start = f"  {pad(name, _NAME)}  "
            if unit or len(text) <= 9:
                yield f"{start}{pad(printable(text), 9, right=True)}  {unit}".rstrip()
            else:
                yield from textwrap.wrap(
                    printable(text), max(width, 70), initial_indent=start, subsequent_indent=" " * len(start)
                )


def _text(name: str, value: Any) -> str:
    if name == "audit":
        found = read_audit({name: value})
        return found.line if found else ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list):
        return ", ".join(map(str, value))
    return (
        number(value, query_fields()[name].decimals) if isinstance(value, float) and name in _METADATA else str(value)
    )


def _unit(spec: FeatureSpec) -> str:
    """Unit of a value, or the pitch class that it is the weight of."""
    if spec.name.startswith("chroma_"):
        return PITCH_CLASSES[int(spec.name.removeprefix("chroma_"))]
    return "" if spec.unit in ("ratio", "flag", "count", "1", "0-100", "1-10") else spec.shown_unit


def _digits(row: ShownValue) -> str:
    known = query_fields()[row.spec.name]
    return number(float(row.value or 0), 1 if known.kind == "duration" else known.decimals)


def _provenance(found: TrackSummary, width: int, *, verbose: bool) -> Iterator[str]:
    """Methods of the stages, and which version of mirkit ran them when."""
    stages = found.provenance.stages
    if not stages:
        return
    yield ""
    yield "provenance"
    order = [row.name for row in STAGES]
    listed = sorted(stages.items(), key=lambda item: order.index(item[0]) if item[0] in order else len(order))
    runs: dict[tuple[str, str], list[str]] = defaultdict(list)
    for name, entry in listed:
        runs[entry.mirkit_version, entry.when[:10]].append(name)
        method = entry.backend or ""
        if entry.failed:
            yield shorten(f"  {pad(name, 16)}FAILED: {printable(entry.failed)}", width)
        elif verbose or method:
            detail = f"mirkit {entry.mirkit_version}, {entry.when[:10]}, {entry.seconds:.1f} s" if verbose else ""
            model = f" ({entry.model})" if entry.model else ""
            yield shorten(f"  {pad(name, 16)}{pad(printable(method + model), 24)}{printable(detail)}".rstrip(), width)
    for (version, when), names in runs.items():
        text = f"mirkit {version} on {when}: {', '.join(names)}"
        yield from textwrap.wrap(printable(text), width, initial_indent="  ", subsequent_indent="    ")


def show_json(found: TrackSummary, ranks: Mapping[str, float]) -> None:
    """Print everything as a JSON object."""
    rows = [row for section in found.values.values() for row in section]
    content: dict[str, Any] = {
        "path": str(found.track.path),
        "name": found.track.name,
        "values": {row.spec.name: row.value for row in rows},
        "reasons": {row.spec.name: row.reason for row in rows if row.value is None},
        "notes": {row.spec.name: row.note for row in rows if row.note},
        "ranks": {name: round(rank, 4) for name, rank in ranks.items()},
        "texts": dict(found.texts),
        "metadata": found.metadata,
        "sections": [asdict(row) for row in found.sections],
        "chords": [asdict(row) for row in found.chords],
        "stages": {
            name: {
                "method": entry.backend,
                "model": entry.model,
                "mirkit": entry.mirkit_version,
                "version": entry.stage_version,
                "when": entry.when,
                "seconds": entry.seconds,
                "failed": entry.failed or None,
            }
            for name, entry in found.provenance.stages.items()
        },
        "problems": found.problems,
        "outdated": found.outdated or None,
        "renamed_from": found.track.former or None,
    }
    print(json.dumps(content, indent=2))
