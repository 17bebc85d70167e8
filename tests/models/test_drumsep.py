"""DrumSep: a Demucs checkpoint whose sources are parts of a kit, through the loader and through the pipeline."""

from pathlib import Path

import pytest

pytest.importorskip("torch")
pytest.importorskip("demucs")

from demucs.hdemucs import HDemucs

from library import make_track
from mirkit.cli import main
from mirkit.drums.stem_hits import KIT_STEMS
from mirkit.errors import WeightsError
from mirkit.models import weights
from mirkit.models.demucs.load import load_drumsep
from mirkit.store import read_provenance
from models.demucs_checkpoints import package, random_network, write

KIT = ["bombo", "redoblante", "platillos", "toms"]


def test_its_parts_are_those_of_a_kit(tmp_path: Path) -> None:
    path = write(tmp_path, "49469ca8", package(random_network(HDemucs, sources=KIT)))
    assert load_drumsep(weights.from_path(path), "cpu").stems == tuple(KIT_STEMS)


def test_a_model_of_something_else_is_refused(tmp_path: Path) -> None:
    path = write(tmp_path, "955717e8", package(random_network()))
    with pytest.raises(WeightsError):
        load_drumsep(weights.from_path(path), "cpu")
    path = write(tmp_path / "half", "49469ca8", package(random_network(HDemucs, sources=["bombo", "toms"])))
    with pytest.raises(WeightsError, match="it does not separate redoblante, platillos"):
        load_drumsep(weights.from_path(path), "cpu")


@pytest.mark.slow
@pytest.mark.usefixtures("in_process")
def test_the_command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pretty_midi = pytest.importorskip("pretty_midi")
    track = make_track(tmp_path / "library" / "Track", seconds=6, stems=True)
    path = write(tmp_path, "49469ca8", package(random_network(HDemucs, sources=KIT)))
    command = ["drumsep", str(track), "--drum-model", str(path), "--jobs", "1", "-q"]
    assert main(command) == 0
    midi = pretty_midi.PrettyMIDI(str(track / "drums.mid"))
    notes = {voice.name: voice.note for voice in KIT_STEMS.values()}
    assert midi.instruments
    assert all({note.pitch for note in i.notes} == {notes[i.name]} for i in midi.instruments)
    entry = read_provenance(track / "Track.PROVENANCE").stages["drums"]
    assert (entry.backend, entry.model, list(entry.inputs)) == ("drumsep", str(path), ["drums"])
    assert entry.details["separation"]["shifts"] == 1  # type: ignore[index,call-overload]
    written = (track / "drums.mid").read_bytes()
    assert main(command) == 0
    assert main([*command, "--force"]) == 0
    assert (track / "drums.mid").read_bytes() == written, "shifts are drawn from a seed"
    assert main(["drumsep", str(track), "--offline", "--jobs", "1"]) == 1
    error = capsys.readouterr().err
    assert len(error.splitlines()) == 1
    assert "49469ca8.th (167 MB): not downloaded, and downloads are off" in error
