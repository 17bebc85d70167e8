"""``mirkit.toml``: checked, told to the letter what is wrong, and written without losing a comment."""

import tomllib
from dataclasses import asdict, fields
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mirkit.catalog import JOBS
from mirkit.errors import InfoError, SettingsError
from mirkit.store import Settings, atomic, find_root, read_settings, with_values, write_backends, write_table
from mirkit.store.settings import SETTINGS_NAME, Backends

same_folder = settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=80)


def write(root: Path, text: str) -> Path:
    (root / SETTINGS_NAME).write_text(text, encoding="utf-8")
    return root


def test_without_a_file_everything_has_its_default(tmp_path: Path) -> None:
    assert read_settings(tmp_path) == Settings()
    assert Settings().separation.format == "flac"
    assert Settings().rhythm.stems
    assert Settings().run.device == "auto"


def test_the_defaults_pass_their_own_checks() -> None:
    flat = {
        f"{section}.{key}": value
        for section, table in asdict(Settings()).items()
        if section != "exclude"
        for key, value in table.items()
    }
    assert with_values(Settings(), flat | {"exclude": {}}, "here") == Settings()


def test_every_job_of_the_catalog_has_a_backend_setting() -> None:
    assert tuple(item.name for item in fields(Backends)) == JOBS


def test_a_full_file(tmp_path: Path) -> None:
    root = write(
        tmp_path,
        """\ufeff# my set
[backends]
stems = "embedded"
[separation]
model = "htdemucs"
format = "mp3"
bitrate = 192
shifts = 0
overlap = 0
segment = 7.8
[rhythm]
stems = false
bpm_range = [80, 160]
bpm = 142
[run]
device = "cuda:1"
jobs = 4
[texts.prompts]
full = "Describe\\nthis."
[exclude]
"Artist - Track" = "a double"
""",
    )
    found = read_settings(root)
    assert found.backends == Backends(stems="embedded")
    assert asdict(found.separation) == {
        "model": "htdemucs",
        "format": "mp3",
        "bitrate": 192,
        "shifts": 0,
        "overlap": 0.0,
        "segment": 7.8,
    }
    assert (found.rhythm.stems, found.rhythm.bpm_range, found.rhythm.bpm) == (False, (80.0, 160.0), 142.0)
    assert (found.run.device, found.run.jobs) == ("cuda:1", 4)
    assert found.texts.prompts == {"full": "Describe\nthis."}
    assert found.exclude == {"Artist - Track": "a double"}


def test_empty_tables_are_well(tmp_path: Path) -> None:
    assert read_settings(write(tmp_path, "[run]\n[backends]\n[exclude]\n[texts]")) == Settings()


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("[separation]\nformt = 'mp3'", r"unknown setting separation\.formt; did you mean separation\.format\?"),
        ("[sepration]\nmodel = 'x'", r"unknown setting sepration; did you mean separation\?"),
        ("device = 'cpu'", r"unknown setting device; did you mean run\.device\?"),
        ("[run]\nbpm = 120", r"unknown setting run\.bpm; did you mean rhythm\.bpm\?"),
        ("[zzz]", "unknown setting zzz; known are backends"),
        ("run = 3", r"run must be a table, written as \[run\]"),
        ("[backends]\nstems = 'demcs'", r"one of auto, demucs, embedded, roformer \(did you mean demucs\?\)"),
        ("[backends]\nstems = 1", "backends.stems must be one of"),
        ("[separation]\nbitrate = '320'", "separation.bitrate must be a whole number from 32 to 512, not '320'"),
        ("[separation]\nbitrate = 1", "whole number"),
        ("[separation]\nshifts = true", "whole number"),
        ("[separation]\nshifts = 1.0", "whole number"),
        ("[separation]\noverlap = 1.0", "number from 0 to 0.99"),
        ("[separation]\noverlap = nan", "number from 0 to 0.99"),
        ("[separation]\nsegment = 0", "number from 0.1"),
        ("[separation]\nmodel = ' '", "must be a text"),
        ("[rhythm]\nstems = 1", "true or false"),
        ("[rhythm]\nbpm_range = [160, 80]", "the lower first"),
        ("[rhythm]\nbpm_range = [80]", "two tempos"),
        ("[rhythm]\nbpm_range = '80-160'", "two tempos"),
        ("[rhythm]\nbpm_range = [80, 1000]", "a number from 20 to 400"),
        ("[run]\ndevice = 'amd'", "ROCm cards of AMD are cuda too"),
        ("[run]\ndevice = 'cpu:1'", "cuda:<number>"),
        ("[run]\njobs = -1", "whole number"),
        ("[texts]\nprompts = 'x'", 'a table of name = "text"'),
        ("[exclude]\nx = 1", 'a table of name = "text"'),
        ("[run", "not readable as TOML"),
        ("x = " + "[" * 5000, "not readable as TOML"),
    ],
)
def test_what_is_wrong_is_said_in_one_line(tmp_path: Path, text: str, words: str) -> None:
    with pytest.raises(SettingsError, match=words) as caught:
        read_settings(write(tmp_path, text))
    assert SETTINGS_NAME in str(caught.value)
    assert "\n" not in str(caught.value)


