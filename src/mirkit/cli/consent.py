"""Asking the user before weights are fetched that are not for commercial use, or are large."""

import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING

from mirkit.cli import show

if TYPE_CHECKING:
    from mirkit.catalog import Backend
    from mirkit.models.table import Model


def on_a_terminal() -> bool:
    """Whether somebody can read a question on standard error and answer it on standard input."""
    return all(stream is not None and stream.isatty() for stream in (sys.stdin, sys.stderr))


def ask(offers: "Sequence[tuple[Backend, Model]]") -> bool:
    """Ask once whether the weights of these methods may be fetched; an empty answer, or the end of input, is a no."""
    from mirkit.models.places import missing
    from mirkit.models.told import megabytes

    show.note("These models are not on this machine. They are fetched only if you agree:")
    for row, model in offers:
        size = megabytes(sum(file.size for file in missing(model)))
        show.note(f"  {model.name}: {size}, license of the weights: {model.licence}")
        if row.gain:
            show.note(f"      {row.gain}")
    print("Fetch them now? [y/N] ", end="", file=sys.stderr, flush=True)
    answer = sys.stdin.readline()
    if not answer.endswith("\n"):  # the end of input leaves the cursor behind the question
        print(file=sys.stderr)
    return answer.strip().lower() in ("y", "yes")


def say_license(model: "Model") -> None:
    """Print the size and the license of weights that are about to be fetched."""
    from mirkit.models.told import megabytes

    use = "" if model.commercial else "; not for commercial use"
    show.note(f"fetch    {model.says}: {megabytes(model.size)}, license of the weights: {model.licence}{use}")
