"""What all bundles share: README, disk need, new numbers beside old sound, several sat bundles, the card of hf."""

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from mirkit.cli import main
from mirkit.store import update_info
from mirkit.track import Track
from mirkit.track.clip import clip_folders

pytestmark = pytest.mark.usefixtures("in_process")
#: Few conditioners, without flags, so that the bundles of different data sets have the same.
SAME = ("--keys", "bpm,lufs", "--unknown", "fill", "--val", "0.3", "-j", "1", "-q")


def load(path: Path) -> Any:
    return json.loads(path.read_text(encoding="ascii"))


def test_new_numbers_leave_the_sound_as_it_is(tmp_path: Path, clips: Path) -> None:
    data = Path(shutil.copytree(clips, tmp_path / "data"))
    for target in ("sat", "sa3", "musicgen"):
        out = tmp_path / target
        words = ["export", target, str(out), str(data), "--val", "0", "-j", "1", "-q", "--variants", "1"]
        assert main(words) == 0
        sounds = [path for path in out.rglob("*") if path.suffix in (".flac", ".wav")]
        before = {path: (path.stat().st_mtime_ns, path.stat().st_ino) for path in sounds}
        texts = {path: path.read_bytes() for path in out.rglob("*") if path.suffix in (".json", ".txt")}
        for folder in data.glob("[!.]*"):
            for place in clip_folders(Track.at(folder)):
                update_info(Track.at(place).info, {"bpm": {"sat": 61.0, "sa3": 62.0, "musicgen": 63.0}[target]})
        assert main(words) == 0
        assert {path: (path.stat().st_mtime_ns, path.stat().st_ino) for path in sounds} == before
        assert {path: path.read_bytes() for path in texts} != texts


def test_a_readme_that_was_edited_is_kept(clips: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "b"
    words = ["export", "sat", str(out), str(clips), *SAME[:-1]]
    assert main(words) == 0
    text = (out / "README.md").read_text()
    assert f'python train.py --dataset-config "{out}/dataset.json"' in text
    (out / "README.md").write_text(text + "My rights.\n")
    capsys.readouterr()
    assert main(words) == 0
    assert (out / "README.md").read_text().endswith("My rights.\n")
    assert "was edited after the last export" in "".join(capsys.readouterr())
    assert main([*words, "--overwrite"]) == 0
    assert (out / "README.md").read_text() == text


def test_a_dry_run_states_what_the_disk_needs(clips: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "b"
    words = ["export", "sat", str(out), str(clips), *SAME[:-1], "--dry-run", "--json"]
    assert main(words) == 0
    first = json.loads(capsys.readouterr().out)["export"]
    assert not out.exists()
    copied = sum(path.stat().st_size for path in clips.rglob("crops/*/full_mix.flac"))
    assert first["bytes"] == first["bytes_to_write"] == copied
    assert first["bytes_free"] > 0
    assert main([*words, "--link"]) == 0
    assert json.loads(capsys.readouterr().out)["export"]["bytes_to_write"] == 0
    assert main(["export", "sat", str(out), str(clips), *SAME]) == 0
    assert main(words) == 0
    again = json.loads(capsys.readouterr().out)["export"]
    assert (again["bytes"], again["bytes_to_write"]) == (copied, 0)


def test_several_sat_bundles_with_weights(clips: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    one, two = tmp_path / "one", tmp_path / "two"
    assert main(["export", "sat", str(one), str(clips), *SAME, "--weight", "3"]) == 0
    assert main(["export", "sat", str(two), str(clips), *SAME, "--join", str(one)]) == 0
    rows = load(two / "dataset.json")["datasets"]
    assert [(row["id"], row.get("weight", 1)) for row in rows] == [("mirkit-train", 1), ("mirkit-train-2", 3.0)]
    assert [row["path"] for row in rows] == [f"{out}/train" for out in (two, one)]
    assert len(load(two / "val_dataset.json")["datasets"]) == 2
    capsys.readouterr()
    assert main(["export", "sat", str(two), "--check-only", "--no-trainer"]) == 0
    assert "0.0.19 ignores them" in "".join(capsys.readouterr())


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--keys", "bpm"), "has the conditioner lufs"),
        (("--sample-size", "32768"), "its sample size is 16384, and that of the new bundle is 32768"),
        (("--join", "nowhere"), "this is not a complete bundle of the target sat"),
    ],
)
def test_bundles_that_do_not_fit_are_refused(
    words: tuple[str, ...], message: str, clips: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    one, two = tmp_path / "one", tmp_path / "two"
    assert main(["export", "sat", str(one), str(clips), *SAME]) == 0
    assert main(["export", "sat", str(two), str(clips), *SAME, "--join", str(one), *words]) == 2
    assert message in capsys.readouterr().err
    assert not two.exists()


def test_join_is_for_sat_only(clips: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["export", "sa3", str(tmp_path / "b"), str(clips), "--weight", "2"]) == 2
    assert "--join and --weight are for the target sat only" in capsys.readouterr().err


def test_the_card_has_license_tags_and_an_example(clips: Path, tmp_path: Path) -> None:
    pytest.importorskip("pyarrow")
    out = tmp_path / "my-set"
    words = ["export", "hf", str(out), str(clips), "--val", "0.3", "-j", "1", "-q"]
    assert main(words) == 0
    assert (out / "README.md").read_text().startswith("---\nlicense: unknown\npretty_name: My Set\n")
    card = (out / "README.md").read_text()
    assert "- music\n- audio\n" in card
    assert "- house\n" in card
    assert 'load_dataset("THIS_FOLDER")' in card
