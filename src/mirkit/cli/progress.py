"""Progress: on a terminal a bar with rate and remaining time; elsewhere nothing, or a line at intervals."""

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager


@contextmanager
def progress(total: int, expected: float, *, shown: bool) -> Iterator[Callable[[str], None]]:
    """Yield a function that counts one more finished track and shows its name.

    Parameters
    ----------
    total : int
        Number of tracks.
    expected : float
        Estimated time for all tracks (s); the remaining time is based on it until a track is done, then on the pace.
    shown : bool
        Draw the bar; it goes to standard error, and only when that is a terminal.
    """
    from rich.console import Console

    console = Console(stderr=True)
    if not shown or not total or not console.is_terminal:
        yield lambda _name: None
        return

    from rich.progress import BarColumn, MofNCompleteColumn, Progress, ProgressColumn, Task, TextColumn
    from rich.table import Column
    from rich.text import Text

    from mirkit.cli.output import clock
    from mirkit.dataset.status import seconds_left

    class Pace(ProgressColumn):
        """Tracks per minute, time since the start, remaining time."""

        def render(self, task: Task) -> Text:
            elapsed, done = task.elapsed or 0.0, int(task.completed)
            left = clock(seconds_left(done, total, elapsed, expected))
            rate = f"{60 * done / elapsed:.1f} tracks/min, " if done and elapsed else ""
            return Text(f"{rate}{clock(elapsed)}, {left} left")

    columns = (
        BarColumn(),
        MofNCompleteColumn(table_column=Column(no_wrap=True)),
        Pace(table_column=Column(no_wrap=True)),
        TextColumn("{task.description}", markup=False, table_column=Column(no_wrap=True)),
    )
    with Progress(*columns, console=console, transient=True, refresh_per_second=2) as bar:
        task = bar.add_task("", total=total)

        def advance(name: str) -> None:
            bar.update(task, advance=1, description=name[:60])

        yield advance


@contextmanager
def reading(*, shown: bool) -> Iterator[Callable[[int, int], None]]:
    """Yield a function that shows how many of the tracks that have changed have been read: done, and all.

    Parameters
    ----------
    shown : bool
        Draw a bar if there are many; it goes to standard error, and only when that is a terminal.
    """
    is_drawn = shown and sys.stderr is not None and sys.stderr.isatty()
    with ExitStack() as started:
        bars: list[Callable[[int, int], None]] = []

        def advance(done: int, of: int) -> None:
            if is_drawn and of >= _MANY and not bars:
                bars.append(started.enter_context(_reading_bar()))
            for bar in bars:
                bar(done, of)

        yield advance


#: Fewer tracks are read in less than a second.
_MANY = 1000


@contextmanager
def _reading_bar() -> Iterator[Callable[[int, int], None]]:
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (TextColumn("reading tracks"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("", total=None)
        yield lambda done, of: bar.update(task, completed=done, total=of)


#: Seconds between two lines about a download if there is no terminal.
_LINE_SECONDS = 10.0


@contextmanager
def downloading(*, shown: bool) -> Iterator[Callable[[str, int, int | None], None]]:
    """Yield a function that shows the progress of a download: file name, bytes so far, total bytes."""
    from rich.console import Console

    console = Console(stderr=True)
    if not shown:
        yield lambda _name, _done, _total: None
        return
    if not console.is_terminal:
        yield _lines()
        return

    from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn, TransferSpeedColumn

    columns = (
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        DownloadColumn(),
        TransferSpeedColumn(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=console, transient=True) as bar:
        tasks = {}

        def advance(name: str, done: int, total: int | None) -> None:
            if name not in tasks:
                tasks[name] = bar.add_task(name)
            bar.update(tasks[name], completed=done, total=total)

        yield advance


def _lines() -> Callable[[str, int, int | None], None]:
    said: dict[str, float] = {}

    def advance(name: str, done: int, total: int | None) -> None:
        now = time.monotonic()
        if name not in said or now - said[name] > _LINE_SECONDS:
            said[name] = now
            whole = f" of {total / 1e6:.1f}" if total else ""
            print(f"download {name}: {done / 1e6:.1f}{whole} MB", file=sys.stderr, flush=True)

    return advance
