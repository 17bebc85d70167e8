"""The rights in each track: where it is from, its license, whom to credit, and whether it may train generators.

They come from ``rights.csv`` in the data set's folder, and from the tags of the file. The csv is the user's own file
and is only read; a field that it gives counts before the tags. Its columns:

==================  ====================================================================================================
``path``            a track, as a path from the data set's folder, by its present name or the one before it was
                    organized; ``*`` stands for anything: ``freesound/*``
``source``          an address or a text: where the track is from
``license``         for example ``cc-by-4.0``, or the address of a Creative Commons license
``attribution``     whom to credit
``ai_training``     ``yes`` or ``no``: whether the holder of the rights allows the training of generative models
==================  ====================================================================================================

Where several rows fit a track, the last one counts, for each field that it fills. What nobody states is unknown: a
license is never guessed.
"""

import csv
import io
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any

from mirkit.audio import read_tags
from mirkit.dataset.licenses import license_name, license_of, permits
from mirkit.dataset.names import name_in
from mirkit.dataset.seeds import path_before
from mirkit.errors import SettingsError, counted, printable
from mirkit.store import Provenance, find_root, read_bounded, read_provenance
from mirkit.track import MIX, ORIGINAL_NAME, Track, is_track

#: Name of the user's file.
RIGHTS_FILE = "rights.csv"
FIELDS = ("source", "license", "attribution", "ai_training")
_OTHER_NAMES = {
    "file": "path",
    "filename": "path",
    "file_name": "path",
    "track": "path",
    "name": "path",
    "licence": "license",
    "license_url": "license",
    "url": "source",
    "source_url": "source",
    "credit": "attribution",
    "author": "attribution",
}
_YES = ("yes", "y", "true", "1", "allowed", "permitted", "ok", "opt-in")
_NO = ("no", "n", "false", "0", "none", "denied", "forbidden", "not allowed", "opt-out", "optout", "reserved")
_UNSTATED = ("", "unknown", "?", "-", "unspecified", "not stated")
_MAX_BYTES = 2**26
_LONGEST = 500
#: The apostrophe before a text that a spreadsheet would run, as mirkit writes it.
_ESCAPE = re.compile(r"^'(?=[=+\-@])")
_FOR_TAGS = {"source": "source", "license": "license", "attribution": "copyright", "ai_training": "ai_training"}


@dataclass(frozen=True)
class Rights:
    """The rights in a track; "" and None where they are unknown.

    Attributes
    ----------
    source, license, attribution : str
    ai_training : bool or None
        Whether the training of generative models is allowed.
    origin : dict
        Field -> ``rights.csv, line 3`` or ``tags``.
    conflict : str
        Why the license is unknown although the tags name one, or "".
    """

    source: str = ""
    license: str = ""
    attribution: str = ""
    ai_training: bool | None = None
    origin: Mapping[str, str] = field(default_factory=dict)
    conflict: str = ""

    def refused(self, allowed: Sequence[str], *, strict: bool) -> str:
        """Return why a track may not be exported, or "".

        Parameters
        ----------
        allowed : sequence of str
            Names of licenses; none: every license.
        strict : bool
            Whether the license and the permission for AI training must be stated.
        """
        if self.ai_training is False:
            return f"its rights forbid AI training ({self.origin['ai_training']})"
        if allowed and self.license and not permits(allowed, self.license):
            return f"its license is {self.license} ({self.origin['license']})"
        if (allowed or strict) and not self.license:
            return f"its license is unknown{f': {self.conflict}' if self.conflict else ''}"
        if strict and self.ai_training is None:
            return "nobody states whether AI training is allowed"
        return ""

    def as_dict(self) -> dict[str, Any]:
        """The known fields."""
        known = {name: getattr(self, name) for name in FIELDS}
        return {name: value for name, value in known.items() if value not in ("", None)}


@dataclass
class _Row:
    line: int
    pattern: str
    values: dict[str, str]
    used: bool = False


