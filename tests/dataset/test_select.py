"""Choosing tracks that cover a data set: planted clusters, an independent computation, caps, exclusions, weights."""

import json
import shlex
import shutil
from pathlib import Path

import numpy as np
import pytest

from export.measured import make_clips
from mirkit.cli import main
from mirkit.dataset.coverage import Chosen, choose, standardize
from mirkit.store import read_settings, update_info
from mirkit.track import Track

pytestmark = pytest.mark.usefixtures("in_process")
KEYS = ("bpm", "lufs", "onset_density", "spectral_flatness")


def clusters(seed: int, sizes: list[int]) -> tuple[np.ndarray, np.ndarray]:
    """Points around centers that are far from each other, and the number of the center of each."""
    rng = np.random.default_rng(seed)
    centers = np.array([[a, b, 0.0, 0.0] for a in range(-10, 11, 4) for b in range(-10, 11, 4)], float)[: len(sizes)]
    labels = np.repeat(np.arange(len(sizes)), sizes)
    return centers[labels] + 0.1 * rng.standard_normal((len(labels), 4)), labels


@pytest.mark.parametrize("seed", range(4))
def test_every_planted_cluster_is_represented(seed: int) -> None:
    sizes = [2, 3, 5, 10, 380, 600]
    points, labels = clusters(seed, sizes)
    chosen = choose(points, KEYS, len(sizes), seed=seed)
    assert sorted(labels[choice.index] for choice in chosen.choices) == list(range(len(sizes)))
    assert {int(labels[choice.index]): choice.count for choice in chosen.choices} == dict(enumerate(sizes))
    assert chosen.coverage.largest < 1.0 < 3.0 < chosen.random.largest
    weights = chosen.weights()
    assert {int(weight) for weight in weights[labels == 5]} == {1}
    assert {int(weight) for weight in weights[labels == 4]} == {2}  # 600 of 380
    assert {int(weight) for weight in weights[labels < 4]} == {8}


def farthest_first(points: np.ndarray, count: int) -> list[int]:
    """The same by its definition, with all distances."""
    found = [int(np.argmin(np.linalg.norm(points, axis=1)))]
    while len(found) < count:
        gaps = np.linalg.norm(points[:, None] - points[found], axis=2).min(axis=1)
        found.append(int(np.argmax(gaps)))
    return found


@pytest.mark.parametrize("seed", range(5))
def test_choices_are_those_of_the_definition(seed: int) -> None:
    points = np.random.default_rng(seed).standard_normal((200, 4))
    chosen = choose(points, KEYS, 30, seed=seed)
    assert [choice.index for choice in chosen.choices] == farthest_first(points, 30)
    rows = [choice.index for choice in chosen.choices]
    gaps = np.linalg.norm(points[:, None] - points[rows], axis=2)
    assert np.allclose(gaps[np.arange(200), chosen.owner], gaps.min(axis=1))
    for number, choice in enumerate(chosen.choices[1:], 1):
        before = gaps[choice.index, :number]
        assert choice.distance == pytest.approx(before.min(), abs=1e-7)
        assert choice.nearest == rows[int(before.argmin())]
        difference = np.abs(points[choice.index] - points[choice.nearest])
        assert choice.feature == KEYS[int(difference.argmax())]
    assert chosen.coverage.largest == pytest.approx(gaps.min(axis=1).max(), abs=1e-6)


def test_unknown_values_are_left_out_of_a_distance() -> None:
    points = np.zeros((4, 4))
    points[1] = np.nan, 3.0, 0.0, 0.0
    points[2] = np.nan, np.nan, np.nan, np.nan
    points[3] = 2.0, 0.0, 0.0, 0.0
    first, second, third = choose(points, KEYS, 4).choices  # of one point nothing is known
    assert (first.index, second.index, third.index) == (0, 1, 3)
    assert (second.distance, third.distance) == (pytest.approx(3 * np.sqrt(4 / 3)), pytest.approx(2.0))


def test_the_seed_decides_between_equals_only() -> None:
    points, _ = clusters(0, [1] * 36)
    assert [c.index for c in choose(points, KEYS, 9, seed=1).choices] == [
        c.index for c in choose(points, KEYS, 9, seed=2).choices
    ]
    same = np.ones((50, 4))
    draws = {choose(same, KEYS, 1, seed=seed).choices[0].index for seed in range(20)}
    assert len(draws) > 5
    assert choose(same, KEYS, 1, seed=3).choices == choose(same, KEYS, 1, seed=3).choices


def test_caps_limit_groups() -> None:
    points = np.random.default_rng(0).standard_normal((100, 4))
    artists: list[str | None] = [f"a{i % 5}" if i % 10 else None for i in range(100)]
    chosen = choose(points, KEYS, 60, groups={"artist": artists}, caps={"artist": 3})
    found = [artists[choice.index] for choice in chosen.choices]
    assert all(found.count(name) <= 3 for name in set(found) - {None})
    assert len(chosen.choices) == 5 * 3 + 10  # what has no artist is not limited
    assert chosen.capped["artist"] > 0


def test_features_count_by_their_stages() -> None:
    values = np.random.default_rng(0).uniform(60, 200, (50, 3))
    values[:, 2] = 7.0
    points, kept = standardize(values, ("bpm", "spectral_flatness", "lufs"))
    assert kept == ("bpm", "spectral_flatness")
    assert np.nanmax(np.abs(points)) <= 3.0


# The command


