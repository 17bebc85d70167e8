"""The row of a track or clip in the library, from its ``.INFO`` and ``.PROVENANCE``."""

import hashlib
import json
import os
import struct
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from mirkit.catalog import CATEGORIES, DESCRIPTORS, FEATURES, NUMBERS, REQUESTED, STEMS, TEXT_KEYS, TEXTS
from mirkit.dataset.library.fields import FACT_FIELDS, FIELDS, NUMBER_KEYS, TAG_FIELDS
from mirkit.dataset.library.stamps import UNSETTLED, settled, sidecar_stamps
from mirkit.errors import InfoError, printable
from mirkit.store import (
    DamagedFileError,
    JsonObject,
    as_number,
    origin_of,
    read_object,
)
from mirkit.track import CROPS, Track

#: Reason for an unknown value if the track was not measured, and if the provenance gives none.
NOT_MEASURED = "not measured"
NO_REASON = "no reason given"
#: What stands for the root of the data set in a stored message.
_ROOT = "\0"
_TEXTS = (*(row.name for row in (*CATEGORIES, *TEXTS)), *TEXT_KEYS)
_FEATURES = frozenset(row.name for row in FEATURES)
_REASONED = tuple(dict.fromkeys((*NUMBER_KEYS, *(row.name for row in DESCRIPTORS))))
_ONLY_CLIPS = frozenset(row.name for row in NUMBERS if row.stage == "crop")
_REQUESTED = frozenset(row.name for row in REQUESTED)
_VECTOR = struct.Struct(f"<{len(NUMBER_KEYS)}d")
_NAN = float("nan")

#: Columns beside the fields: order of the rows, path as bytes, the source in the record of a cut, whether the ``.INFO``
#: has no number, and all numbers as float64.
HIDDEN = ("_sort BLOB PRIMARY KEY", "_key BLOB NOT NULL", "_cut TEXT NOT NULL", "_unmeasured INTEGER NOT NULL")
LAST = ("_numbers BLOB NOT NULL",)


#: First byte of the place of a loose file.
LOOSE = b"\1"


@dataclass(frozen=True)
class RowJob:
    """A row that has to be read.

    Attributes
    ----------
    track : Track
        A track, or the folder of a clip.
    place : bytes
        Its place in the order of the rows.
    is_clip : bool
    """

    track: Track
    place: bytes
    is_clip: bool = False


@dataclass(frozen=True)
class Row:
    """A row, and what shows that it is up to date.

    Attributes
    ----------
    place : bytes
        Its place in the order of the rows.
    base : bytes
        Path of the sidecars from the root of the data set, without their suffixes.
    stamps : bytes
        Of the sidecars, and of the names of the audio files; ``UNSETTLED`` if they have to be read again.
    values : tuple
        Of ``HIDDEN``, of the fields, and of ``LAST``.
    """

    place: bytes
    base: bytes
    stamps: bytes
    values: tuple[Any, ...]


def place_of(key: bytes, *, loose: bool) -> bytes:
    """Return the place of a track in the order of ``find_all``: track folders by path, then loose files."""
    folder, _, name = key.rpartition(b"/")
    if loose:
        return LOOSE + folder.replace(b"/", b"\1") + b"\0" + name
    return b"\0" + key.replace(b"/", b"\1")


def clip_folder(key: bytes, *, loose: bool) -> bytes:
    """Return the folder that may hold the clips of a track; loose files of a folder share one."""
    above = key.rpartition(b"/")[0] if loose else key
    return (above + b"/" if above else b"") + CROPS.encode()


def cut_source(loose: str) -> str:
    """Return the column ``_cut`` of the clips of a track; ``loose`` is the name of a loose file."""
    return str(_plain(f"../../{loose}" if loose else "../.."))


def key_of(track: Track, prefix: str) -> bytes:
    """Return the path of a track, or clip, from the root, whose path with a separator at the end is ``prefix``."""
    return _relative(str(track.path), prefix)


def base_key(track: Track, prefix: str) -> bytes:
    """Return the path of the sidecars of a track from the root, without their suffixes."""
    return _relative(str(track.info), prefix).removesuffix(b".INFO")


def _relative(path: str, prefix: str) -> bytes:
    if not path.startswith(prefix):
        path = os.path.join(prefix, os.path.relpath(path, prefix))
    return os.fsencode(path[len(prefix) :].replace(os.sep, "/"))


def names_stamp(track: Track) -> bytes:
    """Return a hash of the names on which a row depends."""
    names = "\0".join((track.name, *track.audio_files))
    return hashlib.blake2b(names.encode("utf-8", "surrogatepass"), digest_size=8).digest()


