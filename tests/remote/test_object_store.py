"""Object storage and its leases, on fsspec's store in memory and on a disk."""

import sys
import threading
import time
from pathlib import Path

import pytest
from fsspec.registry import _registry

from mirkit.cli.location import is_url
from mirkit.errors import InfoError, MissingExtra
from mirkit.remote import lease
from mirkit.remote.lease import LEASE
from mirkit.remote.object_store import ObjectStore
from mirkit.store import LockedError


@pytest.fixture(params=["memory", "file"])
def depot(request: pytest.FixtureRequest, tmp_path: Path) -> ObjectStore:
    place = str(tmp_path).lstrip("/")
    return ObjectStore(f"memory://{place}/set" if request.param == "memory" else f"file:///{place}/set/")


def test_objects_go_in_and_come_out(depot: ObjectStore, tmp_path: Path) -> None:
    assert depot.find() == {}
    (tmp_path / "in").write_bytes(b"sound")
    depot.put("A - B/full_mix.flac", tmp_path / "in")
    depot.write("mirkit.toml", b"[run]\n")
    assert list(depot.find()) == ["A - B/full_mix.flac", "mirkit.toml"]
    assert list(depot.find("A - B")) == ["A - B/full_mix.flac"]
    assert depot.find()["A - B/full_mix.flac"].size == 5
    depot.fetch("A - B/full_mix.flac", tmp_path / "deep" / "out")
    assert (tmp_path / "deep" / "out").read_bytes() == b"sound"
    assert depot.read(["mirkit.toml", "gone"]) == {"mirkit.toml": b"[run]\n"}
    depot.remove("mirkit.toml")
    depot.remove("mirkit.toml")
    assert list(depot.find()) == ["A - B/full_mix.flac"]


def test_a_stamp_changes_with_the_content(depot: ObjectStore) -> None:
    depot.write("a", b"one")
    before = depot.find()["a"]
    assert depot.find("") == {"a": before}
    time.sleep(0.02)
    depot.write("a", b"two")
    assert depot.find()["a"] != before


def test_of_two_who_create_one_succeeds(depot: ObjectStore) -> None:
    assert depot.create("x/lease", b"1")
    assert not depot.create("x/lease", b"2")
    assert depot.read(["x/lease"]) == {"x/lease": b"1"}


@pytest.mark.parametrize("name", ["../x", "/x", "a/../../x", "a\\..\\x"])
def test_no_name_leads_out(depot: ObjectStore, name: str, tmp_path: Path) -> None:
    with pytest.raises(InfoError, match="leads out"):
        depot.write(name, b"")
    assert not (tmp_path / "x").exists()


def test_what_the_storage_refuses_is_one_line(depot: ObjectStore, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise PermissionError("Access Denied\nand a page of XML")

    monkeypatch.setattr(type(depot._fs), "find", refuse)
    with pytest.raises(InfoError, match=r"the storage refused: PermissionError: Access Denied$"):
        depot.find()


def test_packages_that_are_missing_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    for scheme, package in (("s3", "s3fs"), ("gs", "gcsfs")):
        monkeypatch.setitem(sys.modules, package, None)
        monkeypatch.delitem(_registry, scheme, raising=False)  # where another test has imported it
        with pytest.raises(MissingExtra, match=f"pip install {package}"):
            ObjectStore(f"{scheme}://bucket/music")
    with pytest.raises(InfoError, match="not a place"):
        ObjectStore("nothing://bucket/music")


def test_urls() -> None:
    assert [is_url(path) for path in ("s3://b/x", "memory://x", "/a/b", "a:b", r"C:\music")] == [True] * 2 + [False] * 3


def leases(depot: ObjectStore) -> list[str]:
    return [name for name in depot.find() if LEASE in name]


def test_one_holder_at_a_time(depot: ObjectStore) -> None:
    with lease.lease(depot, "T", 0) as held:
        held.check()
        with pytest.raises(LockedError, match="another mirkit is at work on it"), lease.lease(depot, "T", 0):
            pass
        with lease.lease(depot, "U", 0):
            pass
    assert leases(depot) == []


def test_who_is_patient_gets_it_next(depot: ObjectStore, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lease, "_LOOK", 0.01)
    order = []

    def first() -> None:
        with lease.lease(depot, "T", 0):
            began.set()
            time.sleep(0.2)
            order.append("first")

    began = threading.Event()
    thread = threading.Thread(target=first)
    thread.start()
    assert began.wait(10)
    with lease.lease(depot, "T", 30):
        order.append("second")
    thread.join()
    assert order == ["first", "second"]


def test_of_many_at_once_one_gets_it(depot: ObjectStore) -> None:
    held, over = [], threading.Event()

    def run() -> None:
        try:
            with lease.lease(depot, "T", 0) as one:
                held.append(one)
                over.wait(10)
        except LockedError:
            pass

    threads = [threading.Thread(target=run) for _ in range(8)]
    for thread in threads:
        thread.start()
    while sum(thread.is_alive() for thread in threads) > 1:
        time.sleep(0.01)
    over.set()
    for thread in threads:
        thread.join()
    assert len(held) == 1


def test_a_lost_holder_gives_way_and_writes_nothing_more(depot: ObjectStore, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lease, "_keep", lambda held, over: None)  # as if its node had stopped right after
    monkeypatch.setattr(lease, "SECONDS", 0.1)
    with lease.lease(depot, "T", 0) as dead:
        time.sleep(0.2)
        monkeypatch.setattr(lease, "SECONDS", 60.0)
        with lease.lease(depot, "T", 0) as alive:
            with pytest.raises(LockedError, match="silent for too long"):
                dead.check()
            dead.renew()
            dead.release()
            alive.check()
        with pytest.raises(LockedError):  # also when nobody holds it any more
            dead.check()
    assert leases(depot) == []


def test_a_lease_is_renewed(depot: ObjectStore, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lease, "SECONDS", 0.6)
    with lease.lease(depot, "T", 0) as held:
        time.sleep(1.5)
        held.check()
        with pytest.raises(LockedError), lease.lease(depot, "T", 0):
            pass


def test_a_lease_that_cannot_be_read_has_run_out(depot: ObjectStore) -> None:
    depot.write(f"T/{LEASE}000007", b"\x00 not JSON")
    with lease.lease(depot, "T", 0) as held:
        held.check()
        assert leases(depot) == [f"T/{LEASE}000008"]
