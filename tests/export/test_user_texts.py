"""Words and captions of the user's beside a track, in clips, whole tracks and every target that takes them."""

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from export.measured import make_clips
from mirkit.cli import main
from mirkit.dataset.find import DatasetItem
from mirkit.dataset.library import stamps
from mirkit.export import items
from mirkit.export.items import read_items
from mirkit.export.pieces import cut_tracks
from mirkit.store import update_info
from mirkit.track import Track
from mirkit.track.clip import clip_folders
from mirkit.track.user_texts import UserTextReader, text_beside

pytestmark = pytest.mark.usefixtures("in_process")
ENGLISH = ("I walked along the river in the morning light", "and every stone was singing of the night")
GERMAN = "[Strophe]\nIch geh allein durch diese Stadt\nund keiner weiß was ich noch hab"
CAPTION = "A dreamy song with a soft voice."


@pytest.fixture(scope="module")
def measured(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two tracks of two clips of 10.5 s."""
    return make_clips(tmp_path_factory.mktemp("words") / "data", tracks=2, clips=2, samples=463_050)


@pytest.fixture
def library(measured: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(measured, tmp_path / "data"))


def first_of(library: Path) -> Path:
    return sorted(path for path in library.glob("[!.]*") if path.is_dir())[0]


def export(target: str, library: Path, out: Path, *more: str, code: int = 0) -> dict[str, Any]:
    """Export, and return the index: item -> entry, with the name of its files."""
    words = ["export", target, str(library), "-o", str(out), "--val", "0", "-j", "1", "-q", "--variants", "1", *more]
    assert main(words) == code
    return {e["from"]: e | {"name": n} for n, e in json.loads((out / "mirkit_files.json").read_text()).items()}


def songs(out: Path) -> dict[str, Any]:
    return {row["id"]: row for row in json.loads((out / "dataset.json").read_text())["samples"]}


def sung(folder: Path, share: float) -> None:
    for track in (Track.at(folder), *(Track.at(clip) for clip in clip_folders(Track.at(folder)))):
        update_info(track.info, {"vocal_presence": share, "voice": None, "voice_confidence": None})


def test_timed_words_are_cut_to_the_clip(library: Path, tmp_path: Path) -> None:
    folder = first_of(library)
    text = (
        f"[Verse]\n[00:01.00]{ENGLISH[0]}\n[00:05.00]{ENGLISH[1]}\n[00:10.00]over the end\n[00:12.00]again\n[00:15.00]"
    )
    (folder / f"{folder.name}.lrc").write_text(text)
    index = export("acestep", library, tmp_path / "b")
    rows = songs(tmp_path / "b")
    clips = [rows[entry["name"]] for name, entry in sorted(index.items()) if name.startswith(folder.name)]
    assert [row["lyrics"] for row in clips] == ["[Verse]\n" + "\n".join(ENGLISH), "[Verse]\nagain"]
    # The language is that of all words: one word alone would tell nothing.
    assert [row["language"] for row in clips] == ["en", "en"]
    assert not any(row["is_instrumental"] for row in clips)
    written = (tmp_path / "b" / "train" / f"{clips[0]['id']}.lyrics.txt").read_text()
    assert written == clips[0]["lyrics"] + "\n"
    entry = next(entry for entry in index.values() if entry["name"] == clips[0]["id"])
    assert entry["texts"]["lyrics"]["from"] == f"{folder.name}.lrc"
    assert entry["texts"]["lyrics"]["lines"] == 3
    assert entry["texts"]["language"] == {"from": "py3langid", "code": "en"}
    others = [row for row in rows.values() if row not in clips]
    assert [(row["lyrics"], row["language"]) for row in others] == [("", "unknown")] * 2
    assert main(["export", "acestep", "--check-only", "-q", str(tmp_path / "b")]) == 0


def test_words_without_times_are_those_of_whole_tracks_only(library: Path, tmp_path: Path) -> None:
    folder = first_of(library)
    (folder / "full_mix.lyrics.txt").write_text(GERMAN, encoding="utf-16")
    export("acestep", library, tmp_path / "clips")
    assert {row["lyrics"] for row in songs(tmp_path / "clips").values()} == {""}
    index = export("acestep", library, tmp_path / "b", "--from", "tracks")
    row = songs(tmp_path / "b")[index[folder.name]["name"]]
    assert (row["lyrics"], row["language"]) == (GERMAN, "de")


def test_pieces_of_a_track_get_the_lines_in_them(library: Path) -> None:
    first, second = sorted(path for path in library.glob("[!.]*") if path.is_dir())
    (first / "full_mix.lyrics.txt").write_text(GERMAN)
    (second / "full_mix.lrc").write_text("[00:01]one\n[00:05]across\n[00:12]two\n[00:16]")
    tracks = read_items(library, crops=False).items
    pieces = cut_tracks(tracks, 11.0, [], lambda _: None, dry=True, jobs=1)
    assert [piece.lyrics for piece in pieces] == ["", "", "one", "two"]


def test_whole_tracks_that_have_not_changed_come_from_the_library(
    library: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stamps, "MIN_AGE", -60.0)  # as if a minute had passed
    first, second = sorted(path for path in library.glob("[!.]*") if path.is_dir())
    (first / "full_mix.lrc").write_text("[00:01]one\n[00:05]<00:05>a<00:06>cross\n[00:12]two\n[00:16]")
    (first / f"{first.name}.caption.txt").write_text(CAPTION)
    info = first / f"{first.name}.INFO"
    update_info(info, {"lufs": -9, "mine": "\ud800", "music_facts": "half \ud800 of a pair"})
    read_items(library, crops=False)  # stores the stamps of the copied files
    read: list[str] = []
    plain = items._read

    def counted(member: DatasetItem, clip_set: str) -> items.Item | None:
        read.append(member.track.name)
        return plain(member, clip_set)

    monkeypatch.setattr(items, "_read", counted)
    found = read_items(library, crops=False).items
    assert read == [first.name, second.name]
    assert read_items(library, crops=False).items == found
    assert [type(item.features["lufs"]) for item in found] == [int, float]
    assert len(read) == 2
    update_info(info, {"lufs": -8.0})
    changed = read_items(library, crops=False).items
    assert read[2:] == [first.name]
    assert changed[0].features["lufs"] == -8.0
    (library / "rights.csv").write_text(f"path,license\n{second.name},cc0-1.0\n")
    assert [item.rights.license for item in read_items(library, crops=False).items] == ["", "cc0-1.0"]
    assert len(read) == 3


def test_every_trainer_of_songs_gets_the_words(library: Path, tmp_path: Path) -> None:
    folder = first_of(library)
    (folder / "full_mix.lyrics.txt").write_text(GERMAN)
    name = export("simpletuner", library, tmp_path / "s", "--from", "tracks")[folder.name]["name"]
    assert (tmp_path / "s" / "train" / f"{name}.lyrics").read_text(encoding="utf-8") == GERMAN + "\n"
    name = export("ai-toolkit", library, tmp_path / "a", "--from", "tracks")[folder.name]["name"]
    text = (tmp_path / "a" / "train" / f"{name}.txt").read_text(encoding="utf-8")
    assert f"<LYRICS>\n{GERMAN}\n</LYRICS>" in text
    assert "<LANGUAGE>de</LANGUAGE>" in text
    out = tmp_path / "t.jsonl"
    assert main(["export", "jsonl", str(library), "-o", str(out), "--from", "tracks", "-q"]) == 0
    rows = {row["source"]: row for row in map(json.loads, out.read_text().splitlines())}
    assert (rows[folder.name]["lyrics"], rows[folder.name]["language"]) == (GERMAN, "de")
    assert "lyrics" not in rows[sorted(rows)[1]]


def test_a_track_without_vocals_never_gets_words(
    library: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = first_of(library)
    (folder / "full_mix.lrc").write_text(f"[00:01]{ENGLISH[0]}\n[00:05]{ENGLISH[1]}\n[00:09]")
    sung(folder, 0.0)
    words = ["export", "acestep", str(library), "-o", str(tmp_path / "b"), "--val", "0"]
    assert main(words) == 0
    rows = [row for row in songs(tmp_path / "b").values() if row["is_instrumental"]]
    assert [(row["lyrics"], row["language"]) for row in rows] == [("[Instrumental]", "unknown")] * 2
    shown = "".join(capsys.readouterr())
    assert "1 track with lyrics of yours, for example full_mix.lrc: the vocals stem is silent" in shown
    sung(folder, 0.5)
    assert main([*words, "-q"]) == 0
    assert ENGLISH[0] in "".join(row["lyrics"] for row in songs(tmp_path / "b").values())


def test_a_text_that_says_instrumental(library: Path, tmp_path: Path) -> None:
    (first_of(library) / "full_mix.lyrics.txt").write_text("[Instrumental]\n")
    export("acestep", library, tmp_path / "b")
    assert sorted(row["is_instrumental"] for row in songs(tmp_path / "b").values()) == [False, False, True, True]


def test_the_users_caption_comes_first(library: Path, tmp_path: Path) -> None:
    folder = first_of(library)
    (folder / "full_mix.caption.txt").write_text(f"\ufeff{CAPTION}\n It rises  slowly, at 555 BPM.\n")
    index = export("acestep", library, tmp_path / "b", "--trigger", "mystyle")
    captions = {name: songs(tmp_path / "b")[entry["name"]]["caption"] for name, entry in index.items()}
    for name, caption in captions.items():
        ours = caption.startswith("A dreamy song with a soft voice, It rises slowly, at 555 BPM, ")
        assert ours == name.startswith(folder.name), caption
    export("sat", library, tmp_path / "sat", "--trigger", "mystyle", "--keys", "bpm")
    prompts = [
        entry["prompts"][0] for entry in json.loads((tmp_path / "sat/mirkit_index.json").read_text())["files"].values()
    ]
    assert sum(prompt.startswith("mystyle, A dreamy song with a soft voice, ") for prompt in prompts) == 2
    sources = [entry["texts"]["caption"]["from"] for entry in index.values() if "texts" in entry]
    assert sources == ["full_mix.caption.txt"] * 2


def test_the_json_of_acestep(library: Path, tmp_path: Path) -> None:
    folder = first_of(library)
    song = {"caption": CAPTION, "lyrics": f"[Verse]\n{ENGLISH[0]}", "language": "no", "bpm": 77}
    (folder / f"{folder.name}.json").write_text(json.dumps(song))
    index = export("acestep", library, tmp_path / "b", "--from", "tracks")
    row = songs(tmp_path / "b")[index[folder.name]["name"]]
    assert (row["lyrics"], row["language"]) == (song["lyrics"], "no")  # what the user says, not what is detected
    assert row["caption"].startswith(CAPTION[:-1])
    assert row["bpm"] != 77  # numbers are measured
    # A file with times is more exact than the json.
    (folder / f"{folder.name}.lrc").write_text(f"[00:01]{ENGLISH[1]}\n[00:09]")
    index = export("acestep", library, tmp_path / "b", "--from", "tracks")
    row = songs(tmp_path / "b")[index[folder.name]["name"]]
    assert (row["lyrics"], row["language"]) == (ENGLISH[1], "en")


def test_words_in_the_tags(tmp_path: Path) -> None:
    mutagen = pytest.importorskip("mutagen.flac")
    library = make_clips(tmp_path / "data", tracks=1, clips=1, samples=463_050)
    track = Track.at(first_of(library))
    file = mutagen.FLAC(track.mix)
    file["lyrics"] = f"[00:01.00]{ENGLISH[0]}\n[00:05.00]{ENGLISH[1]}\n[00:09.00]"
    file.save()
    found = UserTextReader().read(track, [])
    assert found.lyrics is not None
    assert found.lyrics.between(0, 6) == ENGLISH[0]
    assert found.origin["lyrics"] == {"from": "tags of full_mix.flac"}


@pytest.mark.parametrize("content", ["cp1251", "damaged", "large", "link"])
def test_files_that_cannot_be_read_as_they_are(
    content: str, library: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = first_of(library)
    path = folder / "full_mix.lrc"
    russian = "Я иду один по ночной дороге\nи думаю о тебе, моя любовь\nи звёзды светят надо мной"
    if content == "cp1251":
        path.write_bytes(
            "\n".join(f"[00:0{i}]{line}" for i, line in enumerate(russian.splitlines(), 1)).encode("cp1251")
        )
    elif content == "damaged":
        path.write_bytes(bytes(range(128, 256)) * 3)
    elif content == "large":
        path.write_bytes(b"x" * (2**20 + 1))
    else:
        (tmp_path / "secret.txt").write_text("[00:01]secret\n[00:02]")
        path.symlink_to(tmp_path / "secret.txt")
    index = export("acestep", library, tmp_path / "b", code=0 if content == "cp1251" else 1)
    assert len(index) == 4  # every clip is exported
    lyrics = "".join(row["lyrics"] for row in songs(tmp_path / "b").values())
    assert lyrics == (russian.splitlines()[0] + "\n" + russian.splitlines()[1] if content == "cp1251" else "")
    shown = capsys.readouterr().err
    assert ("full_mix.lrc" in shown) == (content != "cp1251")
    assert "Traceback" not in shown


def test_names_of_the_users_texts() -> None:
    assert text_beside("a.b.caption.txt") == ("a.b", "caption.txt")
    assert text_beside("x.json") == ("x", "json")
    for name in ("x.txt", ".lrc", "lyrics.txt", "x.lrc~", "mirkit_files.jsonl"):
        assert text_beside(name) == ("", "")


def test_organize_brings_the_texts_along_and_back(tmp_path: Path) -> None:
    import numpy as np

    from library import write

    root = tmp_path / "loose"
    write(root / "Song.flac", np.zeros((2, 4410), np.float32))
    texts = {
        "Song.lrc": b"[00:01]la\n",
        "Song.LYRICS.txt": b"la",
        "Song.flac.caption.txt": b"a song",
        "Song.json": json.dumps({"caption": "x", "lyrics": "y"}).encode(),
    }
    others = {"Song.txt": b"mine", "Other.lrc": b"of nothing here", "notes.json": b"{}"}
    for name, data in (texts | others).items():
        (root / name).write_bytes(data)
    assert main(["organize", str(root), "-q"]) == 0
    assert {
        path.name: path.read_bytes() for path in root.glob("[!.]*") if path.suffix in (".lrc", ".txt", ".json")
    } == others
    folder = root / "Song"
    names = {"Song.lrc": "Song.lrc", "Song.lyrics.txt": "Song.LYRICS.txt", "Song.caption.txt": "Song.flac.caption.txt"}
    for new, old in (names | {"Song.json": "Song.json"}).items():
        assert (folder / new).read_bytes() == texts[old]
    found = UserTextReader().read(Track.at(folder), [])
    assert found.lyrics is not None
    assert (found.lyrics.text, found.caption) == ("la", "a song")
    (folder / "Song.lrc").write_bytes(b"[00:02]edited\n")
    assert main(["organize", "--undo", str(root), "-q"]) == 0
    texts["Song.lrc"] = b"[00:02]edited\n"
    assert {path.name: path.read_bytes() for path in root.glob("[!.]*") if path.name in texts} == texts
    assert not folder.exists()


def test_a_json_that_is_no_song_is_not_moved(tmp_path: Path) -> None:
    import numpy as np

    from library import write

    write(tmp_path / "Song.flac", np.zeros((2, 4410), np.float32))
    (tmp_path / "Song.json").write_text('{"volume": 3}')
    assert main(["organize", str(tmp_path), "-q"]) == 0
    assert (tmp_path / "Song.json").exists()


def test_cutting_again_keeps_the_texts_of_a_clip(library: Path) -> None:
    from mirkit.track.clip import clear

    clip = clip_folders(Track.at(first_of(library)))[0]
    (clip / f"{clip.name}.lrc").write_text("[00:01]mine")
    assert not clear(clip)
    assert (clip / f"{clip.name}.lrc").read_text() == "[00:01]mine"


def test_explain_says_of_the_voice_what_the_export_does(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    root = make_clips(tmp_path / "music", tracks=1, clips=2)
    folder = next(root.glob("[!.]*"))
    (folder / "full_mix.lrc").write_text("[00:00.00]Here are words\n[00:00.30]")
    clip = min(path for path in (folder / "crops").iterdir() if path.is_dir())
    for command in (["export"], ["export", "sat", str(root)]):
        assert main([*command, "--explain", str(clip), "--json"]) == 0
        words = json.loads(capsys.readouterr().out)
        assert [(word["text"], word["key"]) for word in words if word["group"] == "voice"] == [("vocals", "lyrics")]
    assert main(["export", "sat", "--explain", str(clip)]) == 2
    assert "name the folder of tracks" in capsys.readouterr().err
    assert sorted(path.name for path in tmp_path.iterdir()) == ["music"]