class RightsReader:
    """Reads the rights in the tracks of a data set.

    Parameters
    ----------
    path : Path
        The data set's folder, a folder in it, or a track.

    Raises
    ------
    SettingsError
        ``rights.csv`` is wrong; the message names the line.
    """

    def __init__(self, path: Path) -> None:
        several = path.is_dir() and not is_track(path)
        self._root = find_root(path, batch=several)
        self._is_whole = several and path.absolute() == self._root
        self._file = self._root / RIGHTS_FILE
        data = rights_file(self._root)
        self._rows = [] if data is None else _parse(data, self._file)
        self._exact: dict[str, list[_Row]] = {}
        self._repeated: dict[str, list[int]] = {}
        self._patterns: list[tuple[_Row, Callable[[str], object]]] = []
        for row in self._rows:
            if "*" in row.pattern:
                pattern = ".*".join(map(re.escape, row.pattern.split("*")))
                self._patterns.append((row, re.compile(pattern, re.DOTALL).fullmatch))
            else:
                self._exact.setdefault(row.pattern, []).append(row)

    def of(self, track: Track) -> Rights:
        """Return the rights in a track, whether it has been measured or not; raises InfoError."""
        provenance = read_provenance(track.provenance)
        if "tags" not in provenance.facts:
            return self._read(track, provenance, asdict(read_tags(track.mix)))
        return self.read(track, provenance)

    def read(self, track: Track, provenance: Provenance) -> Rights:
        """Return the rights in a measured track.

        Parameters
        ----------
        track : Track
        provenance : Provenance
            That of the track, or of a clip of it; the tags and the first name of the file are in it.
        """
        value: Any = provenance.facts.get("tags", {}).get("value")
        return self._read(track, provenance, value if isinstance(value, dict) else {})

    def _read(self, track: Track, provenance: Provenance, tags: Mapping[str, Any]) -> Rights:
        if not self._rows:
            return self.of_tags(tags, "", "", "")
        original = provenance.facts.get(ORIGINAL_NAME, {}).get("value")
        return self.of_tags(tags, name_in(self._root, track.path), track.mix.name, original)

    def of_tags(self, tags: Mapping[str, Any], path: str, mix: str, original: Any) -> Rights:
        """Return the rights in a track that is not opened.

        Parameters
        ----------
        tags : mapping
            Tags of its file.
        path : str
            Its path from the root of the data set, with forward slashes.
        mix : str
            Name of the file of its mix.
        original : str or None
            Name of that file before it was organized.
        """
        values, origin, conflict = _from_tags(tags)
        for row in self._rows_of(path, mix, original) if self._rows else ():
            row.used = True
            for name, text in row.values.items():
                values[name], origin[name] = text, f"{RIGHTS_FILE}, line {row.line}"
        training = values.pop("ai_training", "")
        return Rights(
            **values,
            ai_training=_permission(training) if training else None,
            origin=origin,
            conflict="" if values.get("license") else conflict,
        )

    @property
    def file(self) -> Path:
        """The table of the data set, whether it exists or not."""
        return self._file

    def repeated(self) -> str:
        """A line on tracks with several rows of their own in ``rights.csv``, or "", after the tracks were read."""
        if not self._repeated:
            return ""
        name, lines = next(iter(self._repeated.items()))
        *others, last = map(str, lines)
        return (
            f"{printable(self._file)}: {counted(len(self._repeated), 'track')} with several rows, for example "
            f"{printable(name)} (lines {', '.join(others)} and {last}); where they differ, the last one counts"
        )

    def _rows_of(self, path: str, mix: str, original: Any) -> list[_Row]:
        """Return the rows that fit a track, in their order."""
        names = _names(path, mix, original)
        rows = [row for name in names for row in self._exact.get(name, ())]
        if len(lines := sorted({row.line for row in rows})) > 1:
            self._repeated[path] = lines
        rows += [row for row, fits in self._patterns if any(map(fits, names))]
        return sorted({row.line: row for row in rows}.values(), key=lambda row: row.line)

    def unmatched(self) -> list[str]:
        """A line for each row of ``rights.csv`` that fits no track, after all tracks of the data set were read."""
        return [
            f"{printable(self._file)}, line {row.line}: {row.pattern!r} fits no track"
            for row in self._rows
            if self._is_whole and not row.used
        ]


