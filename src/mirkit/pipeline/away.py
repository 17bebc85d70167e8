"""Tracks that lie on object storage: looked at through stand-ins, worked on in a scratch folder, put back whole.

Beside a track's objects lies ``.mirkit-objects``: what each was when mirkit last read or wrote it, and the time that
its file had then. As long as an object is still that, an empty file of its size and time stands for it, and the rule of
what is done needs nothing else: a track that is done is not copied. Without it, all is copied and looked at anew.
"""

import json
import os
import tempfile
from collections.abc import Iterable, Mapping
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path, PurePosixPath
from typing import Any

from mirkit.errors import MirkitError, MissingInput
from mirkit.pipeline.job import Job
from mirkit.pipeline.outcome import Outcome
from mirkit.store import Busy
from mirkit.store.depot import Depot, Stamp
from mirkit.store.lease import lease
from mirkit.store.log import FOLDER as LOGS
from mirkit.store.mishap import mishap, shown
from mirkit.store.settings import SETTINGS_NAME

LEDGER = ".mirkit-objects"
#: What a plan reads of a track; everything else only has to be there.
_READ = (".INFO", ".PROVENANCE", LEDGER)

#: Name of an object -> what it was, and the time (ns) of its file then.
Ledger = dict[str, tuple[Stamp, int]]


def mirror(url: str, into: Path) -> None:
    """Make a data set's tree in a local folder: settings and sidecars as they are, stand-ins for the rest.

    Raises
    ------
    MissingInput
        There is no track.
    MirkitError
        The storage cannot be read.
    """
    depot = Depot(url)
    objects = {name: stamp for name, stamp in depot.find().items() if _is_of_a_track(name) or name == SETTINGS_NAME}
    if not any(map(_is_of_a_track, objects)):
        raise MissingInput(f"{shown(url)}: no track folders in it; give the folder that holds them")
    small = depot.read(name for name in objects if name.endswith(_READ) or name == SETTINGS_NAME)
    known: Ledger = {}
    for name, data in small.items():
        if name.endswith(LEDGER):
            known |= _parse(data, str(PurePosixPath(name).parent))
    for name, stamp in objects.items():
        if not name.endswith(LEDGER):
            _stand_in(into / name, stamp, known.get(name), small.get(name))


def hand_in(url: str, mirrored: Path) -> None:
    """Put back what belongs to the whole data set: its settings, where they have changed, and the logs of runs."""
    depot = Depot(url)
    files = [mirrored / SETTINGS_NAME, *(mirrored / LOGS).glob("*")]
    names = [path.relative_to(mirrored).as_posix() for path in files if path.is_file()]
    before = depot.read(names)
    for name in names:
        if (data := (mirrored / name).read_bytes()) != before.get(name):
            depot.write(name, data)


def process_away(job: Job) -> Outcome:
    """Do a job whose path is below its ``url``. Never raises for the track's own faults."""
    from mirkit.pipeline.process import process

    folder = PurePosixPath(job.path).as_posix()
    try:
        depot = Depot(job.url)
        with ExitStack() as held:
            ours = held.enter_context(lease(depot, folder, job.patience))
            scratch = Path(
                held.enter_context(tempfile.TemporaryDirectory(prefix="mirkit-", ignore_cleanup_errors=True))
            )
            known = _fetch(depot, folder, scratch)
            before = _files(scratch / folder)
            outcome = process(replace(job, url="", path=scratch / folder))
            ours.check()
            _put_back(depot, folder, scratch, before, known)
            return outcome
    except Busy:
        return Outcome(job.name, busy=True)
    except MirkitError as error:
        return Outcome(job.name, failures={"track": str(error)})
    except OSError as error:  # the scratch disk
        return Outcome(job.name, failures={"track": str(mishap(error, Path(tempfile.gettempdir()), "write"))})


def _fetch(depot: Depot, folder: str, scratch: Path) -> Ledger:
    """Copy a track; say what was known of its objects."""
    objects = {name: stamp for name, stamp in depot.find(folder).items() if _is_of_a_track(name)}
    mine = f"{folder}/{LEDGER}"
    known = _parse(depot.read([mine]).get(mine, b"{}"), folder) if mine in objects else {}
    objects.pop(mine, None)
    for name, stamp in objects.items():
        path = scratch / name
        depot.fetch(name, path)
        if name in known and known[name][0] == stamp:  # the time that the provenance knows: not to be hashed again
            os.utime(path, ns=(known[name][1], known[name][1]))
    return known


def _put_back(depot: Depot, folder: str, scratch: Path, before: Mapping[str, Any], known: Ledger) -> None:
    """Write what is new or different, each object whole, then remove what is gone."""
    after = _files(scratch / folder)
    changed = [name for name in after if after[name] != before.get(name)]
    # What a provenance calls done is there before it.
    for name in sorted(changed, key=lambda name: (name.endswith(".PROVENANCE"), name)):
        depot.put(f"{folder}/{name}", scratch / folder / name)
    for name in before.keys() - after.keys():
        depot.remove(f"{folder}/{name}")
    stamps = depot.find(folder)
    now = {full: (stamps[full], after[name][1]) for name in after if (full := f"{folder}/{name}") in stamps}
    if now != known:
        depot.write(f"{folder}/{LEDGER}", _encode(now, folder))


def _files(folder: Path) -> dict[str, tuple[int, int, int]]:
    """Files of a track: name below its folder -> size, time and number, of which a new file changes one at least."""
    found = {}
    for path in folder.rglob("*"):
        name = path.relative_to(folder).as_posix()
        if path.is_file() and not _is_hidden(name):
            stat = path.stat()
            found[name] = stat.st_size, stat.st_mtime_ns, stat.st_ino
    return found


def _stand_in(path: Path, stamp: Stamp, known: tuple[Stamp, int] | None, content: bytes | None) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    if content is not None:
        path.write_bytes(content)
        return
    path.touch()
    os.truncate(path, stamp.size)
    time = known[1] if known and known[0] == stamp else 0
    os.utime(path, ns=(time, time))


def _is_of_a_track(name: str) -> bool:
    return "/" in name and (name.endswith(f"/{LEDGER}") or not _is_hidden(name))


def _is_hidden(name: str) -> bool:
    return any(part.startswith(".") for part in PurePosixPath(name).parts)


def _encode(ledger: Ledger, folder: str) -> bytes:
    rows = {name.removeprefix(f"{folder}/"): [s.size, s.mark, time] for name, (s, time) in sorted(ledger.items())}
    return (json.dumps(rows, indent=0) + "\n").encode()


def _parse(data: bytes, folder: str) -> Ledger:
    """Read a ledger; one that cannot be read knows nothing."""
    try:
        rows: Iterable[tuple[str, Any]] = json.loads(data).items()
        return {f"{folder}/{name}": (Stamp(int(size), str(mark)), int(time)) for name, (size, mark, time) in rows}
    except (ValueError, TypeError, AttributeError):
        return {}
