"""What a user reads before the first run: help, examples, suggestions, and completion by the shell."""

import argparse
import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from mirkit.cli import main
from mirkit.cli.command_table import COMMANDS, HEADINGS, MEASURE_GROUPS
from mirkit.cli.completion import PATHS, answer, script, suggest
from mirkit.cli.output.style import bold_headings, is_styled
from mirkit.cli.parser import parse, parser_of

NAMES = sorted(COMMANDS)
SRC = Path(__file__).resolve().parents[2] / "src"


def output(capsys: pytest.CaptureFixture[str], *words: str, status: int = 0) -> str:
    assert main(words) == status
    out, error = capsys.readouterr()
    assert not (error if status == 0 else out)
    return out or error


def test_the_help_lists_commands_by_heading(capsys: pytest.CaptureFixture[str]) -> None:
    text = output(capsys)
    headings = re.findall(r"^(\w+):$", text, re.MULTILINE)
    assert headings == [*HEADINGS, "examples"]
    listed = re.findall(r"^  (\w+) {2,}[A-Z]", text, re.MULTILINE)
    assert listed == [name for names in HEADINGS.values() for name in names]
    for words in (["--help"], ["-h"], ["help"]):
        assert output(capsys, *words) == text


def test_a_line_for_each_command_in_80_columns(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    lines = output(capsys).splitlines()
    assert max(map(len, lines)) <= 80
    assert sum(line.startswith("  ") for line in lines) == sum(map(len, HEADINGS.values())) + 3


@pytest.mark.parametrize("name", NAMES)
def test_every_command_has_a_sentence_and_three_examples(name: str) -> None:
    command, parser = COMMANDS[name], parser_of(name)
    text = parser.format_help()
    assert re.fullmatch(r"[A-Z].*[^.]\.", command.description)
    assert ". " not in command.description
    assert len(command.examples) == 3
    assert text.startswith(f"usage: mirkit {command.title} ")
    assert text.count("\nexamples:\n") == 1
    assert all(f"\n  {line}\n" in text for line in command.examples)
    assert text.index("\n\n") == text.index("\n"), "the usage is one line"


@pytest.mark.parametrize("name", NAMES)
def test_every_example_is_accepted(name: str) -> None:
    for line in COMMANDS[name].examples:
        inner = re.fullmatch(r'eval "\$\((.*)\)"', line)
        for words in _commands(shlex.split(inner[1] if inner else line, comments=True)):
            assert words[0] == "mirkit"
            assert parse(words[1:]).command in COMMANDS


def _commands(words: list[str]) -> list[list[str]]:
    """Return the commands of mirkit in a line of a shell, without pipes and files."""
    if "|" in words:
        left, right = words[: words.index("|")], words[words.index("|") + 1 :]
        return [left, [*right[right.index("mirkit") :], "song.flac"]] if "mirkit" in right else [left]
    return [words[: words.index(">")] if ">" in words else words]


#: Beginnings of a phrase that lacks its subject, such as "of a tar" or "until an answer is usable".
FRAGMENT = re.compile(r"(?:of|until|not|instead|beside|most|what|that|which|from|tracebacks|mend)\b")


@pytest.mark.parametrize("name", NAMES)
def test_the_help_of_an_argument_is_a_phrase(name: str) -> None:
    for action in parser_of(name)._actions:
        if action.help is not argparse.SUPPRESS:
            assert action.help, f"{name}: {action.option_strings or action.dest} has no help"
            if action.option_strings != ["--unknown"]:
                assert not FRAGMENT.match(action.help) or " to " in action.help, f"{name}: {action.help}"


def test_help_of_a_command(capsys: pytest.CaptureFixture[str]) -> None:
    for words in (["run"], ["measure", "tempo"], ["measure", "stem-rhythm"]):
        text = output(capsys, *words, "--help")
        assert output(capsys, "help", *words) == output(capsys, "help", "mirkit", *words) == text
    groups = output(capsys, "measure")
    assert all(f"\n  {row.title.removeprefix('measure ')} " in groups for row in MEASURE_GROUPS.values())
    assert output(capsys, "measure", "--help") == output(capsys, "help", "measure") == groups


def test_the_version(capsys: pytest.CaptureFixture[str]) -> None:
    assert output(capsys, "-V") == output(capsys, "--version")


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ("rnu x", "there is no command 'rnu'; did you mean mirkit run? (see mirkit --help)"),
        ("stem-rythm x", "there is no command 'stem-rythm'; did you mean mirkit measure stem-rhythm?"),
        ("measure tmpo x", "'tmpo' is not a group of features; did you mean mirkit measure tempo?"),
        ("measure . tempo", "'.' is not a group of features; name the group first"),
        (".", "'.' is not a command; to process this file or folder: mirkit run '.'"),
        ("frobnicate", "there is no command 'frobnicate' (see mirkit --help)"),
        ("--quiet run x", "the first word is a command, and not the option --quiet"),
        ("run x --overwrit", ""),  # an abbreviation of one option is accepted, which is not an error
        ("run x --overwite", "mirkit run has no option --overwite; did you mean --overwrite? (see mirkit run --help)"),
        ("run x y", "mirkit run does not know what to do with 'y'"),
        ("export stat x -o y", "TARGET must be one of sat, "),
        ("export stat x -o y", "(did you mean sat?)"),
        ("models fetsh", "ACTION must be one of list, fetch, path, verify, remove (did you mean fetch?), not 'fetsh'"),
        ("crop x --bars", "--bars needs a value (see mirkit crop --help)"),
        ("crop x --bars 2 --seconds 3", "--seconds is not allowed with --bars"),
        ("separate x --mp3 --float32", "--float32 is not allowed with --mp3"),
        ("separate x --format wav --int24", "--int24 is not allowed with --format"),
        ("completion tcsh", "SHELL must be one of bash, zsh, fish, not 'tcsh'"),
    ],
)
def test_a_wrong_word_is_one_line_with_what_was_meant(line: str, says: str, capsys: pytest.CaptureFixture[str]) -> None:
    if not says:
        assert parse(shlex.split(line)).overwrite
        return
    error = output(capsys, *shlex.split(line), status=2)
    assert says in error
    assert error.count("\n") == 1


