"""What a bundle says of levels is true of its audio: gains per track, mono, the check of every file."""

import io
import json
import re
import shutil
import tarfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import soundfile

from export.measured import make_clips, moved
from mirkit.cli import main
from mirkit.export.item import Item
from mirkit.export.items import read_items
from mirkit.export.levels import find_levels
from mirkit.export.run import check
from mirkit.export.sound_check import measure_file
from mirkit.store import read_info
from mirkit.track import Track


def load(path: Path) -> dict:
    return json.loads(path.read_bytes())


def items(root: Path) -> list[Item]:
    return read_items(root, crops=True).items


def levels(found: list[Item], problems: list[str], rate: int = 44100) -> dict:
    return find_levels(found, problems, rate=rate, target_lufs=None, jobs=1, advance=lambda _: None)


def squares(rng: np.random.Generator, shape: tuple[int, int]) -> np.ndarray:
    """Samples at full scale, which a conversion of the rate moves beyond it."""
    return (0.9999 * np.sign(rng.standard_normal(shape))).astype(np.float32)


def test_one_gain_for_all_clips_of_a_track_that_a_rate_conversion_moves_beyond_full_scale(tmp_path: Path) -> None:
    data = make_clips(tmp_path / "data", tracks=2, clips=2, rate=48000, sound=squares)
    out = tmp_path / "out"
    assert main(["export", "sat", str(out), str(data), "--val", "0", "--check", "--no-trainer", "-q", "-j", "1"]) == 0
    index, entries = load(out / "mirkit_index.json"), load(out / "mirkit_files.json")
    gains: dict[str, set[float]] = {}
    for name, entry in entries.items():
        gains.setdefault(entry["source"], set()).add(entry["gain_db"])
        samples, _ = soundfile.read(out / "train" / f"{name}.flac", dtype="int32")
        assert np.abs(samples.astype(np.int64)).max() < 2**31 - 2**8  # nothing is limited
        assert 20 * np.log10(np.abs(samples / 2**31).max()) == pytest.approx(entry["peak_dbfs"], abs=0.002)
        info = read_info(Track(data / entry["from"]).info)
        given = dict(zip(index["names"], index["files"][f"{name}.flac"]["numbers"], strict=True))
        for key in ("lufs", "lufs_drums", "rms_energy_mid"):
            assert entry["levels"][key] == pytest.approx(info[key] + entry["gain_db"], abs=1e-3)
            if key in given:
                assert given[key] == pytest.approx(entry["levels"][key], abs=1e-3)
    assert len(gains) == 2
    assert all(len(of_track) == 1 and max(of_track) < -1 for of_track in gains.values())
    highest = [max(e["peak_dbfs"] for e in entries.values() if e["source"] == source) for source in gains]
    assert highest == pytest.approx([0, 0], abs=0.003)


def test_a_mono_source_is_louder_on_two_channels(tmp_path: Path) -> None:
    data = make_clips(tmp_path / "data", tracks=1, clips=1, channels=1)
    out = tmp_path / "out"
    assert main(["export", "webdataset", str(out), str(data), "--val", "0", "--check", "-q", "-j", "1"]) == 0
    (entry,) = load(out / "mirkit_files.json").values()
    info = read_info(Track(data / entry["from"]).info)
    assert entry["levels"]["lufs"] == pytest.approx(info["lufs"] + 3.0103, abs=1e-3)
    assert entry["levels"]["rms_energy_mid"] == info["rms_energy_mid"]


def test_a_recorded_peak_is_not_measured_again(clips: Path) -> None:
    first = items(clips)[0]
    known = replace(first, metadata={**first.metadata, "peak": -6.0206, "channels": 2}, mix=clips / "not there.flac")
    assert levels([known], [])[first.name].peak == pytest.approx(0.5, abs=1e-5)
    problems: list[str] = []
    assert not levels([known], problems, rate=48000)
    assert "not there" in problems[0]


def test_samples_at_the_scale_of_integers_are_refused_in_one_line(clips: Path, tmp_path: Path) -> None:
    soundfile.write(tmp_path / "x.wav", np.full((9000, 2), 16384.0), 44100, subtype="FLOAT")
    item = replace(items(clips)[0], mix=tmp_path / "x.wav")
    problems: list[str] = []
    assert not levels([item], problems)
    assert len(problems) == 1
    assert "its samples reach +84.3 dBFS" in problems[0]
    assert "\n" not in problems[0]


