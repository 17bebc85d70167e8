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
from mirkit.dataset.audit import read_audit
from mirkit.dataset.library.fields import FACT_FIELDS, FIELDS, NUMBER_KEYS, TAG_FIELDS
from mirkit.dataset.library.outdated import outdated_files, outdated_stages
from mirkit.dataset.library.stamps import UNSETTLED, row_stamps, settled, stamp
from mirkit.dataset.rights import Rights, RightsReader
from mirkit.errors import InfoError, MissingInput, printable
from mirkit.store import (
    DamagedFileError,
    JsonObject,
    as_number,
    origin_of,
    read_object,
)
from mirkit.track import CROPS, MIX, ORIGINAL_NAME, Track, as_measured

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
#: has no number, the tags that tell the rights, the name of the mix, and all numbers as float64.
HIDDEN = (
    *("_sort BLOB PRIMARY KEY", "_key BLOB NOT NULL", "_cut TEXT NOT NULL", "_unmeasured INTEGER NOT NULL"),
    *("_tags TEXT NOT NULL", "_mix TEXT NOT NULL"),
)
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
    sources : bytes
        Of a clip: stamps of the sidecars of its track.
    """

    track: Track
    place: bytes
    is_clip: bool = False
    sources: bytes = b""


@dataclass(frozen=True)
class Row:
    """A row, and what shows that it is up to date.

    Attributes
    ----------
    place : bytes
        Its place in the order of the rows.
    base : bytes
        Path of the sidecars from the root of the data set, without their suffixes.
    mix : bytes
        Path of its mix from the root, "" without one.
    stamps : bytes
        Of the sidecars, of the mix, and of the other audio files; ``UNSETTLED`` if they have to be read again.
    values : tuple
        Of ``HIDDEN``, of the fields, and of ``LAST``.
    """

    place: bytes
    base: bytes
    mix: bytes
    stamps: bytes
    values: tuple[Any, ...]

    @property
    def is_measured(self) -> bool:
        """Whether its ``.INFO`` has a number."""
        return not self.values[HIDDEN.index("_unmeasured INTEGER NOT NULL")]


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


def files_stamp(track: Track, sources: bytes = b"") -> bytes:
    """Return a hash of the names on which a row depends, and of the attributes of the stems.

    It is ``UNSETTLED`` if a stem has changed so recently that it might change unnoticed. ``sources`` are further stamps
    on which it depends.
    """
    folder = os.fsencode(os.path.join(track.folder, ""))
    stamps = b"".join(stamp(folder + os.fsencode(name)) for name in track.audio_files if track.source_of(name) != MIX)
    if settled(stamps) != stamps:
        return UNSETTLED
    content = "\0".join((track.name, *track.audio_files)).encode("utf-8", "surrogatepass")
    return hashlib.blake2b(content + b"\0" + stamps + sources, digest_size=8).digest()


def read_row(job: RowJob, *, root: Path, excluded: Mapping[str, str], rights: RightsReader | None = None) -> Row:
    """Read the row of a track or clip. Files that cannot be read give a row with a ``problem``.

    Parameters
    ----------
    job : RowJob
    root : Path
        Root of the data set.
    excluded : mapping
        ``[exclude]`` of its settings.
    rights : RightsReader, optional
        Reads its ``rights.csv``.
    """
    track = job.track if job.is_clip else as_measured(job.track)
    prefix = os.path.join(root, "")
    key, base = key_of(track, prefix), base_key(track, prefix)
    whole, mix = _with_mix(track, is_clip=job.is_clip)
    place_of_mix = _relative(mix, prefix) if mix else b""
    before, files = row_stamps(os.fsencode(prefix), base, place_of_mix), files_stamp(job.track, job.sources)
    values: dict[str, Any] = {}
    lasting = True
    tags: dict[str, Any] = {}
    try:
        job.track.readable()
        info = read_object(track.info)
        content = read_object(track.provenance)
        hidden = _fill(values, tags, info, content, track, is_clip=job.is_clip)
        values["outdated"] = _outdated(content, whole, hidden[0]) or None
    except (InfoError, MissingInput) as error:
        hidden = ("", 1, _VECTOR.pack(*[_NAN] * len(NUMBER_KEYS)))
        values = {"problem": (why := str(error).replace(printable(root), _ROOT))}
        values |= {"failed": json.dumps({"track": why})} if job.track.lost else {}
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
    name = os.path.basename(mix)
    if rights:
        of = rights.of_tags(tags, values.get("source", text), name, values.get(ORIGINAL_NAME))
        values |= zip(RIGHTS_FIELDS, rights_values(of), strict=True)
    stamps = settled(before) if lasting else UNSETTLED
    return Row(
        job.place,
        base,
        place_of_mix,
        stamps + files if stamps and files else UNSETTLED,
        (
            *(job.place, key, _plain(cut), unmeasured, json.dumps(tags), _plain(name)),
            *(_plain(values.get(name)) for name in FIELDS),
            numbers,
        ),
    )


#: Fields that ``rights.csv`` and the tags tell, and the tags that they come from.
RIGHTS_FIELDS = ("license", "attribution", "ai_training")
_RIGHTS_TAGS = ("source", "license", "copyright", "ai_training", "artist")


def rights_values(rights: Rights) -> tuple[str | None, str | None, float | None]:
    """Return the values of ``RIGHTS_FIELDS``."""
    training = rights.ai_training
    return rights.license or None, rights.attribution or None, None if training is None else float(training)


def _with_mix(track: Track, *, is_clip: bool) -> tuple[Track, str]:
    """Return a track with the names of its audio files, and the path of its mix; "" if it is not clear which it is."""
    try:
        whole = Track.at(track.folder) if is_clip else track
        return whole, str(whole.mix)
    except MissingInput:
        return track, ""


def _outdated(content: JsonObject, track: Track, cut: str) -> str:
    """Say what has been replaced since the values were computed; the parts of the provenance have been checked."""
    stages: Any = content.get("stages", {})
    changed = outdated_files(stages, track)
    return ", ".join(changed + (outdated_stages(stages, track.folder, cut) if cut else []))


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
    values: dict[str, Any], told: dict[str, Any], info: JsonObject, content: JsonObject, track: Track, *, is_clip: bool
) -> tuple[str, int, bytes]:
    """Fill in the fields, and the tags of the rights; return the source of a cut, if no number is known, and these."""
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
        told |= {name: text for name in _RIGHTS_TAGS if isinstance(text := tags.get(name), str)}
        for tag, name in TAG_FIELDS.items():
            values[name] = _fitting(name, tags.get(tag))
        for name in ("artists", "genres"):
            if isinstance(several := tags.get(name), list) and several:
                values[name] = json.dumps([text for text in several if isinstance(text, str)])
    if audit := read_audit(origin.facts):
        values["audit"] = audit.verdict
        values["findings"] = audit.stored or None
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
