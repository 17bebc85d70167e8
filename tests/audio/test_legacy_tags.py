"""Tags in the code pages of old programs, against mutagen with the right encoding."""

import struct
from pathlib import Path

import pytest
from audio_files import id3, music, write

from mirkit.audio import read_tags
from mirkit.audio.text_encoding import MARKED, encoding_of, marked

mutagen = pytest.importorskip("mutagen")
pytestmark = pytest.mark.reference

#: Encoding -> artist, title, album and genre of real songs.
SONGS = {
    "cp1251": [
        ("Кино", "Группа крови", "Группа крови", "Русский рок"),
        ("Аквариум", "Рок-н-ролл мёртв", "Радио Африка", "Рок"),
        ("Земфира", "Искала", "Прости меня моя любовь", "Поп"),
        ("Сплин", "Выхода нет", "Фонарь под глазом", ""),
        ("Ляпис Трубецкой", "Воины света", "Матрёшка", "Панк"),
        ("Би-2", "Мой рок-н-ролл", "", "Rock"),
        ("Алла Пугачёва", "Миллион алых роз", "", ""),
        ("ДДТ", "Что такое осень", "Актриса Весна", "Рок"),
        ("Тату", "Нас не догонят", "200 по встречной", "Pop"),
        ("Машина времени", "Поворот", "Лучшие песни", ""),
    ],
    "cp932": [
        ("宇多田ヒカル", "First Love", "First Love", "Jポップ"),
        ("椎名林檎", "丸ノ内サディスティック", "無罪モラトリアム", "ロック"),
        ("サザンオールスターズ", "いとしのエリー", "10ナンバーズ・からっと", "ポップス"),
        ("坂本龍一", "戦場のメリークリスマス", "", "サウンドトラック"),
        ("米津玄師", "Lemon", "BOOTLEG", ""),
        ("久石譲", "風の通り道", "となりのトトロ", "アニメ"),
        ("東京事変", "群青日和", "教育", "ロック"),
        ("中島みゆき", "糸", "EAST ASIA", ""),
        ("細野晴臣", "恋は桃色", "HOSONO HOUSE", ""),
        ("きゃりーぱみゅぱみゅ", "つけまつける", "", ""),
    ],
    "gbk": [
        ("周杰伦", "七里香", "七里香", "流行"),
        ("邓丽君", "月亮代表我的心", "", "流行"),
        ("王菲", "红豆", "唱游", ""),
        ("崔健", "一无所有", "新长征路上的摇滚", "摇滚"),
        ("许巍", "蓝莲花", "时光·漫步", "摇滚"),
        ("李宗盛", "山丘", "", ""),
        ("朴树", "平凡之路", "猎户星座", "民谣"),
        ("陈奕迅", "十年", "黑白灰", "流行"),
        ("刘欢", "好汉歌", "水浒传", "影视"),
        ("窦唯", "无地自容", "黑豹", ""),
    ],
    "big5": [
        ("周杰倫", "七里香", "七里香", "流行"),
        ("鄧麗君", "月亮代表我的心", "", "國語"),
        ("五月天", "倔強", "神的孩子都在跳舞", "搖滾"),
        ("張惠妹", "聽海", "Bad Boy", ""),
        ("陳奕迅", "富士山下", "What's Going On", "粵語"),
        ("羅大佑", "鹿港小鎮", "之乎者也", "民歌"),
        ("蔡依林", "舞孃", "舞孃", ""),
        ("張學友", "吻別", "吻別", "流行"),
        ("孫燕姿", "天黑黑", "孫燕姿同名專輯", "流行"),
        ("李宗盛", "凡人歌", "", ""),
    ],
    "cp949": [
        ("방탄소년단", "봄날", "화양연화", "댄스"),
        ("아이유", "좋은 날", "리얼", "발라드"),
        ("김광석", "서른 즈음에", "네번째", ""),
        ("서태지와 아이들", "난 알아요", "", "랩"),
        ("빅뱅", "거짓말", "Always", "힙합"),
        ("이문세", "붉은 노을", "", "가요"),
        ("소녀시대", "다시 만난 세계", "", ""),
        ("조용필", "단발머리", "", ""),
        ("혁오", "위잉위잉", "20", "인디"),
        ("장기하와 얼굴들", "싸구려 커피", "별일 없이 산다", "록"),
    ],
    "cp1252": [
        ("Motörhead", "Überkiller", "Ace of Spades", "Metal"),
        ("Sigur Rós", "Svefn-g-englar", "Ágætis byrjun", "Post-Rock"),
        ("Céline Dion", "Pour que tu m’aimes encore", "D’eux", "Chanson"),
        ("Mägo de Oz", "Fiesta pagana", "Finisterra", "Heavy"),
        ("Björk", "Jóga", "Homogenic", ""),
        ("João Gilberto", "Chega de Saudade", "", "Bossa nova – Música"),
        ("Die Ärzte", "Männer sind Schweine", "13", "Rock"),
        ("Édith Piaf", "Non, je ne regrette rien", "", ""),
        ("Röyksopp", "Så lenge det er øl", "", ""),
        ("Café Tacvba", "Eres", "Cuatro Caminos", ""),
    ],
}
_FRAMES = (b"TPE1", b"TIT2", b"TALB", b"TCON")
_FIELDS = ("artist", "title", "album", "genre")


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    path = tmp_path_factory.mktemp("sound") / "cbr.mp3"
    write(path, music(0.2, 44100))
    return path.read_bytes()


