"""A data set on object storage as a local folder: its sidecars are copied, other objects become empty placeholders.

The manifest of a track, ``.mirkit-objects`` beside its objects, lists the version that each object had when mirkit last
read or wrote it, and the modification time of its local file then. The content of an object that still has this version
need not be compared. Without a manifest, every object is downloaded to compare it.

A placeholder has the size of its object and the modification time in the manifest. Planning and ``verify`` need no more
than that, so objects that have not changed are not copied.
"""

import json
import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from pathlib import Path, PurePosixPath
from typing import Any

from mirkit.errors import MirkitError, MissingInput, printable
from mirkit.remote.object_store import ObjectStore, ObjectVersion
from mirkit.store import SETTINGS_NAME, FileDigest, accept_times, file_digest, read_provenance
from mirkit.store.run_log import FOLDER as LOGS
from mirkit.store.run_log import MAX_LOGS
from mirkit.track import EXPORT_SUMMARY, Track, is_audio_name

MANIFEST = ".mirkit-objects"

#: Name of an object -> its version, and the modification time (ns) of its local file then.
Manifest = dict[str, tuple[ObjectVersion, int]]


def encode(manifest: Manifest, folder: str) -> bytes:
    """Serialize the manifest of a folder."""
    rows = {name.removeprefix(f"{folder}/"): [s.size, s.mark, time] for name, (s, time) in sorted(manifest.items())}
    return (json.dumps(rows, indent=0) + "\n").encode()


def parse(data: bytes, folder: str) -> Manifest:
    """Parse the manifest of a folder; a damaged one is treated as empty."""
    try:
        rows: Iterable[tuple[str, Any]] = json.loads(data).items()
        return {
            f"{folder}/{name}": (ObjectVersion(int(size), str(mark)), int(time)) for name, (size, mark, time) in rows
        }
    except (ValueError, TypeError, AttributeError):
        return {}


def is_track_object(name: str) -> bool:
    """Whether an object belongs to a track: it lies in a folder and is not hidden, or is a manifest."""
    return "/" in name and (name.endswith(f"/{MANIFEST}") or not is_hidden(name))


def is_hidden(name: str) -> bool:
    """Whether a part of a name begins with a dot."""
    return any(part.startswith(".") for part in PurePosixPath(name).parts)


#: Endings of the names of objects that are copied; all others become placeholders.
_READ_WHOLE = (".INFO", ".PROVENANCE", ".CHORDS", ".SECTIONS", MANIFEST)
#: Folders whose sidecars are in memory at once.
_CHUNK = 200


def mirror(url: str, into: Path, *, compare: Callable[[int], None] | None = None) -> None:
    """Create the tree of a data set in a local folder, without exports that lie in it.

    Parameters
    ----------
    url : str
        URL of the data set.
    into : Path
        An empty folder.
    compare : callable, optional
        Called with the number of audio objects that are in no manifest but may be in a provenance; they are then copied
        one by one to compare their content. Without it they are treated as changed.

    Raises
    ------
    MissingInput
        There is no track at the URL.
    MirkitError
        The storage cannot be read.
    """
    store = ObjectStore(url)
    folders: dict[str, dict[str, ObjectVersion]] = {}
    found = store.find()
    exports = tuple(name.removesuffix(EXPORT_SUMMARY) for name in found if name.endswith(f"/{EXPORT_SUMMARY}"))
    for name, stamp in found.items():
        if is_track_object(name) and not name.startswith(exports):
            folders.setdefault(name.partition("/")[0], {})[name] = stamp
    if not folders:
        raise MissingInput(f"{printable(url)}: no track folders in it; give the folder that holds them")
    # Always written, so that no folder above the mirror is mistaken for the root of the data set.
    (into / SETTINGS_NAME).write_bytes(store.read([SETTINGS_NAME]).get(SETTINGS_NAME, b""))
    groups = list(folders.values())
    unknown: dict[str, ObjectVersion] = {}
    for first in range(0, len(groups), _CHUNK):
        objects = {name: stamp for group in groups[first : first + _CHUNK] for name, stamp in group.items()}
        unknown |= _create_placeholders(store, into, objects)
    if compare:
        _compare(store, into, unknown, compare)


