"""Tags: read from every format, cleaned, and never a reason to fail."""

import dataclasses
from pathlib import Path

import pytest
from audio_files import KINDS, id3, music, write
from hypothesis import given
from hypothesis import strategies as st

from mirkit.audio import Tags, encode, open_audio, read_tags
from mirkit.audio.tags import LONGEST, tags_of

WHAT = {"artist": "Björk & Ólafur", "title": "Jóga / 東京 🎵", "album": "Homogenic: 1997", "genre": "Electronic"}


@pytest.mark.parametrize("name", sorted(KINDS))
def test_the_common_ones_from_every_format(name: str, tmp_path: Path) -> None:
    write(tmp_path / name, music(0.2, 48000), 48000, tags=WHAT)
    tags = read_tags(tmp_path / name)
    got = {field: value for field, value in dataclasses.asdict(tags).items() if value is not None}
    # aiff has chunks for title and artist alone, unless it carries an ID3 tag
    wanted = {k: v for k, v in WHAT.items() if not name.endswith("aiff") or k in ("title",)}
    assert wanted.items() <= got.items()


@pytest.mark.parametrize(
    ("name", "more"),
    [
        ("cbr.mp3", {"album_artist": "Various", "date": "1997-09-22", "track": "2/10", "TBPM": "123.5", "TKEY": "Am"}),
        (
            "s16.flac",
            {"ALBUMARTIST": "Various", "DATE": "1997", "TRACKNUMBER": "2", "BPM": "123.5", "INITIALKEY": "Am"},
        ),
        ("vorbis.ogg", {"albumartist": "Various", "year": "1997", "tracknumber": "02", "bpm": "123,5", "KEY": "Am"}),
        ("aac.m4a", {"album_artist": "Various", "date": "1997", "track": "2", "tmpo": "123"}),
    ],
)
def test_the_rarer_ones(name: str, more: dict[str, str], tmp_path: Path) -> None:
    write(tmp_path / name, music(0.2, 48000), 48000, tags=WHAT | more)
    tags = read_tags(tmp_path / name)
    assert (tags.albumartist, tags.year, tags.track) == ("Various", 1997, 2)
    assert tags.bpm == pytest.approx(123.5, abs=0.5)
    assert tags.key == (None if name == "aac.m4a" else "Am")


@pytest.mark.parametrize("name", ["s16.flac", "s16.wav", "aac.m4a"])
def test_bytes_that_are_not_utf8(name: str, tmp_path: Path) -> None:
    """The formats of flac and m4a say UTF-8, and the bytes are lost; those of a wav are decoded."""
    path = tmp_path / name
    write(path, music(0.2, 48000), 48000, tags={"title": "Cafe Noir", "artist": "Motorhead"})
    data = path.read_bytes()
    assert data.count(b"Cafe Noir") == 1
    path.write_bytes(data.replace(b"Cafe Noir", b"Caf\xe9 Noir"))
    tags = read_tags(path)
    known = name.endswith("wav")
    assert (tags.title, tags.encoding) == (("Café Noir", "cp1252") if known else (None, "unknown"))
    assert tags.artist == "Motorhead"
    assert open_audio(path).samples().shape[1]


@pytest.mark.reference
def test_as_tinytag_reads_them(tmp_path: Path) -> None:
    tinytag = pytest.importorskip("tinytag")
    for name in ("cbr.mp3", "s16.flac", "vorbis.ogg", "aac.m4a", "libopus.opus"):
        write(tmp_path / name, music(0.2, 48000), 48000, tags=WHAT | {"date": "1997", "track": "3"})
        ours, theirs = read_tags(tmp_path / name), tinytag.TinyTag.get(tmp_path / name)
        for field in ("artist", "title", "album", "genre"):
            assert getattr(ours, field) == getattr(theirs, field)
        assert str(ours.year) == str(theirs.year)[:4]
        assert ours.track == theirs.track


@pytest.mark.parametrize("suffix", ["flac", "mp3", "ogg", "wav"])
def test_what_encode_writes(suffix: str, tmp_path: Path) -> None:
    tags = {**WHAT, "year": "1997", "track": "4"}
    more = {"albumartist": "Various", "bpm": "98.5", "key": "F#m"} if suffix != "wav" else {}
    encode(tmp_path / f"x.{suffix}", [music(0.3)], rate=44100, channels=2, tags=tags | more)
    got = read_tags(tmp_path / f"x.{suffix}")
    assert (got.artist, got.title, got.album, got.genre) == tuple(WHAT.values())
    assert (got.year, got.track) == (1997, 4)
    if more:
        assert (got.albumartist, got.bpm, got.key) == ("Various", 98.5, "F#m")


