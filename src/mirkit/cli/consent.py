"""Asking the user before weights are fetched that are not for commercial use, or are large."""

import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING

from mirkit.cli.output import run_summary

if TYPE_CHECKING:
    from mirkit.models.backend import Backend, Model


def on_a_terminal() -> bool:
    """Whether somebody can read a question on standard error and answer it on standard input."""
    return all(stream is not None and stream.isatty() for stream in (sys.stdin, sys.stderr))


def ask(offers: "Sequence[tuple[Backend, Model]]") -> bool:
    """Ask once whether the weights of these methods may be fetched; an empty answer, or the end of input, is a no."""
    from mirkit.models.cache_paths import missing
    from mirkit.models.messages import megabytes

    run_summary.note("These models are not on this machine. They are fetched only if you agree:")
    for row, model in offers:
        size = megabytes(sum(file.size for file in missing(model)))
        run_summary.note(f"  {model.name}: {size}, license of the weights: {model.license}")
        if row.gain:
            run_summary.note(f"      {row.gain}")
    print("Fetch them now? [y/N] ", end="", file=sys.stderr, flush=True)
    answer = sys.stdin.readline()
    if not answer.endswith("\n"):  # the end of input leaves the cursor behind the question
        print(file=sys.stderr)
    return answer.strip().lower() in ("y", "yes")


def say_license(model: "Model") -> None:
    """Print the size and the license of weights that are about to be fetched."""
    from mirkit.models.messages import megabytes

    use = "" if model.commercial else "; not for commercial use"
    run_summary.note(f"fetch    {model.title}: {megabytes(model.size)}, license of the weights: {model.license}{use}")
