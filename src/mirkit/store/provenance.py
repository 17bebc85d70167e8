"""``.PROVENANCE``: how every value of a track was computed. It decides which stages are up to date.

Everything that differs between two runs with the same result (seconds, date) is stored here and never in the ``.INFO``.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, TypeVar

from mirkit.errors import InfoError, printable
from mirkit.store.digests import FileDigest, Stamp, stamp_of
from mirkit.store.provenance_record import (
    ProvenanceRecord,
    as_object,
    encode_digests,
    encode_record,
    parse_digests,
    parse_record,
)
from mirkit.store.sidecars import (
    DamagedFileError,
    JsonObject,
    JsonValue,
    check_format,
    encode_object,
    merge,
    parse_object,
    read_bounded,
)

T = TypeVar("T")
_TEXT = frozenset((str,))

#: Version of all sidecars of a track, as docs/reference/format.md describes them. Adding keys and files does not raise
#: it, changing the meaning of a key does. Files without a number are format 0, which is otherwise the same as 1.
FORMAT = 1

_SECTIONS = ("format", "stages", "facts", "adopted")


@dataclass(frozen=True)
class Provenance:
    """The content of a ``.PROVENANCE``.

    Attributes
    ----------
    stages : mapping of str to ProvenanceRecord
        Records by stage.
    facts : mapping of str to JSON object
        Metadata beside the features: name -> ``{"value": ..., "confidence": ...}``.
    adopted : mapping of str to FileDigest
        Files and captions of the user's own: file name or key -> digest when it was adopted.
    extra : mapping
        Entries of another version of mirkit, kept unchanged.
    """

    stages: Mapping[str, ProvenanceRecord] = field(default_factory=dict)
    facts: Mapping[str, JsonObject] = field(default_factory=dict)
    adopted: Mapping[str, FileDigest] = field(default_factory=dict)
    extra: Mapping[str, JsonValue] = field(default_factory=dict)


@dataclass(frozen=True)
class Origin:
    """The parts of a ``.PROVENANCE`` that statistics use.

    Attributes
    ----------
    reasons : dict
        Feature -> why it is null.
    methods : dict
        Stage -> backend, "none" for a stage without one.
    facts : dict
        Name of metadata -> value, if it is known.
    source : str
        Relative path of the track from which a clip was cut; "" for a track.
    """

    reasons: dict[str, str]
    methods: dict[str, str]
    facts: dict[str, Any]
    source: str


def read_provenance(path: Path) -> Provenance:
    """Read a ``.PROVENANCE``; an absent one is empty.

    Raises
    ------
    NewerFormatError
        A newer version of mirkit wrote the file, in a format that this version does not know.
    InfoError
        The file cannot be read, or a known field has the wrong type.
    """
    data = read_bounded(path)
    return Provenance() if data is None else _parse(data, path)


def readable_provenance(path: Path) -> Provenance:
    """Read a ``.PROVENANCE`` as :func:`read_provenance`; one that cannot be read is empty."""
    try:
        return read_provenance(path)
    except InfoError:
        return Provenance()


def update_provenance(
    path: Path,
    stages: Iterable[ProvenanceRecord] = (),
    facts: Mapping[str, Mapping[str, JsonValue]] | None = None,
    adopted: Mapping[str, FileDigest] | None = None,
    remove: Iterable[str] = (),
) -> Provenance:
    """Merge records into a ``.PROVENANCE``, under the folder's lock.

    Parameters
    ----------
    path : Path
        The ``.PROVENANCE``, created if absent. An unreadable one is renamed.
    stages : iterable of ProvenanceRecord
        Each replaces the older record of its stage.
    facts : mapping
        Name -> ``{"value": ..., "confidence": ...}``.
    adopted : mapping of str to FileDigest
        File name or key -> digest.
    remove : iterable of str
        Entries to remove: ``stages/<name>``, ``facts/<name>``, ``adopted/<name>``.

    Returns
    -------
    Provenance
        The whole content.

    Raises
    ------
    InfoError
        The system refused, or a newer version of mirkit wrote the file; the file is unchanged.
    ValueError
        A number is NaN or infinite.
    """
    records = {record.stage: record for record in stages}
    new_facts = {name: dict(fact) for name, fact in (facts or {}).items()}
    removed = set(remove)
    merged = Provenance()

    def change(data: bytes | None) -> bytes:
        nonlocal merged
        old = Provenance() if data is None else _parse(data, path)
        merged = Provenance(
            stages=_merged("stages", old.stages, records, removed),
            facts=_merged("facts", old.facts, new_facts, removed),
            adopted=_merged("adopted", old.adopted, adopted or {}, removed),
            extra=old.extra,
        )
        return _encode(merged)

    merge(path, change)
    return merged


def recorded_digests(content: Provenance) -> dict[str, list[FileDigest]]:
    """Return all digests that the stages recorded of each file that they read, wrote or kept as the user's."""
    digests: dict[str, list[FileDigest]] = {}
    for record in content.stages.values():
        for part in _digests_of(record):
            for name, digest in part.items():
                digests.setdefault(name, []).append(digest)
    return digests


