"""What pages are made of: series in bytes, waveforms, notes, addresses, escaping."""

import base64
import json
from pathlib import Path

import mido
import numpy as np
import pytest

from library import write
from mirkit.audio import encode
from mirkit.errors import AudioError, InfoError
from mirkit.features.level import LevelExtractor
from mirkit.features.types import ANALYSIS_RATE
from mirkit.report.encode import COLUMNS, downsample, quantize_base64, series, stored_waveform, waveform
from mirkit.report.media import address
from mirkit.report.site import render, script
from mirkit.report.track_page import notes


def decoded(text: str) -> np.ndarray:
    return np.frombuffer(base64.b64decode(text), np.uint8)


def test_groups_are_means_of_known_values() -> None:
    rows = np.array([1.0, 3.0, np.nan, 5.0, np.nan, np.nan, 7.0])
    means, size = downsample(rows, 4)
    assert size == 2
    np.testing.assert_array_equal(means, [2, 5, np.nan, 7])
    assert downsample(rows, 7)[1] == 1
    assert len(downsample(np.zeros((10_001, 3)), 3000)[0]) == 2501


def test_an_unknown_value_differs_from_the_lowest() -> None:
    values = np.array([0.0, 1.0, 0.5, np.nan, -np.inf, 9.0])
    assert decoded(quantize_base64(values, 0, 1)).tolist() == [
        1,
        255,
        128,
        0,
        1,
        255,
    ]


