"""The one parser: a command for each stage, group and tool, derived from the catalog.

Nothing heavy is imported here: ``mirkit --help`` answers at once.
"""

import argparse
from dataclasses import dataclass

from mirkit import __version__
from mirkit.catalog import BACKENDS, GROUPS, JOBS, STAGES
from mirkit.cli import argument_types, caption_options, export_options

#: Formats that stems can be written in.
STEM_FORMATS = ("flac", "wav", "mp3", "ogg")

#: Methods of separation that can be asked for.
SEPARATIONS = ("auto", *(row.name for row in BACKENDS if row.job == "stems"))

#: What drums are transcribed from.
SOURCES = ("stem", "mix")

#: Options that say how long a clip is, and the unit that each counts in.
CLIP_UNITS = (("seconds", "s"), ("samples", "samples"), ("bars", "bars"))


#: Stages of the commands that describe music: they have options and a run of their own.
TEXT_STAGES = ("describe",)
_FLAMINGO = "music_flamingo_transformers"


@dataclass(frozen=True)
class Command:
    """A command that works on tracks: the stages it runs and the backends that its name fixes.

    ``several`` says that PATH may be a folder of tracks without ``--batch``.
    """

    name: str
    stages: tuple[str, ...]
    says: str
    several: bool = False
    fixed: tuple[tuple[str, str], ...] = ()


def _commands() -> dict[str, Command]:
    rows = [Command(stage.name, (stage.name,), stage.description) for stage in STAGES]
    rows += [Command(group.name, group.stages, group.description, several=group.name == "extract") for group in GROUPS]
    extract = next(group.stages for group in GROUPS if group.name == "extract")
    rows += [
        Command(
            "run", ("separate", *extract, "drums"), "everything: separate, measure every feature, drums to MIDI", True
        ),
        Command("separate", ("separate",), "four stems: drums, bass, other, vocals", several=True),
        Command("demucs_sep", ("separate",), "four stems by Demucs, or --model embedded", fixed=(("stems", "demucs"),)),
        Command("crop", ("crop",), "training clips of the mix and its stems, each with its own numbers", several=True),
        Command("adtof", ("drums",), "drums to MIDI by ADTOF", fixed=(("drums", "adtof"),)),
        Command("drumsep", ("drums",), "drums to MIDI by drum separation", several=True, fixed=(("drums", "drumsep"),)),
        Command("music_flamingo", ("describe",), "five texts by llama.cpp", fixed=(("texts", "llama"),)),
        Command(_FLAMINGO, ("describe",), "five texts by Transformers", fixed=(("texts", "transformers"),)),
    ]
    return {row.name: row for row in rows}


COMMANDS = _commands()


