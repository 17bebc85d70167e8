"""Options come from declarations: help, checks, messages and the tables of the documentation agree with them."""

import argparse
from pathlib import Path

import pytest

from mirkit.cli import main
from mirkit.cli.command_table import COMMANDS
from mirkit.cli.options import overrides
from mirkit.cli.output.markdown import export_table, settings_table
from mirkit.cli.parser import parse, parser_of
from mirkit.errors import SettingsError
from mirkit.export.options import EXPORT_OPTIONS, Options
from mirkit.export.run import export
from mirkit.settings import SETTINGS, Setting
from mirkit.settings.validators import LENGTH_LIMITS, parse_length, size

DOCS = Path(__file__).resolve().parents[2] / "docs"
PARSERS = {name: parser_of(name) for name in COMMANDS}
#: Every option of every command that reads a value by a check: command, option.
READING = [
    (command, action.option_strings[-1], action.type)
    for command, parser in PARSERS.items()
    for action in parser._actions
    if action.option_strings and action.type not in (None, int, float) and action.help is not argparse.SUPPRESS
]
#: Text that no number, name, size or address is.
WRONG = " "


def test_the_page_of_settings_lists_every_setting() -> None:
    assert settings_table() in (DOCS / "reference" / "settings.md").read_text(encoding="utf-8"), (
        "put it there: python -m mirkit.cli.output.markdown"
    )


def test_the_page_of_exports_lists_every_option() -> None:
    assert export_table() in (DOCS / "reference" / "exports.md").read_text(encoding="utf-8"), (
        "put it there: python -m mirkit.cli.output.markdown"
    )


def test_every_setting_with_an_option_is_offered_by_a_command() -> None:
    offered = {action.dest for parser in PARSERS.values() for action in parser._actions}
    assert {name for name, row in SETTINGS.items() if row.option or row.units} <= offered
    assert EXPORT_OPTIONS.keys() <= {action.dest for action in PARSERS["export"]._actions}


def test_a_wrong_value_is_reported_under_the_name_of_its_own_option(capsys: pytest.CaptureFixture[str]) -> None:
    refused = set()
    for command, option, _ in READING:
        with pytest.raises(SystemExit) as stop:
            parse([*PARSERS[command].prog.split()[1:], option, WRONG, "--no-such-option"])
        error = capsys.readouterr().err
        assert stop.value.code == 2
        assert error.count("\n") == 1
        if "no-such-option" in error or "name what to export" in error:  # every text is allowed
            texts = (
                "--at",
                "--join",
                "--keys",
                "--model-config",
                "--split",
                "--template",
                "--tokenizer",
                "--trigger",
                "--weights",
                "--where",
            )
            assert option in texts
            continue
        assert error.startswith(f"mirkit: {option} must be ")
        assert error.endswith(f", not {WRONG!r} (see {PARSERS[command].prog} --help)\n")
        refused.add(option)
    assert {"--memory", "--shard-size", "--jobs", "--time-limit", "--together", "--bars", "--url"} <= refused


@pytest.mark.parametrize(
    ("words", "line"),
    [
        (["export", "sat", "out", "--shard-size", "abc"], "--shard-size must be a size such as 500M or 8G"),
        (["run", "x", "--memory", "8X"], "--memory must be a size such as 500M or 8G"),
        (["drums", "x", "--quantise", "99"], "--quantise must be a whole number from 0 to 48, not '99'"),
        (["crop", "x", "--bars", "2.5"], "--bars must be a length of a whole number of bars, not '2.5'"),
        (["split", "x", "--together", "genre"], "--together must be artist,album, artist, album or none"),
        (["report", "x", "-j", "-1"], "--jobs must be a whole number from 0 to 4096, not '-1'"),
    ],
)
def test_one_line_without_the_usage(words: list[str], line: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(words) == 2
    out, error = capsys.readouterr()
    assert not out
    assert error.startswith(f"mirkit: {line}")
    assert error.count("\n") == 1


@pytest.mark.parametrize(
    ("text", "count"),
    [
        ("8G", 8 * 2**30),
        ("8g", 8 * 2**30),
        ("500M", 500 * 2**20),
        ("1.5K", 1536),
        ("2T", 2**41),
        ("4096B", 4096),
        ("1", 1),
    ],
)
def test_units_of_a_size_are_powers_of_two(text: str, count: int) -> None:
    assert parse(["run", "x", "--memory", text]).memory == count
    assert parse(["export", "sat", "out", "--shard-size", text]).shard_bytes == count


@pytest.mark.parametrize("text", ["", "0", "-1", "0.9", "G", "nan", "inf", "1GB", "1e30"])
def test_what_is_no_size(text: str) -> None:
    with pytest.raises(ValueError, match="a size such as"):
        size().from_text(text)


def test_the_help_says_what_the_default_is() -> None:
    shard = EXPORT_OPTIONS["shard_bytes"]
    assert shard.default_text == "512M"
    assert size().from_text(shard.default_text) == shard.default == 2**29
    for row in (*SETTINGS.values(), *EXPORT_OPTIONS.values()):
        if row.default_text and not row.is_switch:
            assert row.check.from_text(row.default_text) == row.default


def test_the_old_spelling_is_accepted_and_not_listed() -> None:
    for option in ("--quantize", "--quantise"):
        assert overrides(parse(["drums", "x", option, "4"])) == {"drums.quantize": 4}
    assert "quantise" not in PARSERS["drums"].format_help()


def test_options_that_were_not_given_override_nothing() -> None:
    for command in ("run", "crop", "drums", "describe", "music_flamingo_transformers"):
        assert overrides(parse([command, "x"])) == {}


def test_an_option_is_the_setting_that_declares_it() -> None:
    words = ["--overlap", "0.5", "--bars", "8", "--jobs", "3", "--commercial-safe"]
    assert overrides(parse(["crop", "x", *words])) == {
        "crop.overlap": 0.5,
        "crop.length": "8 bars",
        "run.jobs": 3,
        "run.commercial_safe": True,
    }
    assert overrides(parse(["separate", "x", "--overlap", "0.5"])) == {"separation.overlap": 0.5}


@pytest.mark.parametrize("unit", LENGTH_LIMITS)
def test_the_bounds_of_a_length(unit: str) -> None:
    low, high = LENGTH_LIMITS[unit]
    step = 0.01 if unit == "s" else 1
    for inside in (low, high):
        assert parse_length(f"{inside:.10f} {unit}") == (inside, unit)
    for outside in (low - step, high + step):
        with pytest.raises(ValueError, match=f"^a length from {low:g} to"):
            parse_length(f"{outside:.10f} {unit}")


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("val", 1.0, "--val must be a number from 0 to 0.999, not '1.0'"),
        ("loudness", 1.0, "--loudness must be a number from -70 to 0"),
        ("hop", 2.0, "--hop must be a number from 0.001 to 1"),
        ("unknown", "skip", "--unknown must be one of flag, fill, drop"),
        ("stem", "piano", "--stem must be one of drums, bass, other, vocals"),
    ],
)
def test_options_of_an_export_are_checked_from_python_too(name: str, value: object, words: str, tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=words):
        export(Options("sat", tmp_path / "out", tmp_path, **{name: value}))


def test_a_variable_exists_for_models_and_addresses_that_have_an_option() -> None:
    def variable(row: Setting) -> str:
        return f"MIRKIT_{row.name.replace('.', '_').upper()}"

    named = {row.variable for row in SETTINGS.values() if row.variable}
    assert named == {variable(row) for row in SETTINGS.values() if row.names and row.option}
    assert "MIRKIT_TEXTS_URL" in named