def test_waveform_has_the_extremes_of_all_channels(tmp_path: Path) -> None:
    sound = np.zeros((2, ANALYSIS_RATE), np.float32)
    sound[0, 10_000], sound[1, 10_000], sound[1, -1] = 0.5, -0.25, 1.0
    path = write(tmp_path / "x.wav", sound)
    columns = waveform(path, ANALYSIS_RATE)
    size = -(-ANALYSIS_RATE // COLUMNS)
    assert len(columns) == -(-ANALYSIS_RATE // size)
    assert columns[10_000 // size].tolist() == [-32, 64]
    assert columns[-1].tolist() == [0, 127]
    assert not columns[: 10_000 // size].any()
    assert len(waveform(path, 0)) == ANALYSIS_RATE  # the length was not known: every sample, and no harm
    (tmp_path / "bad.wav").write_bytes(b"RIFF")
    with pytest.raises(AudioError):
        waveform(tmp_path / "bad.wav", 1)


def test_stored_peaks_are_the_waveform_of_the_file(tmp_path: Path) -> None:
    time = np.arange(2 * ANALYSIS_RATE) / ANALYSIS_RATE
    tones = np.stack((np.sin(500 * time), np.sin(350 * time))) * (0.1 + 0.8 * np.sin(2 * time) ** 2)
    sound = tones.astype(np.float32)  # low, so that no peak lies far above the samples
    encode(tmp_path / "a.wav", [sound], rate=ANALYSIS_RATE, channels=2, bits=16)
    extractor = LevelExtractor(2)
    extractor.push(sound)
    found = stored_waveform({"full_mix/level/peak": extractor.finish().peak})
    assert found is not None
    assert found.shape == (200, 2)
    decoded_one = waveform(tmp_path / "a.wav", COLUMNS * ANALYSIS_RATE // 100)  # columns of 10 ms
    highest = np.abs(decoded_one.astype(int)).max(axis=1)
    assert (found[:, 1] == -found[:, 0]).all()
    np.testing.assert_allclose(found[:, 1], highest, atol=1)
    assert len(np.unique(highest)) > 50
    long = stored_waveform({"full_mix/level/peak": np.linspace(0, 2, 10 * COLUMNS + 1, dtype=np.float32)})
    assert long is not None
    assert len(long) == -(-(10 * COLUMNS + 1) // 11)
    assert long[-1].tolist() == [-127, 127]
    assert stored_waveform({}) is None
    assert stored_waveform({"full_mix/level/peak": np.zeros((3, 2))}) is None


def test_notes_of_a_midi_file_are_in_seconds(tmp_path: Path) -> None:
    file = mido.MidiFile(ticks_per_beat=480)
    track = mido.MidiTrack([mido.MetaMessage("set_tempo", tempo=500_000)])
    track += [
        mido.Message("note_on", note=36, velocity=100, time=480),
        mido.Message("note_on", note=36, velocity=0, time=60),
        mido.MetaMessage("set_tempo", tempo=1_000_000, time=420),
        mido.Message("note_on", note=38, velocity=64, time=480),
    ]
    file.tracks.append(track)
    file.save(tmp_path / "drums.mid")
    assert notes(tmp_path / "drums.mid") == [(0.5, 36, 100, 0.5625), (2.0, 38, 64, 2.0)]
    for damaged in (b"", b"MThd", b"no midi at all"):
        (tmp_path / "bad.mid").write_bytes(damaged)
        with pytest.raises(InfoError, match="cannot be read as MIDI"):
            notes(tmp_path / "bad.mid")


def test_series_of_an_unexpected_shape_are_left_out() -> None:
    whole = {
        "full_mix/chroma/chroma": np.full((50, 12), 255, np.uint8),
        "full_mix/chroma/level_db": np.full(50, -20, np.float16),
        "full_mix/bands/energy": np.full((12, 4), 8192.0, np.float32),
        "full_mix/loudness/energy": np.zeros(25, np.float32),
    }
    found = series(whole)
    assert set(found) == {"chroma", "bands", "loudness"}
    assert (decoded(found["chroma"]["data"]) == 255).all()
    assert (decoded(found["bands"]["data"]) == 255).all()  # 0 dBFS
    assert (decoded(found["loudness"]["parts"]["full_mix"]["data"]) == 1).all()  # silence
    broken = whole | {"full_mix/chroma/chroma": np.zeros((50, 11), np.uint8), "full_mix/bands/energy": np.zeros(4)}
    assert set(series(broken)) == {"loudness"}
    assert series({}) == {}


def test_addresses_survive_any_name(tmp_path: Path) -> None:
    name = tmp_path / "a b#?%<ü>" / "full_mix.flac"
    assert address(name, tmp_path / "report" / "tracks") == "../../a%20b%23%3F%25%3C%C3%BC%3E/full_mix.flac"


HOSTILE = "</script><script>alert(1)</script>&\"'"


def test_everything_is_escaped() -> None:
    page = {
        "title": HOSTILE,
        "name": HOSTILE,
        "by": [HOSTILE],
        "chips": [(HOSTILE, HOSTILE, HOSTILE)],
        "silent": True,
        "problems": [HOSTILE],
        "warnings": [HOSTILE],
        "groups": [
            (
                HOSTILE,
                [{"key": HOSTILE, "value": "1", "unit": HOSTILE, "description": HOSTILE, "why": "", "outside": 0}],
            )
        ],
        "texts": [(HOSTILE, HOSTILE)],
        "metadata": [(HOSTILE, HOSTILE, HOSTILE)],
        "stages": [{"name": HOSTILE, "method": HOSTILE, "version": HOSTILE, "when": HOSTILE, "failed": ""}],
        "data": {HOSTILE: HOSTILE},
    }
    html = render("track.html", stamp="", version="1", page=page).decode()
    assert "<script>alert" not in html
    assert html.count("</script>") == 6  # the page's own
    data = html.split('id="data">')[1].split("</script>")[0]
    assert json.loads(data) == {HOSTILE: HOSTILE}
    assert '"&#39;' not in html.replace("&#34;&#39;", "")  # no quote is left that could end an attribute


def test_data_are_scripts() -> None:
    text = script("X", {"a": [1, None, "ü\u2028"]}).decode()
    assert text.isascii()
    assert json.loads(text.removeprefix("window.X=").removesuffix(";\n")) == {"a": [1, None, "ü\u2028"]}
