"""One writer a track, where there are no locks: a lease, an object that says who writes and until when.

Leases of a folder are numbered; the highest number counts. Who finds it run out creates the next number, and of two who
do so at once the storage lets one succeed. The holder renews it while it works, and looks again before it writes: if it
was taken for dead meanwhile, it writes nothing.
"""

import json
import secrets
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from mirkit.errors import MirkitError
from mirkit.remote.object_store import ObjectStore
from mirkit.store.atomic import LockedError
from mirkit.store.os_errors import printable

#: Beginning of a lease's name, in the folder that it is for.
LEASE = ".mirkit-lease-"
#: Seconds that a lease holds from its last renewal: how long the track of a lost node stays closed. The clocks of the
#: machines must agree better than that.
SECONDS = 120.0
#: Seconds between two looks at a lease that somebody else holds.
_LOOK = 2.0


class Lease:
    """A lease that is held. Made by :func:`lease`."""

    def __init__(self, depot: ObjectStore, folder: str, name: str, owner: str, since: float) -> None:
        self._depot, self._folder, self._name, self._owner = depot, folder, name, owner
        self._lost, self._since = False, since

    def check(self) -> None:
        """See whether it still counts.

        Raises
        ------
        Busy
            It ran out, and somebody else has the track now.
        """
        top, content = _highest(self._depot, self._folder)
        late = time.monotonic() - self._since > SECONDS
        if self._lost or late or top != self._name or content.get("owner") != self._owner:
            self._lost = True
            raise LockedError(
                f"{printable(self._folder)}: this machine was silent for too long, and another one has the track now"
            )

    def renew(self) -> None:
        """Prolong it, if it still counts."""
        since = time.monotonic()
        with suppress(MirkitError):  # lost, which check will tell, or the storage is away: the next time, then
            self.check()
            self._depot.write(self._name, _content(self._owner))
            self._since = since

    def release(self) -> None:
        """Give it back."""
        with suppress(MirkitError):  # it will run out
            self.check()
            self._depot.remove(self._name)


@contextmanager
def lease(depot: ObjectStore, folder: str, patience: float) -> Iterator[Lease]:
    """Hold the lease of a folder; it is renewed in the background.

    Parameters
    ----------
    depot : ObjectStore
    folder : str
        Of a track.
    patience : float
        Seconds to wait for another holder.

    Raises
    ------
    Busy
        Somebody else holds it.
    InfoError
        The storage refuses.
    """
    owner, deadline = secrets.token_hex(8), time.monotonic() + patience
    while (held := _take(depot, folder, owner)) is None:
        if time.monotonic() >= deadline:
            raise LockedError(f"{printable(folder)}: another mirkit is at work on it")
        time.sleep(min(_LOOK, max(0.0, deadline - time.monotonic())))
    over = threading.Event()
    keeper = threading.Thread(target=_keep, args=(held, over), daemon=True)
    keeper.start()
    try:
        yield held
    finally:
        over.set()
        keeper.join()
        held.release()


def _keep(held: Lease, over: threading.Event) -> None:
    while not over.wait(SECONDS / 3):
        held.renew()


def _take(depot: ObjectStore, folder: str, owner: str) -> Lease | None:
    since = time.monotonic()
    top, content = _highest(depot, folder)
    if top and _until(content) > time.time():
        return None
    number = int(top.rpartition("-")[2]) + 1 if top else 1
    name = f"{folder}/{LEASE}{number:06d}"
    if not depot.create(name, _content(owner)):
        return None
    if top:
        with suppress(MirkitError):
            depot.remove(top)
    return Lease(depot, folder, name, owner, since)


def _highest(depot: ObjectStore, folder: str) -> tuple[str, dict[str, object]]:
    """Name and content of the lease that counts; "" where there is none."""
    leases = [name for name in depot.find(folder) if name.startswith(f"{folder}/{LEASE}")]
    leases = [name for name in leases if name.rpartition("-")[2].isdecimal()]
    if not leases:
        return "", {}
    top = max(leases)
    try:
        content = json.loads(depot.read([top]).get(top, b"{}"))
    except ValueError:
        content = {}
    return top, content if isinstance(content, dict) else {}


def _until(content: dict[str, object]) -> float:
    until = content.get("until")
    return float(until) if isinstance(until, int | float) else 0.0


def _content(owner: str) -> bytes:
    return json.dumps({"owner": owner, "until": time.time() + SECONDS}).encode()
