"""Leases: an object with a holder and an expiry time, so that a track on object storage has one writer at a time.

Leases of a folder are numbered and the highest number is valid. A machine that finds it expired creates the next
number; of two that do so at once, the storage lets one succeed. The holder renews its lease while it works and checks
it again before it writes: when the lease expired meanwhile, it writes nothing.
"""

import json
import secrets
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from mirkit.errors import MirkitError, printable
from mirkit.remote.object_store import ObjectStore
from mirkit.store import LockedError, as_number

#: Prefix of the name of a lease in the folder of its track.
LEASE = ".mirkit-lease-"
#: Seconds from the last renewal until a lease expires, and so the wait for the track of a lost node. The clocks of the
#: machines must agree better than that.
LEASE_SECONDS = 120.0
#: Seconds between two checks of a lease that another machine holds.
_POLL_SECONDS = 2.0


class Lease:
    """A lease that this process holds; made by :func:`lease`."""

    def __init__(self, store: ObjectStore, folder: str, name: str, owner: str, since: float) -> None:
        self._store, self._folder, self._name, self._owner = store, folder, name, owner
        self._lost, self._since = False, since

    def check(self) -> None:
        """Check that the lease is still valid.

        Raises
        ------
        LockedError
            It expired, or another machine has taken the track over.
        """
        top, content = _current(self._store, self._folder)
        # By the clock of this machine, because the object in the storage changes only when another machine takes over.
        expired = time.monotonic() - self._since > LEASE_SECONDS
        if self._lost or expired or top != self._name or content.get("owner") != self._owner:
            self._lost = True
            raise LockedError(
                f"{printable(self._folder)}: this machine did not renew its lease in time, so another one may be "
                "at work on the track; nothing was written. Run the same command again"
            )

    def renew(self) -> None:
        """Extend the lease, if it is still valid."""
        since = time.monotonic()
        with suppress(MirkitError):  # check() reports a lost lease; if the storage does not answer, it is asked again
            self.check()
            self._store.write(self._name, _encode(self._owner))
            self._since = since

    def release(self) -> None:
        """Remove the lease."""
        with suppress(MirkitError):  # the lease then expires
            self.check()
            self._store.remove(self._name)


@contextmanager
def lease(store: ObjectStore, folder: str, patience: float) -> Iterator[Lease]:
    """Hold the lease of a folder; a thread renews it.

    Parameters
    ----------
    store : ObjectStore
    folder : str
        Folder of the track, below the URL of the store.
    patience : float
        Seconds to wait for another holder.

    Raises
    ------
    LockedError
        Another process or machine holds it.
    InfoError
        The storage refused.
    """
    owner, deadline = secrets.token_hex(8), time.monotonic() + patience
    while (held := _try_to_create(store, folder, owner)) is None:
        if time.monotonic() >= deadline:
            raise LockedError(f"{printable(folder)}: another process of mirkit is processing this track")
        time.sleep(min(_POLL_SECONDS, max(0.0, deadline - time.monotonic())))
    over = threading.Event()
    keeper = threading.Thread(target=_renew_until, args=(held, over), daemon=True)
    keeper.start()
    try:
        yield held
    finally:
        over.set()
        keeper.join()
        held.release()


def _renew_until(held: Lease, over: threading.Event) -> None:
    while not over.wait(LEASE_SECONDS / 3):
        held.renew()


def _try_to_create(store: ObjectStore, folder: str, owner: str) -> Lease | None:
    since = time.monotonic()
    top, content = _current(store, folder)
    if top and (as_number(content.get("until")) or 0) > time.time():
        return None
    number = int(top.rpartition("-")[2]) + 1 if top else 1
    name = f"{folder}/{LEASE}{number:06d}"
    if not store.create(name, _encode(owner)):
        return None
    if top:
        with suppress(MirkitError):
            store.remove(top)
    return Lease(store, folder, name, owner, since)


def _current(store: ObjectStore, folder: str) -> tuple[str, dict[str, object]]:
    """Return name and content of the valid or last lease; ``""`` if there is none."""
    leases = [name for name in store.find(folder) if name.startswith(f"{folder}/{LEASE}")]
    leases = [name for name in leases if name.rpartition("-")[2].isdecimal()]
    if not leases:
        return "", {}
    top = max(leases)
    try:
        content = json.loads(store.read([top]).get(top, b"{}"))
    except ValueError:
        content = {}
    return top, content if isinstance(content, dict) else {}


def _encode(owner: str) -> bytes:
    return json.dumps({"owner": owner, "until": time.time() + LEASE_SECONDS}).encode()
