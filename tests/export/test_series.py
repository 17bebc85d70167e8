"""Values over time at the rate of the latents: shape, type, and where events and levels fall."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from library import beat_music, write
from mirkit.catalog import STEMS
from mirkit.cli import main
from mirkit.export.series import BANDS, EVENTS, FRAME_SAMPLES, OTHERS, SHAPES, series_of_audio
from mirkit.features.types import ANALYSIS_RATE
from mirkit.store import read_grid, read_info
from mirkit.track import Track

pytestmark = pytest.mark.usefixtures("in_process")
SECONDS, FIRST, PERIOD = 20.0, 0.25, 0.5


@pytest.fixture(scope="module")
def clicks(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Clicks every half second over a quiet tone that stops after 16 s, cut into clips of 8 s."""
    root = tmp_path_factory.mktemp("series") / "data"
    time = np.arange(round(SECONDS * ANALYSIS_RATE)) / ANALYSIS_RATE
    samples = 0.05 * np.sin(2 * np.pi * 220 * time) * (time < 16)
    for start in np.arange(FIRST, 16, PERIOD):
        first = round(start * ANALYSIS_RATE)
        samples[first : first + 441] += 0.5 * np.hanning(441)
    write(root / "Song" / "full_mix.flac", np.stack((samples, samples)).astype(np.float32))
    for words in (["extract", str(root), "--batch"], ["crop", str(root), "--seconds", "8", "--align", "free"]):
        assert main([*words, "-q", "-j", "1"]) == 0
    return root


def export(data: Path, out: Path, *more: str) -> dict[str, dict[str, np.ndarray]]:
    """Export, check, and return the series by the clip they belong to."""
    words = ["export", *more[:1], str(data), "-o", str(out), "--val", "0", "-j", "1", "-q", "--check", "--no-trainer"]
    assert main([*words, *more[1:]]) == 0
    found: dict[str, Any] = {}
    for name, entry in json.loads((out / "mirkit_files.json").read_text()).items():
        (path,) = out.rglob(f"{name}.TIMESERIES.npz")
        assert list(path.parent.glob(f"{name}.*")) != [path]  # beside the audio
        with np.load(path, allow_pickle=False) as series:
            found[entry["from"]] = {"start": entry["start"], **{field: series[field] for field in series.files}}
    return found


