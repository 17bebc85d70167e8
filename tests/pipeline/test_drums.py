"""Drums to MIDI in the pipeline: which file, when it is done, what the user made stays, and one line where it fails."""

import importlib.machinery
import importlib.util
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from library import make_track
from mirkit import models
from mirkit.cli import main
from mirkit.drums.drum_hits import DrumInstrument, Hits
from mirkit.errors import ModelError
from mirkit.models.backend import Weights
from mirkit.pipeline.track_task import TrackJob, process
from mirkit.store import Settings, read_provenance, with_values

pretty_midi = pytest.importorskip("pretty_midi")

EMBEDDED = with_values(Settings(), {"backends.drums": "embedded", "backends.beats": "embedded"}, "test")
ADTOF = with_values(Settings(), {"backends.drums": "adtof", "backends.beats": "embedded"}, "test")


class FakeDrummer:
    """Hears a kick every half second, whatever sounds."""

    def __init__(self) -> None:
        self.weights = Weights("fake", (), "f" * 64)
        self.result: Any = Hits((DrumInstrument("kick", 35),), (np.arange(0.5, 8, 0.5),), (np.zeros(15),))
        self.streams = 0

    def stream(self) -> "FakeDrummer":
        self.streams += 1
        return self

    def push(self, block: np.ndarray) -> None:
        assert block.ndim == 2

    def finish(self) -> Any:
        return self.result


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_track(tmp_path_factory.mktemp("made") / "Track", seconds=10, bpm=120, stems=True)


@pytest.fixture
def track(made: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(made, tmp_path / "library" / "Track"))


@pytest.fixture
def drummer(monkeypatch: pytest.MonkeyPatch) -> FakeDrummer:
    fake = FakeDrummer()
    monkeypatch.setattr(models, "load", lambda _task, _settings: fake)
    return fake


def job(track: Path, settings: Settings = EMBEDDED, **more: Any) -> TrackJob:
    backends = {"drums": settings.backends.drums, "beats": "embedded"}
    return TrackJob(track, ("drums",), backends, settings, **more)


def test_the_drums_stem_becomes_midi_on_the_beat_grid(track: Path) -> None:
    outcome = process(job(track))
    assert outcome.ok, outcome.failures
    assert outcome.done == ("beats", "drums")
    midi = pretty_midi.PrettyMIDI(str(track / "drums.mid"))
    kick = next(i for i in midi.instruments if i.name == "kick")
    starts = np.array([note.start for note in kick.notes])
    assert {note.pitch for note in kick.notes} == {36}
    assert len(starts) == 20
    assert np.abs(starts - np.arange(20) * 0.5).max() < 0.015
    assert midi.get_tempo_changes()[1] == pytest.approx(120, abs=1)
    entry = read_provenance(track / "Track.PROVENANCE").stages["drums"]
    assert (entry.backend, entry.model, list(entry.inputs)) == ("embedded", None, ["drums"])
    assert entry.outputs["drums.mid"].size == (track / "drums.mid").stat().st_size
    assert entry.details["signal"] == "drums"
    assert process(job(track)).skipped == ("drums",)


def test_the_transcriber_is_told_what_it_hears(track: Path) -> None:
    process(job(track))
    provenance = track / "Track.PROVENANCE"
    assert read_provenance(provenance).stages["drums"].details["transcribed_as"] == "stem"
    for stem in ("drums", "bass", "other", "vocals"):
        (track / f"{stem}.flac").unlink()
    backends = {"stems": "embedded", "drums": "embedded", "beats": "embedded"}
    assert process(TrackJob(track, ("separate", "drums"), backends, EMBEDDED)).ok
    assert read_provenance(provenance).stages["drums"].details["transcribed_as"] == "separated"
    mix = with_values(EMBEDDED, {"drums.source": "mix"}, "test")
    assert process(job(track, mix)).ok
    assert read_provenance(provenance).stages["drums"].details["transcribed_as"] == "mix"


def test_from_the_mix_where_there_is_no_stem_or_when_asked(track: Path) -> None:
    mix = with_values(EMBEDDED, {"drums.source": "mix"}, "test")
    assert process(job(track, mix)).notes == ()
    assert list(read_provenance(track / "Track.PROVENANCE").stages["drums"].inputs) == ["full_mix"]
    (track / "drums.flac").unlink()
    outcome = process(job(track))
    assert outcome.done == ("beats", "drums"), "the beats had heard the stem, too"
    assert outcome.notes == ("the drums were transcribed from the mix, because there is no drums stem",)


def test_settings_and_sound_and_method_decide_what_is_done(track: Path, drummer: FakeDrummer) -> None:
    process(job(track))
    before = (track / "drums.mid").read_bytes()
    quantized = with_values(EMBEDDED, {"drums.quantize": 4}, "test")
    assert process(job(track, quantized)).done == ("drums",)
    assert (track / "drums.mid").read_bytes() != before
    assert process(job(track, quantized)).done == ()
    assert process(job(track)).done == ("drums",)
    assert (track / "drums.mid").read_bytes() == before, "the same again, to the byte"
    (track / "drums.mid").unlink()
    assert process(job(track)).done == ("drums",)
    assert process(job(track, overwrite=True)).done == ("drums",)
    assert drummer.streams == 0


