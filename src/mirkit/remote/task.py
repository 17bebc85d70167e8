"""A track that lies on object storage: copied to a scratch folder, worked on there, put back whole.

Only what its ledger does not know to be unchanged is hashed; what is done is not even copied (``pipeline.mirror``).
"""

import json
import os
import tempfile
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path, PurePosixPath
from typing import Any

from mirkit.errors import MirkitError
from mirkit.pipeline.task import TrackJob, TrackOutcome
from mirkit.remote.lease import lease
from mirkit.remote.listing import believe
from mirkit.remote.manifest import LEDGER, Ledger, encode, is_hidden, is_of_a_track, parse
from mirkit.remote.object_store import ObjectStore
from mirkit.store import LockedError, atomic_write
from mirkit.store.os_errors import as_error
from mirkit.track import is_sound


def process_away(job: TrackJob) -> TrackOutcome:
    """Do a job whose path is below its ``url``. Never raises for the track's own faults."""
    from mirkit.pipeline.track_task import process

    folder = PurePosixPath(job.path).as_posix()
    try:
        depot = ObjectStore(job.url)
        with ExitStack() as held:
            ours = held.enter_context(lease(depot, folder, job.patience))
            scratch = Path(
                held.enter_context(tempfile.TemporaryDirectory(prefix="mirkit-", ignore_cleanup_errors=True))
            )
            known = _fetch(depot, folder, scratch)
            before = _files(scratch / folder)
            outcome = process(replace(job, url="", path=scratch / folder))
            ours.check()
            _name_the_place(scratch / folder, str(scratch), job.url)
            _put_back(depot, folder, scratch, before, known)
            failures = {where: why.replace(str(scratch), job.url) for where, why in outcome.failures.items()}
            notes = tuple(note.replace(str(scratch), job.url) for note in outcome.notes)
            return replace(outcome, failures=failures, notes=notes)
    except LockedError:
        return TrackOutcome(job.name, busy=True)
    except MirkitError as error:
        return TrackOutcome(job.name, failures={"track": str(error)})
    except OSError as error:  # the scratch disk
        return TrackOutcome(job.name, failures={"track": str(as_error(error, Path(tempfile.gettempdir()), "write"))})


def _fetch(depot: ObjectStore, folder: str, scratch: Path) -> Ledger:
    """Copy a track; say what was known of its objects."""
    objects = {name: stamp for name, stamp in depot.find(folder).items() if is_of_a_track(name)}
    mine = f"{folder}/{LEDGER}"
    known = parse(depot.read([mine]).get(mine, b"{}"), folder) if mine in objects else {}
    objects.pop(mine, None)
    for name, stamp in objects.items():
        path = scratch / name
        depot.fetch(name, path, follow=is_sound(path.name) or path.suffix == ".mid")
        if name in known and known[name][0] == stamp:  # the time that the provenance knows: not to be hashed again
            os.utime(path, ns=(known[name][1], known[name][1]))
    for path in scratch.rglob("*.PROVENANCE"):
        believe(path)
    return known


def _name_the_place(folder: Path, scratch: str, url: str) -> None:
    """Have the provenances say where what failed lies, not the scratch folder that is gone in a moment."""
    ours, theirs = (json.dumps(place)[1:-1].encode() for place in (scratch, url))
    for path in folder.rglob("*.PROVENANCE"):
        if ours in (data := path.read_bytes()):
            atomic_write(path, data.replace(ours, theirs))


def _put_back(depot: ObjectStore, folder: str, scratch: Path, before: Mapping[str, Any], known: Ledger) -> None:
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
        depot.write(f"{folder}/{LEDGER}", encode(now, folder))


def _files(folder: Path) -> dict[str, tuple[int, int, int]]:
    """Files of a track: name below its folder -> size, time and number, of which a new file changes one at least."""
    found = {}
    for path in folder.rglob("*"):
        name = path.relative_to(folder).as_posix()
        if path.is_file() and not is_hidden(name):
            stat = path.stat()
            found[name] = stat.st_size, stat.st_mtime_ns, stat.st_ino
    return found
