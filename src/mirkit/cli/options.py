"""Options of the command line, generated from the declarations of the settings and of the export options.

An option of a setting is stored under the setting's name, e.g. ``separation.shifts``, and only where it was given.
"""

import argparse
import re
from collections.abc import Callable, Collection, Iterator, Mapping
from typing import Any, NoReturn

from mirkit.catalog import TASKS
from mirkit.errors import SettingsError
from mirkit.export.options import EXPORT_OPTIONS
from mirkit.export.targets import DESCRIPTIONS
from mirkit.settings import SETTINGS, Setting
from mirkit.settings import validators as v

#: Groups of the options of ``mirkit export``, and the fields of ``ExportOptions`` in each.
_EXPORT_GROUPS = {
    "selection": (
        *("source", "clip_set", "where", "keep_duplicates", "val", "test", "seed", "split_file"),
        *("license", "strict_rights", "overwrite", "raw"),
    ),
    "audio": (
        "stem",
        "instrumental",
        "pairs",
        "series",
        "sample_size",
        "max_seconds",
        "loudness",
        "link",
        "shard_bytes",
        "jobs",
    ),
    "numbers": ("keys", "unknown", "hop", "model_config", "at", "weight", "weights", "join"),
    "prompts": ("template", "tokens", "tokenizer", "variants", "trigger"),
}


class Parser(argparse.ArgumentParser):
    """An argument parser that reports an error in one line, like all other errors of the command line."""

    #: Name of an argument -> what is said where it is missing.
    missing: Mapping[str, str] = {}
    #: Positional argument that takes the words of a query, which may stand between and behind options.
    query_words = ""
    #: Whether a word such as -artist:daft is a term of a query and no option.
    has_query = False

    def _print_message(self, message: str, file: Any = None) -> None:
        """Print a help text; argparse would ignore that the reader of the output has closed the pipe."""
        if message and file is not None:
            file.write(message)

    def error(self, message: str) -> NoReturn:
        """Print one line and exit with status 2."""
        if match := re.fullmatch(r"the following arguments are required: ([^,]+).*", message):
            message = self.missing.get(match[1], message)
        message = re.sub(r"^argument ([^/: ]+)[^: ]*(:?)", r"\1\2", message).replace(": must be", " must be", 1)
        self.exit(2, f"mirkit: {message}\n")

    def parse_known_args(self, args: Any = None, namespace: Any = None) -> tuple[Any, list[str]]:
        """Parse the arguments; words of a query that argparse leaves over are added to those before them."""
        found, left = super().parse_known_args(args, namespace)
        if self.query_words:
            words = [word for word in left if not word.startswith("-") or _TERM.match(word)]
            setattr(found, self.query_words, [*getattr(found, self.query_words), *words])
            left = [word for word in left if word not in words]
        return found, left

    def _parse_optional(self, arg_string: str) -> Any:
        """Tell options from other arguments: ``--limit=3`` is an option also where a query may stand."""
        is_option = arg_string.partition("=")[0] in self._option_string_actions
        if self.has_query and not is_option and _TERM.match(arg_string):
            return None
        return super()._parse_optional(arg_string)


#: A negated term of a query, such as -artist:daft.
_TERM = re.compile(r"-+(?:[A-Za-z_][\w-]*(?::|[<>=~]|!=)|\()", re.ASCII)


class BackendNames:
    """Choices of an option: some fixed words, then the backends of a task, which are looked up only when needed."""

    def __init__(self, task: str, *words: str) -> None:
        self._task, self._words = task, words

    def __iter__(self) -> Iterator[str]:
        from mirkit.models import registry

        return iter((*self._words, *(row.name for row in registry.backends_of(self._task))))

    def __contains__(self, name: object) -> bool:
        return name in tuple(self)


def reader(check: v.Check, unit: str = "") -> Callable[[str], Any]:
    """Return a function that parses the text of an option; argparse reports its errors under the option's name."""

    def read(text: str) -> Any:
        try:
            return check.from_text(text, unit)
        except ValueError as error:
            raise argparse.ArgumentTypeError(f"must be {error}") from error

    return read


def cap(text: str) -> tuple[str, int]:
    """Parse the text of ``--cap``, for example ``artist=3``."""
    name, _, number = text.partition("=")
    if not (name and number.isascii() and number.isdigit() and int(number)):
        raise argparse.ArgumentTypeError(f"must be a group and a number, such as artist=3, not {text!r}")
    return name, int(number)