def test_no_tags(tmp_path: Path) -> None:
    write(tmp_path / "s16.wav", music(0.1))
    assert read_tags(tmp_path / "s16.wav") == Tags()
    assert read_tags(tmp_path / "absent.wav") == Tags()
    (tmp_path / "noise.mp3").write_bytes(b"\xff\xfb" * 999)
    assert read_tags(tmp_path / "noise.mp3") == Tags()


def mp3(folder: Path, *frames: tuple[bytes, bytes]) -> Path:
    write(folder / "cbr.mp3", music(0.3))
    (folder / "x.mp3").write_bytes(id3(*frames) + (folder / "cbr.mp3").read_bytes())
    assert open_audio(folder / "x.mp3").frames == 13230
    return folder / "x.mp3"


def test_huge_tags(tmp_path: Path) -> None:
    path = mp3(tmp_path, (b"TIT2", b"\3" + b"x" * 3_000_000), (b"TPE1", b"\3A"), (b"PRIV", bytes(500_000)))
    tags = read_tags(path)
    assert tags.title == "x" * LONGEST
    assert tags.artist == "A"


@pytest.mark.parametrize(
    ("raw", "clean"),
    [
        (b"\3a\0b", "a"),  # ID3 ends a text, or starts another, with a NUL
        (b"\3  a \t\r\n b\x1b[31m\x07  ", "a b[31m"),
        (b"\3\xe2\x80\xaeevil.exe\xe2\x80\xac", "evil.exe"),
        (b"\3../../etc/passwd", "../../etc/passwd"),  # whoever makes a path of it has to escape it
        (b"\3\xff\xfe\xfd", None),
        (b"\0caf\xe9", "café"),
        (b"\1\xff\xfec\0a\0f\0\xe9\0", "café"),
        (b"\3cafe\xcc\x81", "café"),
        (b"\3   ", None),
        (b"", None),
        (b"\3<script>alert(1)</script>", "<script>alert(1)</script>"),
    ],
)
def test_texts_are_cleaned(raw: bytes, clean: str | None, tmp_path: Path) -> None:
    assert read_tags(mp3(tmp_path, (b"TIT2", raw))).title == clean


@pytest.mark.parametrize(
    ("bpm", "value"),
    [
        ("120", 120),
        ("120.00", 120),
        ("98,5", 98.5),
        ("0", None),
        ("-1", 1),
        ("fast", None),
        ("9" * 400, None),
        ("", None),
    ],
)
def test_tempo(bpm: str, value: float | None) -> None:
    assert tags_of({"BPM": [bpm]}).bpm == value


@pytest.mark.parametrize(
    ("date", "year"),
    [
        ("1997", 1997),
        ("1997-09-22", 1997),
        ("22.09.1997", 1997),
        ("97", None),
        ("0000", None),
        ("19970922", None),
        ("", None),
    ],
)
def test_year(date: str, year: int | None) -> None:
    assert tags_of({"date": [date]}).year == year


@given(
    st.dictionaries(
        st.sampled_from(["title", "ARTIST", "date", "TBPM", "track", "key", "other"]), st.text(max_size=700)
    )
)
def test_any_text_makes_clean_tags(raw: dict[str, str]) -> None:
    tags = tags_of({name: [text] for name, text in raw.items()})
    for value in dataclasses.astuple(tags):
        if isinstance(value, str):
            assert 0 < len(value) <= LONGEST
            assert value == value.strip()
            assert not any(ord(c) < 32 or 0xD800 <= ord(c) < 0xE000 for c in value)
            value.encode()
    assert tags.bpm is None or 1 <= tags.bpm <= 1000
    assert tags.year is None or 1000 <= tags.year <= 2999


@pytest.mark.parametrize(("bpm", "value"), [("0.99", None), ("1", 1), ("1000", 1000), ("1000.1", None)])
def test_tempo_is_from_1_to_1000(bpm: str, value: float | None) -> None:
    assert tags_of({"BPM": [bpm]}).bpm == value


def test_texts_are_500_characters_at_most() -> None:
    assert [len(tags_of({"title": ["x" * n]}).title or "") for n in (499, 500, 501)] == [499, 500, 500]