def _digests_of(record: ProvenanceRecord) -> tuple[Mapping[str, FileDigest], ...]:
    return record.inputs, record.outputs, record.user


def restamp(path: Path, content: Provenance, digests: Mapping[str, FileDigest]) -> Provenance:
    """Store the present stamps of files whose content is as recorded, so that they are not hashed again.

    On a read-only data set the file keeps the older stamps.

    Parameters
    ----------
    path : Path
        The ``.PROVENANCE``.
    content : Provenance
        Its content as the caller read it. If no stamp differs, the file is not written.
    digests : mapping of str to FileDigest
        Name -> present digest and stamp.

    Returns
    -------
    Provenance
        ``content`` with the present stamps.
    """
    if not digests:
        return content

    def now(name: str, known: FileDigest) -> FileDigest:
        return digests[name] if digests.get(name) == known else known

    if not _have_other_stamps(content, digests):
        return content
    _replace_digests(path, now)
    return _with_digests(content, now)


def _have_other_stamps(content: Provenance, digests: Mapping[str, FileDigest]) -> bool:
    """Return whether a file whose content is as recorded has another stamp now."""
    for record in content.stages.values():
        for part in _digests_of(record):
            for name, known in part.items():
                now = digests.get(name)
                # Most are the same object: the digest of an unchanged file is the one that was recorded.
                if now is not None and now is not known and now == known and now.stamp != known.stamp:
                    return True
    return False


def _replace_digests(path: Path, now: Callable[[str, FileDigest], FileDigest]) -> None:
    """Replace digests in a ``.PROVENANCE``; a file that is absent, unreadable or not writable is left alone.

    ``now`` receives a name and its digest and returns the digest to store.
    """

    def change(data: bytes | None) -> bytes:
        return _encode(_with_digests(Provenance() if data is None else _parse(data, path), now))

    with suppress(InfoError):
        if read_provenance(path).stages:
            merge(path, change, lasting=False)  # an older stamp costs time only


@contextmanager
def keep_stamps(before: Path, after: Path, moves: Iterable[tuple[Path, Path]]) -> Iterator[None]:
    """Move, copy or link files in the block without hashing them again afterwards.

    Files whose stamp is recorded when the block begins are recorded with their new stamps when it ends.

    Parameters
    ----------
    before, after : Path
        The ``.PROVENANCE`` before and after the block; the same path if it is not moved.
    moves : iterable of (Path, Path)
        Path of each file before and after.
    """
    moves = list(moves)
    old = {source: stamp for source, _ in moves if (stamp := _stamp_or_none(source))}
    with suppress(InfoError):
        known = {digest.stamp for several in recorded_digests(read_provenance(before)).values() for digest in several}
        old = {source: stamp for source, stamp in old.items() if stamp in known}
    yield
    new = {old[source]: stamp for source, target in moves if source in old and (stamp := _stamp_or_none(target))}
    if new:
        _replace_digests(after, lambda _, known: _with_stamp(known, new.get(known.stamp)))


