"""A data set on object storage, as a local folder to look at: sidecars as they are, empty stand-ins for the rest.

A stand-in has the size of its object, and the time that the ledger knows. The rule of what is done, and ``verify``,
need nothing else: nothing is copied that is as it was.
"""

import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from pathlib import Path, PurePosixPath

from mirkit.errors import MirkitError, MissingInput
from mirkit.remote.manifest import LEDGER, Ledger, is_of_a_track, parse
from mirkit.remote.object_store import ObjectStore, ObjectVersion
from mirkit.store import FileDigest, believe_times, file_digest, read_provenance
from mirkit.store.dataset_root import SETTINGS_NAME
from mirkit.store.os_errors import printable
from mirkit.store.run_log import FOLDER as LOGS
from mirkit.store.run_log import KEPT
from mirkit.track import Track, is_sound

#: What is read of a track; everything else only has to be there.
_READ = (".INFO", ".PROVENANCE", LEDGER)
#: Folders whose sidecars are held in memory at once.
_AT_ONCE = 200


def mirror(url: str, into: Path, *, compare: Callable[[int], None] | None = None) -> None:
    """Make a data set's tree in a local folder.

    Parameters
    ----------
    url : str
        Of the data set.
    into : Path
        An empty folder.
    compare : callable, optional
        Have sounds that no ledger knows, but a provenance may, copied one by one to compare their content. It is told
        beforehand how many. Without it they look changed.

    Raises
    ------
    MissingInput
        There is no track.
    MirkitError
        The storage cannot be read.
    """
    depot = ObjectStore(url)
    folders: dict[str, dict[str, ObjectVersion]] = {}
    for name, stamp in depot.find().items():
        if is_of_a_track(name):
            folders.setdefault(name.partition("/")[0], {})[name] = stamp
    if not folders:
        raise MissingInput(f"{printable(url)}: no track folders in it; give the folder that holds them")
    # Always there, so that no folder around the mirror is taken for the data set.
    (into / SETTINGS_NAME).write_bytes(depot.read([SETTINGS_NAME]).get(SETTINGS_NAME, b""))
    groups = list(folders.values())
    unknown: dict[str, ObjectVersion] = {}
    for first in range(0, len(groups), _AT_ONCE):
        objects = {name: stamp for group in groups[first : first + _AT_ONCE] for name, stamp in group.items()}
        unknown |= _stand_in(depot, into, objects)
    if compare:
        _compare(depot, into, unknown, compare)


def mirror_logs(url: str, into: Path) -> None:
    """Copy the logs of a data set's runs, and nothing else. Raises MirkitError where the storage cannot be read."""
    depot = ObjectStore(url)
    (into / SETTINGS_NAME).touch()
    (into / LOGS).mkdir(parents=True)
    for name, data in depot.read(list(depot.find(LOGS.as_posix()))[-KEPT:]).items():
        (into / name).write_bytes(data)


def upload_dataset_files(url: str, mirrored: Path) -> None:
    """Put back what belongs to the whole data set: its settings, where they have changed, and the logs of runs."""
    depot = ObjectStore(url)
    files = [mirrored / SETTINGS_NAME, *(mirrored / LOGS).glob("*")]
    contents = {path.relative_to(mirrored).as_posix(): path.read_bytes() for path in files if path.is_file()}
    before = depot.read(contents)
    for name, data in contents.items():
        if data != before.get(name, b""):
            depot.write(name, data)
    for old in list(depot.find(LOGS.as_posix()))[:-KEPT]:
        depot.remove(old)


def _stand_in(depot: ObjectStore, into: Path, objects: Mapping[str, ObjectVersion]) -> dict[str, ObjectVersion]:
    """Make the files of some folders; give the sounds that are not what their ledger knows."""
    sidecars = [name for name in objects if name.endswith(_READ)]
    links = {name: target for name in sidecars if (target := depot.leads_out(name))}
    small = depot.read(name for name in sidecars if name not in links)
    known: Ledger = {}
    for name, data in small.items():
        if name.endswith(LEDGER):
            known |= parse(data, str(PurePosixPath(name).parent))
    unknown = {}
    for name, stamp in objects.items():
        if name.endswith(LEDGER):
            continue
        path = into / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if name in small:
            path.write_bytes(small[name])
            continue
        if name in links:  # who looks at the track refuses it
            path.symlink_to(links[name])
            continue
        path.touch()
        os.truncate(path, stamp.size)
        time = known[name][1] if name in known and known[name][0] == stamp else 0
        os.utime(path, ns=(time, time))
        if not time and is_sound(path.name):
            unknown[name] = stamp
    for name in small:
        if name.endswith(".PROVENANCE"):
            believe(into / name)
    return unknown


def _compare(depot: ObjectStore, into: Path, unknown: Mapping[str, ObjectVersion], say: Callable[[int], None]) -> None:
    """Copy what may be a sound that was measured: its stand-in then gets the time that it had."""
    prints: dict[Path, set[tuple[int, str, int]]] = {}
    for folder in {(into / name).parent for name in unknown}:
        prints[folder] = {(known.size, known.sha256, known.mtime_ns) for known in _prints(folder)}
    likely = [
        name for name, stamp in unknown.items() if stamp.size in {size for size, *_ in prints[(into / name).parent]}
    ]
    if likely:
        say(len(likely))
    for name in likely:
        path = into / name
        copy = path.with_name(f".{path.name}.copy")
        depot.fetch(name, copy, follow=True)
        found = file_digest(copy)
        times = {time for size, sha256, time in prints[path.parent] if (size, sha256) == (found.size, found.sha256)}
        if len(times) > 1:  # it was touched between two measurements: the content speaks for itself
            copy.replace(path)
            continue
        copy.unlink()
        for time in times:
            os.utime(path, ns=(time, time))
    for folder in prints:
        for record in folder.glob("*.PROVENANCE"):
            believe(record)


def believe(provenance: Path) -> None:
    """Take the copies, or stand-ins, of objects in a folder for what was measured, where size and time are the same."""
    with suppress(MirkitError):  # who asks for the track is told
        track = Track.at(provenance.parent)
        midi = (track.adtof_midi, track.drums_midi)
        believe_times(provenance, {**track.parts, **{path.name: path for path in midi}})


def _prints(folder: Path) -> Iterator[FileDigest]:
    """Whatever the provenances in a folder know."""
    for path in folder.glob("*.PROVENANCE"):
        with suppress(MirkitError):  # who asks for the track is told
            for entry in read_provenance(path).stages.values():
                yield from (*entry.inputs.values(), *entry.outputs.values())
