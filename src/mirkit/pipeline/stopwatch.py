"""Time that work takes, without what its process compiles meanwhile."""

import time

from mirkit.store.compiled import compile_seconds


class Stopwatch:
    """Measures time from its creation on."""

    def __init__(self) -> None:
        self._started, self._compiled = time.perf_counter(), compile_seconds()

    @property
    def compiling(self) -> float:
        """Seconds of compiling so far."""
        return compile_seconds() - self._compiled

    @property
    def seconds(self) -> float:
        """Seconds so far, without compiling."""
        return time.perf_counter() - self._started - self.compiling
