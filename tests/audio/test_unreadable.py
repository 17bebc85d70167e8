"""Files with the name of a sound that hold none: each message says what the file is, and what to do."""

from pathlib import Path

import numpy as np
import pytest

from audio.audio_files import music
from mirkit.audio import open_audio, probe
from mirkit.errors import AudioError

#: Content -> what the message says of it.
KINDS: dict[str, tuple[bytes, str]] = {
    "empty.wav": (b"", "the file is empty (0 bytes); copy or download it again"),
    "zeros.mp3": (bytes(5000), "the file begins with zeros only, as after an interrupted copy; replace it"),
    "letter.mp3": (b"Dear all,\r\nthe song follows.\n", "the file is not audio but a text; remove it"),
    "letter.flac": (b"Dear all,\n", "the file is not audio but a text; remove it"),
    "error.ogg": (b"<html><body>503</body></html>", "a web page, such as the error page"),
    "long letter.ogg": ("süß und wild, ".encode() * 900, "the file is not audio but a text; remove it"),
    "error.mp3": (
        b"\n<!DOCTYPE html><html><body>404</body></html>",
        "a web page, such as the error page",
    ),
    "shouting.mp3": (b"<HTML><HEAD><TITLE>503</TITLE>", "a web page, such as the error page"),
    "feed.mp3": (b'<?xml version="1.0"?><rss/>', "not audio but a text (XML)"),
    "cover.flac": (b"\xff\xd8\xff\xe0\x00\x10JFIF\x00" + bytes(range(256)), "not audio but a picture (JPEG)"),
    "cover2.wav": (b"\x89PNG\r\n\x1a\n" + bytes(range(256)), "not audio but a picture (PNG)"),
    "cover3.wav": (b"RIFF\x10\x00\x00\x00WEBPVP8 " + bytes(range(256)), "not audio but a picture (WebP)"),
    "score.wav": (b"MThd\x00\x00\x00\x06\x00\x01\x00\x01\x01\xe0MTrk", "not audio but a MIDI file"),
    "album.mp3": (b"PK\x03\x04\x14\x00" + bytes(range(256)), "not audio but a ZIP archive"),
    "large.flac": (
        b"version https://git-lfs.github.com/spec/v1\noid sha256:0",
        "a pointer of Git LFS",
    ),
    "cut.flac": (b"fLaC\x00\x00\x00\x22" + bytes([200] * 9), "damaged or cut off: it begins as flac"),
    "cut.wav": (b"RIFF\xff\xff\x00\x00WAVEfmt ", "damaged or cut off: it begins as wav"),
    "cut.m4a": (b"\x00\x00\x00\x18ftypM4A \x00\x00\x02\x00isomiso2\x00\x00\x40\x00mdat", "its index is missing"),
}


@pytest.mark.parametrize("name", KINDS)
def test_what_the_file_is(name: str, tmp_path: Path) -> None:
    content, says = KINDS[name]
    (tmp_path / name).write_bytes(content)
    with pytest.raises(AudioError) as caught:
        probe(tmp_path / name)
    message = str(caught.value)
    assert message.startswith(f"{tmp_path / name}: "), "the path is printed once"
    assert message.count(name) == 1
    assert says in message
    assert message.isprintable()


def test_random_bytes_are_not_given_a_name(tmp_path: Path, rng: np.random.Generator) -> None:
    (tmp_path / "x.mp3").write_bytes(b"\xfa" + rng.bytes(5000))
    with pytest.raises(AudioError, match=r"not an audio file that mirkit can read, or its start is damaged; replace"):
        probe(tmp_path / "x.mp3")


def test_a_folder_with_the_name_of_a_sound(tmp_path: Path) -> None:
    (tmp_path / "x.mp3").mkdir()
    with pytest.raises(AudioError, match=r"x\.mp3: this is a folder, so mirkit does not read it as audio$"):
        probe(tmp_path / "x.mp3")


def test_a_file_that_has_vanished(tmp_path: Path) -> None:
    with pytest.raises(AudioError, match=r"x\.mp3: cannot read: the file or its folder is gone"):
        probe(tmp_path / "x.mp3")


@pytest.mark.parametrize("mark", [b"drms", b"enca"])
def test_encrypted_audio(mark: bytes, tmp_path: Path) -> None:
    """As in a shop's m4p or a stream: the entry of the samples is named so, and the samples are noise."""
    import av

    with av.open(str(tmp_path / "x.m4a"), "w", format="ipod") as out:
        stream = out.add_stream("aac", rate=44100, layout="stereo")
        frame = av.AudioFrame.from_ndarray(music(1.0), format="fltp", layout="stereo")
        frame.sample_rate = 44100
        for packet in (*stream.encode(frame), *stream.encode(None)):
            out.mux(packet)
    data = (tmp_path / "x.m4a").read_bytes()
    at = data.index(b"mp4a")
    box = b"\x00\x00\x00\x10sinf\x00\x00\x00\x08frma"
    start, end = data.index(b"mdat") + 4, data.index(b"moov") - 4
    noise = np.random.default_rng(0).bytes(end - start)
    moov = data[end:at] + mark + data[at + 4 :]
    # A free box within the index carries the mark of encryption; the sizes of its parents grow with it.
    moov = (len(moov) + len(box)).to_bytes(4, "big") + moov[4:] + box
    (tmp_path / "x.m4a").write_bytes(data[:start] + noise + moov)
    with pytest.raises(AudioError, match=r"x\.m4a: its audio is encrypted \(DRM\)"):
        open_audio(tmp_path / "x.m4a").samples()