@pytest.mark.parametrize("model", ["sat", "sa3"])
def test_one_value_a_latent_frame(model: str, clicks: Path, tmp_path: Path) -> None:
    found = export(clicks, tmp_path / "b", model, "--series", model)
    assert len(found) >= 2
    frame = FRAME_SAMPLES[model]
    frames = -(-8 * ANALYSIS_RATE // frame)
    for clip, series in found.items():
        start = series.pop("start")
        assert series.keys() == {*BANDS, *SHAPES, *EVENTS, *OTHERS}
        for name, values in series.items():
            assert values.shape == ((frames, 12) if name == "hpcp_ts" else (frames,)), name
            assert values.dtype == np.float16
            assert np.isfinite(values).all()
        # Clicks of the file are in the frames of the onsets, and beats in those of the grid.
        time = np.arange(FIRST, 16, PERIOD)
        here = time[(time >= start) & (time < start + 8)] - start
        hits = np.flatnonzero(series["onset_activation_ts"])
        hits = hits[hits > 2]  # the tone begins, too
        assert len(hits) == pytest.approx(len(here), abs=1)
        expected = here * ANALYSIS_RATE / frame
        assert max(min(abs(hit + 0.5 - at) for at in expected) for hit in hits) < 0.5 + 0.03 * ANALYSIS_RATE / frame
        grid = read_grid(Track.at(clicks / clip).grid)
        beats = np.unique(np.floor(grid.beats * ANALYSIS_RATE / frame).astype(int))
        np.testing.assert_array_equal(np.flatnonzero(series["beat_activation_ts"]), beats[beats < frames])
        assert set(np.flatnonzero(series["downbeat_activation_ts"])) <= set(beats)
        position = series["relative_position_ts"].astype(float)
        middle = (start + (np.arange(frames) + 0.5) * frame / ANALYSIS_RATE) / SECONDS
        np.testing.assert_allclose(position, np.minimum(middle, 1), atol=2e-3)
        # The onset envelope is high where a click is.
        envelope = series["onset_envelope_ts"].astype(float)
        clicked = np.unique(np.floor(here * ANALYSIS_RATE / frame).astype(int))[1:]
        near = [envelope[max(0, at - 1) : at + 2].max() for at in clicked]
        assert min(near, default=9) > 5 * np.median(envelope)
        # The mean of the power over time is the level of the clip.
        info = read_info(Track.at(clicks / clip).info)
        sounding = series["active_ts"] > 0
        if sounding.all():
            mean = 10 * np.log10(np.mean(10 ** (series["rms_energy_body_ts"].astype(float) / 10)))
            assert mean == pytest.approx(info["rms_energy_body"], abs=0.5)
        assert int(series["hpcp_ts"][sounding].mean(axis=0).argmax()) == 9  # A


#: The 21 arrays that the control heads of the ancestor of mirkit are trained on.
ANCESTOR = (
    *(f"rms_energy_{band}_ts" for band in ("bass", "body", "mid", "air")),
    *(f"{kind}_{stem}_ts" for kind in ("rms", "onset_envelope") for stem in ("bass", "drums", "other", "vocals")),
    *(f"spectral_{name}_ts" for name in ("flatness", "flux", "kurtosis", "skewness")),
    *("beat_activation_ts", "downbeat_activation_ts", "onset_envelope_ts", "hpcp_ts", "relative_position_ts"),
)


def test_series_of_stems(tmp_path: Path) -> None:
    """Each stem has its level and its onsets: the drums hit every half second, the vocals are silent."""
    root = tmp_path / "data"
    parts = {stem: samples / 2 for stem, samples in beat_music(10.0).items()}
    for stem, samples in parts.items():
        write(root / "Song" / f"{stem}.flac", samples)
    write(root / "Song" / "full_mix.flac", sum(parts.values()))
    for words in (["extract", str(root), "--batch"], ["crop", str(root), "--seconds", "4", "--align", "free"]):
        assert main([*words, "-q", "-j", "1"]) == 0
    assert len(ANCESTOR) == 21
    for series in export(root, tmp_path / "b", "sat", "--series", "sat").values():
        first = round(series.pop("start") * ANALYSIS_RATE)
        assert series.keys() >= set(ANCESTOR)
        assert {(values.dtype, len(values)) for values in series.values()} == {(np.dtype(np.float16), 87)}
        for stem in STEMS:
            samples = parts[stem][:, first : first + 87 * 2048].astype(np.float64)
            frames = np.square(samples[:, : 86 * 2048]).reshape(2, 86, 2048).mean(axis=(0, 2))
            expected = np.maximum(10 * np.log10(np.maximum(frames, 1e-12)), -120)
            quiet = expected < -90  # below what 16 bits hold
            np.testing.assert_allclose(series[f"rms_{stem}_ts"][:86][~quiet], expected[~quiet], atol=0.2)
            assert (series[f"rms_{stem}_ts"][:86][quiet] < -85).all()
        drums = series["onset_envelope_drums_ts"].astype(float)
        beats = np.floor((np.arange(1, 8) * 0.5) * ANALYSIS_RATE / 2048).astype(int)
        assert set(np.argsort(drums[2:-1])[-7:] + 2) <= {at + step for at in beats for step in (0, 1, -1)}
        assert not series["onset_envelope_vocals_ts"].any()
        assert (series["rms_vocals_ts"] == -120).all()


def test_a_missing_stem_has_no_series(clicks: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["export", "sat", str(clicks), "-o", str(tmp_path / "b"), "--val", "0", "-j", "1", "--series", "sat"]
    assert main(words) == 0
    assert "without all four stems: the series of these files lack rms_STEM_ts" in capsys.readouterr().err


def test_level_and_envelope_of_audio() -> None:
    """A square wave of amplitude 0.1 from the fifth frame on: -20 dB, plus the gain, and one onset."""
    samples = np.zeros((2, 10 * 2048 - 1000), np.float32)
    samples[:, 4 * 2048 :] = 0.1 * np.sign(np.sin(2 * np.pi * 441 * np.arange(samples.shape[1] - 4 * 2048) / 44100))
    level, envelope = series_of_audio(samples, 2048, 12, gain_db=3)
    np.testing.assert_allclose(level[4:10], -17, atol=0.1)  # the tenth is half full
    assert (level[[0, 1, 2, 3, 10, 11]] == -120).all()
    assert envelope.argmax() in (3, 4)
    assert not envelope[10:].any()
    nothing = series_of_audio(np.zeros((2, 0), np.float32), 2048, 3)
    assert (nothing[0] == -120).all()
    assert not nothing[1].any()


def test_after_the_end_there_is_silence(clicks: Path, tmp_path: Path) -> None:
    """A latent of a padded clip has more frames than the clip."""
    export(clicks, tmp_path / "b", "sat", "--series", "sat")
    latents = tmp_path / "latents"
    latents.mkdir()
    for path in (tmp_path / "b").rglob("*.flac"):
        np.save(latents / f"{path.stem}.npy", np.zeros((8, 256), np.float32))
    found = export(clicks, latents, "sat-latents", "--series", "sat")
    for series in found.values():
        assert len(series["lufs_ts"]) == 256
        assert (series["lufs_ts"][173:] == -120).all()
        assert not series["hpcp_ts"][173:].any()
        assert not series["beat_activation_ts"][173:].any()


def test_the_gain_of_the_export_is_in_the_levels(clicks: Path, tmp_path: Path) -> None:
    plain = export(clicks, tmp_path / "a", "sat", "--series", "sat")
    louder = export(clicks, tmp_path / "b", "sat", "--series", "sat", "--loudness", "-30")
    gains = {
        entry["from"]: entry["gain_db"] for entry in json.loads((tmp_path / "b/mirkit_files.json").read_text()).values()
    }
    for clip in plain:
        change = louder[clip]["rms_energy_body_ts"].astype(float) - plain[clip]["rms_energy_body_ts"].astype(float)
        active = plain[clip]["rms_energy_body_ts"] > -100
        np.testing.assert_allclose(change[active], gains[clip], atol=0.1)


def test_damaged_series_are_found(clicks: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    export(clicks, tmp_path / "b", "sat", "--series", "sat")
    one, two, *_ = sorted((tmp_path / "b").rglob("*.npz"))
    with np.load(one) as series:
        arrays = dict(series)
    frames = len(arrays["beat_activation_ts"])
    np.savez(
        one,
        **(
            arrays
            | {
                "lufs_ts": arrays["lufs_ts"][:-1],
                "beat_activation_ts": np.full(frames, np.nan),
                "rms_bass_ts": np.zeros(frames, np.float16),
            }
        ),
    )
    two.write_bytes(b"no zip")
    assert main(["export", "sat", "--check-only", "--no-trainer", str(tmp_path / "b")]) == 1
    shown = capsys.readouterr().err
    assert "the series have 172 and 173 frames" in shown
    assert "beat_activation_ts must be float16 and finite" in shown
    assert "the series have rms_bass_ts without its counterpart" in shown
    assert f"{two.name}: the series cannot be read" in shown


@pytest.mark.parametrize("words", [("csv",), ("acestep",), ("sat-wds",), ("sat", "--stem", "drums")])
def test_where_there_are_no_series(words: tuple[str, ...], clicks: Path, tmp_path: Path) -> None:
    assert main(["export", words[0], str(clicks), "-o", str(tmp_path / "b"), "--series", "sat", *words[1:]]) == 2
