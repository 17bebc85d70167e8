"""A run that is killed again and again ends in the same clips as one that is left alone."""

import os
import shutil
import sys
from pathlib import Path

import pytest

from library import make_track
from mirkit.pipeline.task import TrackJob
from mirkit.pipeline.track_task import process
from mirkit.store import Settings, atomic, with_values

BACKENDS = {"stems": "embedded", "beats": "embedded", "classification": "embedded", "aesthetics": ""}


def contents(folder: Path) -> dict[str, bytes]:
    """Every file of the clips; of the provenance, which holds dates, only that it is there."""
    files = (path for path in (folder / "crops").rglob("*") if path.is_file())
    return {str(p.relative_to(folder)): b"" if p.suffix == ".PROVENANCE" else p.read_bytes() for p in files}


def job(folder: Path, length: str, *, overwrite: bool = False) -> TrackJob:
    return TrackJob(folder, ("crop",), BACKENDS, with_values(Settings(), {"crop.length": length}, "test"), overwrite)


def killed(folder: Path, length: str, writes: int, *, overwrite: bool = False) -> bool:
    """Crop in a process of its own that dies, leaving all as it is, when it is about to put its n-th file in place."""
    child = os.fork()
    if child:
        return os.waitpid(child, 0)[1] != 0
    replace, left = atomic._replace, [writes]

    def dying(temp: Path, path: Path) -> None:
        left[0] -= 1
        if not left[0]:
            os._exit(9)
        replace(temp, path)

    atomic._replace = dying
    os._exit(0 if process(job(folder, length, overwrite=overwrite)).ok else 1)


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="needs fork")
def test_killed_again_and_again(tmp_path: Path) -> None:
    folder = make_track(tmp_path / "one" / "Piece", seconds=13.0, stems=True)
    assert process(job(folder, "4 bars")).ok
    twin = Path(shutil.copytree(folder, tmp_path / "two" / "Piece"))
    kills = 0
    # Each run gets some files further than the one before; a clip has nine, and a begun one is made anew.
    # Only the first has to be told that the clips of before may go.
    while killed(folder, "1 bars", 4 + kills % 11, overwrite=not kills):
        kills += 1
        assert kills < 60, "no run comes to an end"
    assert kills >= 5
    assert process(job(twin, "1 bars", overwrite=True)).ok
    assert contents(folder) == contents(twin)
    assert len(contents(folder)) >= 36
    assert not list(folder.rglob(".mirkit*"))