def add_option(group: "argparse._ActionsContainer", setting: Setting, dest: str = "", default: Any = None) -> None:
    """Add the option of a setting, or one option per unit; an option that is not given has the value ``default``."""
    if not setting.option and not setting.units:
        return
    dest = dest or setting.name
    shown = f" (default: {setting.default_text})" if setting.default_text else ""
    text = (setting.help + shown).replace("%", "%%")
    if setting.units:
        group = group.add_mutually_exclusive_group()
    for option, unit in setting.units.items():
        read = reader(setting.check, unit)
        group.add_argument(option, dest=dest, type=read, metavar="N", help=f"length of a clip in {_UNITS[unit]}")
    if not setting.option:
        return
    hidden = [alias for alias in setting.aliases if alias.startswith("--")]
    short = [alias for alias in setting.aliases if alias not in hidden]
    kinds: dict[str, Any]
    if setting.is_switch:
        kinds = {"action": "store_true"}
    else:
        kinds = {"type": _device if setting.name == "run.device" else reader(setting.check)}
        kinds["metavar"] = setting.check.metavar
    group.add_argument(setting.option, *short, dest=dest, default=default, help=text, **kinds)
    if hidden:
        group.add_argument(*hidden, dest=dest, default=argparse.SUPPRESS, help=argparse.SUPPRESS, **kinds)


_UNITS = {"s": "seconds", "samples": "samples at 44.1 kHz, the model's sample_size (default: 2097152)", "bars": "bars"}


def _device(text: str) -> str:
    """Parse a device; ``amd``, the user manual's name for a ROCm GPU, becomes ``cuda``, and a note says so."""
    return text if text == "amd" else str(reader(SETTINGS["run.device"].check)(text))


def add_section(group: "argparse._ActionsContainer", section: str, without: Collection[str] = ()) -> None:
    """Add the options of all settings of a section, except those in ``without``."""
    for name, setting in SETTINGS.items():
        if name.startswith(f"{section}.") and name.partition(".")[2] not in without:
            add_option(group, setting)


def add_tracks(parser: argparse.ArgumentParser, *, overwrite: str, urls: bool) -> "argparse._ArgumentGroup":
    """Add the arguments that select tracks, and the options that select what is computed again."""
    last = "a folder of tracks, or the s3:// or gs:// URL of one" if urls else "or a folder of tracks"
    parser.add_argument("path", metavar="PATH", help=f"a track folder, its full_mix file, a loose audio file, {last}")
    tracks = parser.add_argument_group("tracks")
    tracks.add_argument("--batch", action="store_true", help="process every track below PATH")
    add_query(parser, "tracks", tracks)
    again = tracks.add_mutually_exclusive_group()
    again.add_argument("--skip-existing", action="store_true", help="skip results that are up to date (the default)")
    again.add_argument("--overwrite", "--force", action="store_true", help=overwrite)
    tracks.add_argument("--dry-run", action="store_true", help="print the plan and the time it would take, and stop")
    return tracks


def add_jobs(group: "argparse._ActionsContainer") -> None:
    """Add ``--jobs`` for a command that reads no settings."""
    add_option(group, SETTINGS["run.jobs"], "jobs", 0)


def add_weights(group: "argparse._ActionsContainer") -> None:
    """Add the options that say which weights may be used."""
    add_option(group, SETTINGS["run.offline"])
    add_option(group, SETTINGS["run.commercial_safe"])


def add_backend(group: "argparse._ActionsContainer") -> None:
    """Add ``--backend``."""
    group.add_argument(
        "--backend",
        action="append",
        default=[],
        metavar="TASK=NAME",
        help=f"backend to use for a task; the tasks are {', '.join(TASKS)}; the option may be repeated",
    )


def add_json_file(parser: argparse.ArgumentParser) -> None:
    """Add the options of commands that write their result to a file."""
    parser.add_argument("--output", "-o", metavar="FILE", help="write the whole result to this file as JSON")
    parser.add_argument(
        "--overwrite", action="store_true", help="allow --output to replace a file that another program wrote"
    )


def add_query(parser: argparse.ArgumentParser, what: str, group: "argparse._ArgumentGroup | None" = None) -> None:
    """Add ``--where``, with which a command works on a part of a data set."""
    if isinstance(parser, Parser):
        parser.has_query = True
    (group or parser).add_argument(
        "--where", metavar="QUERY", help=f"only {what} that match a query, as in mirkit ls, e.g. 'bpm:120..130 key:Am'"
    )


def add_output(parser: argparse.ArgumentParser) -> None:
    """Add the output options that every command has, such as ``--quiet``."""
    group = parser.add_argument_group("output")
    group.add_argument("--json", action="store_true", help="print the result as JSON")
    group.add_argument("--quiet", "-q", action="store_true", help="print only failures")
    group.add_argument("--verbose", "-v", action="store_true", help="print a line for every track")
    group.add_argument("--debug", action="store_true", help="print the traceback of an error")


