"""``.PROVENANCE``: how every value of a track came to be. What is done, and what must be redone, is read here.

Whatever differs between two runs of the same work (seconds, date) stands here and never in the ``.INFO``.
"""

from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TypeVar

from mirkit.errors import InfoError
from mirkit.store.digests import FileDigest
from mirkit.store.json_files import (
    DamagedFileError,
    JsonObject,
    JsonValue,
    check_format,
    encode_object,
    merge,
    parse_object,
    read_bounded,
)
from mirkit.store.os_errors import printable
from mirkit.store.provenance_record import (
    ProvenanceRecord,
    as_object,
    encode_entry,
    encode_prints,
    parse_entry,
    parse_prints,
)

T = TypeVar("T")

#: Version of all sidecars of a track, as docs/format.md describes them. Adding keys and files does not raise it,
#: changing the meaning of a key does. Files without a number are format 0, which is otherwise the same as 1.
FORMAT = 1

_PARTS = ("format", "stages", "facts", "adopted")


@dataclass(frozen=True)
class Provenance:
    """The content of a ``.PROVENANCE``.

    Attributes
    ----------
    stages : mapping of str to Entry
        What was done, by stage.
    facts : mapping of str to JSON object
        Facts beside the features: name -> ``{"value": ..., "confidence": ...}``.
    adopted : mapping of str to Fingerprint
        What the user brought (stems, MIDI, texts): file name or key -> what it was when it was adopted.
    extra : mapping
        What another version of mirkit wrote; kept as it is.
    """

    stages: Mapping[str, ProvenanceRecord] = field(default_factory=dict)
    facts: Mapping[str, JsonObject] = field(default_factory=dict)
    adopted: Mapping[str, FileDigest] = field(default_factory=dict)
    extra: Mapping[str, JsonValue] = field(default_factory=dict)


def read_provenance(path: Path) -> Provenance:
    """Read a ``.PROVENANCE``; an absent one is empty.

    Raises
    ------
    NewerFormatError
        A newer version of mirkit wrote it in a format that this one does not know.
    InfoError
        It is there and cannot be read, or a known field is not what it should be.
    """
    data = read_bounded(path)
    return Provenance() if data is None else _parse(data, path)


def update_provenance(
    path: Path,
    stages: Iterable[ProvenanceRecord] = (),
    facts: Mapping[str, Mapping[str, JsonValue]] | None = None,
    adopted: Mapping[str, FileDigest] | None = None,
    remove: Iterable[str] = (),
) -> Provenance:
    """Merge into a ``.PROVENANCE``, under the folder's lock, and give its whole content.

    Parameters
    ----------
    path : Path
        The ``.PROVENANCE``; made if absent. One that cannot be read is set aside.
    stages : iterable of ProvenanceRecord
        Each takes the place of the stage's older entry.
    facts : mapping
        Name -> ``{"value": ..., "confidence": ...}``.
    adopted : mapping of str to Fingerprint
        File name or key -> what it is.
    remove : iterable of str
        What to take out: ``stages/<name>``, ``facts/<name>``, ``adopted/<name>``.

    Raises
    ------
    InfoError
        The system refused, or a newer version of mirkit wrote the file; it is as it was.
    ValueError
        A number is NaN or infinite.
    """
    entries = {entry.stage: entry for entry in stages}
    found = {name: dict(fact) for name, fact in (facts or {}).items()}
    gone = set(remove)
    merged = Provenance()

    def change(data: bytes | None) -> bytes:
        nonlocal merged
        old = Provenance() if data is None else _parse(data, path)
        merged = Provenance(
            stages=_merged("stages", old.stages, entries, gone),
            facts=_merged("facts", old.facts, found, gone),
            adopted=_merged("adopted", old.adopted, adopted or {}, gone),
            extra=old.extra,
        )
        return _encode(merged)

    merge(path, change)
    return merged


def recorded(content: Provenance) -> dict[str, list[FileDigest]]:
    """Give what the stages know of each file that they read or wrote: name -> its fingerprints."""
    found: dict[str, list[FileDigest]] = {}
    for entry in content.stages.values():
        for name, print_ in (*entry.inputs.items(), *entry.outputs.items()):
            found.setdefault(name, []).append(print_)
    return found


def restamp(path: Path, content: Provenance, prints: Mapping[str, FileDigest]) -> Provenance:
    """Store how files look now whose content is what a ``.PROVENANCE`` has of them, so that they are not hashed again.

    A data set that cannot be written to keeps the older stamps on disk.

    Parameters
    ----------
    path : Path
        The ``.PROVENANCE``.
    content : Provenance
        What it holds, as far as the caller knows: where nothing differs, the file is not touched.
    prints : mapping of str to Fingerprint
        Name -> content and stamp of now.

    Returns
    -------
    Provenance
        ``content`` with the stamps of now.
    """

    def now(name: str, known: FileDigest) -> FileDigest:
        return prints[name] if prints.get(name) == known else known

    if all(now(name, known).stamp == known.stamp for name, several in recorded(content).items() for known in several):
        return content
    rewrite(path, now)
    return _with_prints(content, now)


def rewrite(path: Path, now: Callable[[str, FileDigest], FileDigest]) -> None:
    """Exchange fingerprints in a ``.PROVENANCE``; one that is absent, or cannot be read or written, stays as it is.

    ``now`` is given a name and its fingerprint, and gives the one to be stored.
    """

    def change(data: bytes | None) -> bytes:
        return _encode(_with_prints(Provenance() if data is None else _parse(data, path), now))

    with suppress(InfoError):
        if read_provenance(path).stages:
            merge(path, change)


def _with_prints(content: Provenance, now: Callable[[str, FileDigest], FileDigest]) -> Provenance:
    def changed(prints: Mapping[str, FileDigest]) -> dict[str, FileDigest]:
        return {name: now(name, known) for name, known in prints.items()}

    stages = {
        name: replace(entry, inputs=changed(entry.inputs), outputs=changed(entry.outputs))
        for name, entry in content.stages.items()
    }
    return replace(content, stages=stages)


def _merged(part: str, old: Mapping[str, T], new: Mapping[str, T], gone: set[str]) -> dict[str, T]:
    both = dict(old) | dict(new)
    return {name: both[name] for name in sorted(both) if f"{part}/{name}" not in gone}


def _encode(content: Provenance) -> bytes:
    known: JsonObject = {
        "format": FORMAT,
        "stages": {name: encode_entry(entry) for name, entry in content.stages.items()},
        "facts": content.facts,
        "adopted": encode_prints(content.adopted),
    }
    return encode_object(known | dict(content.extra), levels=2)


def _parse(data: bytes, path: Path) -> Provenance:
    content = parse_object(data, path)
    check_format(content, FORMAT, path)
    try:
        stages, facts = (as_object(content.get(part, {}), part) for part in ("stages", "facts"))
        return Provenance(
            stages={name: parse_entry(name, value) for name, value in stages.items()},
            facts={name: as_object(value, name) for name, value in facts.items()},
            adopted=parse_prints(content.get("adopted", {}), "adopted"),
            extra={name: value for name, value in content.items() if name not in _PARTS},
        )
    except TypeError as error:
        raise DamagedFileError(f"{printable(path)}: no provenance that can be read ({error}); move it away") from error
