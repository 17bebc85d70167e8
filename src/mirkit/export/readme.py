"""The ``README.md`` of a bundle: what it holds, how to start the training, and what the trainer does with it."""

from collections.abc import Sequence

from mirkit import __version__
from mirkit.errors import counted, printable
from mirkit.export.options import INSTRUMENTAL
from mirkit.export.plan import ExportPlan
from mirkit.export.rights import rights_lines
from mirkit.export.splits import TEST, TRAIN, VAL

_USES = {TRAIN: "training", VAL: "validation", TEST: "test"}
_AUDIO = {INSTRUMENTAL: "the mix without vocals"}


def leak_rule(plan: ExportPlan) -> str:
    """Say what the splits of a bundle have in common."""
    if plan.options.split_file is None:
        return "No recording, artist or album is in more than one of them."
    name = printable(plan.options.split_file.name)
    return f"The split is that of `{name}`. " + (
        "" if plan.options.keep_duplicates else "Copies of a recording are left out, so none is in more than one part."
    )


def readme(plan: ExportPlan, trainer: str, start: Sequence[str], know: Sequence[str] = ()) -> str:
    """Write the README of a bundle.

    Parameters
    ----------
    plan : ExportPlan
    trainer : str
        Name of the trainer, for the title.
    start : sequence of str
        Paragraphs on how to start the training.
    know : sequence of str
        What the user should know about the trainer, one list entry each.
    """
    target = plan.options.target
    lines = [f"# Training data for {trainer}", ""]
    for split in plan.splits:
        samples = plan.of(split)
        hours = sum(sample.item.seconds for sample in samples) / 3600
        tracks = len({sample.item.source for sample in samples})
        files = counted(len(samples), "file")
        lines.append(f"* {_USES[split]} (`{split}`): {files}, {hours:.2f} h, from {counted(tracks, 'track')}")
    if len(plan.splits) > 1:
        lines += ["", leak_rule(plan)]
    if audio := plan.options.audio:
        lines += ["", f"The audio is {_AUDIO.get(audio, f'the {audio} stem')}, and all numbers are measured on it."]
        if plan.options.pairs:
            lines.append("`mix/` holds the mix of each file under the same name, with the same length and gain.")
    lines += ["", "## Start the training", ""]
    for paragraph in start:
        lines += [paragraph, ""]
    lines += ["Before a training, and after every change by hand, check the bundle:", ""]
    lines += ["```bash", f"mirkit export {target} THIS_FOLDER --check-only", "```", ""]
    if know:
        lines += ["## What to know", "", *(f"* {line}" for line in know), ""]
    lines += ["## Rights", "", *rights_lines(plan), ""]
    lines += [
        "`mirkit_files.json` lists for each file the track and the window that it was cut from, and",
        "`mirkit_export.json` the options and methods.",
        "",
        f"Made with mirkit {__version__}, seed {plan.options.seed}.",
        "",
    ]
    return "\n".join(lines)


def shell(*commands: str) -> str:
    """Commands as a block of Markdown."""
    return "\n".join(["```bash", *commands, "```"])
