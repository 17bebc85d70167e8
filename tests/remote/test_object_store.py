"""Object storage and its leases, on fsspec's store in memory and on a disk."""

import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
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
def store(request: pytest.FixtureRequest, tmp_path: Path) -> ObjectStore:
    place = str(tmp_path).lstrip("/")
    return ObjectStore(f"memory://{place}/set" if request.param == "memory" else f"file:///{place}/set/")


def test_objects_go_in_and_come_out(store: ObjectStore, tmp_path: Path) -> None:
    assert store.find() == {}
    (tmp_path / "in").write_bytes(b"sound")
    store.put("A - B/full_mix.flac", tmp_path / "in")
    store.write("mirkit.toml", b"[run]\n")
    assert list(store.find()) == ["A - B/full_mix.flac", "mirkit.toml"]
    assert list(store.find("A - B")) == ["A - B/full_mix.flac"]
    assert store.find()["A - B/full_mix.flac"].size == 5
    store.fetch("A - B/full_mix.flac", tmp_path / "deep" / "out")
    assert (tmp_path / "deep" / "out").read_bytes() == b"sound"
    assert store.read(["mirkit.toml", "gone"]) == {"mirkit.toml": b"[run]\n"}
    store.remove("mirkit.toml")
    store.remove("mirkit.toml")
    assert list(store.find()) == ["A - B/full_mix.flac"]


def test_a_stamp_changes_with_the_content(store: ObjectStore) -> None:
    store.write("a", b"one")
    before = store.find()["a"]
    assert store.find("") == {"a": before}
    time.sleep(0.02)
    store.write("a", b"two")
    assert store.find()["a"] != before


def test_of_two_who_create_one_succeeds(store: ObjectStore) -> None:
    assert store.create("x/lease", b"1")
    assert not store.create("x/lease", b"2")
    assert store.read(["x/lease"]) == {"x/lease": b"1"}


@pytest.mark.parametrize("name", ["../x", "/x", "a/../../x", "a\\..\\x"])
def test_no_name_leads_out(store: ObjectStore, name: str, tmp_path: Path) -> None:
    with pytest.raises(InfoError, match="leads out"):
        store.write(name, b"")
    assert not (tmp_path / "x").exists()


