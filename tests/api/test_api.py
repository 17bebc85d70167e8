"""The public interface: arrays and files agree, examples run, wrong input is one clear line, nothing is stored."""

import copy
import doctest
import importlib
import inspect
import logging
import pickle
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import mido
import numpy as np
import pytest

import mirkit
import signals
from library import beat_music, make_track, write
from mirkit import models
from mirkit.audio import Audio, Tags, audio_from_array, encode, open_audio
from mirkit.catalog import INFO_KEYS, STEMS
from mirkit.errors import AudioError, MissingInput, SettingsError
from mirkit.models import weights
from mirkit.models.backend import Weights
from text_server import completion, text_server

RATE = 44100
FUNCTIONS = ("analyze", "separate", "track_beats", "transcribe_drums", "caption")
EMBEDDED = {"beats": "embedded", "classification": "embedded"}


def files_in(folder: Path) -> dict[Path, bytes]:
    return {path: path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


@pytest.fixture(scope="module")
def loose(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A loose file of another rate, with 24 bits: what is decoded is what was written."""
    mix = sum(beat_music(8.0).values())[:, : 8 * RATE]
    return write(tmp_path_factory.mktemp("loose") / "song.wav", mix.astype(np.float32), 48000)


@pytest.fixture(scope="module")
def array(loose: Path) -> tuple[np.ndarray, int]:
    return open_audio(loose, rate=None).samples(), 48000


def test_an_array_has_the_features_of_its_file(loose: Path, array: tuple[np.ndarray, int]) -> None:
    of_file, of_array = (mirkit.analyze(audio, backends=EMBEDDED) for audio in (loose, array))
    assert of_array == of_file
    assert of_array.reasons == of_file.reasons
    by_name = mirkit.analyze(str(loose), "loudness")
    assert by_name
    assert by_name.items() <= of_file.items()
    assert of_file.keys() == set(INFO_KEYS)
    assert {name for name, value in of_file.items() if value is None} == of_file.reasons.keys()
    del of_file.metadata["codec"], of_array.metadata["codec"]
    assert of_array.metadata == of_file.metadata


def test_an_array_has_the_stems_and_events_of_its_file(loose: Path, array: tuple[np.ndarray, int]) -> None:
    of_file, of_array = (mirkit.separate(audio, backend="embedded") for audio in (loose, array))
    assert tuple(of_array) == STEMS
    for stem in STEMS:
        assert of_array[stem].dtype == np.float32
        np.testing.assert_array_equal(of_array[stem], of_file[stem])
    np.testing.assert_allclose(sum(of_array.values()), array[0], atol=1e-6)
    beats, again = (mirkit.track_beats(audio, backend="embedded") for audio in (loose, array))
    np.testing.assert_array_equal(beats.beats, again.beats)
    assert (beats.bpm, beats.time_signature) == (again.bpm, again.time_signature)
    drums, same = (mirkit.transcribe_drums(audio, backend="embedded") for audio in (loose, array))
    for name in drums.times:
        np.testing.assert_array_equal(drums.times[name], same.times[name])
        np.testing.assert_array_equal(drums.velocities[name], same.velocities[name])


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
@pytest.mark.parametrize("layout", ["(n,)", "(1, n)", "(2, n)", "Fortran", "read-only"])
def test_every_layout_of_an_array(dtype: Any, layout: str) -> None:
    mono = signals.band(6.0).astype(dtype)
    samples = {"(n,)": mono, "(1, n)": mono[None], "Fortran": np.asfortranarray(np.stack((mono, mono)))}.get(
        layout, np.stack((mono, mono))
    )
    if layout == "read-only":
        samples.flags.writeable = False
    before = samples.copy()
    expected = mirkit.analyze((mono.astype(np.float32), RATE), "bands")
    assert mirkit.analyze((samples, RATE), "bands") == expected
    assert samples.flags.writeable == (layout != "read-only")
    np.testing.assert_array_equal(samples, before)


@pytest.mark.parametrize(
    ("samples", "rate", "line"),
    [
        (np.zeros(100, np.int16), RATE, "dtype int16.*32768"),
        (np.zeros(100, bool), RATE, "dtype bool"),
        (np.zeros(100, complex), RATE, "dtype complex"),
        (["a"], RATE, "dtype"),
        (np.zeros((RATE, 2)), RATE, r"shape \(44100, 2\).*transpose"),
        (np.zeros((2, 3, 100)), RATE, "shape"),
        (np.zeros((9, 100)), RATE, "shape"),
        (np.float64(1.0), RATE, "shape"),
        (np.zeros((2, 0)), RATE, "empty"),
        (np.zeros(0), RATE, "empty"),
        (np.array([0.0, np.nan]), RATE, "NaN"),
        (np.array([0.0, np.inf]), RATE, "infinite"),
        (np.zeros(100), 0, "sample rate is 0"),
        (np.zeros(100), -44100, "sample rate"),
        (np.zeros(100), 44.1, "sample rate"),
        (np.zeros(100), 10**9, "sample rate"),
        (np.zeros(100), float("nan"), "sample rate"),
        (np.zeros(100), None, "sample rate"),
        (np.zeros(100), "44100", "sample rate"),
        (np.zeros(100), True, "sample rate"),
    ],
)
@pytest.mark.parametrize("function", FUNCTIONS)
def test_a_wrong_array_is_one_line(function: str, samples: Any, rate: Any, line: str) -> None:
    with pytest.raises(AudioError, match=line) as error:
        getattr(mirkit, function)((samples, rate))
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("rate", [RATE, 44100.0, np.int64(44100), np.float32(44100)])
def test_a_rate_may_be_any_whole_number(rate: Any) -> None:
    assert audio_from_array(np.zeros(10), rate, rate=None).rate == RATE


@pytest.mark.parametrize("audio", [None, 3, np.zeros(100), (np.zeros(100),), b"song.flac"])
def test_what_is_no_audio_is_one_line(audio: Any) -> None:
    with pytest.raises(SettingsError, match="a path or a tuple"):
        mirkit.analyze(audio, "bands")


def test_names_that_are_wrong_are_one_line(array: tuple[np.ndarray, int], tmp_path: Path) -> None:
    calls: list[tuple[Callable[[], Any], str]] = [
        (lambda: mirkit.separate(array, backend="spleeter"), "no backend 'spleeter' for stems; choose auto, demucs"),
        (lambda: mirkit.track_beats(array, backend="demucs"), "no backend 'demucs' for beats"),
        (lambda: mirkit.transcribe_drums(array, backend=""), None),  # type: ignore[list-item]
        (lambda: mirkit.analyze(array, "nonsense"), "no feature group"),
        (lambda: mirkit.analyze(array, backends={"tempo": "auto"}), "no task 'tempo'"),
        (lambda: mirkit.track_beats(array, bpm=-3.0), "rhythm.bpm"),
        (lambda: mirkit.caption(array, ["fulll"], url="http://127.0.0.1:9"), "no prompt fulll; prompts are full"),
    ]
    for call, line in calls:
        if line:
            with pytest.raises(SettingsError, match=line):
                call()
    with pytest.raises(MissingInput, match="there is no such file"):
        mirkit.separate(tmp_path / "absent.flac")


def test_nothing_is_stored(tmp_path: Path) -> None:
    folder = make_track(tmp_path / "Track", stems=True, seconds=6.0)
    before = files_in(tmp_path)
    mirkit.analyze(folder, "rhythm", backends=EMBEDDED)
    mirkit.separate(folder, backend="embedded")
    mirkit.track_beats(folder, backend="embedded")
    mirkit.transcribe_drums(folder, backend="embedded")
    assert files_in(tmp_path) == before


def test_a_measured_track_is_left_as_it_is_and_its_curves_are_used(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from mirkit.cli import main

    folder = make_track(tmp_path / "Track", seconds=6.0)
    assert main(["loudness", str(folder)]) == 0
    (folder / "full_mix.flac").touch()  # a new stamp, which a run would store
    before = files_in(tmp_path)
    monkeypatch.setattr("mirkit.analysis.measure", None)  # nothing is decoded
    assert mirkit.analyze(folder, "loudness")["lufs"] is not None
    assert files_in(tmp_path) == before


def test_stems_beside_a_file_are_used(tmp_path: Path) -> None:
    folder = make_track(tmp_path / "Track", stems=True, seconds=6.0)
    assert mirkit.analyze(folder, "loudness")["lufs_drums"] is not None
    assert mirkit.transcribe_drums(folder, backend="embedded").source == "drums"
    mix = open_audio(folder / "full_mix.flac").samples()
    assert mirkit.transcribe_drums((mix, RATE), backend="embedded").source == "full_mix"


class FakeSeparator:
    """Gives each stem the mix, scaled."""

    def __init__(self, gains: dict[str, float]) -> None:
        self.weights = Weights("fake", (), "f" * 64)
        self.gains, self.stems = gains, tuple(gains)
        self.method: dict[str, Any] = {}
        self.notes = ["the fake has a note"]

    def separate(self, audio: Audio, _settings: Any) -> "FakeSeparator":
        self.audio = audio
        return self

    def blocks(self) -> Any:
        for block in self.audio.blocks(30011):
            yield {stem: (gain * block).astype(np.float32) for stem, gain in self.gains.items()}


def test_a_named_model_makes_the_stems_and_its_weights_are_fetched(
    array: tuple[np.ndarray, int], monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    gains = {"drums": 0.5, "bass": 0.25, "other": 0.125, "vocals": -0.5}
    fetched: list[str] = []
    monkeypatch.setattr(models, "load", lambda _task, _settings: FakeSeparator(gains))
    monkeypatch.setattr(models, "to_fetch", lambda _task, name, _settings: name)
    monkeypatch.setattr(weights, "fetch", lambda model, _run: fetched.append(model))
    with caplog.at_level(logging.WARNING, "mirkit"):
        stems = mirkit.separate(array, backend="demucs")
    assert fetched == ["demucs"]
    assert [record.getMessage() for record in caplog.records] == ["audio array: the fake has a note"]
    for stem, gain in gains.items():
        np.testing.assert_allclose(stems[stem], gain * array[0], atol=1e-6)


def test_stems_that_a_model_lacks_come_from_the_rest(
    array: tuple[np.ndarray, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(models, "load", lambda _task, _settings: FakeSeparator({"vocals": 0.25}))
    monkeypatch.setattr(models, "to_fetch", lambda *_: None)
    stems = mirkit.separate(array, backend="roformer", model="mine.ckpt")
    assert tuple(stems) == STEMS
    np.testing.assert_allclose(sum(stems.values()), array[0], atol=1e-5)


def test_auto_fetches_nothing(array: tuple[np.ndarray, int], monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: Any) -> None:
        raise AssertionError("the network was used")

    monkeypatch.setattr(models, "_within_reach", refuse)
    monkeypatch.setattr(weights, "fetch", refuse)
    assert mirkit.track_beats(array, backend="auto").beats.size
    assert mirkit.analyze(array, "loudness")["lufs"] is not None


def test_the_drums_become_midi(array: tuple[np.ndarray, int], tmp_path: Path) -> None:
    drums = mirkit.transcribe_drums(array, backend="embedded")
    assert drums.times["kick"].size
    beats = mirkit.track_beats(array, backend="embedded")
    path = tmp_path / "drums.mid"
    path.write_bytes(drums.to_midi(beats.beats, beats.downbeats))
    notes = [message for track in mido.MidiFile(path).tracks for message in track if message.type == "note_on"]
    assert len([note for note in notes if note.velocity]) == sum(map(len, drums.times.values()))
    assert mido.MidiFile(file=__import__("io").BytesIO(drums.to_midi())).length > 0


def test_unknown_values_have_reasons() -> None:
    silence = (np.zeros((2, 6 * RATE)), RATE)
    estimate = mirkit.track_beats(silence, backend="embedded")
    assert (estimate.bpm, estimate.time_signature, len(estimate.beats)) == (None, None, 0)
    assert estimate.reasons["bpm"]
    assert mirkit.analyze(silence, "loudness").reasons["lufs"] == "silent"
    assert not any(map(len, mirkit.transcribe_drums(silence, backend="embedded").times.values()))


def test_a_known_tempo_decides_the_octave() -> None:
    clicks = (signals.clicks(np.arange(0.3, 20, 0.5), 20.0), RATE)
    assert mirkit.track_beats(clicks, backend="embedded").bpm == pytest.approx(120, abs=0.2)
    assert mirkit.track_beats(clicks, backend="embedded", bpm=60).bpm == pytest.approx(60, abs=0.2)


def test_results_survive_pickling_and_copying() -> None:
    features = mirkit.analyze((signals.noise(3.0), RATE), "loudness")
    for twin in (pickle.loads(pickle.dumps(features)), copy.deepcopy(features)):
        assert twin == features
        assert twin.reasons == features.reasons
        assert twin.metadata == features.metadata
    with text_server(answer=lambda _: completion("Slow and calm music for a quiet evening at home.")) as server:
        texts = mirkit.caption((signals.band(3.0), RATE), ["full"], url=server.url)
    twin = pickle.loads(pickle.dumps(texts))
    assert (twin, twin.reasons, twin.model) == (texts, texts.reasons, texts.model)


def test_damage_is_logged(tmp_path: Path, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "broken.flac"
    encode(path, [np.stack([signals.noise(6.0)] * 2)], rate=RATE, channels=2)
    content = bytearray(path.read_bytes())
    content[len(content) // 2 : len(content) // 2 + 4000] = bytes(4000)
    path.write_bytes(content)
    with caplog.at_level(logging.WARNING, "mirkit"):
        mirkit.analyze(path, "loudness")
    (record,) = caplog.records
    assert record.name == "mirkit"
    assert "broken.flac: full_mix: damaged" in record.getMessage()
    assert capfd.readouterr() == ("", "")


def test_without_logging_a_library_is_silent(tmp_path: Path) -> None:
    code = "import logging, mirkit; logging.getLogger('mirkit').warning('a note')"
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    assert (result.stdout, result.stderr) == ("", "")


def test_the_command_line_prints_what_the_library_logs(capfd: pytest.CaptureFixture[str]) -> None:
    from mirkit.cli.output import terminal_log

    with terminal_log():
        logging.getLogger("mirkit").warning("%s: a note", "song\x1b[2J")
        logging.getLogger("mirkit").info("not shown")
    logging.getLogger("mirkit").warning("afterwards")
    out, err = capfd.readouterr()
    assert (out, err.splitlines()) == ("", ["note   song\\x1b[2J: a note"])


def test_a_folder_that_cannot_be_searched_is_logged(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    folder = tmp_path / "Track"
    folder.mkdir()
    (folder / "full_mix.flac").symlink_to(tmp_path / "nowhere.flac")
    with caplog.at_level(logging.WARNING, "mirkit"):
        assert mirkit.find_tracks(tmp_path) == []
    assert "full_mix.flac" in caplog.text
    caplog.clear()
    problems: list[str] = []
    mirkit.find_tracks(tmp_path, problems)
    assert problems
    assert not caplog.text


def test_captions(tmp_path: Path) -> None:
    folder = make_track(tmp_path / "Track", seconds=4.0)
    before = files_in(tmp_path)
    with text_server(answer=lambda _: completion("Slow and calm music for a quiet evening at home.")) as server:
        texts = mirkit.caption(folder, url=server.url)
        own = mirkit.caption(folder, {"pace": "How fast is it, at {bpm}?"}, url=server.url)
    assert list(texts) == ["full", "technical", "genre_mood", "instrumentation", "structure"]
    assert not texts.reasons
    assert texts["full"] == "Slow and calm music for a quiet evening at home."
    assert own == {"pace": None}
    assert own.reasons == {"pace": "its prompt needs a value that is not measured"}
    assert files_in(tmp_path) == before


def test_an_answer_that_is_not_usable_is_none_with_a_reason() -> None:
    with text_server(answer=lambda _: completion("")) as server:
        texts = mirkit.caption((signals.band(3.0), RATE), ["full"], url=server.url)
    assert texts == {"full": None}
    assert "no usable answer" in texts.reasons["full"]


@pytest.mark.parametrize("name", FUNCTIONS)
def test_the_examples_run(name: str) -> None:
    function = getattr(mirkit, name)
    module = importlib.import_module(function.__module__)
    answer = "A bright C major chord, held by sine tones without any vibrato or decay."
    with text_server(answer=lambda _: completion(answer)) as server:
        examples = doctest.DocTestFinder(recurse=False).find(function, name, module, {"url": server.url})
        runner = doctest.DocTestRunner()
        lines: list[str] = []
        for example in examples:
            runner.run(example, out=lines.append)
    assert runner.tries >= 4
    assert not runner.failures, "".join(lines)


def test_all_and_dir_are_the_public_names() -> None:
    assert dir(mirkit) == sorted(mirkit.__all__)
    assert set(FUNCTIONS) < set(mirkit.__all__)
    for name in mirkit.__all__:
        assert getattr(mirkit, name) is not None
    with pytest.raises(AttributeError):
        _ = mirkit.nonsense  # type: ignore[attr-defined]
    space: dict[str, Any] = {}
    exec("from mirkit import *", space)
    assert set(mirkit.__all__) <= space.keys()


@pytest.mark.parametrize("name", sorted(set(mirkit.__all__) - {"__version__"}))
def test_public_names_are_documented_in_numpydoc(name: str) -> None:
    thing = getattr(mirkit, name)
    things = {name: thing}
    if inspect.isclass(thing):
        members = inspect.getmembers(thing, lambda member: inspect.isfunction(member) or inspect.ismethod(member))
        own = {key: member for key, member in members if member.__module__.startswith("mirkit")}
        things |= {f"{name}.{key}": member for key, member in own.items() if not key.startswith("_")}
    for path, member in things.items():
        text = inspect.getdoc(member) or ""
        assert text, f"{path} has no docstring"
        if inspect.isclass(member):
            continue
        parameters = [key for key in inspect.signature(member).parameters if key not in ("self", "cls")]
        if len(parameters) > 1 or path in FUNCTIONS:
            assert "Parameters\n---" in text, f"{path} has no Parameters"
        for parameter in parameters if "Parameters\n---" in text else ():
            assert any(parameter in line.split(" :")[0] for line in text.splitlines()), f"{path}: {parameter}"
    if name in FUNCTIONS:
        assert all(f"{part}\n---" in inspect.getdoc(thing) for part in ("Parameters", "Returns", "Raises", "Examples"))  # type: ignore[operator]


def test_tags_of_an_array_are_empty() -> None:
    from mirkit.analysis import TrackAnalysis

    analysis = TrackAnalysis.of_audio(audio_from_array(np.zeros(1000), RATE))
    assert analysis.tags == Tags()
    with pytest.raises(MissingInput, match="in memory"):
        _ = analysis.track