@pytest.fixture(scope="module")
def music(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = make_clips(tmp_path_factory.mktemp("select") / "music", tracks=8, clips=2)
    for number, folder in enumerate(sorted(path for path in root.glob("[!.]*") if path.is_dir())):
        update_info(Track.at(folder).info, {"bpm": 100.0 + number, "lufs": -30.0 if number == 7 else -14.0})
    return root


def chosen_names(result: dict[str, list[dict[str, str]]]) -> list[str]:
    return [row["name"] for row in result["chosen"]]


def test_the_command_explains_and_is_deterministic(music: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["select", "3", str(music), "--json"]) == 0
    result = json.loads(capsys.readouterr().out)
    assert len(chosen_names(result)) == 3
    assert result["chosen"][0]["why"].startswith("nearest to the middle of the set")
    assert "most in " in result["chosen"][1]["why"]
    assert sum(row["stands_for"] for row in result["chosen"]) == 8
    assert set(result["weights"]) == {path.name for path in music.glob("[!.]*") if path.name.startswith("Artist")}
    assert main(["select", "3", str(music), "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == result
    assert main(["select", "3", str(music)]) == 0
    assert "3 tracks of 8, compared by " in capsys.readouterr().out
    assert main(["select", "3", str(music), "--where", "lufs:-20..0", "--json"]) == 0
    assert len(json.loads(capsys.readouterr().out)["weights"]) == 7


def test_the_others_are_excluded_and_included_again(
    music: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    root = Path(shutil.copytree(music, tmp_path / "music"))
    assert main(["select", "3", str(root), "--exclude", "--json"]) == 0
    kept = set(chosen_names(json.loads(capsys.readouterr().out)))
    excluded = read_settings(root).exclude
    assert set(excluded) == {path.name for path in root.glob("[!.]*") if path.name.startswith("Artist")} - kept
    assert set(excluded.values()) == {"not selected: mirkit select 3 --seed 0"}
    assert main(["include", str(root), "--where", 'excluded:~"not selected"', "-q"]) == 0
    assert not read_settings(root).exclude


def test_the_undo_that_is_printed_includes_clips_and_tracks(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    root = make_clips(tmp_path / "music", tracks=2)
    track = next(path for path in sorted(root.glob("[!.]*")) if path.is_dir())
    assert main(["exclude", str(track), "--reason", "bad"]) == 0
    assert main(["select", "9", str(root), "--crops", "--exclude"]) == 0
    assert "no more than these to choose from, and 9 were asked for" in capsys.readouterr().err
    assert main(["select", "2", str(root), "--crops", "--exclude"]) == 0
    line = next(line for line in capsys.readouterr().out.splitlines() if "undo: " in line)
    assert len(read_settings(root).exclude) == 3
    words = shlex.split(line.partition("undo: mirkit ")[2])
    assert main(words) == 0
    assert read_settings(root).exclude == {track.name: "bad"}
    assert main(["include", str(root), "--where", "excluded:*"]) == 0
    assert not read_settings(root).exclude


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["0"], "N must be a whole number"),
        (["3", "--cap", "artist=x"], "such as artist=3, not 'artist=x'"),
        (["3", "--cap", "mood=3"], "the caps are artist, genre, tempo, key"),
        (["3", "--where", "bpm:>900"], "no track matches the query"),
    ],
)
def test_wrong_options_are_one_line(
    words: list[str], message: str, music: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["select", words[0], str(music), *words[1:]]) in (1, 2)
    assert message in capsys.readouterr().err


def test_weights_become_data_sets_of_their_own(music: Path, tmp_path: Path) -> None:
    file, out = tmp_path / "weights.json", tmp_path / "bundle"
    assert main(["select", "3", str(music), "-o", str(file), "-q"]) == 0
    weights = json.loads(file.read_text())["weights"]
    words = ["export", "sat", str(music), "-o", str(out), "--val", "0.2", "--keep-duplicates", "-j", "1", "-q"]
    assert main([*words, "--weights", str(file), "--check", "--no-trainer"]) == 0
    rows = json.loads((out / "dataset.json").read_text())["datasets"]
    entries = json.loads((out / "mirkit_files.json").read_text())
    trained = {name: entry for name, entry in entries.items() if entry["split"] == "train"}
    assert len(rows) == len({weights[entry["source"]] for entry in trained.values()}) > 1
    for row in rows:
        weight = int(row.get("weight", 1))
        held = {path.stem for path in Path(row["path"]).glob("*.flac")}
        assert held == {name for name, entry in trained.items() if weights[entry["source"]] == weight}
    paths = [row["path"] for row in rows]
    assert not any(a in f"{b}/" for a in paths for b in paths if a != b)
    assert main([*words, "--check", "--no-trainer"]) == 0  # without weights: the folders are gone
    assert len(json.loads((out / "dataset.json").read_text())["datasets"]) == 1
    assert not list(out.glob("weight*/*.flac"))


def test_weights_are_checked(music: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "w.json"
    for content, message in (
        (None, "there is no such file"),
        ("{}", "this is not a file that mirkit select -o wrote"),
        ('{"weights": {"x": 9}}', "this is not a file that mirkit select -o wrote"),
        ('{"weights": {"x": 2}}', "the file names none of these tracks"),
    ):
        if content is not None:
            file.write_text(content)
        assert main(["export", "sat", str(music), "-o", str(tmp_path / "b"), "--weights", str(file), "-q"]) == 2
        assert message in capsys.readouterr().err
    assert main(["export", "csv", str(music), "-o", str(tmp_path / "t.csv"), "--weights", str(file)]) == 2
    assert "--weights is for the targets" in capsys.readouterr().err


def test_a_result_of_choose_is_complete() -> None:
    chosen = choose(np.random.default_rng(1).standard_normal((5, 4)), KEYS, 99)
    assert isinstance(chosen, Chosen)
    assert len(chosen.choices) == 5
    assert chosen.coverage.largest == 0.0
