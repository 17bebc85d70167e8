"""The ``README.md`` of a bundle: what it holds, how to start the training, and what the trainer does with it."""

from collections.abc import Sequence

from mirkit import __version__
from mirkit.errors import counted
from mirkit.export.plan import TRAIN, VAL, ExportPlan


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
    for split, use in ((TRAIN, "training"), (VAL, "validation")):
        samples = plan.of(split)
        if samples:
            hours = sum(sample.item.seconds for sample in samples) / 3600
            tracks = len({sample.item.source for sample in samples})
            lines.append(f"* {use}: {counted(len(samples), 'file')}, {hours:.2f} h, from {counted(tracks, 'track')}")
    lines += ["", "No recording, artist or album is in both.", "", "## Start the training", ""]
    for paragraph in start:
        lines += [paragraph, ""]
    lines += ["Before a training, and after every change by hand, check the bundle:", ""]
    lines += ["```bash", f"mirkit export {target} THIS_FOLDER --check-only", "```", ""]
    if know:
        lines += ["## What to know", "", *(f"* {line}" for line in know), ""]
    lines += [
        "`mirkit_files.json` lists for each file the track and the window that it was cut from, and",
        "`mirkit_export.json` the options and methods. mirkit does not know the rights in the recordings.",
        "",
        f"Made with mirkit {__version__}, seed {plan.options.seed}.",
        "",
    ]
    return "\n".join(lines)


def shell(*commands: str) -> str:
    """Commands as a block of Markdown."""
    return "\n".join(["```bash", *commands, "```"])