def _wanted(path: Path, encoding: str) -> list[str | None]:
    """Fields as mutagen reads them, with the right encoding."""
    tags = mutagen.File(path).tags
    texts = [str(tags[name.decode()]) if name.decode() in tags else "" for name in _FRAMES]
    return [text.encode("latin-1").decode(encoding) if text else None for text in texts]


def test_sixty_songs_as_mutagen_with_the_right_encoding(sound: bytes, tmp_path: Path) -> None:
    path, wrong, undecided = tmp_path / "x.mp3", [], 0
    for encoding, songs in SONGS.items():
        for song in songs:
            frames = [(n, b"\0" + text.encode(encoding)) for n, text in zip(_FRAMES, song, strict=True) if text]
            path.write_bytes(id3(*frames) + sound)
            tags = read_tags(path)
            if tags.encoding == "unknown":
                undecided += 1
            elif [getattr(tags, field) for field in _FIELDS] != _wanted(path, encoding):
                wrong.append((encoding, song, tags))
    assert wrong == []
    assert undecided <= 2


@pytest.mark.parametrize("form", ["ID3v1", "RIFF INFO", "APEv2"])
def test_every_format_that_states_no_encoding(form: str, sound: bytes, tmp_path: Path) -> None:
    artist, title = ("Кино".encode("cp1251"), "Группа крови".encode("cp1251"))
    path = tmp_path / "x.mp3"
    if form == "ID3v1":
        path.write_bytes(sound + b"TAG" + title.ljust(30, b"\0") + artist.ljust(30, b"\0") + bytes(64) + b"\xff")
    elif form == "APEv2":
        path.write_bytes(sound + _ape({b"Artist": artist, b"Title": title}))
    else:
        path = tmp_path / "s16.wav"
        write(path, music(0.2, 44100))
        info = b"INFO" + b"".join(_chunk(name, text) for name, text in ((b"IART", artist), (b"INAM", title)))
        path.write_bytes(path.read_bytes() + _chunk(b"LIST", info))
    tags = read_tags(path)
    assert (tags.artist, tags.title, tags.encoding) == ("Кино", "Группа крови", "cp1251")


def _chunk(name: bytes, data: bytes) -> bytes:
    return name + struct.pack("<I", len(data)) + data + bytes(len(data) % 2)


def _ape(items: dict[bytes, bytes]) -> bytes:
    body = b"".join(struct.pack("<II", len(value), 0) + name + b"\0" + value for name, value in items.items())
    return body + b"APETAGEX" + struct.pack("<IIII", 2000, len(body) + 32, len(items), 0) + bytes(8)


def test_texts_that_state_their_encoding_are_trusted(sound: bytes, tmp_path: Path) -> None:
    """These bytes are Cyrillic in cp1251; the frame says that they are Latin letters in UTF-16."""
    path = tmp_path / "x.mp3"
    path.write_bytes(id3((b"TPE1", b"\1\xff\xfe" + "Êèíî".encode("utf-16-le"))) + sound)
    assert (read_tags(path).artist, read_tags(path).encoding) == ("Êèíî", None)


def test_utf8_in_a_frame_that_says_latin1(sound: bytes, tmp_path: Path) -> None:
    path = tmp_path / "x.mp3"
    path.write_bytes(id3((b"TPE1", b"\0" + "Земфира".encode()), (b"TIT2", b"\0" + "Искала".encode())) + sound)
    assert (read_tags(path).artist, read_tags(path).encoding) == ("Земфира", "utf_8")


def test_what_cannot_be_told_is_left_out(sound: bytes, tmp_path: Path) -> None:
    path = tmp_path / "x.mp3"
    path.write_bytes(id3((b"TPE1", b"\0\xb0\xa1"), (b"TIT2", b"\0Demo")) + sound)
    tags = read_tags(path)
    assert (tags.artist, tags.title, tags.encoding) == (None, "Demo", "unknown")
    assert encoding_of([b"\xb0\xa1".decode(MARKED)]) is None
    assert marked("Кино".encode()) == "Кино"


@pytest.mark.parametrize("genre", ["80s", "8-bit", "1980s", "Drum & Bass", "2-Step", "17th century"])
@pytest.mark.parametrize("version", [3, 4])
def test_genres_that_begin_with_a_number(genre: str, version: int, sound: bytes, tmp_path: Path) -> None:
    from mutagen.id3 import ID3, TCON

    path = tmp_path / "x.mp3"
    path.write_bytes(sound)
    tags = ID3()
    tags.add(TCON(encoding=3 if version == 4 else 1, text=[genre]))
    tags.save(path, v2_version=version)
    assert read_tags(path).genre == genre == mutagen.File(path).tags["TCON"].text[0]