def accept_times(path: Path, files: Mapping[str, Path]) -> None:
    """Record the stamps of files from object storage whose size and mtime are as recorded.

    Parameters
    ----------
    path : Path
        The ``.PROVENANCE``.
    files : mapping of str to Path
        Name in the provenance -> local file.
    """
    stamps = {name: stamp for name, file in files.items() if (stamp := _stamp_or_none(file))}
    _replace_digests(path, lambda name, known: _with_stamp(known, stamps.get(name)))


def _with_stamp(digest: FileDigest, stamp: Stamp | None) -> FileDigest:
    """Return a digest with the present stamp of its file, if that has the size and mtime of the digest."""
    if stamp is None or stamp[:2] != digest.stamp[:2]:
        return digest
    return replace(digest, mtime_ns=stamp.mtime_ns, ctime_ns=stamp.ctime_ns, inode=stamp.inode)


def _stamp_or_none(path: Path) -> Stamp | None:
    try:
        return stamp_of(path)
    except OSError:  # the file does not exist
        return None


def _facts(content: JsonObject) -> Any:
    """Metadata of a provenance file. Format 0 calls the time signature ``metre``."""
    facts = content.get("facts", {})
    if isinstance(facts, dict) and "metre" in facts:
        return {"meter" if name == "metre" else name: fact for name, fact in facts.items()}
    return facts


def origin_of(content: JsonObject, path: Path) -> Origin:
    """Return the parts of the content of a ``.PROVENANCE`` that statistics use, without checking others.

    Raises
    ------
    NewerFormatError
        A newer version of mirkit wrote the file at ``path``.
    DamagedFileError
        One of the parts has the wrong type.
    """
    check_format(content, FORMAT, path)
    reasons: dict[str, str] = {}
    methods: dict[str, str] = {}
    try:
        stages: dict[str, Any] = content.get("stages", {})  # type: ignore[assignment]  # checked by use
        facts: dict[str, Any] = _facts(content)
        for name, entry in stages.items():
            missing = entry.get("reasons", {})
            if not isinstance(missing, dict):
                raise TypeError
            reasons |= missing
            methods[name] = entry.get("backend") or "none"
        source = str(stages["cut"]["parameters"]["source"]) if "cut" in stages else ""
        known = {name: fact["value"] for name, fact in facts.items() if fact.get("value") is not None}
        if not _TEXT.issuperset(map(type, (*reasons.values(), *methods.values()))):
            raise TypeError
    except (AttributeError, KeyError, TypeError) as error:
        raise DamagedFileError(f"{printable(path)}: the provenance cannot be read; move this file away") from error
    return Origin(reasons, methods, known, source)


def _with_digests(content: Provenance, now: Callable[[str, FileDigest], FileDigest]) -> Provenance:
    def changed(digests: Mapping[str, FileDigest]) -> dict[str, FileDigest]:
        return {name: now(name, known) for name, known in digests.items()}

    stages = {
        name: replace(entry, inputs=changed(entry.inputs), outputs=changed(entry.outputs), user=changed(entry.user))
        for name, entry in content.stages.items()
    }
    return replace(content, stages=stages)


def _merged(section: str, old: Mapping[str, T], new: Mapping[str, T], removed: set[str]) -> dict[str, T]:
    both = dict(old) | dict(new)
    return {name: both[name] for name in sorted(both) if f"{section}/{name}" not in removed}


def _encode(content: Provenance) -> bytes:
    known: JsonObject = {
        "format": FORMAT,
        "stages": {name: encode_record(entry) for name, entry in content.stages.items()},
        "facts": content.facts,
        "adopted": encode_digests(content.adopted),
    }
    return encode_object(known | dict(content.extra), levels=2)


def _parse(data: bytes, path: Path) -> Provenance:
    content = parse_object(data, path)
    check_format(content, FORMAT, path)
    try:
        stages, facts = as_object(content.get("stages", {}), "stages"), as_object(_facts(content), "facts")
        return Provenance(
            stages={name: parse_record(name, value) for name, value in stages.items()},
            facts={name: as_object(value, name) for name, value in facts.items()},
            adopted=parse_digests(content.get("adopted", {}), "adopted"),
            extra={name: value for name, value in content.items() if name not in _SECTIONS},
        )
    except TypeError as error:
        raise DamagedFileError(
            f"{printable(path)}: the provenance cannot be read ({error}); move this file away"
        ) from error