def mirror_logs(url: str, into: Path) -> None:
    """Copy only the logs of a data set's runs. Raises MirkitError if the storage cannot be read."""
    store = ObjectStore(url)
    (into / SETTINGS_NAME).touch()
    (into / LOGS).mkdir(parents=True)
    for name, data in store.read(list(store.find(LOGS.as_posix()))[-MAX_LOGS:]).items():
        (into / name).write_bytes(data)


def upload_dataset_files(url: str, mirrored: Path) -> None:
    """Upload the files of the whole data set: its settings if they have changed, and the logs of runs."""
    store = ObjectStore(url)
    files = [mirrored / SETTINGS_NAME, *(mirrored / LOGS).glob("*")]
    contents = {path.relative_to(mirrored).as_posix(): path.read_bytes() for path in files if path.is_file()}
    before = store.read(contents)
    for name, data in contents.items():
        if data != before.get(name, b""):
            store.write(name, data)
    for old in list(store.find(LOGS.as_posix()))[:-MAX_LOGS]:
        store.remove(old)


def _create_placeholders(
    store: ObjectStore, into: Path, objects: Mapping[str, ObjectVersion]
) -> dict[str, ObjectVersion]:
    """Make the files of some folders; return the audio objects whose version is not in the manifest."""
    sidecars = [name for name in objects if name.endswith(_READ_WHOLE)]
    links = {name: target for name in sidecars if (target := store.leads_out(name))}
    small = store.read(name for name in sidecars if name not in links)
    known: Manifest = {}
    for name, data in small.items():
        if name.endswith(MANIFEST):
            known |= parse(data, str(PurePosixPath(name).parent))
    unknown = {}
    for name, stamp in objects.items():
        if name.endswith(MANIFEST):
            continue
        path = into / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if name in small:
            path.write_bytes(small[name])
            continue
        if name in links:  # reading the track reports it
            path.symlink_to(links[name])
            continue
        path.touch()
        os.truncate(path, stamp.size)
        time = known[name][1] if name in known and known[name][0] == stamp else 0
        os.utime(path, ns=(time, time))
        if not time and is_audio_name(path.name):
            unknown[name] = stamp
    for name in small:
        if name.endswith(".PROVENANCE"):
            accept_known_times(into / name)
    return unknown


def _compare(
    store: ObjectStore, into: Path, unknown: Mapping[str, ObjectVersion], announce: Callable[[int], None]
) -> None:
    """Copy audio that may have been measured before: if so, its placeholder gets the time of that measurement."""
    known: dict[Path, set[tuple[int, str, int]]] = {}
    for folder in {(into / name).parent for name in unknown}:
        known[folder] = {(digest.size, digest.sha256, digest.mtime_ns) for digest in _known_digests(folder)}
    likely = [
        name for name, stamp in unknown.items() if stamp.size in {size for size, *_ in known[(into / name).parent]}
    ]
    if likely:
        announce(len(likely))
    for name in likely:
        path = into / name
        copy = path.with_name(f".{path.name}.copy")
        store.fetch(name, copy, follow=True)
        digest = file_digest(copy)
        times = {time for size, sha256, time in known[path.parent] if (size, sha256) == (digest.size, digest.sha256)}
        if len(times) > 1:  # the file was touched between two measurements: its content decides
            copy.replace(path)
            continue
        copy.unlink()
        for time in times:
            os.utime(path, ns=(time, time))
    for folder in known:
        for record in folder.glob("*.PROVENANCE"):
            accept_known_times(record)


def accept_known_times(provenance: Path) -> None:
    """Record that copies and placeholders with the size and time of a measured file are that file."""
    with suppress(MirkitError):  # planning or processing the track reports it
        track = Track.at(provenance.parent)
        midi = (track.adtof_midi, track.drums_midi)
        accept_times(provenance, {**track.sources, **{path.name: path for path in midi}})


def _known_digests(folder: Path) -> Iterator[FileDigest]:
    """Yield every digest in the provenances of a folder."""
    for path in folder.glob("*.PROVENANCE"):
        with suppress(MirkitError):  # planning or processing the track reports it
            for entry in read_provenance(path).stages.values():
                yield from (*entry.inputs.values(), *entry.outputs.values())
