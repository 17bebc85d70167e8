"""Where a command looks: a local folder, or one that stands for a data set on object storage."""

import argparse
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

#: Commands that read a remote data set, beside those that run stages.
READ_REMOTE = ("verify", "stats", "status")
#: What a place is wanted for.
Purpose = Literal["work", "compare", "read", "logs"]
#: Arguments that are places to read or to write.
_PLACES = ("path", "tracks", "out", "output")
#: How to come to a local folder, by scheme.
_COPY = {
    **dict.fromkeys(("s3", "s3a"), 'copy it first: aws s3 sync "{url}" FOLDER'),
    **dict.fromkeys(("gs", "gcs"), 'copy it first: gcloud storage rsync --recursive "{url}" FOLDER'),
    **dict.fromkeys(("file", "local"), 'give its path: "{path}"'),
}


@dataclass(frozen=True)
class Location:
    """A folder, and the URL that it stands for; "" for a folder of this machine."""

    path: Path
    url: str = ""

    def with_url(self, text: str) -> str:
        """Name in a text the place that the user knows."""
        return text.replace(str(self.path), self.url) if self.url else text


def is_url(path: str) -> bool:
    """Whether a path that a user gave means object storage."""
    return "://" in path


@contextmanager
def resolve_location(path: str, to: Purpose) -> Iterator[Location]:
    """Give the place that a path or URL means, for a purpose.

    ``work``: what belongs to the whole data set goes back to the URL at the end. ``compare``: the audio is compared
    with what was measured. ``read``: only sidecars are read. ``logs``: only the logs of runs.
    """
    from mirkit.errors import MirkitError

    if not is_url(path):
        yield Location(Path(path))
        return
    from mirkit.remote.listing import upload_dataset_files

    with tempfile.TemporaryDirectory(prefix="mirkit-", ignore_cleanup_errors=True) as folder:
        location = Location(Path(folder), path)
        try:
            _fill(location, to)
            try:
                yield location
            finally:
                if to == "work":
                    upload_dataset_files(path, location.path)
        except MirkitError as error:
            raise type(error)(location.with_url(str(error))) from error


def _fill(location: Location, to: Purpose) -> None:
    from mirkit.cli.output import note
    from mirkit.remote.listing import mirror, mirror_logs

    def comparing(count: int) -> None:
        note(f"note   {count} audio files were not written by mirkit; they are copied one by one to be compared")

    if to == "logs":
        mirror_logs(location.url, location.path)
    else:
        mirror(location.url, location.path, compare=comparing if to == "compare" else None)


def reject_urls(arguments: argparse.Namespace, *, path_too: bool) -> None:
    """Refuse URLs where a command takes local files.

    Raises
    ------
    SettingsError
        One was value.
    """
    from mirkit.errors import SettingsError

    for name in _PLACES:
        value = getattr(arguments, name, None)
        for text in value if isinstance(value, list) else (value,):
            if not (isinstance(text, str) and is_url(text)) or (name == "path" and not path_too):
                continue
            scheme, _, rest = text.partition("://")
            problem = f"takes local folders; {_COPY.get(scheme, 'copy it to one first').format(url=text, path=rest)}"
            if name in ("out", "output"):
                problem = "writes local files; copy them there afterwards"
            from mirkit.store.os_errors import (
                printable,  # not before: `mirkit doctor` must work where a package is missing
            )

            raise SettingsError(printable(f"{text}: mirkit {arguments.command} {problem}"))
