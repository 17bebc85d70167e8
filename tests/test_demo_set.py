"""The demo set on disk, and the table of truth against measurement."""

import json
from pathlib import Path

import numpy as np
import pytest

from mirkit.demo_set import FORMATS, TRUTH_NAME, compare, f_measure, write_demo
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
def test_what_is_there_is_left_alone(demo: Path) -> None:
    before = {path: path.stat().st_mtime_ns for path in demo.iterdir()}
    assert write_demo(demo) == []
    assert {path: path.stat().st_mtime_ns for path in demo.iterdir()} == before


def organised(folder: Path, title: str, **wrong: object) -> Path:
    """Make a measured track by hand: its sidecars say what is true, but for ``wrong``."""
    truth = json.loads((folder / TRUTH_NAME).read_text())[title]
    name = f"Somebody - {title}"
    track = folder / name
    track.mkdir(parents=True)
    (track / "full_mix.wav").write_bytes(b"RIFF")
    found = {"bpm": truth["bpm"], "bpm_is_defined": int(truth["bpm"] is not None), "beat_count": len(truth["beats"])}
    (track / f"{name}.INFO").write_text(json.dumps(found | wrong))
    grid = {"beats": truth["beats"], "downbeats": truth["downbeats"], "bpm": truth["bpm"]}
    (track / f"{name}.BEATS_GRID").write_text(json.dumps(grid | {"total_beats": len(truth["beats"])}))
    onsets = sorted({time for times in truth["onsets"].values() for time in times})
    (track / f"{name}.ONSETS").write_text("".join(f"{time:.4f}\n" for time in onsets))
    facts = {key: {"value": truth[key], "confidence": 1.0} for key in ("key", "mode")}
    facts["metre"] = {"value": f"{truth['metre']}/4" if truth["metre"] else None, "confidence": 1.0}
    (track / f"{name}.PROVENANCE").write_text(json.dumps({"stages": {}, "facts": facts, "adopted": {}}))
    return track


@pytest.mark.slow
def test_the_truth_agrees_with_itself_and_a_lie_is_seen(demo: Path, tmp_path: Path) -> None:
    (tmp_path / TRUTH_NAME).write_bytes((demo / TRUTH_NAME).read_bytes())
    organised(tmp_path, "Three Chairs", bpm=84.0)
    organised(tmp_path, "Inland Fog")
    rows = compare(tmp_path)
    wrong = [(row.track, row.what) for row in rows if not row.agrees]
    assert wrong == [("Three Chairs", "tempo")]
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
