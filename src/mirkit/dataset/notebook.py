"""A track of a data set as HTML for notebooks: the facts, and all values folded by section. No scripts."""

from collections.abc import Mapping
from html import escape
from pathlib import Path
from typing import Any

from mirkit.catalog import INFO_SPECS, REQUESTED, stage
from mirkit.dataset.shown import clock, number, short_key


def track_html(path: Path, values: Mapping[str, Any]) -> str:
    """Return a track or clip as HTML.

    Parameters
    ----------
    path : Path
    values : mapping
        Field -> value, None where unknown.
    """
    title = " – ".join(filter(None, (values.get("artist"), values.get("title")))) or path.name
    sections: dict[str, list[str]] = {}
    for spec in (*INFO_SPECS, *REQUESTED):
        value = values.get(spec.name)
        if value is not None:
            text = f"{value:.4g} {spec.shown_unit}" if isinstance(value, int | float) else str(value)
            line = f"<tr><th style='text-align:left'>{escape(spec.name)}</th><td><bdi>{escape(text)}</bdi></td></tr>"
            sections.setdefault(stage(spec.stage).section, []).append(line)
    folded = "".join(
        f"<details><summary>{escape(name)}, {len(lines)} values</summary><table>{''.join(lines)}</table></details>"
        for name, lines in sections.items()
    )
    facts = " · ".join(_facts(values)) or "not measured"
    return (
        f"<div><strong><bdi>{escape(title)}</bdi></strong><br>{escape(facts)}<br>"
        f"<small><bdi>{escape(str(path))}</bdi></small>{folded}</div>"
    )


def _facts(values: Mapping[str, Any]) -> list[str]:
    """Length, tempo, key, meter, loudness and voice, where they are known."""
    length, bpm, level = (values.get(name) for name in ("duration", "bpm", "lufs"))
    key, mode = values.get("key"), values.get("mode")
    found = [
        clock(length) if length is not None else None,
        f"{number(bpm, 1)} BPM" if bpm is not None else None,
        short_key(key, mode) if key else None,
        values.get("time_signature"),
        f"{number(level, 1)} LUFS" if level is not None else None,
        values.get("voice"),
    ]
    return [str(fact) for fact in found if fact]
