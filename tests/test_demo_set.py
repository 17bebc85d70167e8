"""The demo set on disk, and the table of truth against measurement."""

import argparse
import json
from pathlib import Path

import numpy as np
import pytest

from mirkit import demo_dataset
from mirkit.cli import main
from mirkit.cli.commands import track
from mirkit.demo_dataset import FORMATS, TRUTH_NAME, compare, f_measure, write_demo
from mirkit.errors import MissingInput


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("demo")
    written = write_demo(folder)
    assert sorted(path.suffix[1:] for path in written) == sorted(FORMATS.values())
    return folder


@pytest.mark.slow
def test_files_are_loose_tagged_and_thirty_seconds_long(demo: Path) -> None:
    from mirkit.audio import probe, read_tags
    from mirkit.track import loose_files

    files = loose_files(demo)
    assert [file.name for file in files] == [
        "Cafe Lindenhof - Three Chairs.wav",
        "Four Lamps - Last Tram.flac",
        "Slow Weather - Inland Fog.ogg",
        "The Level Crossing - Home by Nine.mp3",
    ]
    for file in files:
        assert probe(file).duration == pytest.approx(30.0, abs=1e-3)
        tags = read_tags(file)
        assert f"{tags.artist} - {tags.title}" == file.stem
        assert tags.album


@pytest.mark.slow
def test_existing_files_are_kept(demo: Path) -> None:
    before = {path: path.stat().st_mtime_ns for path in demo.iterdir()}
    assert write_demo(demo) == []
    assert {path: path.stat().st_mtime_ns for path in demo.iterdir()} == before


def organized(folder: Path, title: str, **wrong: object) -> Path:
    """Make a measured track by hand: its sidecars say what is true, but for ``wrong``."""
    truth = json.loads((folder / TRUTH_NAME).read_text())[title]
    name = f"Somebody - {title}"
    track = folder / name
    track.mkdir(parents=True)
    (track / "full_mix.wav").write_bytes(b"RIFF")
    found = {"bpm": truth["bpm"], "bpm_is_defined": int(truth["bpm"] is not None), "beat_count": len(truth["beats"])}
    found |= {"key": truth["key"], "mode": truth["mode"]}
    found["time_signature"] = f"{truth['meter']}/4" if truth["meter"] else None
    (track / f"{name}.INFO").write_text(json.dumps(found | wrong))
    grid = {"beats": truth["beats"], "downbeats": truth["downbeats"], "bpm": truth["bpm"]}
    (track / f"{name}.BEATS_GRID").write_text(json.dumps(grid | {"total_beats": len(truth["beats"])}))
    onsets = sorted({time for times in truth["onsets"].values() for time in times})
    (track / f"{name}.ONSETS").write_text("".join(f"{time:.4f}\n" for time in onsets))
    return track


@pytest.mark.slow
def test_true_values_compare_equal_and_wrong_ones_do_not(demo: Path, tmp_path: Path) -> None:
    (tmp_path / TRUTH_NAME).write_bytes((demo / TRUTH_NAME).read_bytes())
    organized(tmp_path, "Three Chairs", bpm=84.0)
    (organized(tmp_path, "Inland Fog") / "Somebody - Inland Fog.ONSETS").write_text("1.0\n")
    rows = compare(tmp_path)
    wrong = [(row.track, row.what) for row in rows if row.agrees is False]
    assert wrong == [("Three Chairs", "tempo")]
    assert [row.agrees for row in rows if row.track == "Inland Fog"] == [True, True, True, None]
    assert {row.what for row in rows if row.track == "Inland Fog"} == {"pulse", "beats", "key", "onsets"}


def test_a_folder_that_is_no_demo_set(tmp_path: Path) -> None:
    with pytest.raises(MissingInput, match="mirkit demo"):
        compare(tmp_path)


def test_f_measure_known_answers() -> None:
    assert f_measure([], [], 0.07) == 1
    assert f_measure([1.0], [], 0.07) == 0
    assert f_measure([1, 2, 3], [1.05, 2.0, 4.0], 0.07) == pytest.approx(2 / 3)
    assert f_measure([1.0], [0.96, 1.04], 0.07) == pytest.approx(2 / 3)  # matched once


