"""A package that is installed beside mirkit adds a backend by an entry point, and every part of mirkit knows it."""

import json
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from library import make_track
from mirkit import models
from mirkit.cli import main
from mirkit.errors import SettingsError
from mirkit.models import registry
from mirkit.pipeline import RunRequest, make_plan, workers
from mirkit.pipeline.time_estimate import seconds_per_minute
from mirkit.store import Settings, read_info, read_provenance
from mirkit.track import Track

pytestmark = pytest.mark.usefixtures("in_process")

MODULE = '''
from mirkit.models.backend import Backend

SCORES = Backend(
    "aesthetics",
    "loudness_scores",
    "Loudness scores",
    "stream",
    loader="third_party_scores:load",
    code_license="GPL-3.0",
    weights_license="CC BY-NC 4.0",
    commercial=False,
    memory=2000 * 2**20,
    seconds_per_minute=7.0,
    feature_kind="loudness_scores",
    reads_features=False,
    citation="@misc{third, title = {Loudness scores}}",
)
BEATS = Backend(
    "beats", "metronome", "Metronome", "stream", loader="third_party_scores:load_metronome",
    feature_kind="activations", memory=100 * 2**20, seconds_per_minute=1.0,
)
FALSE = "no backend"
TAKEN = Backend("beats", "beat_this", "Another", "stream", loader="a:b", feature_kind="activations")
WHAT = Backend("lyrics", "words", "Words", "stream", loader="a:b", feature_kind="words")
CURVE = Backend("aesthetics", "curve", "Curve", "stream", loader="a:b", feature_kind="loudness")


class Scorer:
    def __init__(self, weights):
        self.weights = weights

    def stream(self):
        return Stream()


class Stream:
    def __init__(self):
        self.sum, self.count = 0.0, 0

    def push(self, block):
        self.sum += float((block.astype("float64") ** 2).sum())
        self.count += block.size

    def finish(self):
        power = self.sum / max(1, self.count)
        names = ("content_enjoyment", "content_usefulness", "production_complexity", "production_quality")
        return {name: 1.0 + 9.0 * min(1.0, power) for name in names}


def load(weights, device):
    assert device == "cpu"
    return Scorer(weights)


def load_metronome(weights, device):
    class Model:
        def __init__(self):
            self.weights = weights

        def stream(self):
            return Clicks()

    return Model()


class Clicks:
    """Beats every half second, whatever the audio."""

    def __init__(self):
        self.samples = 0

    def push(self, block):
        self.samples += block.shape[1]

    def finish(self):
        import numpy as np

        from mirkit.features.rhythm.beats.from_activations import Activations

        frames = np.arange(int(self.samples / 44100 * 50) + 1)
        beat = np.where(frames % 25 == 0, 4.0, -6.0).astype("float32")
        return Activations(beat, np.where(frames % 100 == 0, beat, -6.0).astype("float32"), 50.0)
'''
ENTRY_POINTS = """[mirkit.backends]
loudness_scores = third_party_scores:SCORES
metronome = third_party_scores:BEATS
"""


def install(folder: Path, entry_points: str = ENTRY_POINTS) -> Path:
    """Put a package into a folder as pip does."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "third_party_scores.py").write_text(MODULE)
    information = folder / "third_party-1.0.dist-info"
    information.mkdir()
    (information / "METADATA").write_text("Metadata-Version: 2.1\nName: third-party\nVersion: 1.0\n")
    (information / "entry_points.txt").write_text(entry_points)
    return folder


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder of installed packages."""
    folder = tmp_path / "site-packages"
    monkeypatch.syspath_prepend(folder)
    registry._installed.cache_clear()
    models._loaded.cache_clear()
    yield folder
    registry._installed.cache_clear()
    models._loaded.cache_clear()
    sys.modules.pop("third_party_scores", None)


@pytest.fixture
def installed(site: Path) -> Path:
    return install(site)


@pytest.fixture
def track(tmp_path: Path) -> Path:
    return make_track(tmp_path / "music" / "Track", seconds=12)


@pytest.mark.usefixtures("installed")
def test_it_is_listed(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["models", "--json"]) == 0
    (row,) = [row for row in json.loads(capsys.readouterr().out) if row["method"] == "loudness_scores"]
    assert (row["task"], row["state"], row["commercial use"]) == ("aesthetics", "ready", "no")
    assert (row["code"], row["weights"]) == ("GPL-3.0", "CC BY-NC 4.0")
    assert main(["models", "--commercial-safe"]) == 0
    assert "loudness_scores" not in capsys.readouterr().out
    assert main(["models", "--cite", "loudness_scores"]) == 0
    assert capsys.readouterr().out == "@misc{third, title = {Loudness scores}}\n"


@pytest.mark.usefixtures("installed")
def test_doctor_knows_it(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["doctor", "--json"]) == 0
    report = json.loads(capsys.readouterr().out)
    assert report["left out"] == []
    # Audiobox Aesthetics is not downloaded, and so auto comes to the next; of beats, the embedded one goes before it.
    assert report["methods"]["aesthetics"]["used"] == "loudness_scores"
    assert report["methods"]["beats"]["used"] == "embedded"


