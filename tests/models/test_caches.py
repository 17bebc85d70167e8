"""Files that lie on this machine already are used by their checksum, wherever they are, and only read once."""

import hashlib
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from mirkit.errors import WeightsError
from mirkit.models import checksums, weights
from mirkit.models.backend import File, Model
from mirkit.models.caches import blob_digest, hub_snapshots
from mirkit.settings import RunSettings
from mirkit.store import digests

OFFLINE = RunSettings(offline=True)
TENSORS, PICKLE = b"tensors as safetensors", b"the same tensors, as a pickle"
REPOSITORY = "adefossez/HTDemucs"


def sha(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def demucs() -> Model:
    """A model in the shape of htdemucs: safetensors at Hugging Face, and the older file of PyTorch."""
    name = "955717e8-8726e21a.th"
    older = File(name, f"https://dl.example/{name}", 29, sha(PICKLE), name)
    url = f"https://huggingface.co/{REPOSITORY}/resolve/cbc8a9/955717e8.safetensors"
    return Model(
        "net", "net", "Net!", (File("955717e8.safetensors", url, 22, sha(TENSORS), copies=(older,)),), "MIT"
    )  # fmt: skip


def snapshot(hub: Path, revision: str, content: bytes, repository: str = REPOSITORY, *, link: bool = True) -> Path:
    """Write a file as the Hugging Face tools do: a link in a snapshot to a file that is named by its SHA-256."""
    root = hub / f"models--{repository.replace('/', '--')}"
    path = root / "snapshots" / revision / "955717e8.safetensors"
    path.parent.mkdir(parents=True, exist_ok=True)
    if link and os.name != "nt":
        blob = root / "blobs" / sha(content)
        blob.parent.mkdir(parents=True, exist_ok=True)
        blob.write_bytes(content)
        path.symlink_to(Path("../../blobs") / blob.name)
    else:  # as on Windows without links
        path.write_bytes(content)
    return path


def used(row: Model) -> Path:
    (path,) = weights.load_checked(row, OFFLINE).files
    return path


LAYOUTS: dict[str, Callable[[Path, pytest.MonkeyPatch], Path]] = {
    "HF_HOME": lambda at, patch: (patch.setenv("HF_HOME", str(at)), at / "hub")[1],
    "HF_HUB_CACHE": lambda at, patch: (patch.setenv("HF_HUB_CACHE", str(at)), at)[1],
    "HUGGINGFACE_HUB_CACHE": lambda at, patch: (patch.setenv("HUGGINGFACE_HUB_CACHE", str(at)), at)[1],
    "XDG_CACHE_HOME": lambda at, patch: (patch.setenv("XDG_CACHE_HOME", str(at)), at / "huggingface" / "hub")[1],
    "a variable in it": lambda at, patch: (
        patch.setenv("SCRATCH", str(at)), patch.setenv("HF_HOME", "$SCRATCH/hf"), at / "hf" / "hub",
    )[2],
}  # fmt: skip


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("link", [True, False], ids=["links", "files"])
def test_any_snapshot_of_hugging_face(layout: str, link: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    hub = LAYOUTS[layout](tmp_path / "theirs", monkeypatch)
    snapshot(hub, "0000", b"an older content", link=link)
    path = snapshot(hub, "bf35a8", TENSORS, link=link)
    assert used(demucs()) == path, "not the pinned revision, but the same content"
    pinned = snapshot(hub, "cbc8a9", TENSORS, link=link)
    assert used(demucs()) == pinned


def test_the_order_of_the_variables_is_that_of_the_hugging_face_tools(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("HF_HOME", "HUGGINGFACE_HUB_CACHE", "HF_HUB_CACHE"):
        LAYOUTS[name](tmp_path / name, monkeypatch)
        snapshot(tmp_path / name / ("hub" if name == "HF_HOME" else ""), "1", TENSORS)
        assert tmp_path / name in used(demucs()).parents
        assert [path.name for path in hub_snapshots(REPOSITORY)] == ["1"]


def test_of_two_revisions_that_of_the_branch_is_used_then_the_newest(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    hub = LAYOUTS["HF_HOME"](tmp_path / "hf", monkeypatch)
    url = f"https://huggingface.co/{REPOSITORY}/resolve/main/955717e8.safetensors"
    row = Model("net", "net", "Net!", (File("955717e8.safetensors", url, 22),), "MIT")
    old, new = snapshot(hub, "1", TENSORS), snapshot(hub, "2", b"newer weights")
    os.utime(old.parent, (1e9, 1e9))
    assert used(row) == new
    main = hub / f"models--{REPOSITORY.replace('/', '--')}" / "refs" / "main"
    main.parent.mkdir()
    main.write_text("1")
    assert used(row) == old
    assert [path.name for path in hub_snapshots(REPOSITORY)] == ["1", "2"]


def test_a_repository_under_another_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    hub = LAYOUTS["HF_HOME"](tmp_path / "hf", monkeypatch)
    snapshot(hub, "1", b"other weights with this name", "someone/else")
    with pytest.raises(WeightsError, match="not downloaded"):
        used(demucs())
    path = snapshot(hub, "1", TENSORS, "a/mirror")
    assert used(demucs()) == path


@pytest.mark.parametrize("variable", ["TORCH_HOME", "XDG_CACHE_HOME"])
def test_the_older_file_in_the_cache_of_pytorch(variable: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(variable, str(tmp_path / "theirs"))
    folder = tmp_path / "theirs" / ("torch" if variable == "XDG_CACHE_HOME" else "") / "hub/checkpoints"
    folder.mkdir(parents=True)
    path = folder / "955717e8-8726e21a.th"
    path.write_bytes(PICKLE[:10])
    with pytest.raises(WeightsError, match="not downloaded"):
        used(demucs())
    path.write_bytes(PICKLE)
    assert used(demucs()) == path
    assert not weights.missing(demucs())
    assert [file.name for file in folder.iterdir()] == [path.name], "nothing is written there"


def test_the_older_file_that_the_user_put_into_the_cache(home: Path) -> None:
    path = home / "models/net/955717e8-8726e21a.th"
    path.parent.mkdir(parents=True)
    path.write_bytes(PICKLE)
    assert used(demucs()) == path
    path.write_bytes(PICKLE[:-1])
    with pytest.raises(WeightsError, match=f"{path} is damaged; download it again: mirkit models fetch net"):
        used(demucs())


def test_a_good_file_elsewhere_stands_in_for_a_damaged_one(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    own = home / "models/net/955717e8.safetensors"
    own.parent.mkdir(parents=True)
    own.write_bytes(b"damaged")
    path = snapshot(LAYOUTS["HF_HOME"](tmp_path / "hf", monkeypatch), "1", TENSORS)
    assert used(demucs()) == path


@pytest.mark.skipif(os.name == "nt", reason="links need rights there")
def test_a_file_without_a_published_checksum_is_compared_with_its_name_in_the_cache(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    hub = LAYOUTS["HF_HOME"](tmp_path / "hf", monkeypatch)
    path = snapshot(hub, "cbc8a9", TENSORS)
    row = Model("net", "net", "Net!", (File("955717e8.safetensors", demucs().files[0].url, 22),), "MIT")
    assert blob_digest(path) == sha(TENSORS)
    assert weights.verify(row, row.files[0]) == (weights.OK, path)
    path.resolve().write_bytes(TENSORS[:5])
    with pytest.raises(WeightsError, match="not downloaded"):
        used(row)


@pytest.mark.skipif(os.name == "nt", reason="permissions of POSIX")
@pytest.mark.skipif(hasattr(os, "geteuid") and os.geteuid() == 0, reason="root reads everything")
def test_a_file_elsewhere_that_cannot_be_read_is_not_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    hub = LAYOUTS["HF_HOME"](tmp_path / "hf", monkeypatch)
    snapshot(hub, "1", TENSORS, link=False).chmod(0)
    with pytest.raises(WeightsError, match="not downloaded"):
        used(demucs())


@pytest.mark.parametrize("variable", ["HF_HOME", "TORCH_HOME", "MIRKIT_HOME"])
def test_a_folder_that_may_not_be_read_has_no_files(
    variable: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(variable, str(tmp_path / "theirs"))
    real = os.stat

    def stat(path: Any, **options: Any) -> os.stat_result:
        if str(tmp_path / "theirs") in str(path):
            raise PermissionError(13, "Permission denied", str(path))
        return real(path, **options)

    url = f"https://huggingface.co/{REPOSITORY}/resolve/main/955717e8.safetensors"
    rows = [demucs(), Model("net", "net", "Net!", (File("955717e8.safetensors", url, 22, torch_hub="x.th"),), "MIT")]
    monkeypatch.setattr(os, "stat", stat)
    for row in rows:
        assert weights.verify(row, row.files[0]) == (weights.ABSENT, None)
        assert weights.remove(row) == weights.Removed((), ())
        with pytest.raises(WeightsError, match="not downloaded"):
            used(row)


# --- checksums are remembered


def test_files_of_other_models_with_the_same_name_are_not_read(
    reads: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    hub = LAYOUTS["HF_HOME"](tmp_path / "hf", monkeypatch)
    snapshot(hub, "1", b"a linked file of the same size", "someone/else")
    snapshot(hub, "1", b"a file of another size" * 100, "someone/more", link=False)
    assert weights.missing(demucs())
    assert reads == []


@pytest.fixture
def reads(monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """The files that were read to the end."""
    seen: list[Path] = []
    hash_file = digests.hash_file

    def count(path: Path) -> digests.FileDigest:
        seen.append(path)
        return hash_file(path)

    monkeypatch.setattr(digests, "hash_file", count)
    monkeypatch.setattr(checksums, "_known", {})
    return seen


def new_process(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checksums, "_known", {})


def test_a_file_is_read_once(reads: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "mine.gguf"
    path.write_bytes(TENSORS)
    for _ in range(3):
        assert checksums.checksum(path) == sha(TENSORS)
        assert weights.from_path(path).sha256 == sha(TENSORS)
        new_process(monkeypatch)
    assert reads == [path]
    checksums.hash_again(path)
    assert reads == [path, path]


@pytest.mark.skipif(os.name == "nt", reason="Windows has no ctime")
def test_a_file_that_was_replaced_with_the_same_size_and_time_is_read_again(
    reads: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, other = tmp_path / "mine.th", tmp_path / "other.th"
    path.write_bytes(TENSORS)
    assert checksums.checksum(path) == sha(TENSORS)
    new_process(monkeypatch)
    other.write_bytes(TENSORS[::-1])
    os.utime(other, ns=(path.stat().st_atime_ns, path.stat().st_mtime_ns))
    other.replace(path)
    assert checksums.checksum(path) == sha(TENSORS[::-1])
    assert len(reads) == 2


def test_a_fetched_file_is_not_read_again(
    reads: list[Path], tmp_path: Path, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    part, target = tmp_path / "a.part", tmp_path / "a"
    part.write_bytes(TENSORS)
    checksums.move(part, target)
    new_process(monkeypatch)
    assert checksums.checksum(target) == sha(TENSORS)
    assert reads == [part]
    assert len(list((home / "models/checksums").iterdir())) == 1


@pytest.mark.parametrize("damage", [b"", b"\xff\xfe", b"0 0 0\n", b"a b c d e\n"])
def test_what_is_remembered_is_no_condition(damage: bytes, tmp_path: Path, home: Path) -> None:
    path = tmp_path / "mine.th"
    path.write_bytes(TENSORS)
    checksums.checksum(path)
    (note,) = (home / "models/checksums").iterdir()
    note.write_bytes(damage)
    checksums._known.clear()
    assert checksums.checksum(path) == sha(TENSORS)


def test_without_a_folder_to_write_to(tmp_path: Path, home: Path) -> None:
    home.write_text("no folder")
    path = tmp_path / "mine.th"
    path.write_bytes(TENSORS)
    assert checksums.checksum(path) == sha(TENSORS)


def test_a_cache_of_an_earlier_version(home: Path) -> None:
    """The note beside a file had three words; the first is the checksum of the first download."""
    row = Model("net", "net", "Net!", (File("net.ckpt", "https://dl.example/net.ckpt"),), "MIT")
    path = home / "models/net/net.ckpt"
    path.parent.mkdir(parents=True)
    path.write_bytes(TENSORS)
    path.with_name("net.ckpt.sha256").write_text(f"{sha(TENSORS)} 22 1790000000000000000\n")
    assert used(row) == path
    path.write_bytes(PICKLE)
    with pytest.raises(WeightsError, match="is damaged"):
        used(row)


# --- removing


def test_remove_deletes_in_the_cache_only(home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = home / "models/net"
    folder.mkdir(parents=True)
    for name in ("955717e8.safetensors", "955717e8.safetensors.part", "955717e8-8726e21a.th", "of_the_user.th"):
        (folder / name).write_bytes(TENSORS)
    (folder / "955717e8.safetensors.part.json").write_text("{}")
    theirs = snapshot(LAYOUTS["HF_HOME"](tmp_path / "hf", monkeypatch), "1", TENSORS)
    done = weights.remove(demucs())
    assert [(path.name, size) for path, size in done.deleted] == [
        ("955717e8.safetensors", 22), ("955717e8.safetensors.part", 22), ("955717e8-8726e21a.th", 22),
    ]  # fmt: skip
    assert done.kept == ((theirs, "it lies in the cache of another program"),)
    assert [path.name for path in folder.iterdir()] == ["of_the_user.th"]
    assert weights.remove(demucs()) == weights.Removed((), done.kept)


def test_a_file_of_two_models_is_kept_for_the_other(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shared, first, second = (File(name, f"https://dl.example/{name}", 22, sha(TENSORS)) for name in "abc")
    rows = [Model(name, "net", name, (file, shared), "MIT") for name, file in (("one", first), ("two", second))]
    monkeypatch.setattr(weights.registry, "model_rows", lambda: rows)
    folder = home / "models/net"
    folder.mkdir(parents=True)
    for name in "abc":
        (folder / name).write_bytes(TENSORS)
    done = weights.remove(rows[0])
    assert [path.name for path, _ in done.deleted] == ["b"]
    assert done.kept == ((folder / "a", "two needs it"),)
    assert [path.name for path, _ in weights.remove(rows[1]).deleted] == ["c", "a"]
    assert list(folder.iterdir()) == []


def test_what_another_process_downloads_is_not_removed(home: Path) -> None:
    folder = home / "models/net"
    folder.mkdir(parents=True)
    (folder / "955717e8.safetensors.part").write_bytes(b"half")
    with weights.lock(folder, name=".955717e8.safetensors.lock"), pytest.raises(WeightsError, match="another process"):
        weights.remove(demucs())
    assert (folder / "955717e8.safetensors.part").is_file()