def test_adtof_has_a_file_of_its_own(track: Path, drummer: FakeDrummer) -> None:
    process(job(track))
    assert process(job(track, ADTOF)).done == ("drums",)
    assert process(job(track, ADTOF)).done == ()
    assert process(job(track)).done == (), "and the other one stays done"
    assert drummer.streams == 1
    midi = pretty_midi.PrettyMIDI(str(track / "drums_adtof.mid"))
    assert [note.start for note in midi.instruments[0].notes] == pytest.approx(np.arange(0.5, 8, 0.5), abs=0.001)
    entry = read_provenance(track / "Track.PROVENANCE").stages["drums/adtof"]
    assert (entry.backend, entry.model, entry.weights_sha256) == ("adtof", "fake", "f" * 64)


def test_midi_that_the_user_brought_stays(track: Path) -> None:
    mine = b"MThd my own"
    (track / "drums.mid").write_bytes(mine)
    outcome = process(job(track))
    assert outcome.done == ()
    assert outcome.skipped == ("drums",)
    assert outcome.notes == ("drums.mid was found or changed by hand, and is kept as it is",)
    assert read_provenance(track / "Track.PROVENANCE").stages["drums"].backend == "external"
    assert process(job(track)).notes == ()
    assert (track / "drums.mid").read_bytes() == mine
    assert process(job(track, replaces=frozenset({"drums"}))).done == ("beats", "drums")
    assert (track / "drums.mid").read_bytes() != mine
    assert (track / "drums.mid.replaced-1").read_bytes() == mine


def test_midi_that_the_user_edited_stays(track: Path) -> None:
    process(job(track))
    edited = (track / "drums.mid").read_bytes() + b"edited"
    (track / "drums.mid").write_bytes(edited)
    quantized = with_values(EMBEDDED, {"drums.quantize": 4}, "test")
    assert process(job(track, quantized)).done == ()
    assert (track / "drums.mid").read_bytes() == edited
    (track / "drums.mid").unlink()
    assert process(job(track)).done == ("drums",)


@pytest.mark.parametrize("written", [False, True])
def test_a_kill_around_the_file_does_not_make_it_the_users(
    track: Path, monkeypatch: pytest.MonkeyPatch, written: bool
) -> None:
    process(job(track))
    from mirkit.pipeline import track_task

    class Killed(BaseException):
        pass

    write = track_task.atomic_write

    def killed(path: Path, content: bytes) -> None:
        if written:
            write(path, content)
        raise Killed

    quantized = with_values(EMBEDDED, {"drums.quantize": 4}, "test")
    with monkeypatch.context() as patch:
        patch.setattr(track_task, "atomic_write", killed)
        with pytest.raises(Killed):
            process(job(track, quantized))
    outcome = process(job(track, quantized))
    assert outcome.done == ("drums",)
    assert outcome.notes == ()
    assert read_provenance(track / "Track.PROVENANCE").stages["drums"].parameters["quantize"] == 4


def test_what_fails_leaves_the_older_file_ours(track: Path, drummer: FakeDrummer) -> None:
    process(job(track, ADTOF))
    heard, drummer.result = drummer.result, ModelError("ADTOF failed on cuda: out of memory")
    outcome = process(job(track, ADTOF, overwrite=True))
    assert outcome.failures == {"drums": "ADTOF failed on cuda: out of memory"}
    drummer.result = heard
    outcome = process(job(track, ADTOF))
    assert (outcome.done, outcome.notes) == (("drums",), ())


def test_a_broken_stem_is_the_failure_of_the_drums(track: Path) -> None:
    (track / "drums.flac").write_bytes(b"no flac at all")
    outcome = process(job(track))
    assert "drums.flac" in outcome.failures["drums"]
    assert not (track / "drums.mid").exists()


def test_without_weights_adtof_is_one_line(track: Path, capsys: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: importlib.machinery.ModuleSpec(name, None))
    assert main(["adtof", str(track)]) == 1
    error = capsys.readouterr().err
    assert len(error.splitlines()) == 1
    assert "adtof_frame_rnn_pytorch_weights.pth (3.62 MB): not downloaded" in error
    assert "mirkit models fetch adtof" in error
    assert "use mirkit drums --backend drums=embedded, which needs no model" in error


@pytest.mark.usefixtures("in_process")
def test_output_is_a_copy(track: Path, tmp_path: Path, capsys: Any) -> None:
    target = tmp_path / "here.mid"
    command = ["drums", str(track), "--backend", "drums=embedded", "--quantize", "2", "-q", "--jobs", "1"]
    assert main([*command, "--output", str(target)]) == 0
    assert target.read_bytes() == (track / "drums.mid").read_bytes()
    target.unlink()
    assert main([*command, "--output", str(target)]) == 0, "also when there is nothing to do"
    assert target.is_file()
    assert main(["drums", str(track.parent), "--batch", "--output", str(target)]) == 2
    assert "--output is for the MIDI file of one track" in capsys.readouterr().err


@pytest.mark.usefixtures("in_process")
def test_a_loose_file(track: Path, tmp_path: Path) -> None:
    loose = tmp_path / "loose" / "song.flac"
    loose.parent.mkdir()
    shutil.copyfile(track / "drums.flac", loose)
    assert main(["drums", str(loose), "--backend", "drums=embedded", "-q", "--jobs", "1"]) == 0
    assert (loose.parent / "song_drums.mid").is_file()