def _track_command(sub: "argparse._SubParsersAction[argparse.ArgumentParser]", command: Command) -> None:
    parser = sub.add_parser(command.name, help=command.says, description=command.says)
    if command.stages == TEXT_STAGES:
        caption_options.add(parser, dict(command.fixed).get("texts", ""))
        _common(parser)
        return
    parser.add_argument(
        "path",
        metavar="PATH",
        help="a track folder, its full_mix file, a loose sound file, a folder of tracks, or its s3:// or gs:// URL",
    )
    several = parser.add_argument_group("tracks")
    several.add_argument("--batch", action="store_true", help="every track below PATH")
    again = several.add_mutually_exclusive_group()
    again.add_argument("--skip-existing", action="store_true", help="skip what is done and still valid (the default)")
    again.add_argument(
        "--overwrite",
        "--force",
        action="store_true",
        help="do it again even if it is done; your own stems and MIDI stay",
    )
    if "separate" in command.stages:
        several.add_argument(
            "--replace-stems",
            action="store_true",
            help="make stems even where you have put your own: those are renamed to NAME.replaced-1",
        )
    if "drums" in command.stages:
        several.add_argument(
            "--replace-midi",
            action="store_true",
            help="make drum MIDI even where you have put your own: that is renamed to NAME.replaced-1",
        )
    several.add_argument("--dry-run", action="store_true", help="only say what would be done, and how long it takes")
    if command.name == "run":
        several.add_argument(
            "--organize",
            choices=("move", "copy", "off"),
            help="first move or copy loose files into track folders, or leave them (default: on a terminal, ask)",
        )
    several.add_argument(
        "--jobs", "-j", type=argument_types.jobs, default=0, metavar="N", help="worker processes (default: one a core)"
    )
    several.add_argument(
        "--time-limit", type=argument_types.seconds, metavar="S", help="seconds that one track may take"
    )
    several.add_argument(
        "--memory",
        type=argument_types.size,
        metavar="SIZE",
        help="what all workers may hold, e.g. 8G (default: most of it)",
    )
    several.add_argument(
        "--engine", choices=("local", "ray"), default="local", help="who does the work: this machine, or a Ray cluster"
    )
    several.add_argument("--address", metavar="HOST:PORT", help="of the Ray cluster (default: the one of this machine)")
    several.add_argument("--device", help="auto, cpu, cuda (also ROCm cards) or mps, for backends that use one")
    _weights(several)
    if command.name == "run" or "beats" in command.stages:
        rhythm = parser.add_argument_group("rhythm")
        rhythm.add_argument("--bpm", type=float, metavar="BPM", help="tempo known beforehand: decides the octave")
        rhythm.add_argument("--bpm-range", metavar="LOW-HIGH", help="tempo to look for, e.g. 120-160")
        rhythm.add_argument("--beat-model", metavar="NAME", help="beat_this, beat_this_small, or a checkpoint file")
    if "separate" in command.stages:
        stems = parser.add_argument_group("separation")
        stems.add_argument(
            "--separation", choices=SEPARATIONS, help="method: auto, or one of these (default: the data set's)"
        )
        stems.add_argument(
            "--model", help="embedded, a Demucs model (htdemucs_ft, htdemucs, ...), or a file or folder of one"
        )
        stems.add_argument("--format", choices=STEM_FORMATS, help="file format of the stems (default: flac)")
        stems.add_argument("--bitrate", type=int, metavar="KBPS", help="for mp3 stems (default: 320)")
        stems.add_argument("--shifts", type=int, metavar="N", help="random shifts to average")
        stems.add_argument("--overlap", type=float, metavar="SHARE", help="Demucs: overlap of neighboring segments")
        stems.add_argument("--segment", type=float, metavar="S", help="length of a segment")
    if command.name == "crop":
        _clips(parser.add_argument_group("clips"))
    if "drums" in command.stages:
        _drums(parser.add_argument_group("drums"), one=command.name != "run")
    if command.name in ("run", "extract", "drums"):
        parser.add_argument(
            "--backend",
            action="append",
            default=[],
            metavar="JOB=NAME",
            help=f"choose a method; jobs: {', '.join(JOBS)}",
        )
    _common(parser)


def _weights(group: "argparse._ActionsContainer") -> None:
    group.add_argument("--offline", action="store_true", help="fetch no model")
    group.add_argument(
        "--commercial-safe",
        action="store_true",
        help="refuse models whose license excludes commercial use or is not stated",
    )


def _clips(group: "argparse._ArgumentGroup") -> None:
    length = group.add_mutually_exclusive_group()
    length.add_argument("--seconds", type=float, metavar="S", help="length of a clip in seconds")
    length.add_argument(
        "--samples", type=int, metavar="N", help="in samples at 44.1 kHz: the model's sample_size (default: 2097152)"
    )
    length.add_argument("--bars", type=int, metavar="N", help="in bars, from downbeat to downbeat")
    group.add_argument("--align", choices=("downbeat", "beat", "free"), help="what clips begin on (default: downbeat)")
    group.add_argument(
        "--overlap", dest="clip_overlap", type=float, metavar="SHARE", help="share that the next clip repeats"
    )
    group.add_argument("--tail", choices=("drop", "pad", "keep"), help="a rest shorter than a clip (default: drop)")
    group.add_argument("--name", help="name of the set, to keep it beside others (default: none)")


