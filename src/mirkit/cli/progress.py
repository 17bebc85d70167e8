"""Progress: on a terminal a bar with what is being done, rate and remaining time; elsewhere a line at intervals."""

import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.console import Console
    from rich.progress_bar import ProgressBar


class Progress:
    """What is known of the progress of work on tracks.

    Parameters
    ----------
    total : int
        Number of tracks.
    expected : float
        Estimated time for all tracks (s); 0 if it is not known.
    workers : int
        Number of tracks that are processed at a time.
    compiling : float
        Part of ``expected`` in which code is compiled, once (s).
    clock : callable
        Time in seconds.
    """

    def __init__(
        self,
        total: int,
        expected: float,
        *,
        workers: int = 1,
        compiling: float = 0.0,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.total, self.done = total, 0
        self._expected, self._workers, self._compiling, self._clock = expected, workers, compiling, clock
        self._started = self._last = clock()
        self._active: dict[str, str] = {}
        self._lock = threading.Lock()
        self._ended = ""

    def __call__(self, name: str) -> None:
        """Count one more finished track."""
        with self._lock:
            self.done, self._last, self._ended = self.done + 1, self._clock(), name
            self._active.pop(name, None)

    def watch(self, name: str, activity: str) -> None:
        """Receive what is being done with a track."""
        with self._lock:
            self._active[name] = activity

    @property
    def elapsed(self) -> float:
        """Time since the start (s)."""
        return self._clock() - self._started

    @property
    def pace(self) -> str:
        """Tracks per minute, time since the start, remaining time."""
        elapsed = self.elapsed
        rate = f"{60 * self.done / elapsed:.1f} tracks/min, " if self.done and elapsed else ""
        return f"{rate}{_span(elapsed)}{self._left(elapsed)}"

    def _left(self, elapsed: float) -> str:
        from mirkit.dataset.status import seconds_left

        if self.done >= self.total or not (self.done or self._expected):
            return ""
        left = seconds_left(
            self.done,
            self.total,
            elapsed,
            self._expected,
            workers=self._workers,
            compiling=self._compiling,
            since=self._clock() - self._last,
        )
        if left >= 1:
            return f", about {_span(left)} left"
        return ", longer than estimated" if elapsed >= max(self._expected, 1.0) else ""

    @property
    def activity(self) -> str:
        """What is being done: by the name of the track, or for many tracks the number of each activity."""
        with self._lock:
            active = {name: activity for name, activity in self._active.items() if activity}
            ended = self._ended
        if len(active) > _MOST_NAMED:
            counts = Counter(active.values())
            return ", ".join(f"{activity} ({count})" for activity, count in counts.most_common(_MOST_NAMED + 1))
        if active:
            return "; ".join(f"{_short(name)}: {activity}" for name, activity in active.items())
        return _short(ended) if ended else "starting"


#: More tracks are not named one by one.
_MOST_NAMED = 2
_LONGEST_NAME = 28


def _span(seconds: float) -> str:
    """Format a duration that is shown while it changes: in whole seconds."""
    from mirkit.cli.output import clock

    return f"{seconds:.0f} s" if seconds < 90 else clock(seconds)


def _short(name: str) -> str:
    name = name.rpartition("/")[2]
    return name if len(name) <= _LONGEST_NAME else f"{name[: _LONGEST_NAME - 3]}..."


@contextmanager
def progress(
    total: int, expected: float, *, shown: bool, workers: int = 1, compiling: float = 0.0
) -> Iterator[Progress]:
    """Yield the progress of work on tracks, which is called with the name of each finished track, and show it.

    Parameters
    ----------
    total, expected, workers, compiling
        See :class:`Progress`.
    shown : bool
        Draw a bar on standard error if that is a terminal, or else print a line at growing intervals.
    """
    state = Progress(total, expected, workers=workers, compiling=compiling)
    if not shown or not total:
        yield state
        return
    from rich.console import Console

    console = Console(stderr=True)
    with _bar(state, console) if console.is_terminal else _printed(state):
        yield state


@contextmanager
def _bar(state: Progress, console: "Console") -> Iterator[None]:
    from rich import progress as rich
    from rich.table import Column
    from rich.text import Text

    class Words(rich.ProgressColumn):
        """A text that is computed whenever the bar is drawn."""

        max_refresh = 0.5

        def __init__(self, text: Callable[[], str]) -> None:
            super().__init__(Column(no_wrap=True))
            self._text = text

        def render(self, task: rich.Task) -> Text:
            return Text(self._text())

    class Count(rich.MofNCompleteColumn):
        """Finished tracks of all."""

        def render(self, task: rich.Task) -> Text:
            return Text(f"{state.done}/{state.total}")

    class Bar(rich.BarColumn):
        """The bar."""

        def render(self, task: rich.Task) -> "ProgressBar":
            task.completed = state.done
            return super().render(task)

    columns = (
        Bar(bar_width=20),
        Count(table_column=Column(no_wrap=True)),
        Words(lambda: state.pace),
        Words(lambda: state.activity),
    )
    with rich.Progress(*columns, console=console, transient=True, refresh_per_second=2) as bar:
        bar.add_task("", total=state.total)
        yield


#: Seconds until the first line about the progress where there is no terminal; each later one takes twice as long.
_FIRST_LINE, _MOST_BETWEEN = 10.0, 120.0


@contextmanager
def _printed(state: Progress) -> Iterator[None]:
    """Print a line about the progress now and then, for those who read a log or a pipe."""
    from mirkit.cli.output import note

    stopped = threading.Event()

    def print_lines() -> None:
        pause = _FIRST_LINE
        while not stopped.wait(pause):
            note(f"progress {state.done} of {state.total}, {state.pace}: {state.activity}")
            pause = min(2 * pause, _MOST_BETWEEN)

    thread = threading.Thread(target=print_lines, daemon=True)
    thread.start()
    try:
        yield
    finally:
        stopped.set()
        thread.join()


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
