"""Worker processes from outside: started, handed items, watched, sent home.

They are plain child processes that talk over their standard input and output. Unlike those of ``multiprocessing`` they
do not run the caller's main script again, share nothing that a killed one could leave locked, and see the end of their
input, that is, the end of this process, whatever ended it.
"""

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from queue import SimpleQueue
from typing import Any, BinaryIO, cast

from mirkit.engines.ipc import UnreadableError, receive, send
from mirkit.engines.resources import resident
from mirkit.engines.worker import READY

_CODE = "import json, sys; sys.path[:] = json.loads(sys.argv.pop()); from mirkit.engines.worker import main; main()"
_NOBODY = -1


class WorkerHandle:
    """One worker process.

    Parameters
    ----------
    number : int
        Which of the workers it is, from 0.
    work : callable
        What it does with an item.
    environment : mapping
        Variables that are different from ours.
    heard : queue
        Gets ``(worker, message)`` for whatever it says, and ``(worker, None)`` when it has ended. A message is
        ``READY`` or the result and error of its item.

    Attributes
    ----------
    item : int
        Number of the item that it works on; -1 for none.
    served : int
        Items that it has finished.
    since : float
        When it got its item, by the monotonic clock.
    ready : bool
        Whether it has begun to take items.
    """

    def __init__(
        self,
        number: int,
        work: Callable[..., Any],
        environment: Mapping[str, str],
        heard: "SimpleQueue[tuple[WorkerHandle, Any]]",
    ) -> None:
        self.number = number
        self.item, self.served, self.since, self.ready = _NOBODY, 0, 0.0, False
        self._process = subprocess.Popen(
            [sys.executable, "-c", _CODE, json.dumps(sys.path)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env=os.environ | environment,
            # Ctrl-C in a terminal, and closing it, are for us alone: we decide what becomes of the workers.
            start_new_session=True,
            creationflags=getattr(subprocess, "CREATE_NEW_PROCESS_GROUP", 0),
        )
        self._input = cast("BinaryIO", self._process.stdin)
        self._output = cast("BinaryIO", self._process.stdout)
        threading.Thread(target=self._listen, args=(heard,), daemon=True).start()
        self._send(work)

    @property
    def busy(self) -> bool:
        """Whether it has an item."""
        return self.item != _NOBODY

    @property
    def memory(self) -> int:
        """Bytes that it holds."""
        return resident(self._process.pid)

    def give(self, number: int, item: Any) -> None:
        """Hand over an item."""
        self.item, self.since = number, time.monotonic()
        self._send(item)

    def note(self, message: Any) -> None:
        """Keep book of what it said."""
        if message == READY:
            self.ready = True
        else:
            self.item, self.served = _NOBODY, self.served + 1

    def dismiss(self) -> None:
        """Tell it that no more items come. One that is at work breaks off and cleans up."""
        with suppress(OSError):
            self._input.close()
        if not self.ready:  # still importing, and nothing to clean up
            self._process.kill()

    def end(self, deadline: float) -> None:
        """Wait for its end until the deadline, then kill it."""
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(max(0.0, deadline - time.monotonic()))
        self._process.kill()
        self._process.wait()

    def how_it_ended(self) -> str:
        """Say what became of one that has ended, as the end of a sentence."""
        self.dismiss()
        self.end(time.monotonic() + 1)
        code = self._process.returncode
        if code >= 0:
            return f"ended (exit status {code})"
        name = signal.Signals(-code).name if -code in set(signal.Signals) else f"signal {-code}"
        return f"was killed ({name}), perhaps for want of memory" if name == "SIGKILL" else f"crashed ({name})"

    def _send(self, message: Any) -> None:
        with suppress(OSError):  # it is dead, and will be heard to be
            send(self._input, message)

    def _listen(self, heard: "SimpleQueue[tuple[WorkerHandle, Any]]") -> None:
        with self._output as output, suppress(EOFError):
            while True:
                try:
                    heard.put((self, receive(output)))
                except UnreadableError as error:
                    heard.put((self, (None, str(error))))
        heard.put((self, None))
