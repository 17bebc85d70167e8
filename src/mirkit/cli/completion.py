"""Completion of the words after ``mirkit`` in bash, zsh and fish.

The script of a shell asks ``mirkit __complete WORDS -- CURRENT`` for the words that may stand at the cursor. Where a
path may stand, the shell completes it by itself.
"""

import argparse
from collections.abc import Iterable, Iterator, Sequence

from mirkit.cli.argument_parser import Parser
from mirkit.cli.command_table import ALIASES, COMMANDS, HEADINGS, MEASURE_GROUPS, canonical
from mirkit.cli.parser import find_command, parser_of

#: First word of the command that the scripts run.
REQUEST = "__complete"
#: What a script gets instead of words where a path may stand.
PATHS = ":paths"
#: A word that may stand at the cursor, and its description.
Word = tuple[str, str]

_BASH = f"""\
# Completion of mirkit in bash. Put this line into ~/.bashrc: eval "$(mirkit completion bash)"
_mirkit() {{
    local line
    COMPREPLY=()
    while IFS= read -r line; do
        if [ -n "$line" ] && [ "$line" != "{PATHS}" ]; then
            COMPREPLY+=("${{line%%$'\\t'*}}")
        fi
    done < <("${{COMP_WORDS[0]}}" {REQUEST} "${{COMP_WORDS[@]:1:COMP_CWORD-1}}" \
        -- "${{COMP_WORDS[COMP_CWORD]}}" 2>/dev/null)
}}
complete -o default -o bashdefault -F _mirkit mirkit
"""
_ZSH = f"""\
#compdef mirkit
# Completion of mirkit in zsh. Write it to a file _mirkit in a folder of $fpath, or put this line into ~/.zshrc, after
# compinit: eval "$(mirkit completion zsh)"
_mirkit() {{
    local line paths
    local -a found
    local answer="$("${{words[1]}}" {REQUEST} "${{(@)words[2,CURRENT-1]}}" -- "${{words[CURRENT]}}" 2>/dev/null)"
    for line in "${{(@f)answer}}"; do
        if [[ "$line" == "{PATHS}" ]]; then
            paths=1
        elif [[ -n "$line" ]]; then
            found+=("${{${{line%%$'\\t'*}}//:/\\\\:}}:${{line#*$'\\t'}}")
        fi
    done
    (( ${{#found}} )) && _describe -o mirkit found
    [[ -n "$paths" ]] && _files
}}
if [[ "${{funcstack[1]}}" == _mirkit ]]; then _mirkit "$@"; else compdef _mirkit mirkit; fi
"""
_FISH = f"""\
# Completion of mirkit in fish. Write it to ~/.config/fish/completions/mirkit.fish
function __mirkit_complete
    set -l words (commandline -opc)
    set -l current (commandline -ct)
    for line in ($words[1] {REQUEST} $words[2..-1] -- "$current" 2>/dev/null)
        if test "$line" = "{PATHS}"
            __fish_complete_path "$current"
        else if test -n "$line"
            echo $line
        end
    end
end
complete -c mirkit -f -a "(__mirkit_complete)"
"""


def script(shell: str) -> str:
    """Return the script of a shell."""
    return {"bash": _BASH, "zsh": _ZSH, "fish": _FISH}[shell]


def answer(words: Sequence[str]) -> str:
    """Return what the script of a shell reads: a line for each word, with a tab before its description.

    Parameters
    ----------
    words : sequence of str
        The words before the cursor, ``--``, and the word at the cursor.
    """
    *before, _, current = words if len(words) > 1 else ("--", "")
    found = suggest(before, current)
    return "".join(f"{word}\t{text}\n" if text else f"{word}\n" for word, text in found)


def suggest(before: Sequence[str], current: str) -> list[Word]:
    """Return the words that may stand at the cursor, or ``PATHS`` for a path.

    Parameters
    ----------
    before : sequence of str
        The words between ``mirkit`` and the cursor.
    current : str
        The word at the cursor, as far as it is written.
    """
    before = list(before)
    if before[:1] == ["help"]:
        before = before[1:]
        if len(before) > (before[:1] == ["measure"]):
            return []
    found = dict.fromkeys(_candidates(before, current))
    return [word for word in found if word[0] == PATHS or word[0].startswith(current)]


def _candidates(before: list[str], current: str) -> Iterator[Word]:
    if not before:
        names = [name for names in HEADINGS.values() for name in names]
        yield from ((name, COMMANDS[name].description) for name in names)
        yield from (("--help", "Print the list of commands."), ("--version", "Print the version."))
    elif before == ["measure"]:
        yield from ((row.title.removeprefix("measure "), row.description) for row in MEASURE_GROUPS.values())
    elif canonical(before[0]) in {*COMMANDS, *ALIASES}:
        name, rest = find_command(before)
        if name != "measure":
            yield from _arguments(parser_of(name), rest, current)


def _arguments(parser: Parser, before: list[str], current: str) -> Iterator[Word]:
    """Yield what may follow the words after the name of a command."""
    if before and before[-1] == "=":  # bash makes three words of --format=csv
        before = before[:-1]
    option, equals, _ = current.partition("=")
    if equals and option in parser.options():  # zsh and fish keep it as one
        action = parser._option_string_actions[option]
        yield from ((f"{option}={word}", text) for word, text in _values(action))
        return
    last = parser._option_string_actions.get(before[-1]) if before else None
    if last is not None and last.nargs in (None, "?"):
        yield from _values(last)
        return
    if current.startswith("-"):
        for listed in parser._actions:
            if listed.help is not argparse.SUPPRESS:
                text = (listed.help or "").partition("; ")[0].replace("%%", "%")
                yield from ((name, "" if "%(" in text else text) for name in listed.option_strings)
        return
    yield from _positional(parser, parser.positionals(before))


def _positional(parser: Parser, given: int) -> Iterator[Word]:
    """Yield values of the argument that follows so many others that are no options."""
    actions = parser._get_positional_actions()
    if not actions or (given >= len(actions) and actions[-1].nargs not in ("*", "+")):
        return
    action = actions[min(given, len(actions) - 1)]
    if action.dest == "name":
        from mirkit.models import registry

        yield from ((row.name, row.title) for row in registry.model_rows())
    else:
        yield from _values(action, else_paths=True)


_FILES = ("FILE", "DIR", "OUT", "PATH", "CLIP", "TRACK")


def _values(action: argparse.Action, *, else_paths: bool = False) -> Iterator[Word]:
    """Yield the values that an argument accepts."""
    metavar = str(action.metavar or "")
    if action.choices is not None:
        yield from _plain(map(str, action.choices))
    elif metavar.startswith("{"):
        yield from _plain(metavar.strip("{}").split(","))
    elif metavar == "DEVICE":
        yield from _plain(("auto", "cpu", "cuda", "mps"))
    elif action.dest == "backend":
        from mirkit.catalog import TASKS
        from mirkit.models import registry

        yield from ((f"{task}={row.name}", row.title) for task in TASKS for row in registry.backends_of(task))
    elif action.dest == "separation.model":
        from mirkit.models import registry

        for row in registry.backends_of("stems"):
            yield row.name, row.title
            yield from ((model.name, model.title) for model in row.weights)
        yield PATHS, ""
    elif else_paths or metavar in _FILES:
        yield PATHS, ""


def _plain(words: Iterable[str]) -> Iterator[Word]:
    return ((word, "") for word in words)