@pytest.mark.parametrize(
    ("line", "same"),
    [
        ("measure stem-rhythm x", "stem_rhythm x"),
        ("measure stem_rhythm x", "stem-rhythm x"),
        ("measure tempo x --batch", "tempo x --batch"),
        ("env", "doctor"),
        ("list x", "ls x"),
        ("download beat_this", "models fetch beat_this"),
        ("--list-models", "models list"),
        ("crop x --set a", "crop x --name a"),
        ("report x -o y", "report x --out y"),
        ("report x --output y", "report x --out y"),
        ("export sat x -o y", "export sat x --out y"),
        ("separate -n htdemucs -d cpu -j 2 x", "separate x --model htdemucs --device cpu --jobs 2"),
        ("describe -m Q6_K x", "describe x --model Q6_K"),
        ("separate --mp3 x", "separate x --format mp3"),
        ("select 5 --seed 1 x", "select --seed 1 5 x"),
        ("models fetch --offline NAME", "models --offline fetch NAME"),
        ("export sat --val 0.1 x -o y", "export sat x -o y --val 0.1"),
        ("ls x --sort bpm artist:air -key:C", "ls --sort bpm x artist:air -key:C"),
        ("window x --start 1 --end 2", "window --start 1 --end 2 x"),
    ],
)
def test_other_words_for_the_same(line: str, same: str) -> None:
    found, expected = (vars(parse(shlex.split(words))) for words in (line, same))
    found.pop("stem_format", None), expected.pop("stem_format", None)
    assert found == expected


def test_colors_are_for_terminals(monkeypatch: pytest.MonkeyPatch) -> None:
    class Terminal:
        def isatty(self) -> bool:
            return True

    for name in ("NO_COLOR", "FORCE_COLOR"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("TERM", "xterm")
    assert is_styled(Terminal())
    assert not is_styled(None)
    text = "usage: mirkit x\n\nStart:\n  run:  text\n"
    assert bold_headings(text, Terminal()) == ("\x1b[1musage:\x1b[0m mirkit x\n\n\x1b[1mStart:\x1b[0m\n  run:  text\n")
    monkeypatch.setenv("TERM", "dumb")
    assert not is_styled(Terminal())
    monkeypatch.setenv("FORCE_COLOR", "1")
    assert is_styled(None)
    monkeypatch.setenv("NO_COLOR", "1")
    assert not is_styled(Terminal())
    assert bold_headings(text, Terminal()) == text


def words_of(line: str) -> list[str]:
    """Complete the last word of a line."""
    _, *before = line.split(" ")
    return [word for word, _ in suggest(before[:-1], before[-1])]


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("mirkit se", ["separate", "select"]),
        ("mirkit measure stem", ["stem-rhythm", "stem-harmonic"]),
        ("mirkit help meas", ["measure"]),
        ("mirkit help measure te", ["tempo"]),
        ("mirkit run --organize ", ["move", "copy", "off"]),
        ("mirkit run --organize=c", ["--organize=copy"]),
        ("mirkit run --organize = c", ["copy"]),
        ("mirkit run --org", ["--organize"]),
        ("mirkit separate x --two-stems d", ["drums"]),
        ("mirkit separate --form", ["--format"]),
        ("mirkit separate --format w", ["wav"]),
        ("mirkit run -d ", ["auto", "cpu", "cuda", "mps"]),
        ("mirkit export sim", ["simpletuner"]),
        ("mirkit export sat ", [PATHS]),
        ("mirkit export sat x -o ", [PATHS]),
        ("mirkit models f", ["fetch"]),
        ("mirkit models fetch beat_this_s", ["beat_this_small"]),
        ("mirkit run --backend beats=e", ["beats=embedded"]),
        ("mirkit completion z", ["zsh"]),
        ("mirkit tempo ", [PATHS]),
        ("mirkit frobnicate ", []),
        ("mirkit run --jobs ", []),
        ("mirkit doctor ", []),
    ],
)
def test_completion_knows(line: str, words: list[str]) -> None:
    assert words_of(line) == words