@pytest.mark.reference
def test_f_measure_is_mir_evals(rng: np.random.Generator) -> None:
    onset = pytest.importorskip("mir_eval").onset
    for _ in range(20):
        true, found = (np.sort(rng.uniform(0, 10, rng.integers(1, 60))) for _ in range(2))
        expected, _, _ = onset.f_measure(true, found, window=0.05)
        assert f_measure(true.tolist(), found.tolist(), 0.05) == pytest.approx(expected)


@pytest.fixture
def made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A demo set without its sound, which takes seconds to make."""
    folder = tmp_path / "demo"

    def write(folder: Path) -> list[Path]:
        folder.mkdir(exist_ok=True)
        (folder / TRUTH_NAME).write_text("{}")
        return []

    monkeypatch.setattr(demo_dataset, "write_demo", write)
    return folder


def broken(*_: object, **__: object) -> None:
    raise TypeError("open() got an unexpected keyword argument")


@pytest.mark.parametrize("where", ["mirkit.demo_dataset.write_demo", "mirkit.pipeline.make_plan"])
def test_a_demo_that_fails_prints_no_table(
    where: str, made: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(where, broken)
    made.mkdir()
    (made / TRUTH_NAME).write_text("{}")
    (made / "a.wav").write_bytes(b"RIFF")
    assert main(["demo", str(made)]) == 1
    out, err = capsys.readouterr()
    assert "measured" not in out
    assert err.count("unexpected keyword argument") == 1
    assert "Traceback" not in err


@pytest.mark.parametrize("where", ["mirkit.demo_dataset.write_demo", "mirkit.pipeline.make_plan"])
def test_a_failed_demo_prints_a_traceback_with_debug(where: str, made: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(where, broken)
    made.mkdir()
    (made / "a.wav").write_bytes(b"RIFF")
    with pytest.raises(TypeError, match="unexpected keyword"):  # which Python prints with its traceback
        main(["demo", str(made), "--debug"])


@pytest.mark.parametrize("statuses", [(0, 0), (1, 0), (0, 1)])
def test_the_status_of_a_demo(
    statuses: tuple[int, int], made: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """It is that of the run and of the check, and 1 where a measurement differs from the truth."""
    aside = demo_dataset.Row("b", "onsets", "none to compare", "3", agrees=None)
    given = dict(zip(("run", "verify"), statuses, strict=True))
    monkeypatch.setattr("mirkit.cli.commands.execute", lambda arguments: given[arguments.command])
    rows = [
        demo_dataset.Row("a", "tempo", "120", "120", agrees=True),
        demo_dataset.Row("a", "beats", "4", "5", agrees=False),
    ]
    for measured in ([], [rows[0], aside], [*rows, aside]):
        monkeypatch.setattr(demo_dataset, "compare", lambda _, measured=measured: measured)
        status = track.demo(argparse.Namespace(path=str(made), debug=False))
        out, err = capsys.readouterr()
        assert status == (statuses[0] or statuses[1] or int(len(measured) == 3))
        assert out.count("tempo") == int(bool(measured))
        assert ("differ" in err) == (len(measured) == 3)
        assert ("not compared\nb: all sounds fade in" in out) == bool(measured)
        assert out.endswith(f"next: mirkit report {made}\n") == bool(measured)


def test_an_interrupted_demo_compares_nothing(made: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(_: argparse.Namespace) -> int:
        raise KeyboardInterrupt

    monkeypatch.setattr("mirkit.cli.commands.execute", interrupted)
    monkeypatch.setattr(demo_dataset, "compare", lambda _: pytest.fail("compared"))
    with pytest.raises(KeyboardInterrupt):
        track.demo(argparse.Namespace(path=str(made), debug=False))


def test_a_track_that_was_not_measured_is_not_compared(tmp_path: Path) -> None:
    (tmp_path / TRUTH_NAME).write_text(json.dumps({"Last Tram": {}}))
    folder = tmp_path / "A - Last Tram"
    folder.mkdir()
    (folder / "full_mix.wav").write_bytes(b"")
    assert compare(tmp_path) == []