def add_captions(parser: argparse.ArgumentParser, method: str) -> None:
    """Add the options of a caption command; ``method`` is the backend that the command's name fixes, or ""."""
    tracks = add_tracks(
        parser, overwrite="ask again for captions that exist; your own captions are replaced too", urls=False
    )
    tracks.add_argument("--only", metavar="FIELDS", help="make only these captions, e.g. full,genre_mood")
    model = parser.add_argument_group("model")
    model_only = ("model", "projector", "program", "parallel", "one_call", "timeout", "url", "profile")
    for name in model_only:
        of_server = name in ("url", "profile") and method
        if name == "model" or not (of_server or method == "transformers"):
            add_option(model, SETTINGS[f"texts.{name}"])
    if method == "transformers":
        model.add_argument(
            "--flash-attention",
            dest="texts.attention",
            action="store_const",
            const="flash_attention_2",
            help="use FlashAttention 2, which must be installed",
        )
    else:
        model.add_argument(
            "--method",
            choices=BackendNames("texts"),
            metavar="BACKEND",
            default=method or None,
            help="backend that runs the model: one of %(choices)s",
        )
    add_option(model, SETTINGS["run.device"])
    model.add_argument("--offline", action="store_true", help=argparse.SUPPRESS)  # no download here
    add_option(model, SETTINGS["run.commercial_safe"])
    add_section(parser.add_argument_group("captions"), "texts", model_only)


class _Explain(argparse.Action):
    """Store the value of ``--explain``, with which TARGET and PATH may be left out.

    Arguments that are optional from the start would count as left out where an option stands before them.
    """

    def __call__(
        self,
        parser: argparse.ArgumentParser,
        namespace: argparse.Namespace,
        values: Any,
        option_string: str | None = None,
    ) -> None:
        setattr(namespace, self.dest, values)
        for action in parser._get_positional_actions():
            action.required = False


def add_export(parser: argparse.ArgumentParser) -> None:
    """Add the options of ``mirkit export``."""
    if isinstance(parser, Parser):
        parser.has_query = True
        parser.missing = {
            "TARGET": "name what to export: mirkit export TARGET PATH -o OUT; mirkit export -h lists the targets",
            "PATH": "name the folder of tracks: mirkit export TARGET PATH -o OUT",
        }
    parser.add_argument(
        "target",
        metavar="TARGET",
        choices=tuple(DESCRIPTIONS),
        help="; ".join(f"{name} ({description})" for name, description in DESCRIPTIONS.items()),
    )
    parser.add_argument(
        "places",
        metavar="PATH",
        nargs="+",
        help="folder of tracks; without -o, first OUT and then PATH (default: this folder)",
    )
    parser.add_argument(
        "-o", "--out", metavar="OUT", help="folder of the bundle to write, or the file of csv, parquet and jsonl"
    )
    for title, names in _EXPORT_GROUPS.items():
        group = parser.add_argument_group(title)
        for name in names:
            add_option(group, EXPORT_OPTIONS[name], default=EXPORT_OPTIONS[name].default)
        if title == "prompts":
            group.add_argument(
                "--explain",
                action=_Explain,
                metavar="CLIP",
                help="print the words for a clip or track, each with its value and threshold, and stop; with a TARGET, "
                "also those that come from the extremes of the data set",
            )
        if title == "selection":
            group.add_argument("--dry-run", action="store_true", help="print what would be written, and stop")
    checks = parser.add_argument_group("check")
    checks.add_argument(
        "--check",
        action="store_true",
        help="check the bundle after the export, also with stable-audio-tools where it is installed beside mirkit",
    )
    checks.add_argument("--check-only", action="store_true", help="check the bundle in OUT and export nothing")
    trainer = checks.add_mutually_exclusive_group()
    trainer.add_argument(
        "--trainer-python",
        metavar="PATH",
        help="Python interpreter with stable-audio-tools, which then checks the bundle too",
    )
    trainer.add_argument("--no-trainer", action="store_true", help="check without stable-audio-tools")


def overrides(arguments: argparse.Namespace) -> dict[str, Any]:
    """Settings that options have given: ``section.key`` -> value."""
    return {name: value for name, value in vars(arguments).items() if name in SETTINGS and value is not None}


def backend_choices(pairs: list[str]) -> dict[str, str]:
    """Parse the ``TASK=NAME`` pairs of ``--backend``.

    Raises
    ------
    SettingsError
        A pair names an unknown task, or a backend that the task does not have.
    """
    chosen = {}
    for pair in pairs:
        task, _, name = pair.partition("=")
        names = BackendNames(task, "auto")
        if task not in TASKS or name not in names:
            expected = f"one of {', '.join(names)}" if task in TASKS else f"TASK=NAME with a task of {', '.join(TASKS)}"
            raise SettingsError(f"--backend {pair}: expected {expected}")
        chosen[task] = name
    return chosen