def read_row(job: RowJob, *, root: Path, excluded: Mapping[str, str]) -> Row:
    """Read the row of a track or clip. Files that cannot be read give a row with a ``problem``."""
    track = job.track
    prefix = os.path.join(root, "")
    key, base = key_of(track, prefix), base_key(track, prefix)
    before = sidecar_stamps(os.fsencode(prefix) + base)
    values: dict[str, Any] = {}
    lasting = True
    try:
        info = read_object(track.info)
        content = read_object(track.provenance)
        hidden = _fill(values, info, content, track, is_clip=job.is_clip)
    except InfoError as error:
        hidden = ("", 1, _VECTOR.pack(*[_NAN] * len(NUMBER_KEYS)))
        values = {"problem": str(error).replace(printable(root), _ROOT)}
        # What the system or the place of a link says may change while the files do not.
        lasting = type(error) is DamagedFileError
    cut, unmeasured, numbers = hidden
    text = os.fsdecode(key)
    values |= {
        "path": text,
        "name": track.name,
        "excluded": exclusion(key, track.name, excluded, loose=bool(track.loose)) or None,
    }
    if not job.is_clip:
        values["stems"] = json.dumps(
            [stem for stem in STEMS if any(track.source_of(n) == stem for n in track.audio_files)]
        )
    if cut:
        values["source"] = os.path.normpath(f"{text}/{cut}").replace(os.sep, "/")
    stamps = settled(before) if lasting else UNSETTLED
    return Row(
        job.place,
        base,
        stamps + names_stamp(track) if stamps else UNSETTLED,
        (job.place, key, _plain(cut), unmeasured, *(_plain(values.get(name)) for name in FIELDS), numbers),
    )


def exclusion(key: bytes, name: str, excluded: Mapping[str, str], *, loose: bool) -> str:
    """Return why a track is excluded, or "": by its path from the root, or by its name.

    Parameters
    ----------
    key : bytes
        Its path from the root.
    name : str
        Its name: that of a loose file may lack the suffix.
    excluded : mapping
        ``[exclude]``: a track's name, or its path from the root with forward slashes -> the reason.
    loose : bool
        Whether it is a loose file.
    """
    if not excluded:
        return ""
    path = os.fsdecode(key)
    names = [path, path.rpartition("/")[2]]
    if loose:
        folder = path[: -len(names[1])]
        bare = os.path.splitext(names[1])[0]
        names = [folder + name, name, folder + bare, bare]
    return next((excluded[found] for found in names if found in excluded), "")


def problem_in(stored: str, root: Path) -> str:
    """Return the message of a row, in which the root of the data set is left out."""
    return stored.replace(_ROOT, printable(root))


def _fill(
    values: dict[str, Any], info: JsonObject, content: JsonObject, track: Track, *, is_clip: bool
) -> tuple[str, int, bytes]:
    """Fill in the fields; return the source of a cut, whether there is no number, and the numbers."""
    origin = origin_of(content, track.provenance)
    numbers = {name: number for name in NUMBER_KEYS if (number := _number(info.get(name))) is not None}
    texts = {name: text for name in _TEXTS if isinstance(text := info.get(name), str)}
    values |= numbers | texts
    values["known"] = float(sum(name in _FEATURES for name in numbers))
    wanted = _REASONED if is_clip else [name for name in _REASONED if name not in _ONLY_CLIPS]
    reasons = {
        name: origin.reasons.get(name, NO_REASON) if name in info else NOT_MEASURED
        for name in wanted
        if name not in numbers and name not in texts and (name in info or name not in _REQUESTED)
    }
    methods = dict(origin.methods)
    if "separate" not in methods:
        stems = "lufs_drums" in info and origin.reasons.get("lufs_drums") != "stem missing"
        methods["separate"] = "external" if stems else "none"
    values["reasons"], values["methods"] = json.dumps(reasons), json.dumps(methods)
    stages: Any = content.get("stages", {})
    failed = {name: why for name, entry in stages.items() if isinstance(why := entry.get("failed"), str) and why}
    values["failed"] = json.dumps(failed) if failed else None
    dates = sorted(when for entry in stages.values() if isinstance(when := entry.get("when"), str) and when)
    if dates:
        values["added"], values["measured"] = _date(dates[0]), _date(dates[-1])
    for name in FACT_FIELDS:
        values[name] = _fitting(name, origin.facts.get(name))
    tags = origin.facts.get("tags")
    if isinstance(tags, dict):
        for tag, name in TAG_FIELDS.items():
            values[name] = _fitting(name, tags.get(tag))
        for name in ("artists", "genres"):
            if isinstance(several := tags.get(name), list) and several:
                values[name] = json.dumps([text for text in several if isinstance(text, str)])
    if "genre" in texts:  # of the stage ``tags``, which may have corrected or added it
        values["genre"] = texts["genre"]
    if "cut" in stages:
        parameters = stages["cut"]["parameters"]
        values["clip_set"] = _fitting("clip_set", parameters.get("set"))
        first, last, rate = (_number(parameters.get(name)) for name in ("first", "last", "rate"))
        if rate and first is not None and last is not None:
            values["start"], values["end"] = first / rate, last / rate
    unmeasured = not any(name in info for name in NUMBER_KEYS if is_clip or name not in _ONLY_CLIPS)
    return origin.source, int(unmeasured), _VECTOR.pack(*(numbers.get(name, _NAN) for name in NUMBER_KEYS))


def _number(value: Any) -> float | None:
    number = as_number(value)
    return None if number is None else float(number)


def _fitting(name: str, value: Any) -> Any:
    """Return a value of the metadata if it has the type of its field; None otherwise."""
    if FIELDS[name].kind == "flag":
        return float(value) if isinstance(value, bool) else None
    if FIELDS[name].kind == "number":
        return _number(value)
    return value if isinstance(value, str) else None


def _date(when: str) -> float | None:
    try:
        return datetime.fromisoformat(when).timestamp()
    except (ValueError, OverflowError):
        return None


def _plain(value: Any) -> Any:
    """Return a value as SQLite can store it: stray bytes of a name, and halves of surrogate pairs, are escaped."""
    if type(value) is str and not value.isascii():
        return value.encode("utf-8", "backslashreplace").decode()
    return value
