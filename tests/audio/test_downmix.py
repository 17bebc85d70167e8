"""More than two channels: what is measured and exported is their downmix to stereo."""

from math import sqrt
from pathlib import Path

import av
import numpy as np
import pytest
import soundfile
from audio_files import LAYOUTS, feed, music

from mirkit.audio import audio_from_array, downmix_formula, open_audio, probe
from mirkit.audio.downmix import DEFAULT_LAYOUTS
from mirkit.errors import AudioError

H = sqrt(0.5)
#: FFmpeg's layout -> gains of its channels in left and right.
KNOWN = {
    "3.0": [(1, 0), (0, 1), (H, H)],
    "2.1": [(1, 0), (0, 1), (0, 0)],
    "4.0": [(1, 0), (0, 1), (H, H), (0.5, 0.5)],
    "quad": [(1, 0), (0, 1), (H, 0), (0, H)],
    "5.0": [(1, 0), (0, 1), (H, H), (H, 0), (0, H)],
    "5.1": [(1, 0), (0, 1), (H, H), (0, 0), (H, 0), (0, H)],
    "5.1(side)": [(1, 0), (0, 1), (H, H), (0, 0), (H, 0), (0, H)],
    "6.1": [(1, 0), (0, 1), (H, H), (0, 0), (0.5, 0.5), (H, 0), (0, H)],
    "7.1": [(1, 0), (0, 1), (H, H), (0, 0), (H, 0), (0, H), (H, 0), (0, H)],
}


def write_layout(path: Path, x: np.ndarray, layout: str) -> Path:
    with av.open(str(path), "w", format="wav") as out:
        stream = out.add_stream("pcm_f32le", rate=44100, layout=layout, format="flt")
        feed(out, stream, x, 44100, "flt", layout)
    return path


@pytest.mark.parametrize("layout", KNOWN)
def test_gains_of_every_channel(layout: str, tmp_path: Path) -> None:
    gains = np.array(KNOWN[layout])
    x = music(0.2, channels=len(gains))
    audio = open_audio(write_layout(tmp_path / "x.wav", x, layout))
    assert (audio.channels, audio.source.channels) == (2, len(gains))
    assert audio.samples() == pytest.approx(gains.T @ x, abs=1e-6)
    again = audio_from_array(x, 44100)
    assert again.channels == 2
    if layout in LAYOUTS:
        assert np.array_equal(again.samples(), audio.samples())


@pytest.mark.parametrize("rate", [44100, 22050, None])
def test_a_voice_in_the_center_is_in_both_channels(rate: int | None, tmp_path: Path) -> None:
    voice = music(0.5, channels=1)[0]
    x = np.zeros((6, len(voice)), np.float32)
    x[2] = voice
    soundfile.write(tmp_path / "x.flac", x.T, 44100, subtype="PCM_24")
    audio = open_audio(tmp_path / "x.flac", rate=rate)
    stereo = audio.samples()
    assert np.array_equal(stereo[0], stereo[1])
    if audio.rate == 44100:
        assert stereo[0] == pytest.approx(H * voice, abs=1e-6)


def test_nothing_is_normalized() -> None:
    x = np.full((6, 100), 0.9, np.float32)
    assert audio_from_array(x, 44100).samples() == pytest.approx(0.9 * (1 + 2 * H), abs=1e-6)


@pytest.mark.parametrize("channels", [1, 2])
def test_mono_and_stereo_stay_as_they_are(channels: int) -> None:
    x = music(0.1, channels=channels)
    assert np.array_equal(audio_from_array(x, 44100).samples(), x)


@pytest.mark.parametrize("layout", ["7.1(wide)", "5.1.2"])
def test_other_layouts_are_refused_in_one_line(layout: str, tmp_path: Path) -> None:
    path = write_layout(tmp_path / "x.wav", music(0.1, channels=8), layout)
    assert probe(path).channels == 8
    with pytest.raises(AudioError, match=r"x\.wav: the file has 8 channels in an unusual layout \(FL FR") as error:
        open_audio(path)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("channels", range(3, 9))
def test_channels_without_names_are_refused(channels: int, tmp_path: Path) -> None:
    soundfile.write(tmp_path / "x.wav", music(0.1, channels=channels).T, 44100)
    with pytest.raises(AudioError, match=f"has {channels} channels without names"):
        open_audio(tmp_path / "x.wav")


def test_the_formula_in_words() -> None:
    assert downmix_formula(DEFAULT_LAYOUTS[6]) == (
        "left = FL + 0.7071 FC + 0.7071 BL, right = FR + 0.7071 FC + 0.7071 BR"
    )
