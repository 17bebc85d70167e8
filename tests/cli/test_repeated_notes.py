"""A note that concerns many tracks is printed for a few of them, and counted."""

import pytest

from mirkit.cli.output import run as output
from mirkit.pipeline import TrackOutcome


@pytest.mark.parametrize(("verbose", "shown", "last"), [(False, 3, "note   2 more tracks: the same\n"), (True, 5, "")])
def test_repeated(verbose: bool, shown: int, last: str, capsys: pytest.CaptureFixture[str]) -> None:
    tally = output.RunSummary(idle=0, keep_all=False)
    for i in range(5):
        outcome = TrackOutcome(f"T{i}", notes=("the same", f"only {i}"))
        tally.add(outcome)
        output.outcome(outcome, tally, verbose=verbose, quiet=False)
    lines = capsys.readouterr().err.splitlines()
    assert sum(line.endswith(": the same") for line in lines) == shown
    assert sum("only" in line for line in lines) == 5
    output.summary(tally, 1.0, quiet=False, verbose=verbose)
    assert capsys.readouterr().err == last
