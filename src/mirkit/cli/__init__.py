"""The command line: parses the arguments, runs the command, and converts errors to exit statuses.

Exit status 0: success. 1: a track failed, or something is missing. 2: wrong usage. 130: interrupted. 141: the reader
of the output has closed the pipe.
"""

import argparse
import io
import os
import sys
from collections.abc import Sequence
from contextlib import suppress

from mirkit.errors import REFUSED, MirkitError, SettingsError, as_error, unexpected

__all__ = ["launch", "main"]


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command and return its exit status."""
    from mirkit.cli.output import terminal_log
    from mirkit.cli.parser import parse

    words = list(sys.argv[1:] if argv is None else argv)
    try:
        if words[:1] == ["__complete"]:
            from mirkit.cli.completion import answer

            print(answer(words[1:]), end="")
            return 0
        try:
            arguments = parse(words)
        except SystemExit as stop:  # argparse has printed an error line or the help text
            _flush()
            return stop.code if isinstance(stop.code, int) else 2
    except BrokenPipeError:
        return _closed()
    with terminal_log():
        return _guarded(arguments)


def launch(command: str) -> None:
    """Run a command from its script: ``python src/rhythm/bpm.py PATH`` does what ``mirkit tempo PATH`` does."""
    sys.exit(main([command, *sys.argv[1:]]))


def _guarded(arguments: argparse.Namespace) -> int:
    import signal

    from mirkit.cli.commands import execute
    from mirkit.cli.output import error_line

    # SIGTERM and a closed terminal (SIGHUP) have the same effect as Ctrl-C: writes finish or are rolled back, and the
    # workers stop. A signal that the caller ignores (nohup) stays ignored.
    for name in ("SIGTERM", "SIGHUP"):
        if signal.getsignal(number := getattr(signal, name, signal.SIGTERM)) is signal.SIG_DFL:
            signal.signal(number, signal.default_int_handler)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):  # escape names that the terminal cannot show
            stream.reconfigure(errors="backslashreplace")
    try:
        status = execute(arguments)
        _flush()
        return status
    except MirkitError as error:
        if arguments.debug:
            raise
        error_line(str(error))
        return 2 if isinstance(error, SettingsError) else 1
    except KeyboardInterrupt:
        error_line("interrupted. Results so far are kept; run the same command again to continue.")
        return 130
    except BrokenPipeError:
        return _closed()
    except OSError as error:
        if arguments.debug:
            raise
        error_line(_refused(error))
        return 1
    except Exception as error:
        with suppress(ImportError):  # the installation may be incomplete
            from mirkit.store.last_error import keep_error

            keep_error(error)
        if arguments.debug:
            raise
        error_line(unexpected(error))
        return 1


def _flush() -> None:
    """Write out what is buffered: here, and not when Python ends, a closed pipe is an error that can be handled."""
    if sys.stdout is not None:  # None: closed by the caller
        sys.stdout.flush()


def _closed() -> int:
    """Stop, because the program that reads the output has closed the pipe; return the exit status."""
    with suppress(OSError, ValueError):  # what is left in the buffer must not fail again when Python ends
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    sys.stderr.close()
    return 141


def _refused(error: OSError) -> str:
    """Describe an error of the operating system, with what to do about it if that is known."""
    from pathlib import Path

    if error.errno not in REFUSED:
        return str(error)
    return str(as_error(error, Path(str(error.filename or ".")), "work on"))
