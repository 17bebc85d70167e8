"""Processing a track on object storage: it is copied to a scratch folder, processed there, and uploaded.

Only objects that its manifest does not list as unchanged are hashed. A track with nothing to do is not copied at all
(see ``remote.listing``).
"""

import json
import os
import tempfile
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path, PurePosixPath
from typing import Any

from mirkit.errors import MirkitError, as_error
from mirkit.pipeline.task import TrackJob, TrackOutcome
from mirkit.remote.lease import lease
from mirkit.remote.listing import MANIFEST, Manifest, accept_known_times, encode, is_hidden, is_track_object, parse
from mirkit.remote.object_store import ObjectStore
from mirkit.store import LockedError, atomic_write
from mirkit.track import is_audio_name


def process_remote_track(job: TrackJob) -> TrackOutcome:
    """Process a track whose path is below the job's ``url``. Errors of the track become its outcome."""
    from mirkit.pipeline.track_task import process

    folder = PurePosixPath(job.path).as_posix()
    try:
        store = ObjectStore(job.url)
        with ExitStack() as held:
            own_lease = held.enter_context(lease(store, folder, job.patience))
            scratch = Path(
                held.enter_context(tempfile.TemporaryDirectory(prefix="mirkit-", ignore_cleanup_errors=True))
            )
            known = _download_track(store, folder, scratch)
            before = _files(scratch / folder)
            outcome = process(replace(job, url="", path=scratch / folder))
            own_lease.check()
            _replace_scratch_path(scratch / folder, str(scratch), job.url)
            _upload_changes(store, folder, scratch, before, known)
            failures = {where: why.replace(str(scratch), job.url) for where, why in outcome.failures.items()}
            notes = tuple(note.replace(str(scratch), job.url) for note in outcome.notes)
            return replace(outcome, failures=failures, notes=notes)
    except LockedError:
        return TrackOutcome(job.name, busy=True)
    except MirkitError as error:
        return TrackOutcome(job.name, failures={"track": str(error)})
    except OSError as error:  # an error of the scratch disk
        return TrackOutcome(job.name, failures={"track": str(as_error(error, Path(tempfile.gettempdir()), "write"))})


def _download_track(store: ObjectStore, folder: str, scratch: Path) -> Manifest:
    """Copy a track; return its manifest."""
    objects = {name: stamp for name, stamp in store.find(folder).items() if is_track_object(name)}
    manifest = f"{folder}/{MANIFEST}"
    known = parse(store.read([manifest]).get(manifest, b"{}"), folder) if manifest in objects else {}
    objects.pop(manifest, None)
    for name, stamp in objects.items():
        path = scratch / name
        store.fetch(name, path, follow=is_audio_name(path.name) or path.suffix == ".mid")
        if name in known and known[name][0] == stamp:  # the time in the provenance, so that it is not hashed again
            os.utime(path, ns=(known[name][1], known[name][1]))
    for path in scratch.rglob("*.PROVENANCE"):
        accept_known_times(path)
    return known


def _replace_scratch_path(folder: Path, scratch: str, url: str) -> None:
    """Replace the path of the scratch folder in the messages of provenances by the URL of the data set."""
    before, after = (json.dumps(text)[1:-1].encode() for text in (scratch, url))
    for path in folder.rglob("*.PROVENANCE"):
        if before in (data := path.read_bytes()):
            atomic_write(path, data.replace(before, after))


def _upload_changes(store: ObjectStore, folder: str, scratch: Path, before: Mapping[str, Any], known: Manifest) -> None:
    """Upload new and changed files, then remove objects whose file is gone."""
    after = _files(scratch / folder)
    changed = [name for name in after if after[name] != before.get(name)]
    # The provenance is uploaded last, because the files that it lists must exist.
    for name in sorted(changed, key=lambda name: (name.endswith(".PROVENANCE"), name)):
        store.put(f"{folder}/{name}", scratch / folder / name)
    for name in before.keys() - after.keys():
        store.remove(f"{folder}/{name}")
    stamps = store.find(folder)
    now = {full: (stamps[full], after[name][1]) for name in after if (full := f"{folder}/{name}") in stamps}
    if now != known:
        store.write(f"{folder}/{MANIFEST}", encode(now, folder))


def _files(folder: Path) -> dict[str, tuple[int, int, int]]:
    """Return the files of a track as name -> (size, time, inode); a rewritten file differs in one of them."""
    files = {}
    for path in folder.rglob("*"):
        name = path.relative_to(folder).as_posix()
        if path.is_file() and not is_hidden(name):
            stat = path.stat()
            files[name] = stat.st_size, stat.st_mtime_ns, stat.st_ino
    return files
