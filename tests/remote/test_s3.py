"""The S3 protocol itself, against moto's server. Skipped where s3fs or moto is not installed."""

# ruff: noqa: E402 (all of this is skipped before anything imports them)

import os
import secrets
from collections.abc import Iterator
from pathlib import Path

import pytest

pytest.importorskip("s3fs")
server = pytest.importorskip("moto.server")

from library import make_track
from mirkit.cli import main
from mirkit.errors import InfoError
from mirkit.remote import lease
from mirkit.remote.object_store import ObjectStore
from mirkit.store import LockedError


@pytest.fixture
def store() -> Iterator[ObjectStore]:
    import s3fs

    service = server.ThreadedMotoServer(ip_address="127.0.0.1", port=0)
    service.start()
    with pytest.MonkeyPatch.context() as patch:
        for name in os.environ:
            if name.lower().endswith("_proxy") or name.startswith("AWS_"):
                patch.delenv(name)
        host, port = service.get_host_and_port()
        patch.setenv("AWS_ENDPOINT_URL", f"http://{host}:{port}")
        patch.setenv("AWS_ACCESS_KEY_ID", "id")
        patch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
        patch.setenv("AWS_EC2_METADATA_DISABLED", "true")
        s3fs.S3FileSystem.clear_instance_cache()
        bucket = f"bucket-{secrets.token_hex(4)}"  # moto's world is one for the whole process
        s3fs.S3FileSystem(skip_instance_cache=True).mkdir(bucket)
        yield ObjectStore(f"s3://{bucket}/music")
    service.stop()


def test_creating_is_exclusive_and_stamps_tell_content(store: ObjectStore) -> None:
    assert store.find() == {}
    assert store.create("T/a", b"1")
    assert not store.create("T/a", b"2")
    assert store.read(["T/a", "T/gone"]) == {"T/a": b"1"}
    before = store.find("T")
    store.write("T/a", b"2")
    assert store.find("T").keys() == before.keys()
    assert store.find("T") != before
    with lease.lease(store, "T", 0) as held, pytest.raises(LockedError), lease.lease(store, "T", 0):
        held.check()
    store.remove("T/a")
    store.remove("T/a")
    assert store.find() == {}


@pytest.mark.slow
def test_a_data_set_in_a_bucket(store: ObjectStore, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for seed, name in enumerate(("Artist - One", "Artist - Zwei é")):
        make_track(tmp_path / name, seconds=6, seed=seed)
        store.put(f"{name}/full_mix.flac", tmp_path / name / "full_mix.flac")
    assert main(["rhythm", store.url, "--jobs", "2", "--quiet"]) == 0
    assert main(["rhythm", store.url]) == 0
    assert "2 up to date" in capsys.readouterr().out
    assert main(["verify", store.url]) == 1, "of all keys, only those of rhythm are there"
    assert "MISSING Artist - Zwei é: " in capsys.readouterr().out
    assert main(["stats", store.url]) == 0
    assert main(["status", store.url]) == 0
    assert "tracks   2 of 2 done, 0 failed" in capsys.readouterr().out
    assert main(["rhythm", str(tmp_path), "--batch", "--quiet"]) == 0
    kinds = (".INFO", ".ONSETS", ".BEATS_GRID")
    theirs = {p.relative_to(tmp_path).as_posix(): p.read_bytes() for p in tmp_path.rglob("*") if p.suffix in kinds}
    assert store.read(name for name in store.find() if name.endswith(kinds)) == theirs
    assert len(theirs) == 6


def test_no_credentials_is_one_line(store: ObjectStore, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    import s3fs

    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    monkeypatch.setenv("HOME", str(tmp_path))
    s3fs.S3FileSystem.clear_instance_cache()
    with pytest.raises(InfoError, match="NoCredentialsError: Unable to locate credentials"):
        ObjectStore("s3://other/music").find()
