"""The targets for trainers of songs and for MusicGen: fields, limits, pieces of tracks, and planted faults."""

import gzip
import json
import shutil
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

from export.measured import SIZE
from export.planted import change, first
from mirkit.captions.lyrics import Line, Lyrics
from mirkit.catalog import VOICES
from mirkit.cli import main
from mirkit.export.item import Item
from mirkit.export.pieces import bar_edges, texts_of_piece
from mirkit.export.song import song_fields, text_tokens
from mirkit.export.targets import targets
from mirkit.export.targets.hot_step import parsed
from mirkit.store import FileDigest
from mirkit.track import Track
from mirkit.track.user_texts import UserTexts
from mirkit.windows import WindowFeatures

pytestmark = pytest.mark.usefixtures("in_process")


def export(target: str, out: Path, data: Path, *words: str) -> Path:
    assert main(["export", target, str(out), str(data), "--val", "0.3", "-j", "1", "-q", *words]) == 0
    return out


@pytest.fixture(scope="module")
def bundles(songs: Path, clips: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """A bundle of each target; tests that change one copy it."""
    root = tmp_path_factory.mktemp("bundles")
    rows = {"acestep": songs, "hot-step": songs, "simpletuner": songs, "ai-toolkit": songs}
    rows |= dict.fromkeys(("musicgen", "sa3", "hf", "webdataset"), clips)
    return {target: export(target, root / target, data, "--trigger", "mystyle") for target, data in rows.items()}


def test_cuts_are_at_bars_and_pieces_are_nearly_equal() -> None:
    bars = np.arange(0, 600, 2.0)
    edges = bar_edges(bars, 600.0, 240.0)
    assert edges == pytest.approx([0, 199.995, 399.995, 600], abs=0.0051)
    assert all(min(abs(edge + 0.005 - bar) for bar in bars) < 1e-9 for edge in edges[1:-1])


def test_cuts_without_bars_are_equal() -> None:
    assert bar_edges(np.zeros(0), 500.0, 240.0) == pytest.approx([0, 500 / 3, 1000 / 3, 500])


@pytest.mark.parametrize("longest", [10.0, 29.7, 240.0])
@pytest.mark.parametrize("seed", range(5))
def test_pieces_are_never_too_long(longest: float, seed: int) -> None:
    rng = np.random.default_rng(seed)
    seconds = float(rng.uniform(longest, 12 * longest))
    bars = np.cumsum(rng.uniform(0.5, longest, 200))
    edges = bar_edges(bars[bars < seconds * rng.uniform(0.3, 1)], seconds, longest)
    lengths = np.diff(edges)
    assert (edges[0], edges[-1]) == (0.0, seconds)
    assert lengths.max() <= longest + 1e-9
    assert lengths.min() > 0.2 * longest


class _Analyzer:
    """Stands in for the analysis of a measured track: its bpm is 100 + the start of the window."""

    duration = 4 * SIZE / 44100

    @classmethod
    def open(cls, _path: Path) -> "_Analyzer":
        return cls()

    def each(self, spans: Sequence[tuple[float, float]], *, samples: bool) -> Iterator[WindowFeatures]:
        assert samples
        for start, end in spans:
            assert end - start <= 1
            yield WindowFeatures({"bpm": 100 + start, "lufs": None}, {"lufs": "too short"})


def test_a_long_track_is_cut_into_pieces_with_numbers_and_sound_of_their_own(
    clips: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("mirkit.export.pieces.WindowAnalyzer", _Analyzer)
    out = tmp_path / "b"
    export("sat", out, clips, "--from", "tracks", "--max-seconds", "1", "--keys", "bpm", "--check", "--no-trainer")
    index = json.loads((out / "mirkit_index.json").read_text())
    listed = json.loads((out / "mirkit_files.json").read_text())
    assert len(listed) == 6
    assert json.loads((out / "dataset.json").read_text())["random_crop"] is False
    for name, entry in listed.items():
        sound, rate = soundfile.read(out / entry["split"] / f"{name}.flac", dtype="int16")
        whole, _ = soundfile.read(clips / entry["source"] / "full_mix.flac", dtype="int16")
        first_sample = round(entry["start"] * rate)
        assert first_sample in (0, 2 * SIZE)
        assert np.array_equal(sound, whole[first_sample : first_sample + 2 * SIZE])
        assert index["files"][f"{name}.flac"]["numbers"] == [pytest.approx(100 + entry["start"])]


def test_a_piece_has_the_chords_of_its_own() -> None:
    track = {"chords": "| C | F | G | C |", "music_facts": "It is loud.", "full": "A song."}
    found = WindowFeatures({"bpm": 100, "chords": "| F | G |", "section": None}, {"section": "several sections"})
    assert texts_of_piece(track, found) == {"chords": "| F | G |", "full": "A song."}


class _Sample:
    def __init__(self, bpm: float | None, **metadata: Any) -> None:
        self.features = {} if bpm is None else {"bpm": bpm}
        item = Item("a", "a", Track(Path()), Path("a"), FileDigest(0, ""), 44100, 0.0, 33.7, {}, {}, metadata, {}, {})
        self.item = replace(item, categories=metadata, features=metadata)


@pytest.mark.parametrize(
    ("bpm", "metadata", "expected"),
    [
        (123.996, {"key": "G#", "mode": "minor", "time_signature": "4/4"}, (124, "G# minor", "4")),
        (29.2, {"key": "C", "mode": "major", "time_signature": "3/4"}, (None, "C major", "3")),
        (None, {}, (None, "", "")),
        (300.4, {"time_signature": "6/8"}, (300, "", "6")),
        (301.0, {"time_signature": "7/4", "key": "C"}, (None, "", "")),
        (99.5, {"time_signature": "4/8", "mode": "major"}, (100, "", "")),
        (99.4, {"time_signature": "6/4"}, (99, "", "")),
        (90.0, {"key": "A", "mode": "minor", "key_confidence": 0.43, "time_signature": "4/4"}, (90, "", "4")),
        (90.0, {"key": "A", "time_signature": "4/4", "time_signature_confidence": 0.8}, (90, "", "")),
        (None, {"key": "A", "mode": "minor", "key_confidence": 0.9}, (None, "A minor", "")),
    ],
)
def test_fields_of_a_song(bpm: float | None, metadata: dict[str, Any], expected: tuple[Any, ...]) -> None:
    fields = song_fields(_Sample(bpm, **metadata))  # type: ignore[arg-type]
    assert (fields.bpm, fields.keyscale, fields.timesignature) == expected
    assert (fields.duration, fields.language, fields.lyrics) == (33, "unknown", "")


def test_only_a_song_that_is_known_to_have_no_vocals_is_instrumental() -> None:
    quiet, sung = (song_fields(_Sample(None, vocal_presence=share)) for share in (0.0, 0.5))  # type: ignore[arg-type]
    assert (quiet.lyrics, quiet.is_instrumental) == ("[Instrumental]", True)
    assert (sung.lyrics, sung.is_instrumental) == ("", False)
    heard, played = (song_fields(_Sample(None, voice=voice, voice_confidence=0.95)) for voice in VOICES)  # type: ignore[arg-type]
    assert (heard.lyrics, heard.is_instrumental) == ("", False)
    assert (played.lyrics, played.is_instrumental) == ("[Instrumental]", True)


def test_the_users_words_are_sung_whatever_is_heard_in_the_mix() -> None:
    words = UserTexts(Lyrics((Line("We are singing"),)))
    for confidence, share, instrumental in (
        (0.95, 0.0, False),
        (1.0, 0.0, True),
        (None, 0.0, True),
        (0.95, None, False),
    ):
        item = _Sample(None, voice="instrumental", voice_confidence=confidence, vocal_presence=share).item
        item = replace(item, user_texts=words, features={k: v for k, v in item.features.items() if v is not None})
        assert item.is_instrumental == instrumental, "only the user, or a stem, says that nothing is sung"
        assert item.lyrics == ("" if instrumental else "We are singing")


def test_audio_has_the_rate_of_the_trainer(bundles: dict[str, Path]) -> None:
    for name in ("acestep", "hot-step", "simpletuner", "ai-toolkit", "musicgen"):
        out = bundles[name]
        info = soundfile.info(first(out))
        assert (info.samplerate, info.channels) == (targets()[name].sample_rate, 2)
        assert not list(out.rglob(".tmp*"))
        assert (out / "README.md").read_text().startswith("# Training data for ")


def test_acestep_has_no_bare_txt_and_no_trigger_in_captions(bundles: dict[str, Path]) -> None:
    out = bundles["acestep"]
    assert {path.name.partition(".")[2] for path in (out / "train").iterdir()} == {"flac", "caption.txt"}
    content = json.loads((out / "dataset.json").read_text())
    assert content["metadata"]["custom_tag"] == "mystyle"
    for row in content["samples"]:
        assert row["custom_tag"] == "mystyle"
        assert "mystyle" not in row["caption"]
        metas = (row["bpm"], row["keyscale"], row["timesignature"], row["duration"])
        assert text_tokens(f"mystyle, {row['caption']}", *metas) <= 256


def test_texts_of_hot_step_are_read_back(bundles: dict[str, Path]) -> None:
    content = json.loads((bundles["acestep"] / "dataset.json").read_text())
    for row in content["samples"]:
        found = parsed((bundles["hot-step"] / "train" / row["id"]).with_suffix(".txt").read_text())
        assert found["caption"] == row["caption"]
        assert (found["bpm"], found["key"], found["signature"]) == (str(row["bpm"]), "F# minor", "4")
        assert (found["custom_tag"], found["is_instrumental"], found["lyrics"]) == ("mystyle", "false", "")


def test_words_that_look_like_fields_stay_words() -> None:
    text = "caption: slow\nbpm: 60\nlyrics:\n[Verse]\nkey: I lost my key\n\ncaption: no\n"
    assert parsed(text) == {"caption": "slow", "bpm": "60", "lyrics": "[Verse]\nkey: I lost my key\n\ncaption: no"}
    assert parsed("\ufeffTempo: 90\nScale: C major") == {"tempo": "90", "scale": "C major"}
    assert parsed("A warm track") == {}


def test_a_clip_of_another_length_is_left_out_with_the_reason(
    songs: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["export", "ai-toolkit", str(tmp_path / "b"), str(songs), "--max-seconds", "10"]
    assert main(words) == 1
    assert "it has 10.50 s, more than 10 s; cut shorter clips" in capsys.readouterr().err


def test_a_warning_tells_of_the_fault_of_ai_toolkit(
    songs: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["export", "ai-toolkit", str(tmp_path / "b"), str(songs), "--val", "0", "-j", "1"]) == 0
    printed = capsys.readouterr()
    assert "every song as key C and meter 4/4" in printed.out + printed.err


def put(name: str, value: Any) -> Callable[[Path], None]:
    def spoil(out: Path) -> None:
        def how(content: Any) -> None:
            content["samples"][0][name] = value

        change(out / "dataset.json", how)

    return spoil


def beside(suffix: str, text: str) -> Callable[[Path], None]:
    return lambda out: (first(out).with_suffix(suffix).write_text(text), None)[1]


def replaced(old: str, new: str) -> Callable[[Path], None]:
    def spoil(out: Path) -> None:
        path = first(out).with_suffix(".txt")
        text = path.read_text()
        assert old in text
        path.write_text(text.replace(old, new))

    return spoil


def without(name: str) -> Callable[[Path], None]:
    return lambda out: change(first(out).with_suffix(".json"), lambda content: content.pop(name))


def backend(name: str, value: Any) -> Callable[[Path], None]:
    return lambda out: change(out / "multidatabackend.json", lambda rows: rows[0].__setitem__(name, value))


def manifest(out: Path) -> None:
    path = out / "egs/train/data.jsonl.gz"
    rows = [json.loads(line) for line in gzip.decompress(path.read_bytes()).splitlines()]
    rows[0]["duration"] = 99.0
    path.write_bytes(gzip.compress("".join(json.dumps(row) + "\n" for row in rows).encode()))


def other_rate(out: Path) -> None:
    path = first(out)
    samples, rate = soundfile.read(path, dtype="int16")
    soundfile.write(path, samples, 44100 if rate != 44100 else 48000)


def same_id(out: Path) -> None:
    change(out / "dataset.json", lambda content: content["samples"][0].update(id=content["samples"][1]["id"]))


def genre_without_genre(out: Path) -> None:
    change(out / "dataset.json", lambda content: content["samples"][0].update(prompt_override="genre", genre=""))


def two_keys(out: Path) -> None:
    change(first(out).with_suffix(".json"), lambda content: content.update(key="C, G"))


def csv(out: Path) -> None:
    (out / "train" / "a.csv").write_text("File,BPM\n")


def removed(suffix: str) -> Callable[[Path], None]:
    return lambda out: first(out).with_suffix(suffix).unlink()


def leak(out: Path) -> None:
    """A file for training is also there for validation."""
    for path in (out / "train").glob(f"{first(out).stem}.*"):
        shutil.copy(path, out / "val" / path.name)


def m4a(out: Path) -> None:
    (out / "train" / "song.m4a").write_bytes(first(out).read_bytes())


def damaged(out: Path) -> None:
    first(out).write_bytes(b"fLaC" + bytes(1000))


def quieter(out: Path) -> None:
    samples, rate = soundfile.read(first(out))
    soundfile.write(first(out), 0.1 * samples, rate)


def shorter(out: Path) -> None:
    samples, rate = soundfile.read(first(out))
    soundfile.write(first(out), samples[: 9 * rate], rate)


def no_text_of_wav(out: Path) -> None:
    next((out / "train").glob("*.wav")).with_suffix(".txt").unlink()


def no_wav_of_text(out: Path) -> None:
    next((out / "train").glob("*.wav")).unlink()


def no_readme(out: Path) -> None:
    (out / "README.md").unlink()


def stray(out: Path) -> None:
    path = next((out / "data/train").glob("*.flac"))
    shutil.copy(path, path.with_name("stray.flac"))


def leak_of_hub(out: Path) -> None:
    path = next((out / "data/train").glob("*.flac"))
    shutil.copy(path, out / "data/validation" / path.name)


def twice_in_tars(out: Path) -> None:
    shutil.copy(next((out / "train").glob("*.tar")), out / "val" / "00001.tar")


def nothing_in_tars(out: Path) -> None:
    for path in (out / "train").glob("*.tar"):
        path.unlink()


#: Name, target, what spoils the bundle, part of a line of our check.
PLANTED: list[tuple[str, str, Callable[[Path], None], str]] = [
    ("bare txt", "acestep", beside(".txt", "A warm track"), "would sing the text"),
    ("csv", "acestep", csv, "takes tempo, key"),
    ("fraction", "acestep", put("bpm", 123.996), "bpm is 123.996"),
    ("bpm", "acestep", put("bpm", 301), "bpm is 301"),
    ("key", "acestep", put("keyscale", "Gb-dur"), "keyscale is 'Gb-dur'"),
    ("meter", "acestep", put("timesignature", "7"), "timesignature is '7'"),
    ("language", "acestep", put("language", "english"), "does not know the language"),
    ("not labeled", "acestep", put("labeled", False), "leaves out the song"),
    ("no genre", "acestep", genre_without_genre, "so its prompt is empty"),
    ("tag twice", "acestep", put("caption", "mystyle, dark"), "adds a second time"),
    ("long caption", "acestep", put("caption", "wonderful strings " * 60), "cuts off all but 256"),
    ("long lyrics", "acestep", put("lyrics", "la la la " * 1500), "cuts off all but 2048"),
    ("duration", "acestep", put("duration", 11), "duration is 11"),
    ("rate", "acestep", other_rate, "the sample rate is 44100 Hz"),
    ("same id", "acestep", same_id, "appears more than once"),
    ("missing", "acestep", removed(".flac"), "the file is missing"),
    ("no caption", "simpletuner", removed(".txt"), "the txt file beside it is missing"),
    ("tags", "simpletuner", beside(".txt", "<CAPTION>a</CAPTION>"), "has the tags of ai-toolkit"),
    ("two lines", "simpletuner", beside(".txt", "A warm track\nwith drums"), "of which the trainer draws one"),
    ("empty lyrics", "simpletuner", beside(".lyrics", "\n"), "the lyrics file is empty"),
    ("strategy", "simpletuner", backend("caption_strategy", "filename"), "does not read the txt files"),
    ("lyrics", "simpletuner", backend("audio", {}), "does not read the lyrics"),
    ("cut", "simpletuner", backend("audio", {"max_duration_seconds": 5}), "the trainer leaves out"),
    ("plain caption", "ai-toolkit", beside(".txt", "A warm track"), "has no tag CAPTION"),
    ("n/a", "ai-toolkit", replaced("<DURATION>10", "<DURATION>N/A"), "stops at what is not a number"),
    ("meter", "ai-toolkit", replaced("<TIMESIGNATURE>4", "<TIMESIGNATURE>4/4"), "timesignature is '4/4'"),
    ("no text", "ai-toolkit", removed(".txt"), "without a caption"),
    ("no text", "hot-step", removed(".txt"), "takes the name of the file for the caption"),
    ("plain text", "hot-step", beside(".txt", "A warm track"), "sings all of it"),
    ("no caption", "hot-step", beside(".txt", "bpm: 100"), "no line that begins with caption:"),
    ("two lines", "hot-step", replaced("caption: ", "caption: warm\n"), "the caption has several lines"),
    ("fraction", "hot-step", replaced("bpm: 1", "bpm: 1.5"), "cuts off what is not a whole number"),
    ("bpm", "hot-step", replaced("bpm: 1", "bpm: 9991"), "must be a whole number from 30 to 300"),
    ("key", "hot-step", replaced("key: F# minor", "key: fis-moll"), "keyscale is 'fis-moll'"),
    ("meter", "hot-step", replaced("signature: 4", "signature: 7/8"), "timesignature is '7/8'"),
    ("language", "hot-step", replaced("language:", "language: english"), "does not know the language"),
    ("tag twice", "hot-step", replaced("caption: ", "caption: mystyle, "), "adds a second time"),
    ("long caption", "hot-step", replaced("caption:", "caption:" + " wonderful strings" * 60), "cuts off all but 256"),
    ("long lyrics", "hot-step", replaced("lyrics:", "lyrics:\n" + "la la la " * 1500), "cuts off all but 2048"),
    ("rate", "hot-step", other_rate, "the sample rate is 44100 Hz"),
    ("no song", "hot-step", removed(".flac"), "the flac file beside it is missing"),
    ("no field", "musicgen", without("instrument"), "has no field instrument"),
    ("two keys", "musicgen", two_keys, "drops a key with a comma"),
    ("no json", "musicgen", removed(".json"), "without a description"),
    ("manifest", "musicgen", manifest, "the manifest states 99.0 s"),
    ("rate", "musicgen", other_rate, "the sample rate is 44100 Hz"),
    ("bpm is a text", "musicgen", lambda out: change(first(out).with_suffix(".json"), lambda c: c.update(bpm="fast")),
     "bpm is 'fast' and not a number"),
    ("lyrics null", "acestep", put("lyrics", None), "lyrics is of the type NoneType"),
    ("too short", "acestep", shorter, "the trainer needs at least 10 s"),
    ("override", "acestep", put("prompt_override", "both"), "prompt_override is 'both'"),
    ("bpm is a text", "ai-toolkit", replaced("<BPM>", "<BPM>fast "), "stops at what is not a number"),
    ("language", "ai-toolkit", replaced("<LANGUAGE>unknown", "<LANGUAGE>english"), "does not know the language"),
    *((f"{name} in {target}", target, spoil, message)
      for target in ("acestep", "hot-step", "simpletuner", "ai-toolkit", "musicgen")
      for name, spoil, message in (
          ("leak", leak, "is in both train/ and val/"),
          ("m4a", m4a, "the trainer skips .m4a files without a message"),
          ("damaged", damaged, "the audio cannot be"),
          ("quieter", quieter, "the peak of the file is"),
      )),
    ("no txt", "sa3", no_text_of_wav, "the txt file beside it is missing"),
    ("no wav", "sa3", no_wav_of_text, "the wav file beside it is missing"),
    ("m4a", "sa3", lambda out: (out / "train" / "x.m4a").write_bytes(b"x"), "the audio cannot be"),
    ("no card", "hf", no_readme, "README.md: the file is missing"),
    ("stray", "hf", stray, "this file does not belong to the bundle"),
    ("leak", "hf", leak_of_hub, "is in both train/ and validation/"),
    ("leak", "webdataset", twice_in_tars, "is also in train/00000.tar"),
    ("empty", "webdataset", nothing_in_tars, "the folder holds no tar file"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("target", "spoil", "message"), [row[1:] for row in PLANTED], ids=[f"{row[1]} {row[0]}" for row in PLANTED]
)
def test_a_planted_fault_is_found(
    target: str,
    spoil: Callable[[Path], None],
    message: str,
    bundles: dict[str, Path],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    out = Path(shutil.copytree(bundles[target], tmp_path / "bundle"))
    spoil(out)
    assert main(["export", target, str(out), "--check-only"]) == 1
    assert message in capsys.readouterr().err