def rights_file(root: Path) -> bytes | None:
    """Return the content of the ``rights.csv`` of a data set; None if there is none.

    Raises
    ------
    InfoError
        It cannot be read.
    """
    file = root / RIGHTS_FILE
    return read_bounded(file, _MAX_BYTES) if file.is_file() else None


def _names(path: str, mix: str, original: Any) -> set[str]:
    """All names by which the csv may call a track: with and without suffix, before and after it was organized."""
    first = path_before(path, original)
    names = {path, first, f"{path}/{mix}", f"{path}/{MIX}"}
    for each in (path, first):
        whole = PurePosixPath(each)
        if whole.suffix and each not in (".", ""):
            names.add(whole.with_suffix("").as_posix())
    return names


def _parse(data: bytes, file: Path) -> list[_Row]:
    where = printable(file)
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise SettingsError(f"{where}: the file is not UTF-8 text; save it as UTF-8") from error
    head = text.partition("\n")[0]
    delimiter = max(",;\t", key=head.count)
    try:
        table = list(csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True))
    except csv.Error as error:
        raise SettingsError(f"{where}: the file cannot be read as CSV: {error}") from error
    if not table:
        raise SettingsError(f"{where}: the file is empty; its first line names the columns: path,{','.join(FIELDS)}")
    columns = [_OTHER_NAMES.get(name, name) for name in (cell.strip().lower() for cell in table[0])]
    if "path" not in columns or not set(columns) & set(FIELDS):
        raise SettingsError(f"{where}: the first line must name the columns path and some of {', '.join(FIELDS)}")
    if twice := [name for name in ("path", *FIELDS) if columns.count(name) > 1]:
        raise SettingsError(f"{where}: two columns hold the {twice[0]}")
    rows = []
    for number, cells in enumerate(table[1:], 2):
        if not any(cell.strip() for cell in cells):
            continue
        texts = (_ESCAPE.sub("", " ".join(cell.split()))[:_LONGEST] for cell in cells)
        row = dict(zip(columns, texts, strict=False))
        pattern = _path_of(row.get("path", ""))
        if not pattern:
            raise SettingsError(f"{where}, line {number}: the path is missing")
        values = {name: row[name] for name in FIELDS if row.get(name)}
        if "license" in values:
            values["license"] = license_name(values["license"])
        if values.get("ai_training", "").lower() in _UNSTATED:
            values.pop("ai_training", None)
        elif _permission(values["ai_training"]) is None:
            raise SettingsError(
                f"{where}, line {number}: ai_training is {values['ai_training']!r}; write yes or no, or leave it empty"
            )
        rows.append(_Row(number, pattern, {name: text for name, text in values.items() if text}))
    return rows


def _path_of(text: str) -> str:
    path = text.replace("\\", "/") if "/" not in text else text
    return re.sub(r"^(\./)+", "", path).rstrip("/") or ("." if path else "")


def _permission(text: str) -> bool | None:
    word = text.strip().lower()
    return True if word in _YES else False if word in _NO else None


def _from_tags(tags: Mapping[str, Any]) -> tuple[dict[str, str], dict[str, str], str]:
    """Return the fields that tags state, their origin, and why a license is unknown although they name one."""
    texts = {name: found for name, tag in _FOR_TAGS.items() if isinstance(found := tags.get(tag), str) and found}
    stated = {found for name in ("license", "attribution") if (found := license_of(texts.get(name, "")))}
    conflict = f"the tags name several: {', '.join(sorted(stated))}" if len(stated) > 1 else ""
    license = next(iter(stated), "") or (license_name(texts["license"]) if "license" in texts else "")
    texts["license"] = "" if conflict else license
    if "attribution" not in texts and isinstance(artist := tags.get("artist"), str):
        texts["attribution"] = artist
    if _permission(texts.get("ai_training", "")) is None:
        texts.pop("ai_training", None)
    known = {name: text for name, text in texts.items() if text}
    return known, dict.fromkeys(known, "tags"), conflict
