"""The audit end to end: stage, verify, ls, exclude and include, show, report, and what makes it stale."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from features.audit.lossy_audio import music, through
from library import write
from mirkit import load
from mirkit.audio import encode
from mirkit.cli import main
from mirkit.pipeline.track_task import TrackJob, process
from mirkit.store import Settings, read_settings
from mirkit.track import Track

pytestmark = pytest.mark.usefixtures("in_process")
RATE = 44100


#: Without the bit rate, which is only about right for such short pieces.
LOSSY = "decoded from a lossy file: MP3, about "


def audited(path: Path) -> list[tuple[str, str]]:
    """Name and text of what the stage records."""
    assert process(TrackJob(path, ("audit",), {}, Settings())).ok
    facts = json.loads(Track.at(path).provenance.read_text())["facts"]
    return [(row["name"], row["text"]) for row in facts["audit"]["value"]["findings"]]


@pytest.fixture(scope="module")
def measured(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("audit")
    x = music(3.0)
    sources = {
        "Clean": x,
        "Decoded": through("MP3", 128, x)[0],
        "Inverted": x * np.array([[1], [-1]], np.float32),
        "Mono": np.stack((x[0], x[0])),
    }
    for name, samples in sources.items():
        write(root / name / "full_mix.flac", samples)
        assert process(TrackJob(root / name, ("audit", "source", "level", "loudness"), {}, Settings())).ok
    return root


@pytest.fixture
def library(measured: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(measured, tmp_path / "set"))


def test_verify(library: Path, capsys: pytest.CaptureFixture[str]) -> None:
    main(["verify", str(library)])
    lines = capsys.readouterr().out.splitlines()
    (clean,) = (line for line in lines if "Clean" in line)
    (decoded,) = (line for line in lines if "Decoded" in line)
    (mono,) = (line for line in lines if "Mono" in line)
    assert "fault" not in clean
    assert "notice" not in clean
    assert f"fault: {LOSSY}" in decoded
    assert "notice: both channels are the same: mono as stereo" in mono
    assert sum(line.endswith("2 with a faulty source") for line in lines) == 1
    main(["verify", str(library), "--json"])
    tracks = {row["name"]: row["audit"] for row in json.loads(capsys.readouterr().out)["tracks"]}
    assert tracks["Clean"] == {}
    assert list(tracks["Decoded"].values()) == ["fault"]


def test_ls_and_load(library: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["ls", str(library), "audit:faults", "--fields", "name,audit,findings"]) == 0
    out = capsys.readouterr().out
    assert "Decoded" in out
    assert "Clean" not in out
    assert f"lossy: {LOSSY}" in out
    assert main(["ls", str(library), "findings:lossy", "--fields", "name"]) == 0
    assert "Inverted" not in capsys.readouterr().out
    assert {row["name"]: row["audit"] for row in load(library)} == {
        "Clean": "ok",
        "Decoded": "faults",
        "Inverted": "faults",
        "Mono": "notices",
    }


def test_exclude_and_include(library: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["exclude", str(library), "--audit", "faults", "--dry-run"]) == 0
    assert f"would exclude Decoded: {LOSSY}" in capsys.readouterr().out
    assert not read_settings(library).exclude
    assert main(["exclude", str(library), "--audit", "faults"]) == 0
    assert read_settings(library).exclude.keys() == {"Decoded", "Inverted"}
    assert read_settings(library).exclude["Decoded"].startswith(LOSSY)
    capsys.readouterr()
    assert main(["exclude", str(library), "--audit", "faults"]) == 0
    assert "no track" in capsys.readouterr().out
    assert main(["include", str(library), "--where", "findings:lossy"]) == 0
    assert read_settings(library).exclude.keys() == {"Inverted"}
    assert main(["exclude", str(library), "--audit", "notices", "--reason", "mono"]) == 0
    assert read_settings(library).exclude["Mono"] == "mono"


def test_exclude_needs_a_reason_or_the_audit(library: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["exclude", str(library / "Clean")]) == 2
    assert "--reason" in capsys.readouterr().err


def test_show_and_report(library: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["show", str(library / "Decoded")]) == 0
    assert f"fault: {LOSSY}" in " ".join(capsys.readouterr().out.split())
    main(["report", str(library)])
    out = library / "mirkit-report"
    assert LOSSY in (out / "data" / "set.js").read_text()
    pages = [page.read_text() for page in (out / "tracks").iterdir()]
    assert sum(f"Source: {LOSSY}" in page for page in pages) == 1


def test_measure_audit(library: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["measure", "audit", str(library / "Decoded")]) == 0
    assert f"audit: fault: {LOSSY}" in " ".join(capsys.readouterr().out.split())
    assert main(["measure", "audit", str(library), "--json"]) == 0
    values = {row["track"]: row["values"] for row in json.loads(capsys.readouterr().out)["tracks"]}
    assert values["Clean"]["audit"] == "ok"
    assert values["Mono"]["findings"] == "mono: both channels are the same: mono as stereo"
    assert main(["measure", "audit", str(library)]) == 0
    assert "faults" in capsys.readouterr().out


def test_a_run_says_what_is_wrong(library: Path, capsys: pytest.CaptureFixture[str]) -> None:
    main(["measure", "audit", str(library), "--overwrite"])
    said = capsys.readouterr()
    assert f"fault of the source: {LOSSY}" in said.out + said.err


def test_a_replaced_mix_is_audited_again(library: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write(library / "Decoded" / "full_mix.flac", music(3.0, seed=5))
    main(["verify", str(library)])
    (line,) = (line for line in capsys.readouterr().out.splitlines() if "Decoded" in line)
    assert "fault" not in line
    assert "audio changed" in line
    assert audited(library / "Decoded") == []


def test_a_lossy_file_is_what_it_says(tmp_path: Path) -> None:
    encode(tmp_path / "song.mp3", [music(3.0)], rate=RATE, channels=2, bitrate=128)
    assert audited(tmp_path / "song.mp3") == []


@pytest.mark.parametrize("rate", [22050, 48000, 96000])
def test_untouched_files_of_any_rate(rate: int, tmp_path: Path) -> None:
    write(tmp_path / "song.flac", music(2.0, rate=rate), rate=rate)
    assert audited(tmp_path / "song.flac") == []


def test_faults_at_the_rate_of_the_file(tmp_path: Path) -> None:
    samples, rate = through("Opus", 128, music(3.0))
    samples[:, 66_000:66_960] = 0
    write(tmp_path / "song.flac", samples, rate=rate)
    assert [name for name, _ in audited(tmp_path / "song.flac")] == ["lossy", "dropouts"]


@pytest.mark.parametrize("samples", [np.zeros((2, 3 * RATE)), np.zeros((1, 300)), music(2.0)[:, :900]])
def test_silent_and_short_files(samples: np.ndarray, tmp_path: Path) -> None:
    write(tmp_path / "song.flac", samples.astype(np.float32))
    assert {name for name, _ in audited(tmp_path / "song.flac")} <= {"silence"}


def test_a_strange_provenance_is_no_audit(library: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A data set from a stranger may hold anything."""
    for content in ("text", {"findings": 3}, {"findings": [{"name": [], "text": 1}]}, {"findings": [{"name": "x"}]}):
        path = library / "Decoded" / "Decoded.PROVENANCE"
        stored = json.loads(path.read_text())
        stored["facts"]["audit"] = {"value": content}
        path.write_text(json.dumps(stored))
        for command in ("verify", "ls"):
            main([command, str(library)])
            assert "Traceback" not in capsys.readouterr().err