def test_completion_hides_what_the_help_hides() -> None:
    assert "--batch" not in words_of("mirkit run --")
    assert "adtof" not in words_of("mirkit ad")


def test_the_answer_has_descriptions(capsys: pytest.CaptureFixture[str]) -> None:
    assert answer(["--", "orga"]) == f"organize\t{COMMANDS['organize'].description}\n"
    assert (
        output(capsys, "__complete", "separate", "--", "--mp3")
        == "--mp3\twrite stems as mp3, the same as --format mp3\n"
    )
    assert output(capsys, "completion", "bash") == script("bash")


@pytest.fixture
def tools(tmp_path: Path) -> Path:
    """Make a folder with the command ``mirkit`` of this source tree."""
    command = tmp_path / "bin" / "mirkit"
    command.parent.mkdir()
    command.write_text(f'#!/bin/sh\nPYTHONPATH="{SRC}" exec "{sys.executable}" -m mirkit "$@"\n')
    command.chmod(0o755)
    (tmp_path / "my_music").mkdir()
    return command.parent


def shell(words: list[str], text: str, tools: Path) -> list[str]:
    if shutil.which(words[0]) is None:
        pytest.skip(f"{words[0]} is not installed")
    result = subprocess.run(
        [*words, text],
        cwd=tools.parent,
        env={"PATH": f"{tools}{os.pathsep}{os.environ['PATH']}", "HOME": str(tools.parent)},
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    assert not result.stderr
    return result.stdout.split("\n")[:-1]


BASH = """
eval "$(mirkit completion bash)"
complete_line() {{
    COMP_WORDS=($1); [ "${{1: -1}}" = " " ] && COMP_WORDS+=("")
    COMP_CWORD=$((${{#COMP_WORDS[@]}} - 1))
    _mirkit
    printf '%s\\n' "${{COMPREPLY[*]}}"
}}
complete -p mirkit
complete_line "mirkit org"
complete_line "mirkit measure stem"
complete_line "mirkit separate x --two-stems "
complete_line "mirkit verify "
"""


def test_completion_in_bash(tools: Path) -> None:
    assert shell(["bash", "--norc", "-c"], BASH.format(), tools) == [
        "complete -o bashdefault -o default -F _mirkit mirkit",
        "organize",
        "stem-rhythm stem-harmonic",
        "drums bass other vocals",
        "",
    ]


ZSH = """
autoload -U compinit; compinit -u -D
_describe() { shift; shift; printf '%s\\n' "${(@P)1}"; }
_files() { print paths; }
eval "$(mirkit completion zsh)"
print "${_comps[mirkit]}"
words=(mirkit org); CURRENT=2; _mirkit
words=(mirkit models fetch beat_this_small); CURRENT=4; _mirkit
words=(mirkit verify ''); CURRENT=3; _mirkit
"""


def test_completion_in_zsh(tools: Path) -> None:
    assert shell(["zsh", "-f", "-c"], ZSH, tools) == [
        "_mirkit",
        f"organize:{COMMANDS['organize'].description}",
        f"beat_this_small:{dict(suggest(['models', 'fetch'], 'beat_this_small'))['beat_this_small']}",
        "paths",
    ]


FISH = """
mirkit completion fish | source
complete -C "mirkit org"
complete -C "mirkit measure stem"
complete -C "mirkit verify my"
"""


def test_completion_in_fish(tools: Path) -> None:
    lines = shell(["fish", "--no-config", "-c"], FISH, tools)
    assert [line.split("\t")[0] for line in lines] == ["organize", "stem-harmonic", "stem-rhythm", "my_music/"]