def _drums(group: "argparse._ArgumentGroup", *, one: bool) -> None:
    group.add_argument("--drum-source", choices=SOURCES, help="the drums stem, where there is one, or the mix")
    group.add_argument("--drum-model", metavar="FILE", help="weights of your own")
    group.add_argument("--quantize", "--quantize", type=int, metavar="N", help="move strokes to N steps a beat")
    if one:
        group.add_argument("--output", "-o", metavar="FILE", help="put a copy of the MIDI file there")


def _json_file(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--output", "-o", metavar="FILE", help="write all of it there as JSON")
    parser.add_argument(
        "--overwrite", action="store_true", help="let --output replace a file that another program wrote"
    )


def _common(parser: argparse.ArgumentParser) -> None:
    out = parser.add_argument_group("output")
    out.add_argument("--json", action="store_true", help="print the outcome as JSON")
    out.add_argument("--quiet", "-q", action="store_true", help="only failures and the exit status")
    out.add_argument("--verbose", "-v", action="store_true", help="a line for every track")
    out.add_argument("--debug", action="store_true", help="tracebacks")


def build() -> argparse.ArgumentParser:
    """The whole parser."""
    parser = argparse.ArgumentParser(
        prog="mirkit",
        description="Turn a folder of music into a training set for music generators.",
        epilog="Exit status: 0 well, 1 some track failed or something is missing, 2 bad usage.",
    )
    parser.add_argument("--version", action="version", version=f"mirkit {__version__}")
    sub = parser.add_subparsers(dest="command", metavar="COMMAND", required=True)
    for name in ("run", "separate", "extract"):
        _track_command(sub, COMMANDS[name])

    organize = sub.add_parser("organize", help="loose files into track folders")
    organize.add_argument("path", metavar="PATH", help="folder of loose sound files")
    organize.add_argument("--copy", action="store_true", help="keep the originals where they are")
    organize.add_argument("--dry-run", action="store_true", help="only say what would be done")
    organize.add_argument(
        "--undo", action="store_true", help="move the files back; results stay beside them and are listed"
    )
    _common(organize)

    verify = sub.add_parser("verify", help="what every track has, lacks, or has out of range")
    verify.add_argument("path", metavar="PATH", help="a track, a folder of tracks, or its s3:// or gs:// URL")
    verify.add_argument("--crops", action="store_true", help="the training clips too")
    verify.add_argument(
        "--deep", action="store_true", help="read every sound and compare its content with what was recorded"
    )
    verify.add_argument("--show-missing", action="store_true", help="name the missing keys of every track")
    _common(verify)

    status = sub.add_parser("status", help="how the runs of a data set stand: done, failed, speed, time left")
    status.add_argument("path", metavar="PATH", nargs="?", default=".", help="the data set's folder, or its URL")
    _common(status)

    stats = sub.add_parser("stats", help="what the numbers of a data set look like; ranges for conditioners")
    stats.add_argument("path", metavar="PATH", help="a track, a folder of tracks, or its s3:// or gs:// URL")
    stats.add_argument("--crops", action="store_true", help="of the training clips instead of the tracks")
    _json_file(stats)
    _common(stats)

    duplicates = sub.add_parser("duplicates", help="tracks that are the same recording, also as altered copies")
    split = sub.add_parser("split", help="training and validation tracks; what belongs together stays together")
    for tool in (duplicates, split):
        tool.add_argument("path", metavar="PATH", help="a folder of tracks")
        _json_file(tool)
        _common(tool)
    split.add_argument("--val", type=float, default=0.05, metavar="SHARE", help="for validation (default: 0.05)")
    split.add_argument("--seed", type=int, default=0, metavar="N", help="another seed, another split (default: 0)")
    split.add_argument(
        "--together",
        type=argument_types.ties,
        default=argument_types.TIES,
        metavar="WHAT",
        help="beside copies of a recording: artist,album (default), artist, album or none",
    )

    report = sub.add_parser("report", help="a folder of web pages about a data set, to open from the disk")
    report.add_argument("path", metavar="PATH", nargs="?", default=".", help="a folder of tracks (default: this one)")
    report.add_argument("--out", metavar="DIR", help="where it goes (default: mirkit-report in PATH)")
    report.add_argument("--with-audio", action="store_true", help="copy the sounds into it, as mp3")
    report.add_argument(
        "--overwrite", "--force", action="store_true", help="make every page again, and replace other files in the way"
    )
    report.add_argument(
        "--jobs", "-j", type=argument_types.jobs, default=0, metavar="N", help="worker processes (default: one a core)"
    )
    _common(report)

    exclude = sub.add_parser("exclude", help="leave tracks, or clips, out of everything, for a reason")
    exclude.add_argument("tracks", metavar="TRACK", nargs="+", help="a track folder, a loose file, or a clip's folder")
    exclude.add_argument("--reason", required=True, metavar="WHY", help="why: it stands in mirkit.toml")
    _common(exclude)
    include = sub.add_parser("include", help="take excluded tracks back in")
    include.add_argument("tracks", metavar="TRACK", nargs="+", help="what was excluded")
    _common(include)

    window = sub.add_parser("window", help="the features of any part of a measured track, from its curves")
    window.add_argument("path", metavar="PATH", help="a track, its full_mix file, a loose file, or a clip")
    window.add_argument("--start", type=float, default=0.0, metavar="S", help="seconds (default: 0)")
    window.add_argument("--end", type=float, metavar="S", help="seconds (default: the end)")
    window.add_argument("--slices", type=int, metavar="N", help="N values a key: of N equal slices of the window")
    window.add_argument("--samples", action="store_true", help="decode the window too, for the timbre keys")
    _common(window)

    export = sub.add_parser("export", help="a bundle that a trainer loads as it is, or a table")
    export_options.add(export)
    _common(export)

    init = sub.add_parser("init", help="write the settings file mirkit.toml of a data set")
    init.add_argument("path", metavar="PATH", nargs="?", default=".", help="the data set's folder")
    init.add_argument("--backend", action="append", default=[], metavar="JOB=NAME", help="fix a method")
    init.add_argument("--force", action="store_true", help="change methods that are fixed already")
    _common(init)

    doctor = sub.add_parser("doctor", help="what is installed, which methods would be used, and why not others")
    _common(doctor)

    models = sub.add_parser("models", help="the neural models: license, state; fetch, find and check their weights")
    models.add_argument("action", nargs="?", choices=("list", "fetch", "path", "verify"), default="list")
    models.add_argument("name", metavar="NAME", nargs="?", help="a model; verify: all that are here")
    _weights(models)
    _common(models)

    features = sub.add_parser("features", help="print the page of all features as Markdown")
    _common(features)

    demo = sub.add_parser("demo", help="make a demo set, run everything on it, compare with the truth")
    demo.add_argument("path", metavar="PATH", nargs="?", default="demo", help="folder to make (default: demo)")
    _common(demo)

    for name, command in COMMANDS.items():
        if name not in sub.choices:
            _track_command(sub, command)
    return parser


def backend_choices(pairs: list[str]) -> dict[str, str]:
    """Parse ``JOB=NAME`` pairs.

    Raises
    ------
    SettingsError
        A pair that names no job or no backend of it.
    """
    from mirkit.errors import SettingsError

    chosen = {}
    for pair in pairs:
        job, _, name = pair.partition("=")
        names = ["auto", *(backend.name for backend in BACKENDS if backend.job == job)]
        if job not in JOBS or name not in names:
            wanted = f"one of {', '.join(names)}" if job in JOBS else f"JOB=NAME with a job of {', '.join(JOBS)}"
            raise SettingsError(f"--backend {pair}: expected {wanted}")
        chosen[job] = name
    return chosen
