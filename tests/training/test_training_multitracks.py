"""Scoring on multitracks, with folders of synthetic stems: known scores, and a log of every use."""

import json
from pathlib import Path

import mir_eval
import numpy as np
import pytest
import soundfile
from training.material import RATE, STEMS, Sound

from training import multitracks

SECONDS = 2
HITS = (0.25, 0.75, 1.25, 1.75)


def stems(absent: str = "") -> dict[str, Sound]:
    time = np.arange(SECONDS * RATE) / RATE
    rng = np.random.default_rng(0)
    drums = np.zeros(len(time))
    for hit in HITS:
        start = int(hit * RATE)
        drums[start : start + 4000] = rng.normal(0, 0.5, 4000) * np.exp(-np.arange(4000) / 800)
    low, high, voice = (0.2 * np.sin(2 * np.pi * hertz * time) for hertz in (70, 3000, 600))
    pairs = {"drums": (drums, drums), "bass": (low, low), "other": (high, 0 * high), "vocals": (voice, voice)}
    return {name: (name != absent) * np.array(pair, np.float32) for name, pair in pairs.items()}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Two tracks: FLAC with annotations, and WAV without vocals and annotations."""
    for name, kind, absent in (("one", "flac", ""), ("two", "wav", "vocals")):
        (tmp_path / "tracks" / name).mkdir(parents=True)
        for stem, sound in stems(absent).items():
            soundfile.write(tmp_path / "tracks" / name / f"{stem}.{kind}", sound.T, RATE)
    hits = [[time, "SD"] for time in (*HITS, HITS[0])]
    (tmp_path / "tracks" / "one.json").write_text(json.dumps({"drums": hits}))
    (tmp_path / "tracks" / "nothing").mkdir()
    return tmp_path / "tracks"


def test_scores_of_known_estimates(folder: Path) -> None:
    one, two = (multitracks.read_track(path) for path in multitracks.find([folder]))
    assert one.onsets == HITS
    assert two.onsets is None
    row = multitracks.score(one, 0.9 * one.stems)  # an error of a tenth: 20 dB
    assert [row[stem] for stem in STEMS] == [pytest.approx(20, abs=1e-3)] * 4
    assert row["onset F"] == 1
    row = multitracks.score(two, np.broadcast_to(0.1 * two.mix, two.stems.shape))
    assert row["leak vocals"] == pytest.approx(-20, abs=1e-3)
    assert "vocals" not in row
    means = multitracks.means([{"drums": 4, "bass": 2}, {"drums": 6, "leak vocals": -30, "leak bass": -20}])
    assert (means["drums"], means["bass"]) == (5, 2)
    assert (means["mean"], means["leak"]) == (3.5, -25)
    assert np.isnan(means["vocals"])


def test_estimates_are_in_order_and_the_ideal_mask_is_best(folder: Path) -> None:
    track = multitracks.read_track(folder / "one")
    rows = {name: multitracks.score(track, made) for name, made in multitracks.estimates(track, ("embedded",))}
    assert list(rows) == ["mix", "embedded", "ideal ratio mask"]
    for stem in STEMS:
        assert rows["mix"][stem] < rows["embedded"][stem] < rows["ideal ratio mask"][stem]
        assert rows["ideal ratio mask"][stem] > 12


def test_annotations_of_classes_are_read(folder: Path) -> None:
    (folder / "annotations").mkdir()
    (folder / "annotations" / "two_class.txt").write_text("0.500 \tKD\n0.250\tSD\n0.500\tHH\n\n")
    assert multitracks.read_track(folder / "two").onsets == (0.25, 0.5)


def test_the_f_measure_is_that_of_mir_eval(rng: np.random.Generator) -> None:
    for _ in range(50):
        truth, found = (np.unique(rng.uniform(0, 3, int(rng.integers(1, 40)))) for _ in range(2))
        expected = mir_eval.onset.f_measure(truth, found, window=0.05)[0]
        assert multitracks.f_measure(tuple(truth), tuple(found)) == pytest.approx(expected)
    assert np.isnan(multitracks.f_measure((), ()))
    assert multitracks.f_measure((1.0,), ()) == 0


def test_each_use_is_logged(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    log = tmp_path / "log.md"
    log.write_text(multitracks.LOG.read_text(encoding="utf-8"), encoding="utf-8")
    before = log.read_text().splitlines()
    monkeypatch.setattr(multitracks, "costs", lambda track, methods: {m: {"CPU s": 1.25, "MiB": 300} for m in methods})
    for reason in ("first look", "after | the fix"):
        monkeypatch.setattr("sys.argv", ["x", str(folder), "--reason", reason, "--log", str(log)])
        multitracks.main()
    lines = log.read_text().splitlines()
    assert lines[: len(before)] == before
    added = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines[len(before) :]]
    assert [row[4] for row in added] == 2 * ["mix", "embedded-dsp", "embedded", "ideal ratio mask"]
    assert {row[2] for row in added} == {"first look", "after / the fix"}
    assert {len(row) for row in added} == {len(before[-1].strip("|").split("|"))}
    assert added[1][-2:] == ["1.25", "300.00"]
    assert added[0][-2:] == ["-", "-"]
    out = capsys.readouterr().out
    assert "one " in out
    assert f"written to {log}" in out


def test_without_a_reason_nothing_is_scored(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(multitracks, "read_track", lambda path: pytest.fail("read"))
    for words in ([], ["--reason", " "]):
        monkeypatch.setattr("sys.argv", ["x", str(folder), "--log", str(tmp_path / "log.md"), *words])
        with pytest.raises(SystemExit) as stopped:
            multitracks.main()
        assert stopped.value.code == 2
        assert "--reason" in capsys.readouterr().err
    assert not (tmp_path / "log.md").exists()


def test_a_folder_without_stems_is_named(folder: Path) -> None:
    with pytest.raises(SystemExit, match="nothing holds no folder with drums, bass, other and vocals"):
        multitracks.find([folder / "nothing"])


@pytest.mark.slow
@pytest.mark.skipif(multitracks.sys.platform == "win32", reason="POSIX counts the memory")
def test_the_cost_is_that_of_a_process_of_its_own(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(multitracks, "_COST_SECONDS", 20)
    monkeypatch.chdir(Path(__file__).parents[2])
    cost = multitracks.costs(multitracks.read_track(folder / "one"), ("embedded",))["embedded"]
    assert cost["CPU s"] > 0.05
    assert cost["MiB"] > 50


def test_an_unknown_method_is_refused() -> None:
    with pytest.raises((SystemExit, ValueError)):
        list(multitracks.separated(lambda: iter([np.zeros((2, 100), np.float32)]), "nothing", 2))
