"""Tracks on object storage: the same results as on a disk, nothing copied that is done, one writer a track."""

import io
import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import fsspec
import pytest

from library import make_track
from mirkit.cli import main
from mirkit.errors import InfoError
from mirkit.pipeline.run import run_job
from mirkit.pipeline.task import TrackJob
from mirkit.remote import lease, task
from mirkit.remote.listing import MANIFEST, mirror
from mirkit.remote.object_store import ObjectStore
from mirkit.store import Settings

URL = "memory://bucket/music"
NAMES = ("Artist - One", "Artist - Zwei é")
STAGES = ("bands", "onsets")


@pytest.fixture
def disk(tmp_path: Path) -> Path:
    """The data set as it would be on a disk."""
    for seed, name in enumerate(NAMES):
        make_track(tmp_path / "disk" / name, seconds=4, seed=seed)
    return tmp_path / "disk"


@pytest.fixture
def store(disk: Path) -> Iterator[ObjectStore]:
    """The same as objects."""
    store = ObjectStore(URL)
    for path in disk.rglob("*.flac"):
        store.put(path.relative_to(disk).as_posix(), path)
    yield store
    fsspec.filesystem("memory").store.clear()


@pytest.fixture
def fetched(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    names: list[str] = []
    fetch = ObjectStore.fetch

    def spy(self: ObjectStore, name: str, target: Path, *, follow: bool = False) -> None:
        names.append(name)
        fetch(self, name, target, follow=follow)

    monkeypatch.setattr(ObjectStore, "fetch", spy)
    return names


def test_an_export_in_a_data_set_is_no_track(store: ObjectStore, disk: Path, tmp_path: Path) -> None:
    audio = (disk / NAMES[0] / "full_mix.flac").read_bytes()
    for name in ("bundle/train/clip-1.flac", "deep/er/bundle/train/clip-2.flac", "bundle/full_mix.flac"):
        store.write(name, audio)
    for folder in ("bundle", "deep/er/bundle"):
        store.write(f"{folder}/mirkit_export.json", b"{}")
    (tmp_path / "mirror").mkdir()
    mirror(URL, tmp_path / "mirror")
    assert {path.name for path in (tmp_path / "mirror").iterdir() if path.is_dir()} == set(NAMES)


def content(store: ObjectStore, suffix: str) -> dict[str, bytes]:
    return store.read(name for name in store.find() if name.endswith(suffix))


def run(*command: str) -> int:
    return main([*command, "--jobs", "1"])


@pytest.mark.usefixtures("in_process")
def test_results_are_those_of_a_disk(disk: Path, store: ObjectStore, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("rhythm", URL) == 0
    told = capsys.readouterr()
    assert f"tracks   2 in {URL}" in told.out
    assert "2 done, 0 skipped, 0 failed" in told.out
    assert run("rhythm", str(disk), "--batch", "--quiet") == 0
    for suffix in (".INFO", ".ONSETS", ".BEATS_GRID", "mirkit.toml"):
        theirs = {path.relative_to(disk).as_posix(): path.read_bytes() for path in disk.rglob(f"*{suffix}")}
        assert content(store, suffix) == theirs
        assert len(theirs) == (1 if suffix == "mirkit.toml" else 2)
    names = set(store.find())
    assert {f"{name}/{name}.{kind}" for name in NAMES for kind in ("PROVENANCE", "CURVES.npz")} <= names
    assert not [name for name in names if "lock" in name or "tmp" in name or lease.LEASE in name]
    assert any(name.startswith(".mirkit/log/") for name in names)


@pytest.mark.usefixtures("in_process")
def test_what_is_done_is_not_copied(store: ObjectStore, fetched: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert run("bands", URL, "--quiet") == 0
    assert sorted(fetched) == [f"{name}/full_mix.flac" for name in NAMES]
    fetched.clear()
    before = store.find()
    assert run("bands", URL) == 0
    assert "2 up to date" in capsys.readouterr().out
    assert fetched == []
    assert {n: s for n, s in store.find().items() if "/log/" not in n} == {
        n: s for n, s in before.items() if "/log/" not in n
    }
    assert run("onsets", URL, "--quiet") == 0
    assert f"{NAMES[0]}/full_mix.flac" in fetched


@pytest.mark.usefixtures("in_process")
def test_new_sound_is_seen(
    store: ObjectStore, disk: Path, fetched: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("bands", URL, "--quiet") == 0
    before = content(store, ".INFO")
    make_track(disk / NAMES[0], seconds=6, seed=7)
    store.put(f"{NAMES[0]}/full_mix.flac", disk / NAMES[0] / "full_mix.flac")
    fetched.clear()
    assert run("bands", URL) == 0
    assert "changed: full_mix" in capsys.readouterr().out
    assert {name.split("/")[0] for name in fetched} == {NAMES[0]}
    after = content(store, ".INFO")
    assert [name for name in after if after[name] != before[name]] == [f"{NAMES[0]}/{NAMES[0]}.INFO"]


@pytest.mark.usefixtures("in_process")
@pytest.mark.parametrize("damage", [None, b"{", b"[]", b'{"full_mix.flac": 3}'])
def test_the_ledger_can_be_lost(store: ObjectStore, damage: bytes | None, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("bands", URL, "--quiet") == 0
    before = content(store, ".INFO")
    for name in NAMES:
        ledger = f"{name}/{MANIFEST}"
        store.remove(ledger) if damage is None else store.write(ledger, damage)
    assert run("bands", URL) == 0
    assert "0 failed" in capsys.readouterr().out
    assert content(store, ".INFO") == before
    assert run("bands", URL) == 0
    assert "2 up to date" in capsys.readouterr().out


@pytest.mark.usefixtures("in_process")
def test_stems_and_clips_go_there_too(store: ObjectStore) -> None:
    assert run("separate", URL, "--quiet", "--model", "embedded") == 0
    assert run("crop", URL, "--seconds", "1.3", "--align", "free", "--quiet") == 0
    names = set(store.find())
    assert {f"{NAMES[0]}/{stem}.flac" for stem in ("drums", "bass", "other", "vocals")} <= names
    assert f"{NAMES[0]}/crops/{NAMES[0]}_001/full_mix.flac" in names
    assert run("crop", URL, "--seconds", "3", "--align", "free", "--quiet") == 2
    assert names == set(store.find())
    assert run("crop", URL, "--seconds", "3", "--align", "free", "--quiet", "--overwrite") == 0
    assert f"{NAMES[0]}/crops/{NAMES[0]}_003/full_mix.flac" not in set(store.find()), "what is gone is gone there"


def job(folder: str, **more: Any) -> TrackJob:
    return TrackJob(Path(folder), STAGES, {}, Settings(), name=folder, url=URL, **more)


def test_another_holder_is_told_as_busy(store: ObjectStore, fetched: list[str]) -> None:
    with lease.lease(store, NAMES[0], 0):
        assert run_job(job(NAMES[0])).busy
    assert fetched == []
    assert set(run_job(job(NAMES[0])).done) == set(STAGES)


def test_who_lost_the_lease_writes_nothing(store: ObjectStore, monkeypatch: pytest.MonkeyPatch) -> None:
    files = task._files

    def taken_meanwhile(folder: Path) -> Any:
        store.write(f"{NAMES[0]}/{lease.LEASE}000099", b"{}")
        return files(folder)

    monkeypatch.setattr(task, "_files", taken_meanwhile)
    before = set(store.find())
    assert run_job(job(NAMES[0])).busy
    assert {name for name in store.find() if lease.LEASE not in name} == before


def test_a_broken_upload_leaves_a_track_to_be_done_again(store: ObjectStore, monkeypatch: pytest.MonkeyPatch) -> None:
    put = ObjectStore.put

    def broken(self: ObjectStore, name: str, source: Path) -> None:
        if name.endswith((".ONSETS", ".PROVENANCE")):
            raise refused
        put(self, name, source)

    refused = InfoError(f"{URL}: the storage refused: TimeoutError: timed out")
    with monkeypatch.context() as patch:
        patch.setattr(ObjectStore, "put", broken)
        outcome = run_job(job(NAMES[0]))
    assert outcome.failures == {"track": str(refused)}
    assert not [name for name in store.find() if name.endswith(".PROVENANCE")]
    again = run_job(job(NAMES[0]))
    assert again.ok
    assert set(again.done) == set(STAGES)


def test_objects_beside_the_tracks_and_hidden_ones_are_left_alone(store: ObjectStore, tmp_path: Path) -> None:
    for name in ("notes.txt", "loose.flac", f"{NAMES[0]}/.DS_Store", ".git/config", f"{NAMES[0]}/cover.jpg"):
        store.write(name, b"x" * 10)
    (tmp_path / "seen").mkdir()
    mirror(URL, tmp_path / "seen")
    seen = {path.relative_to(tmp_path / "seen").as_posix() for path in (tmp_path / "seen").rglob("*") if path.is_file()}
    tracks = {*(f"{name}/full_mix.flac" for name in NAMES), f"{NAMES[0]}/cover.jpg"}
    assert seen == tracks | {"mirkit.toml"}
    assert run_job(job(NAMES[0])).ok
    assert store.read([f"{NAMES[0]}/.DS_Store"]) == {f"{NAMES[0]}/.DS_Store": b"x" * 10}


def test_a_place_without_tracks_is_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["extract", "memory://empty/place"]) == 1
    assert capsys.readouterr().err.strip().endswith("no track folders in it; give the folder that holds them")


@pytest.mark.slow
def test_a_disk_as_object_storage_with_workers(disk: Path, tmp_path: Path) -> None:
    """Through worker processes, each with its own view of the storage."""
    shutil.copytree(disk, tmp_path / "objects")
    url = f"file://{tmp_path}/objects"
    assert main(["rhythm", url, "--jobs", "2", "--quiet"]) == 0
    assert main(["rhythm", str(disk), "--batch", "--jobs", "2", "--quiet"]) == 0
    theirs = {path.relative_to(disk): path.read_bytes() for path in disk.rglob("*.INFO")}
    assert {
        p.relative_to(tmp_path / "objects"): p.read_bytes() for p in (tmp_path / "objects").rglob("*.INFO")
    } == theirs
    ledger = json.loads((tmp_path / "objects" / NAMES[0] / MANIFEST).read_text())
    assert set(ledger) >= {"full_mix.flac", f"{NAMES[0]}.PROVENANCE"}


@pytest.mark.usefixtures("in_process")
def test_verify_stats_and_status_read_what_lies_there(
    store: ObjectStore, fetched: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("extract", URL, "--quiet") == 0
    assert run("crop", URL, "--seconds", "1.3", "--align", "free", "--quiet") == 0
    fetched.clear()
    before = store.find()
    assert main(["verify", URL, "--crops"]) == 0
    told = capsys.readouterr()
    assert f"ok      {NAMES[1]}: " in told.out
    assert f"ok      {NAMES[1]}_001: " in told.out
    assert "8 tracks: 8 complete, 0 incomplete" in told.out
    assert main(["stats", URL, "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["tracks"] == 2
    assert main(["ls", URL, "lufs:*", "--paths"]) == 0
    assert capsys.readouterr().out.splitlines() == [f"{URL}/{name}" for name in NAMES]
    assert main(["status", URL]) == 0
    told = capsys.readouterr()
    assert "2 of 2 done, 0 failed" in told.out
    assert f"log      {URL}/.mirkit/log/" in told.out
    assert (fetched, store.find()) == ([], before), "they copy no sound and write nothing"


@pytest.mark.usefixtures("in_process")
def test_verify_compares_sound_that_others_put_there(
    disk: Path, store: ObjectStore, fetched: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    """Measured on a disk and copied: there is no ledger. One of the mixes was edited on the way, by a bit."""
    assert run("extract", str(disk), "--quiet") == 0
    for path in disk.rglob("*"):
        if path.is_file() and ".mirkit" not in str(path):
            store.put(path.relative_to(disk).as_posix(), path)
    mix = (disk / NAMES[0] / "full_mix.flac").read_bytes()
    store.write(f"{NAMES[0]}/full_mix.flac", mix[:-1] + bytes([mix[-1] ^ 1]))
    assert main(["verify", URL]) == 1
    told = capsys.readouterr()
    assert "2 audio files were not written by mirkit" in told.err
    assert f"MISSING {NAMES[0]}: " in told.out
    assert "audio changed after it was measured: " in told.out
    assert f"ok      {NAMES[1]}: " in told.out
    assert fetched == [f"{name}/full_mix.flac" for name in NAMES]
    assert (main(["verify", str(disk)]), main(["stats", URL, "--quiet"])) == (0, 0)


@pytest.mark.usefixtures("in_process")
def test_what_is_said_of_a_track_names_its_place(store: ObjectStore, capsys: pytest.CaptureFixture[str]) -> None:
    store.write(f"{NAMES[0]}/full_mix.flac", b"no sound")
    store.write(f"{NAMES[1]}/bass.flac", b"no sound")
    assert run("extract", URL) == 1
    told = capsys.readouterr().err
    assert f"FAILED {NAMES[0]}: full_mix.flac: the file is not audio but a text" in told
    assert f"FAILED {NAMES[1]}: bass: bass.flac: the file is not audio but a text" in told
    assert "/mirkit-" not in told
    assert main(["verify", URL]) == 1
    assert main(["status", URL]) == 0
    told = capsys.readouterr().out
    assert "bass.flac: the file is not audio but a text" in told
    assert "/mirkit-" not in told
    assert not [name for name, data in content(store, ".PROVENANCE").items() if b"/mirkit-" in data]
    store.write("mirkit.toml", b"[")
    assert main(["verify", URL]) == 2
    assert f"{URL}/mirkit.toml: the file cannot be read as TOML" in capsys.readouterr().err


@pytest.mark.usefixtures("in_process")
def test_the_log_is_there_while_the_run_goes_on(store: ObjectStore, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[int] = []
    put_back = task._upload_changes

    def look(*given: Any) -> None:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr("sys.stdout", told := io.StringIO())
            seen.append(main(["status", URL]))
        assert ", running, " in told.getvalue()
        put_back(*given)

    monkeypatch.setattr(task, "_upload_changes", look)
    assert run("bands", URL, "--quiet") == 0
    assert seen == [0, 0]
    for number in range(25):
        store.write(f".mirkit/log/20200101T000000{number:06d}-1.jsonl", b"{}\n")
    assert run("bands", URL, "--overwrite", "--quiet") == 0
    logs = list(store.find(".mirkit/log"))
    assert len(logs) == 20, "the newest are kept"
    assert not logs[-1].startswith(".mirkit/log/2020")


@pytest.mark.parametrize(
    ("command", "says"),
    [
        (["split", "s3://bucket/music"], 'mirkit split takes local folders; copy it first: aws s3 sync "s3://'),
        (["report", "gs://bucket/music"], "copy it first: gcloud storage rsync --recursive"),
        (["window", "memory://bucket/A"], "mirkit window takes local folders; copy it to one first"),
        (["describe", "file:///music/A"], 'mirkit describe takes local folders; give its path: "/music/A"'),
        (["exclude", "s3://bucket/A", "--reason", "x"], "mirkit exclude takes local folders"),
        (["stats", "memory://bucket/music", "-o", "s3://bucket/x"], "mirkit stats writes local files; copy them there"),
        (["export", "sat", "s3://bucket/x", "/music"], "mirkit export writes local files"),
    ],
)
def test_who_needs_a_local_folder_says_so(
    command: list[str], says: str, capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(command) == 2
    assert says in capsys.readouterr().err
    assert not list(tmp_path.iterdir())
