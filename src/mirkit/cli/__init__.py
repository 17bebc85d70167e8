"""The command line: one parser, one place that turns errors into exit statuses.

Exit status 0: success. 1: a track failed, or something is missing. 2: wrong usage. 130: interrupted. 141: the reader
of the output has gone.
"""

import argparse
import io
import sys
from collections.abc import Sequence

__all__ = ["launch", "main"]


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command and return its exit status."""
    from mirkit.cli.output import terminal_log
    from mirkit.cli.parser import build

    try:
        arguments = build().parse_args(argv)
    except SystemExit as stop:  # argparse has printed its line, or --help
        return stop.code if isinstance(stop.code, int) else 2
    with terminal_log():
        return _guarded(arguments)


def launch(command: str) -> None:
    """Run a command as a script of its own: ``python src/rhythm/bpm.py PATH`` is ``mirkit tempo PATH``."""
    sys.exit(main([command, *sys.argv[1:]]))


def _guarded(arguments: argparse.Namespace) -> int:
    import signal

    from mirkit.cli.commands import execute
    from mirkit.errors import MirkitError, SettingsError

    # A polite kill and a terminal that is closed end like Ctrl-C: writes finish or roll back, workers stop. What the
    # caller has us ignore (nohup) stays ignored.
    for name in ("SIGTERM", "SIGHUP"):
        if signal.getsignal(number := getattr(signal, name, signal.SIGTERM)) is signal.SIG_DFL:
            signal.signal(number, signal.default_int_handler)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):  # a name that the terminal cannot show is escaped, not fatal
            stream.reconfigure(errors="backslashreplace")
    try:
        return execute(arguments)
    except MirkitError as error:
        if arguments.debug:
            raise
        print(f"mirkit: {error}", file=sys.stderr)
        return 2 if isinstance(error, SettingsError) else 1
    except KeyboardInterrupt:
        print("mirkit: interrupted. Results so far are kept; run the same command again to continue.", file=sys.stderr)
        return 130
    except BrokenPipeError:  # the reader of our output went away, and the run with it
        sys.stderr.close()
        return 141
    except OSError as error:
        if arguments.debug:
            raise
        print(f"mirkit: {_refused(error)}", file=sys.stderr)
        return 1
    except Exception as error:
        if arguments.debug:
            raise
        print(f"mirkit: {type(error).__name__}: {error} (a bug: run with --debug and report it)", file=sys.stderr)
        return 1


def _refused(error: OSError) -> str:
    """The error of the operating system, and what to do about it where that is known."""
    from pathlib import Path

    from mirkit.store.os_errors import REFUSED, as_error

    if error.errno not in REFUSED:
        return str(error)
    return str(as_error(error, Path(str(error.filename or ".")), "work on"))
