"""Stems, instrumentals and pairs: the audio that is exported, and the numbers, which are measured on it."""

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

import mirkit
from library import beat_music, write
from mirkit.catalog import stage
from mirkit.cli import main
from mirkit.export import run
from mirkit.export.audio import SummedFiles, exported_blocks
from mirkit.export.options import Options
from mirkit.features.types import ANALYSIS_RATE
from mirkit.store import ProvenanceRecord, file_digest, update_provenance
from mirkit.track import Track

pytestmark = pytest.mark.usefixtures("in_process")
STEMS = ("drums", "bass", "other", "vocals")
FEW = ("--val", "0", "-j", "1", "--variants", "1", "--unknown", "fill")


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A track of 12 s with true stems, in which only the second half is sung, cut into three clips."""
    root = tmp_path_factory.mktemp("stems") / "data"
    parts = beat_music(12.0)
    n = parts["drums"].shape[1]
    time = np.arange(n) / ANALYSIS_RATE
    voice = 0.15 * np.sin(2 * np.pi * 440 * time + 3 * np.sin(2 * np.pi * 5 * time)) * (time > 4)
    parts["vocals"] = np.stack((voice, voice)).astype(np.float32)
    parts = {stem: samples / 2 for stem, samples in parts.items()}  # the mix stays below full scale
    for stem, samples in parts.items():
        write(root / "Song" / f"{stem}.flac", samples)
    write(root / "Song" / "full_mix.flac", sum(parts.values()))
    for words in (["extract", str(root), "--batch"], ["crop", str(root), "--seconds", "4", "--align", "free"]):
        assert main([*words, "-q", "-j", "1"]) == 0
    return root


def export(library: Path, out: Path, *more: str, target: str = "sat", code: int = 0) -> dict[str, Any]:
    words = ["export", target, str(library), "-o", str(out), *FEW, *more]
    assert main([*words, "-q", "--check", "--no-trainer"]) == code
    return json.loads((out / "mirkit_files.json").read_text())


def audio(path: Path) -> np.ndarray:
    return soundfile.read(path, always_2d=True)[0].T


@pytest.mark.parametrize("stem", STEMS)
def test_a_stem_instead_of_the_mix(stem: str, library: Path, tmp_path: Path) -> None:
    index = export(library, tmp_path / "b", "--stem", stem)
    assert len(index) == (2 if stem == "vocals" else 3)
    summary = json.loads((tmp_path / "b" / "mirkit_export.json").read_text())
    assert summary["audio"] == stem
    assert len(summary["silent"]) == 3 - len(index)
    for name, entry in index.items():
        assert (entry["audio"], f"-{stem}-" in name) == (stem, True)
        exported = audio(tmp_path / "b" / "train" / f"{name}.flac")
        np.testing.assert_array_equal(exported, audio(library / entry["from"] / f"{stem}.flac"))
    # The numbers are those that analyze measures on the exported file.
    name, entry = next(iter(index.items()))
    table = tmp_path / "t.jsonl"
    assert main(["export", "jsonl", str(library), "-o", str(table), "--stem", stem, "-q"]) == 0
    rows = {row["from"]: row for row in map(json.loads, table.read_text().splitlines())}
    assert rows.keys() == {entry["from"] for entry in index.values()}
    row = rows[entry["from"]]
    reference = mirkit.analyze(tmp_path / "b" / "train" / f"{name}.flac", backends={"classification": "embedded"})
    compared = [key for key, value in reference.items() if value is not None and key not in _OF_THE_MUSIC]
    assert {"rms_energy_body", "brightness", "spectral_flatness", "lufs", "true_peak"} <= set(compared)
    for key in compared:
        value = reference[key]
        assert row[key] == (value if isinstance(value, str) else pytest.approx(value, rel=1e-4, abs=1e-4)), key
    prompt = json.loads((tmp_path / "b" / "mirkit_index.json").read_text())["files"][f"{name}.flac"]["prompts"][0]
    assert {"other": "other instruments only"}.get(stem, f"{stem} only") in prompt


#: Tempo, and what is measured at its beats, are those of the music.
_OF_THE_MUSIC = {
    *("syncopation", "on_beat_ratio", "position", "music_facts"),
    *(key for name in ("beats", "sections", "chords", "pitch") for key in stage(name).keys),
}


def test_the_instrumental_is_the_mix_without_vocals(library: Path, tmp_path: Path) -> None:
    index = export(library, tmp_path / "b", "--instrumental", "--pairs")
    for name, entry in index.items():
        assert entry["pair"]["file"] == f"mix/train/{name}.flac"
        instrumental, mix = (audio(tmp_path / "b" / place / f"{name}.flac") for place in ("train", "mix/train"))
        vocals = audio(library / entry["from"] / "vocals.flac")
        assert instrumental.shape == mix.shape == vocals.shape
        np.testing.assert_allclose(mix - instrumental, vocals, atol=2**-13)
        np.testing.assert_array_equal(mix, audio(library / entry["from"] / "full_mix.flac"))
        assert entry["levels"]["lufs"] <= entry["pair"]["levels"]["lufs"]
    assert len(index) == 3
    rows = tmp_path / "t.jsonl"
    assert main(["export", "jsonl", str(library), "-o", str(rows), "--instrumental", "-q"]) == 0
    table = [json.loads(line) for line in rows.read_text().splitlines()]
    assert all(row["vocal_presence"] == 0 and "lufs_vocals" not in row and "lufs_drums" in row for row in table)


@pytest.mark.parametrize(
    ("what", "says"),
    [
        *((stem, f"the {stem} stem also holds parts of other instruments") for stem in ("drums", "bass", "other")),
        ("vocals", "it is not known whether these files have vocals"),
        ("instrumental", "it is not known whether these files have vocals"),
    ],
)
def test_embedded_stems_are_told(what: str, says: str, library: Path, tmp_path: Path) -> None:
    copy = Path(shutil.copytree(library, tmp_path / "data"))
    chosen = {"instrumental": True} if what == "instrumental" else {"stem": what}
    options = Options("sat", tmp_path / "b", copy, val=0.0, jobs=1, unknown="fill", **chosen)  # type: ignore[arg-type]
    assert not [note for note in run.export(options, dry=True).plan.notes if "embedded" in note]  # stems of the user's
    track = Track.at(copy / "Song")
    digests = {stem: file_digest(path) for stem, path in track.stems.items()}
    update_provenance(track.provenance, [ProvenanceRecord("separate", "0", 1, backend="embedded", outputs=digests)])
    (note,) = (note for note in run.export(options, dry=True).plan.notes if "embedded" in note)
    assert note.startswith("1 track: the embedded separation made the stems")
    assert says in note


def test_pairs_of_another_rate_and_of_whole_tracks(library: Path, tmp_path: Path) -> None:
    """One gain for both, the same length, and nothing is shifted by the conversion."""
    data = Path(shutil.copytree(library, tmp_path / "data"))
    index = export(data, tmp_path / "b", "--stem", "vocals", "--pairs", "--from", "tracks", target="acestep")
    (name,) = index
    vocals, mix = (audio(tmp_path / "b" / place / f"{name}.flac") for place in ("train", "mix/train"))
    assert vocals.shape == mix.shape == (2, 12 * 48000)
    rest = SummedFiles(tuple(library / "Song" / f"{stem}.flac" for stem in STEMS[:3]))
    expected = np.concatenate(list(exported_blocks(rest, 48000, 0.0, 12.0)), axis=1)
    np.testing.assert_allclose(mix - vocals, expected, atol=2e-4)
    row = json.loads((tmp_path / "b" / "dataset.json").read_text())["samples"][0]
    assert not row["is_instrumental"]


def test_one_gain_for_stem_and_mix(library: Path, tmp_path: Path) -> None:
    index = export(library, tmp_path / "b", "--stem", "drums", "--pairs", "--loudness", "-8")
    for name, entry in index.items():
        drums, mix = (audio(tmp_path / "b" / place / f"{name}.flac") for place in ("train", "mix/train"))
        assert max(abs(drums).max(), abs(mix).max()) < 1
        factor = 10 ** (entry["gain_db"] / 20)
        np.testing.assert_allclose(drums, factor * audio(library / entry["from"] / "drums.flac"), atol=1e-6)
        np.testing.assert_allclose(mix, factor * audio(library / entry["from"] / "full_mix.flac"), atol=1e-6)


def test_what_was_measured_is_not_measured_again(
    library: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from mirkit.export import measured_cache, stem_features

    first = export(library, tmp_path / "b", "--stem", "bass")
    cache = tmp_path / "b" / measured_cache.CACHE
    lines = cache.read_bytes().strip().splitlines()
    assert len(lines) == 3
    cache.write_bytes(b"\n".join([*lines[:2], lines[2][:40]]))  # as after a kill
    measured = []
    real = stem_features.measure_stem
    monkeypatch.setattr(stem_features, "measure_stem", lambda item: measured.append(item.name) or real(item))
    assert export(library, tmp_path / "b", "--stem", "bass") == first
    assert len(measured) == 1


def test_a_mix_that_is_missing_or_shifted_is_found(
    library: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    index = export(library, tmp_path / "b", "--stem", "bass", "--pairs")
    one, two, three = sorted(index)
    (tmp_path / "b/mix/train" / f"{one}.flac").unlink()
    path = tmp_path / "b/mix/train" / f"{two}.flac"
    samples = audio(path)
    soundfile.write(path, samples[:, 100:].T, ANALYSIS_RATE)
    path = tmp_path / "b/mix/train" / f"{three}.flac"
    soundfile.write(path, 0.5 * audio(path).T, ANALYSIS_RATE)
    assert main(["export", "sat", "--check-only", "--no-trainer", str(tmp_path / "b")]) == 1
    shown = capsys.readouterr().err
    assert f"mix/train/{one}.flac: the file is missing, so the stem has no mix" in shown
    assert f"mix/train/{two}.flac: the mix has 3.997732 s and its stem 4.000000 s, so they are not aligned" in shown
    assert f"mix/train/{three}.flac: the peak of the file is" in shown


def test_tracks_without_stems(library: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    data = Path(shutil.copytree(library, tmp_path / "data"))
    (data / "Song" / "vocals.flac").unlink()
    words = ["export", "acestep", str(data), "-o", str(tmp_path / "b"), "-q", "--from", "tracks"]
    assert main([*words, "--stem", "vocals"]) == 1
    says = capsys.readouterr().err
    assert f'Song: it has no vocals stem; separate it with: mirkit separate "{data}/Song"' in says
    assert main([*words, "--stem", "drums"]) == 0


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("sat", "--stem", "drums", "--instrumental"), "choose one of them"),
        (("sat", "--pairs"), "name what is paired with the mix"),
        (("csv", "--stem", "drums", "--pairs"), "has no folder for the mixes"),
        (("sat-wds", "--stem", "drums", "--pairs"), "has no folder for the mixes"),
        (("sat", "--stem", "drums", "--from", "tracks"), "windows of a stem are not measured"),
        (("sat", "--stem", "guitar"), "--stem must be"),
    ],
)
def test_options_that_do_not_fit(
    words: tuple[str, ...], says: str, library: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["export", words[0], str(library), "-o", str(tmp_path / "b"), *words[1:]]) == 2
    assert says in capsys.readouterr().err


def test_a_dry_run_measures_nothing(library: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["export", "sat", str(library), "-o", str(tmp_path / "b"), *FEW, "--stem", "bass", "--dry-run"]
    assert main(words) == 0
    assert "audio    bass instead of the mix" in capsys.readouterr().out
    assert not (tmp_path / "b").exists()


def test_files_of_different_length_are_added_up(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    parts = [0.1 * rng.standard_normal((2, n)).astype(np.float32) for n in (500_000, 600_000, 300)]
    paths = tuple(write(tmp_path / f"{i}.flac", part) for i, part in enumerate(parts))
    files = SummedFiles(paths, 2.0)
    for start, seconds in ((0.0, 20.0), (1.0, 5.0), (12.0, 3.0)):
        found = np.concatenate(list(exported_blocks(files, ANALYSIS_RATE, start, seconds, exact=True)), axis=1)
        expected = np.zeros((2, 2_000_000))
        for path in paths:
            samples = audio(path)
            expected[:, : samples.shape[1]] += samples
        first = round(start * ANALYSIS_RATE)
        np.testing.assert_allclose(found, 2 * expected[:, first : first + round(seconds * ANALYSIS_RATE)], atol=1e-6)


def test_stems_do_not_depend_on_the_number_of_workers(library: Path, tmp_path: Path) -> None:
    written = []
    for jobs in ("1", "2"):
        out = tmp_path / "out"
        words = ["export", "sat", str(library), "-o", str(out), *FEW, "--stem", "bass", "--pairs", "-q", "-j", jobs]
        assert main(words) == 0
        written.append({path.relative_to(out): path.read_bytes() for path in out.rglob("*") if path.is_file()})
        shutil.rmtree(out)
    assert written[0] == written[1]
    assert "mirkit_measured.jsonl" in {path.name for path in written[0]}
