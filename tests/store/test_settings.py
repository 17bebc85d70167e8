"""``mirkit.toml``: checked, with errors that name the wrong letter, and written without losing a comment."""

import dataclasses
import json
import tomllib
from contextlib import suppress
from dataclasses import asdict, fields
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mirkit.catalog import TASKS
from mirkit.errors import InfoError, SettingsError
from mirkit.models.registry import model_rows
from mirkit.settings import SETTINGS, BackendSettings, CaptionSettings, Kind, validators
from mirkit.store import (
    SETTINGS_NAME,
    Settings,
    atomic,
    find_root,
    read_settings,
    user_settings_path,
    with_values,
    write_backends,
    write_table,
)
from properties import tries

same_folder = settings(
    suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=tries(32)
)


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
    assert tuple(item.name for item in fields(BackendSettings)) == TASKS


def test_a_full_file(tmp_path: Path) -> None:
    root = write(
        tmp_path,
        """\ufeff# my set
[backends]
stems = "embedded"
[separation]
model = "htdemucs"
two_stems = "vocals"
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
    assert found.backends == BackendSettings(stems="embedded")
    assert asdict(found.separation) == {
        "model": "htdemucs",
        "two_stems": "vocals",
        "format": "mp3",
        "bits": None,
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
        ("[backends]\nstems = 'de mcs'", "backends.stems must be auto or the name of a backend, not 'de mcs'"),
        ("[backends]\nstems = 1", "backends.stems must be auto or the name of a backend"),
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
        ("[run", "the file cannot be read as TOML"),
        ("x = " + "[" * 5000, "the file cannot be read as TOML"),
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
    assert read_settings(tmp_path).backends == BackendSettings(stems="embedded", beats="embedded")
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
        ("", "backends", {"stems": "../x"}),
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
        write_backends(tmp_path, {"stems": "../x"})
    assert not (tmp_path / SETTINGS_NAME).exists()


def test_a_refusal_of_the_system_is_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(path: Path, data: bytes, *, lasting: bool = True) -> None:
        raise InfoError("the disk is full")

    monkeypatch.setattr(atomic, "atomic_write", refuse)
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


def fields_of(settings: Settings) -> dict[str, str]:
    """Every setting, with the type of its field."""
    found = {}
    for section in dataclasses.fields(settings):
        value = getattr(settings, section.name)
        if dataclasses.is_dataclass(value):
            found |= {f"{section.name}.{row.name}": str(row.type) for row in dataclasses.fields(value)}
        else:
            found[section.name] = str(section.type)
    return found


#: What would reach a program, a file or a server.
REACHING = ("/bin/sh", "../net.th", "~/net.th", "C:\\net.th", "net.gguf", "http://198.51.100.1", "-o", "a b")


def takes(root: Path, name: str, text: str) -> bool:
    """Whether a data set may hold a text, alone, in a list or in a table, as this setting."""
    section, _, key = name.partition(".")
    taken = False
    for value in (text, [text], {"x": text}):
        toml = f"{{ x = {json.dumps(text)} }}" if isinstance(value, dict) else json.dumps(value)
        write(root, f"[{section}]\n{key} = {toml}\n" if key else f"{section} = {toml}\n")
        with suppress(SettingsError):
            read_settings(root)
            taken = True
    return taken


def test_every_setting_says_what_it_can_reach(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A new field fails here until it is declared; one that takes such a text must be one that no data set holds."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "here").write_text("a file that is called like a model")
    kinds = {name: setting.kind for name, setting in SETTINGS.items()}
    assert kinds.keys() == fields_of(Settings()).keys()
    words = {name for name, kind in kinds.items() if kind is Kind.WORDS}
    assert words == {name for name in kinds if any(takes(tmp_path, name, text) for text in REACHING)}
    for name, type_ in fields_of(Settings()).items():
        if kinds[name] in (Kind.MODEL, Kind.ADDRESS):
            assert "str" in type_
            assert not takes(tmp_path, name, "here")


def test_a_data_set_may_name_models_and_choose_numbers(tmp_path: Path) -> None:
    text = "[separation]\nmodel = 'htdemucs'\n[texts]\nmodel = 'IQ3_M'\nseed = 3\n[backends]\ntexts = 'llama'\n"
    settings = read_settings(write(tmp_path, text))
    assert (settings.separation.model, settings.texts.model, settings.texts.seed) == ("htdemucs", "IQ3_M", 3)
    for row in model_rows():
        assert not validators.names_a_file(row.name, tmp_path)


@pytest.fixture
def mine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    path = tmp_path / "mine" / "settings.toml"
    path.parent.mkdir()
    monkeypatch.setenv("MIRKIT_CONFIG", str(path))
    return path


def test_command_line_environment_data_set_and_user_in_this_order(
    tmp_path: Path, mine: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    mine.write_text(
        '[texts]\nurl = "https://mine.example"\nmodel = "/models/a.gguf"\nseed = 5\nattempts = 7\n'
        '[separation]\nmodel = "/models/net.th"\nformat = "wav"\n'
    )
    root = write(tmp_path, '[texts]\nmodel = "Q6_K"\nseed = 6\n')
    settings = read_settings(root)
    assert settings.texts.url == "https://mine.example"
    assert (settings.texts.model, settings.texts.seed, settings.texts.attempts) == ("Q6_K", 6, 7)
    assert (settings.separation.model, settings.separation.format) == ("/models/net.th", "wav")
    monkeypatch.setenv("MIRKIT_TEXTS_MODEL", "IQ3_M")
    monkeypatch.setenv("MIRKIT_TEXTS_URL", "https://environment.example/v1")
    monkeypatch.setenv("MIRKIT_TEXTS_SEED", "9")  # numbers have no variable
    settings = read_settings(root)
    assert (settings.texts.model, settings.texts.url) == ("IQ3_M", "https://environment.example")
    assert settings.texts.seed == 6
    assert with_values(settings, {"texts.model": "Q8_0"}, "command line").texts.model == "Q8_0"
    assert read_settings(root, own=False).texts == CaptionSettings(model="Q6_K", seed=6)
    monkeypatch.setenv("MIRKIT_TEXTS_URL", "nonsense")
    with pytest.raises(SettingsError, match=r"^MIRKIT_TEXTS_URL: texts.url must be an address"):
        read_settings(root)


def test_a_data_set_does_not_lift_what_the_user_forbids(tmp_path: Path, mine: Path) -> None:
    mine.write_text("[run]\noffline = true\ncommercial_safe = true\njobs = 3\n")
    run = read_settings(write(tmp_path, "[run]\noffline = false\ncommercial_safe = false\njobs = 1\n")).run
    assert (run.offline, run.commercial_safe, run.jobs) == (True, True, 1)
    mine.write_text("")
    run = read_settings(write(tmp_path, "[run]\noffline = true\n")).run
    assert (run.offline, run.commercial_safe) == (True, False)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("[texts]\nprogramm = 'x'", "did you mean texts.program"),
        ("[run", "the file cannot be read as TOML"),
        ("[exclude]\nA = 'x'", r"\[exclude\] names tracks of one data set"),
        ("[texts]\nallow_http = 'x'", "a list of host names"),
        ("[texts]\nallow_http = ['http://x']", "a list of host names"),
    ],
)
def test_what_is_wrong_in_the_users_file_names_it(tmp_path: Path, mine: Path, text: str, words: str) -> None:
    mine.write_text(text)
    with pytest.raises(SettingsError, match=words) as caught:
        read_settings(tmp_path)
    assert str(mine) in str(caught.value)


def test_the_users_file_is_never_one_of_the_working_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a home folder the platform's place is relative: a stranger's data set could hold it."""
    monkeypatch.delenv("MIRKIT_CONFIG")
    monkeypatch.setattr("platformdirs.user_config_path", lambda *_, **__: Path("~/.config/mirkit"))
    monkeypatch.chdir(tmp_path)
    hostile = tmp_path / "~" / ".config" / "mirkit"
    hostile.mkdir(parents=True)
    (hostile / SETTINGS_NAME).write_text("[texts]\nprogram = '/bin/sh'\n")
    assert read_settings(tmp_path) == Settings()
    with pytest.raises(SettingsError, match="MIRKIT_CONFIG"):
        user_settings_path()


def test_what_the_user_prefers_is_not_written_into_the_data_set(tmp_path: Path, mine: Path) -> None:
    mine.write_text("[texts]\nprogram = '/opt/llama-server'\n[run]\njobs = 3\n")
    write_backends(tmp_path, {"stems": "embedded"})
    assert (tmp_path / SETTINGS_NAME).read_text() == '[backends]\nstems = "embedded"\n'