def test_several_values(sound: bytes, tmp_path: Path) -> None:
    from mutagen.flac import FLAC
    from mutagen.id3 import ID3, TCON, TPE1
    from mutagen.mp4 import MP4

    (tmp_path / "x.mp3").write_bytes(sound)
    tags = ID3()
    tags.add(TPE1(encoding=3, text=["Solo Star", "Other Star"]))
    tags.add(TCON(encoding=3, text=["Jazz", "Funk"]))
    tags.save(tmp_path / "x.mp3")
    write(tmp_path / "s16.flac", music(0.2, 44100))
    flac = FLAC(tmp_path / "s16.flac")
    flac["artist"], flac["genre"] = ["Solo Star", "Other Star"], ["Jazz", "Funk"]
    flac.save()
    write(tmp_path / "aac.m4a", music(0.2, 44100), tags={"title": "T"})
    mp4 = MP4(tmp_path / "aac.m4a")
    mp4["\xa9ART"], mp4["\xa9gen"], mp4["tmpo"] = ["Solo Star", "Other Star"], ["Jazz", "Funk"], [123]
    mp4.save()
    for name in ("x.mp3", "s16.flac", "aac.m4a"):
        read = read_tags(tmp_path / name)
        assert (read.artist, read.artists) == ("Solo Star", ("Solo Star", "Other Star")), name
        assert (read.genre, read.genres) == ("Jazz", ("Jazz", "Funk")), name
    assert read_tags(tmp_path / "aac.m4a").bpm == 123


def test_rights_and_lyrics(sound: bytes, tmp_path: Path) -> None:
    from mutagen.id3 import ID3, TCOP, USLT, WCOP

    path = tmp_path / "x.mp3"
    path.write_bytes(sound)
    tags = ID3()
    tags.add(TCOP(encoding=3, text=["2020 Someone"]))
    tags.add(WCOP(url="https://creativecommons.org/licenses/by/4.0/"))
    tags.add(USLT(encoding=1, lang="eng", desc="", text="[Verse]\nOne line\n\nAnother"))
    tags.save(path)
    read = read_tags(path)
    assert (read.copyright, read.license) == ("2020 Someone", "https://creativecommons.org/licenses/by/4.0/")
    assert read.lyrics == "[Verse]\nOne line\nAnother"


@pytest.mark.parametrize("version", [2, 3, 4])
def test_unsynchronized_tags(version: int, sound: bytes, tmp_path: Path) -> None:
    """UTF-16 begins with FF FE, which unsynchronization writes as FF 00 FE."""
    path = tmp_path / "x.mp3"
    text = b"\1\xff\xfe" + "Ünder ÿ".encode("utf-16-le")
    safe = text.replace(b"\xff", b"\xff\0")
    if version == 4:
        frame = b"TIT2" + bytes((0, 0, 0, 4 + len(safe))) + b"\0\3" + bytes((0, 0, 0, len(text))) + safe
    elif version == 3:
        frame = b"TIT2" + struct.pack(">I", len(text)) + b"\0\0" + safe
    else:
        frame = b"TT2" + struct.pack(">I", len(text))[1:] + safe
    path.write_bytes(b"ID3" + bytes((version, 0, 0x80, 0, 0, 0, len(frame))) + frame + sound)
    assert read_tags(path).title == "Ünder ÿ" == str(mutagen.File(path).tags["TIT2"])


def test_frames_of_early_itunes(sound: bytes, tmp_path: Path) -> None:
    """It wrote ID3v2.4 sizes as plain numbers: 300 bytes are 00 00 01 2C."""
    path = tmp_path / "x.mp3"
    title, artist = b"\3" + b"t" * 299, b"\3Somebody"
    frames = b"TIT2" + struct.pack(">I", 300) + b"\0\0" + title + b"TPE1" + struct.pack(">I", 9) + b"\0\0" + artist
    size = len(frames)
    path.write_bytes(b"ID3\4\0\0" + bytes((0, 0, size >> 7, size & 127)) + frames + sound)
    assert (read_tags(path).title, read_tags(path).artist) == ("t" * 299, "Somebody")
    assert str(mutagen.File(path).tags["TPE1"]) == "Somebody"


def test_ape_tags_are_read_before_a_short_id3v1(sound: bytes, tmp_path: Path) -> None:
    path = tmp_path / "x.mp3"
    old = b"TAG" + b"A title that is cut after thir" + b"Artist".ljust(30, b"\0") + bytes(64) + b"\x11"
    path.write_bytes(sound + _ape({b"Title": b"A title that is cut after thirty bytes", b"Genre": b"8-bit"}) + old)
    read = read_tags(path)
    assert (read.title, read.artist, read.genre) == ("A title that is cut after thirty bytes", "Artist", "8-bit")
