"""The rights in the tracks of a bundle: the file ``mirkit_rights.csv``, and their part of README and data card."""

import csv
import io
from collections import Counter
from collections.abc import Mapping

from mirkit.dataset.rights import FIELDS, Rights
from mirkit.errors import counted, printable
from mirkit.export.formulas import escape_formula
from mirkit.export.item import Item
from mirkit.export.plan import ExportPlan

#: File of a bundle with the rights in each track.
RIGHTS = "mirkit_rights.csv"
#: Largest number of tracks that the data card lists.
_MOST_LISTED = 2000
_PERMISSION = {True: "yes", False: "no", None: ""}
UNKNOWN = "unknown"


def rights_by_source(plan: ExportPlan) -> dict[str, Rights]:
    """Track -> its rights."""
    return {item.source: item.rights for item in _items(plan)}


def digests(plan: ExportPlan) -> dict[str, str]:
    """Track -> SHA-256 of its file."""
    return {item.source: item.source_sha256 for item in _items(plan)}


def _items(plan: ExportPlan) -> list[Item]:
    return sorted((sample.item for sample in plan.samples), key=lambda item: item.source)


def rights_csv(tracks: Mapping[str, Rights], digests: Mapping[str, str] | None = None) -> bytes:
    """Encode the rights in tracks as CSV, in the form of ``rights.csv``.

    Parameters
    ----------
    tracks : mapping
        Path of a track -> its rights.
    digests : mapping, optional
        Path of a track -> SHA-256 of its file, for another column.
    """
    out = io.StringIO(newline="")
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(("path", *FIELDS, *(() if digests is None else ("sha256",))))
    for name, rights in tracks.items():
        texts = (name, rights.source, rights.license, rights.attribution, _PERMISSION[rights.ai_training])
        writer.writerow([*map(escape_formula, texts), *(() if digests is None else (digests[name],))])
    return out.getvalue().encode("utf-8", "backslashreplace")


def licenses(plan: ExportPlan) -> dict[str, int]:
    """License -> number of tracks, the most frequent first."""
    return dict(Counter(rights.license or UNKNOWN for rights in rights_by_source(plan).values()).most_common())


def rights_lines(plan: ExportPlan) -> list[str]:
    """Say under which licenses the tracks of a bundle are."""
    tracks = rights_by_source(plan)
    known = licenses(plan)
    if set(known) == {UNKNOWN}:
        return [
            "Nobody states the rights in the recordings. Before you publish the data set or a model that was trained "
            "with it, write them into `rights.csv` in the folder of tracks (`mirkit rights` helps), and export again."
        ]
    lines = [f"* {license}: {counted(count, 'track')}" for license, count in known.items()]
    unstated = sum(rights.ai_training is None for rights in tracks.values())
    training = (
        "The holders of the rights allow the training of generative models with all tracks."
        if not unstated
        else f"For {counted(unstated, 'track')} nobody states whether the training of generative models is allowed."
    )
    return [*lines, "", f"{training} `{RIGHTS}` lists every track."]


def rights_table(plan: ExportPlan) -> list[str]:
    """List every track with its license and digest, as a table of Markdown."""
    tracks, sha256 = rights_by_source(plan), digests(plan)
    lines = ["| track | license | source | attribution | AI training | SHA-256 |", "|---|---|---|---|---|---|"]
    for name, rights in list(tracks.items())[:_MOST_LISTED]:
        texts = (name, rights.license or UNKNOWN, rights.source, rights.attribution, _PERMISSION[rights.ai_training])
        lines.append("| " + " | ".join((*map(_cell, texts), sha256[name])) + " |")
    if len(tracks) > _MOST_LISTED:
        lines += ["", f"These are the first {_MOST_LISTED} of {len(tracks)} tracks; `{RIGHTS}` lists all."]
    return lines


def _cell(text: str) -> str:
    """Write a text into a table of Markdown; it comes from tags and is never markup."""
    return "".join(f"\\{sign}" if sign in "\\`*_{}[]<>()#|!&~$" else sign for sign in printable(text))
