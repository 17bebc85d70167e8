"""Check of tars of samples: names, pairs, json and sound, as a reader of WebDataset takes them."""

import tarfile
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from mirkit.export.split import TRAIN, VAL
from mirkit.export.validation import CheckResult, flat_faults, parse_json, sound_faults
from mirkit.store import printable

#: Suffixes of sound that the trainer decodes in a tar.
_DECODED = ("flac", "wav", "mp3", "ogg", "opus", "m4a")


def shards_of(folder: Path) -> list[Path]:
    """The tars in a folder."""
    return sorted(folder.glob("*.tar"))


def look_into(
    out: Path, checked: CheckResult, most: int | None, *, flat: bool = True
) -> Iterator[tuple[str, dict[str, Any]]]:
    """Look at every sample of every tar, and yield the json of those that have one.

    Parameters
    ----------
    out : Path
    checked : CheckResult
        Gets files and faults.
    most : int or None
        Samples that a trainer takes.
    flat : bool
        Whether every value of a json must be a text or a number.
    """
    seen: dict[str, str] = {}
    for split in (TRAIN, VAL):
        for path in shards_of(out / split):
            where = f"{split}/{path.name}"
            try:
                yield from _shard(path, where, checked, most, seen, flat=flat)
            except (tarfile.TarError, OSError, EOFError) as error:
                checked.faults.append(f"{where}: cannot be read ({error}); the trainer passes over the rest of it")


def _shard(
    path: Path, where: str, checked: CheckResult, most: int | None, seen: dict[str, str], *, flat: bool
) -> Iterator[tuple[str, dict[str, Any]]]:
    sample, members = "", dict[str, bytes]()
    with tarfile.open(path) as tar:
        for entry in tar:
            name, _, suffix = entry.name.partition(".")
            if name != sample:
                yield from _sample(f"{where}: {printable(sample)}", members, checked, most, flat=flat) if sample else ()
                sample, members = name, {}
                if name in seen:
                    checked.faults.append(f"{where}: {printable(name)}: also in {seen[name]}")
                seen[name] = where
            file = tar.extractfile(entry)
            if file is not None:
                members[suffix] = file.read()
    yield from _sample(f"{where}: {printable(sample)}", members, checked, most, flat=flat) if sample else ()


def _sample(
    where: str, members: dict[str, bytes], checked: CheckResult, most: int | None, *, flat: bool
) -> Iterator[tuple[str, dict[str, Any]]]:
    dotted = [suffix for suffix in members if "." in suffix]
    sounds = [suffix for suffix in members if suffix in _DECODED]
    if dotted:
        checked.faults.append(f"{where}.{printable(dotted[0])}: a dot in its name; the loader loses the sample")
        return
    if len(sounds) != 1:
        lone = ", ".join(f".{suffix}" for suffix in members)
        checked.faults.append(f"{where}: {lone}: not one flac; the loader passes over it without a word")
        return
    checked.files += 1
    with tempfile.NamedTemporaryFile(suffix=f".{sounds[0]}") as file:
        file.write(members[sounds[0]])
        file.flush()
        checked.faults += sound_faults(Path(file.name), where, most)
    if "json" not in members:
        checked.faults.append(f"{where}: no json; the loader fails on it")
        return
    found = parse_json(members["json"], where, checked.faults)
    if not isinstance(found, dict):
        checked.faults.append(f"{where}: its json is no object")
        return
    if flat:
        checked.faults += flat_faults(where, found)
    yield where, found