def faults(out: Path, target: str = "sat") -> list[str]:
    return check(target, out, trainer=False).faults


def first_audio(out: Path) -> Path:
    return sorted((out / "train").glob("*.flac"))[0]


def test_softer_audio_is_told_with_both_numbers(bundle: Path) -> None:
    assert faults(bundle) == []
    path = first_audio(bundle)
    samples, rate = soundfile.read(path)
    before, after = measure_file(path, deep=True), 0.02 * samples
    soundfile.write(path, after, rate, subtype="PCM_24")
    told = faults(bundle)
    assert all(path.name in line for line in told)
    (peaks,) = [line for line in told if "peak" in line]
    numbers = [float(text) for text in re.findall(r"(-\d+\.\d+) dBFS", peaks)]
    assert numbers == pytest.approx([before.peak_dbfs + 20 * np.log10(0.02), before.peak_dbfs], abs=0.01)
    assert sum("rms_energy_" in line for line in told) == 4


def test_clipped_audio_is_told(bundle: Path) -> None:
    path = first_audio(bundle)
    samples, rate = soundfile.read(path)
    soundfile.write(path, np.clip(3 * samples, -1, 1), rate, subtype="PCM_16")
    assert any("peak of the file is -0.00 dBFS" in line or "is 0.00 dBFS" in line for line in faults(bundle))


def test_shorter_audio_is_told(bundle: Path) -> None:
    path = first_audio(bundle)
    samples, rate = soundfile.read(path)
    soundfile.write(path, samples[:-2000], rate, subtype="PCM_16")
    assert any("the file has 0.326 s, the index says 0.372 s" in line for line in faults(bundle))


def test_mono_audio_is_told(bundle: Path) -> None:
    path = first_audio(bundle)
    samples, rate = soundfile.read(path)
    soundfile.write(path, samples[:, 0], rate, subtype="PCM_16")
    assert any("the file has 1 channels, the index says 2" in line for line in faults(bundle))


def test_a_wrong_number_for_the_trainer_is_told(bundle: Path) -> None:
    index = load(bundle / "mirkit_index.json")
    path = first_audio(bundle)
    at = index["names"].index("rms_energy_mid")
    index["files"][path.name]["numbers"][at] += 18
    (bundle / "mirkit_index.json").write_text(json.dumps(index))
    (line,) = [line for line in faults(bundle) if "rms_energy_mid" in line]
    assert path.stem in line
    assert "for the trainer" in line


def test_audio_and_numbers_in_tars_are_checked(tars: Path) -> None:
    assert faults(tars, "sat-wds") == []
    path = sorted((tars / "train").glob("*.tar"))[0]
    with tarfile.open(path) as tar:
        members = {member.name: tar.extractfile(member).read() for member in tar}  # type: ignore[union-attr]
    audio, sidecar = sorted(members)[:2]
    samples, rate = soundfile.read(io.BytesIO(members[audio]))
    quiet = io.BytesIO()
    soundfile.write(quiet, 0.25 * samples, rate, format="FLAC", subtype="PCM_24")
    members[audio] = quiet.getvalue()
    values = json.loads(members[sidecar])
    members[sidecar] = json.dumps(values | {"rms_energy_air": values["rms_energy_air"] + 7}).encode()
    with tarfile.open(path, "w") as tar:
        for name, data in members.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(data)
            tar.addfile(entry, io.BytesIO(data))
    told = faults(tars, "sat-wds")
    assert any("peak of the file" in line for line in told)
    assert any("rms_energy_air" in line and "for the trainer" in line for line in told)


def test_a_bundle_of_an_earlier_version_gets_a_note(sat_bundle: Path, tmp_path: Path) -> None:
    out = moved(sat_bundle, tmp_path / "old")
    index = load(out / "mirkit_files.json")
    for entry in index.values():
        del entry["levels"]
    (out / "mirkit_files.json").write_text(json.dumps(index))
    result = check("sat", out, trainer=False)
    assert result.faults == []
    assert any("was not compared" in note or "were not compared" in note for note in result.notes)


def test_a_missing_index_is_a_fault(bundle: Path) -> None:
    (bundle / "mirkit_files.json").unlink()
    assert any("mirkit_files.json: the file is missing" in line for line in faults(bundle))
    shutil.rmtree(bundle)