def test_what_the_storage_refuses_is_one_line(store: ObjectStore, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise PermissionError("Access Denied\nand a page of XML")

    monkeypatch.setattr(type(store._fs), "find", refuse)
    with pytest.raises(InfoError, match=r"the storage refused: PermissionError: Access Denied$"):
        store.find()


def test_packages_that_are_missing_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    for scheme, package in (("s3", "s3fs"), ("gs", "gcsfs")):
        monkeypatch.setitem(sys.modules, package, None)
        monkeypatch.delitem(_registry, scheme, raising=False)  # where another test has imported it
        with pytest.raises(
            MissingExtra, match=rf"^{scheme}://bucket/music: {package} is not installed; pip install 'mi"
        ):
            ObjectStore(f"{scheme}://bucket/music")
    monkeypatch.setitem(sys.modules, "adlfs", None)
    with pytest.raises(MissingExtra, match=r"^az://bucket/music: Install adlfs "):
        ObjectStore("az://bucket/music")
    with pytest.raises(InfoError, match="cannot be opened as object storage"):
        ObjectStore("nothing://bucket/music")


def test_urls() -> None:
    assert [is_url(path) for path in ("s3://b/x", "memory://x", "/a/b", "a:b", r"C:\music")] == [True] * 2 + [False] * 3


def leases(store: ObjectStore) -> list[str]:
    return [name for name in store.find() if LEASE in name]


def test_one_holder_at_a_time(store: ObjectStore) -> None:
    with lease.lease(store, "T", 0) as held:
        held.check()
        with (
            pytest.raises(LockedError, match="another process of mirkit is processing this track"),
            lease.lease(store, "T", 0),
        ):
            pass
        with lease.lease(store, "U", 0):
            pass
    assert leases(store) == []


def test_who_is_patient_gets_it_next(store: ObjectStore, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lease, "_POLL_SECONDS", 0.01)
    order = []

    def first() -> None:
        with lease.lease(store, "T", 0):
            began.set()
            time.sleep(0.2)
            order.append("first")

    began = threading.Event()
    thread = threading.Thread(target=first)
    thread.start()
    assert began.wait(10)
    with lease.lease(store, "T", 30):
        order.append("second")
    thread.join()
    assert order == ["first", "second"]


def test_of_many_at_once_one_gets_it(store: ObjectStore) -> None:
    held, over = [], threading.Event()

    def run() -> None:
        try:
            with lease.lease(store, "T", 0) as one:
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


def test_a_lost_holder_gives_way_and_writes_nothing_more(store: ObjectStore, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lease, "_renew_until", lambda held, over: None)  # as if its node had stopped right after
    monkeypatch.setattr(lease, "LEASE_SECONDS", 0.1)
    with lease.lease(store, "T", 0) as dead:
        time.sleep(0.2)
        monkeypatch.setattr(lease, "LEASE_SECONDS", 60.0)
        with lease.lease(store, "T", 0) as alive:
            with pytest.raises(LockedError, match="did not renew its lease in time"):
                dead.check()
            dead.renew()
            dead.release()
            alive.check()
        with pytest.raises(LockedError):  # also when nobody holds it any more
            dead.check()
    assert leases(store) == []


def test_a_lease_is_renewed(store: ObjectStore, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lease, "LEASE_SECONDS", 0.6)
    with lease.lease(store, "T", 0) as held:
        time.sleep(1.5)
        held.check()
        with pytest.raises(LockedError), lease.lease(store, "T", 0):
            pass


def test_a_lease_that_cannot_be_read_has_run_out(store: ObjectStore) -> None:
    store.write(f"T/{LEASE}000007", b"\x00 not JSON")
    with lease.lease(store, "T", 0) as held:
        held.check()
        assert leases(store) == [f"T/{LEASE}000008"]


def test_a_holder_whose_own_time_ran_out_writes_nothing(store: ObjectStore, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody else has asked for the track yet, so only the holder's own clock can stop it."""
    monkeypatch.setattr(lease, "_renew_until", lambda held, over: None)  # as if this machine had been asleep
    now = time.monotonic()
    with lease.lease(store, "T", 0) as held:
        (name,) = leases(store)
        monkeypatch.setattr(lease.time, "monotonic", lambda: now + lease.LEASE_SECONDS - 1)
        held.check()
        monkeypatch.setattr(lease.time, "monotonic", lambda: now + lease.LEASE_SECONDS + 60)
        with pytest.raises(LockedError, match="did not renew its lease in time"):
            held.check()
        monkeypatch.setattr(lease.time, "monotonic", lambda: now)
        with pytest.raises(LockedError):  # a lost lease stays lost, also when the clock jumps back
            held.check()
    assert leases(store) == [name], "what may be another machine's by now is not removed"


def test_a_created_object_never_looks_empty(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Another process that looks while an object is being created sees nothing, or the whole of it."""
    seen: list[dict[str, bytes]] = []
    store = ObjectStore(f"file://{tmp_path}")

    def look(frame: object, event: str, function: object) -> None:
        if event == "c_return" and path.exists():
            sys.setprofile(None)
            seen.append({"T/lease": path.read_bytes()})

    path = tmp_path / "T" / "lease"
    sys.setprofile(look)
    try:
        assert store.create("T/lease", b"content")
    finally:
        sys.setprofile(None)
    assert seen == [{"T/lease": b"content"}]
    assert [child.name for child in path.parent.iterdir()] == ["lease"], "no temporary file is left"


@pytest.mark.parametrize("linked", [True, False])
def test_of_two_processes_that_create_one_succeeds(
    linked: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise PermissionError(1, "Operation not permitted")  # as exFAT answers

    if not linked:
        monkeypatch.setattr("os.link", refuse)
    store = ObjectStore(f"file://{tmp_path}")
    with ThreadPoolExecutor(8) as pool:
        for i in range(20):
            created = list(pool.map(lambda j, i=i: store.create(f"T/{i}", f"{j}".encode()), range(8)))
            assert sum(created) == 1
            assert store.read([f"T/{i}"]) == {f"T/{i}": f"{created.index(True)}".encode()}
    assert {child.name for child in (tmp_path / "T").iterdir()} == {f"{i}" for i in range(20)}


def test_commands_on_local_folders_do_not_load_it() -> None:
    code = (
        "import sys; import mirkit.cli.commands, mirkit.pipeline.track_task; "
        "print([name for name in sys.modules if name.startswith(('mirkit.remote', 'fsspec', 'ray'))])"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert result.stdout.strip() == "[]"