def test_files_that_are_no_text(tmp_path: Path) -> None:
    path = tmp_path / SETTINGS_NAME
    path.write_bytes(b"\xff\xfe")
    with pytest.raises(SettingsError, match="TOML"):
        read_settings(tmp_path)
    path.write_bytes(b"#" * (2**20 + 1))
    with pytest.raises(SettingsError, match="larger"):
        read_settings(tmp_path)
    path.unlink()
    path.mkdir()
    with pytest.raises(SettingsError, match="cannot read"):
        read_settings(tmp_path)


@same_folder
@given(
    st.text(max_size=60)
    | st.text(alphabet="[]=\"\n.,{}0129 abdefgikmnorstu_-:#'", max_size=80)
    | st.sampled_from(["[run]\n", "[separation]\n", "[rhythm]\n", "[backends]\n"]).flatmap(
        lambda table: st.text(alphabet='="\n.[],019 abdegijkmnoprstuv_', max_size=40).map(lambda rest: table + rest)
    )
)
def test_any_text_is_settings_or_one_line(tmp_path: Path, text: str) -> None:
    (tmp_path / SETTINGS_NAME).write_bytes(text.encode("utf-8", "surrogatepass"))
    try:
        found = read_settings(tmp_path)
    except SettingsError:
        return
    assert isinstance(found, Settings)


def test_flags_pass_the_same_checks() -> None:
    found = with_values(Settings(), {"run.jobs": 2, "rhythm.bpm_range": (90.0, 100.0)}, "command line")
    assert (found.run.jobs, found.rhythm.bpm_range) == (2, (90.0, 100.0))
    assert found.separation == Settings().separation
    with pytest.raises(SettingsError, match=r"^command line: run\.jobs must be"):
        with_values(Settings(), {"run.jobs": "many"}, "command line")


def test_backends_are_written_and_comments_stay(tmp_path: Path) -> None:
    text = '# mine\n[run]\njobs = 3 # all\n\n[backends] # fixed\nbeats = "embedded"\n'
    write_backends(write(tmp_path, text), {"stems": "embedded", "aesthetics": ""})
    assert (tmp_path / SETTINGS_NAME).read_text() == text + 'stems = "embedded"\n'
    assert read_settings(tmp_path).backends == Backends(stems="embedded", beats="embedded")
    assert [path.name for path in tmp_path.iterdir()] == [SETTINGS_NAME]


def test_a_file_is_made(tmp_path: Path) -> None:
    write_backends(tmp_path, {"stems": "embedded"})
    assert tomllib.loads((tmp_path / SETTINGS_NAME).read_text()) == {"backends": {"stems": "embedded"}}


def test_a_key_can_be_set_and_taken_out(tmp_path: Path) -> None:
    name = 'Artist - "Quoted"\nTrack'
    write_table(write(tmp_path, "[run]\njobs = 1\n"), "exclude", {name: "a double"})
    assert read_settings(tmp_path).exclude == {name: "a double"}
    write_table(tmp_path, "exclude", {name: None, "never there": None})
    assert read_settings(tmp_path).exclude == {}
    assert read_settings(tmp_path).run.jobs == 1


@pytest.mark.parametrize(
    ("text", "table", "values"),
    [
        ("", "backends", {"stems": "demcs"}),
        ("", "backends", {"vocals": "auto"}),
        ("[run]\nwrong = 1", "backends", {"stems": "auto"}),
        ("", "run", {"jobs": -1}),
        ("", "zzz", {"x": 1}),
    ],
)
def test_nothing_wrong_is_written(tmp_path: Path, text: str, table: str, values: dict[str, Any]) -> None:
    write(tmp_path, text)
    with pytest.raises(SettingsError):
        write_table(tmp_path, table, values)
    assert (tmp_path / SETTINGS_NAME).read_text() == text


def test_a_wrong_backend_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"backends: backends\.stems must be"):
        write_backends(tmp_path, {"stems": "demcs"})
    assert not (tmp_path / SETTINGS_NAME).exists()


def test_a_refusal_of_the_system_is_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(path: Path, data: bytes) -> None:
        raise InfoError("the disk is full")

    monkeypatch.setattr(atomic, "write_whole", refuse)
    with pytest.raises(InfoError, match="full"):
        write_backends(tmp_path, {"stems": "embedded"})


def test_the_root_is_the_nearest_folder_with_settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    root = tmp_path / "set"
    track = root / "sub" / "track"
    crop = track / "crops" / "track_1"
    crop.mkdir(parents=True)
    assert find_root(track) == root / "sub"
    assert find_root(track / "loose.flac") == track
    assert find_root(crop) == root / "sub"
    assert find_root(root, batch=True) == root
    write(root, "")
    for path in (track, crop, track / "loose.flac", root / "track"):
        assert find_root(path) == root
    assert find_root(root / "sub", batch=True) == root
    assert find_root(root, batch=True) == root
    monkeypatch.chdir(track)
    assert find_root(Path(".")) == root