@pytest.mark.usefixtures("installed")
def test_plan_memory_and_time(track: Path) -> None:
    fixed = {"aesthetics": "loudness_scores", "beats": "metronome"}
    request = RunRequest(track, ("beats", "aesthetics"), fixed=fixed, memory=8 * 2**30, jobs=64)
    plan = make_plan(request)
    assert plan.backends == fixed
    assert plan.todo[str(track)].keys() == {"beats", "aesthetics"}
    assert models.worker_memory(plan.backends, "auto") == 2100 * 2**20
    many = type(plan)(**{**vars(plan), "todo": {str(i): {"beats": "new"} for i in range(100)}})
    assert workers(many, request) == 8 * 1024 // (700 + 2100)
    assert seconds_per_minute(plan.backends, Settings())["measure"] == 4.0 + 7.0 + 1.0


@pytest.mark.usefixtures("installed")
def test_stages_run_with_it_and_it_is_up_to_date_after(track: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["--jobs", "1", "--backend", "aesthetics=loudness_scores", "--backend", "beats=metronome"]
    assert main(["extract", str(track), *words]) == 0
    found = Track.at(track)
    info, records = read_info(found.info), read_provenance(found.provenance).stages
    assert info["bpm"] == pytest.approx(120, abs=0.5)
    assert 1 < info["production_quality"] < 10
    assert (records["aesthetics"].backend, records["aesthetics"].model) == ("loudness_scores", "loudness_scores")
    assert (records["beats"].backend, records["beats"].weights_sha256) == ("metronome", None)
    capsys.readouterr()
    assert main(["extract", str(track), *words]) == 0
    assert "0 tracks" in capsys.readouterr().out
    assert main(["extract", str(track), "--jobs", "1", "--backend", "beats=embedded", "--dry-run"]) == 0
    assert "1 track" in capsys.readouterr().out


@pytest.mark.usefixtures("installed")
def test_a_license_that_excludes_commercial_use_is_refused(track: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["extract", str(track), "--jobs", "1", "--commercial-safe"]
    assert main([*words, "--backend", "aesthetics=loudness_scores"]) == 1
    refused = "mirkit: Loudness scores: license CC BY-NC 4.0, which --commercial-safe refuses"
    assert capsys.readouterr().err.startswith(refused)
    safe = Settings(run=type(Settings().run)(commercial_safe=True))
    assert models.resolve("aesthetics", "auto", safe) != "loudness_scores"


@pytest.mark.usefixtures("installed")
def test_the_settings_of_a_data_set_may_name_it(track: Path) -> None:
    (track.parent / "mirkit.toml").write_text('[backends]\nbeats = "metronome"\n')
    assert make_plan(RunRequest(track, ("beats",))).backends == {"beats": "metronome"}


def test_where_it_is_not_installed_a_run_says_so(track: Path) -> None:
    (track.parent / "mirkit.toml").write_text('[backends]\nbeats = "metronome"\n')
    with pytest.raises(
        SettingsError, match=r"backends\.beats must be one of auto, beat_this, embedded, not 'metronome'"
    ):
        make_plan(RunRequest(track, ("beats",)))
    assert make_plan(RunRequest(track, ("beats",), fixed={"beats": "embedded"})).backends == {"beats": "embedded"}
    assert main(["init", str(track.parent), "--backend", "beats=embedded", "--force", "--quiet"]) == 0
    assert make_plan(RunRequest(track, ("beats",))).backends == {"beats": "embedded"}


@pytest.mark.usefixtures("installed")
def test_results_of_a_package_that_is_gone_can_still_be_read(track: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["rhythm", str(track), "--jobs", "1", "--quiet"]) == 0
    (track.parent / "mirkit.toml").write_text('[backends]\nbeats = "gone_with_its_package"\n')
    for words in (["stats"], ["report"]):
        assert main([*words, str(track.parent)]) == 0, capsys.readouterr().err


def test_what_is_wrong_with_a_package_is_said_and_the_rest_works(
    site: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    names = ("FALSE", "TAKEN", "WHAT", "CURVE", "MISSING", "BEATS")
    points = "".join(f"{name} = third_party_scores:{name}\n" for name in names)
    install(site, f"[mirkit.backends]\n{points}gone = no_such_module:X\n")
    assert [row.name for row in registry.backends_of("beats")] == ["beat_this", "embedded", "metronome"]
    problems = registry.problems()
    for part in (
        "FALSE of the package third-party is left out: it is a str",
        "TAKEN of the package third-party is left out: another backend is called beat_this",
        "WHAT of the package third-party is left out: its task is 'lyrics'",
        "CURVE of the package third-party is left out: its feature_kind 'loudness' is empty or in use already",
        "MISSING of the package third-party cannot be imported: AttributeError",
        "gone of the package third-party cannot be imported: ModuleNotFoundError",
    ):
        assert any(part in line for line in problems), part
    assert len(problems) == 6
    assert main(["doctor"]) == 0
    assert "gone of the package third-party cannot be imported" in capsys.readouterr().err


@pytest.mark.parametrize("where", ["the working folder", "a data set"])
def test_a_data_set_registers_nothing(where: str, site: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """``python -m mirkit`` puts the working folder, perhaps a data set, on Python's search path."""
    install(site)
    if where == "a data set":
        (site / "mirkit.toml").touch()
    else:
        monkeypatch.chdir(site)
    assert registry.backends() == registry.built_in()
    assert "third_party_scores" not in sys.modules
