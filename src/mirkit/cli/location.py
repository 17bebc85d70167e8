"""The folder that a command works on: a local one, or a local copy of a data set on object storage."""

import argparse
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from mirkit.errors import MirkitError, SettingsError, printable

#: Commands that accept a URL, in addition to those that run stages.
READ_REMOTE = ("verify", "stats", "status")
#: What a command does with the location.
Purpose = Literal["work", "compare", "read", "logs"]
#: Arguments that are paths to read or to write.
_PLACES = ("path", "places", "tracks", "out", "output")
#: What the user can do to get a local folder, by URL scheme.
_COPY = {
    **dict.fromkeys(("s3", "s3a"), 'copy it first: aws s3 sync "{url}" FOLDER'),
    **dict.fromkeys(("gs", "gcs"), 'copy it first: gcloud storage rsync --recursive "{url}" FOLDER'),
    **dict.fromkeys(("file", "local"), 'give its path: "{path}"'),
}


@dataclass(frozen=True)
class Location:
    """A local folder, and the URL of the data set that it is a copy of; "" for a local data set."""

    path: Path
    url: str = ""

    def with_url(self, text: str) -> str:
        """Replace the path of the local copy in a text by the URL that the user gave."""
        return text.replace(str(self.path), self.url) if self.url else text


def is_url(path: str) -> bool:
    """Whether a path that the user gave is a URL of object storage."""
    return "://" in path


@contextmanager
def resolve_location(path: str, to: Purpose) -> Iterator[Location]:
    """Yield the location of a path or URL, prepared for a purpose.

    ``work``: files of the whole data set are uploaded at the end. ``compare``: the audio is compared with the recorded
    digests. ``read``: only sidecars are read. ``logs``: only the logs of runs are read.
    """
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
        note(f"note   {count} audio files were not written by mirkit; to compare them, they are downloaded one by one")

    if to == "logs":
        mirror_logs(location.url, location.path)
    else:
        mirror(location.url, location.path, compare=comparing if to == "compare" else None)


def reject_urls(arguments: argparse.Namespace, *, path_too: bool) -> None:
    """Refuse URLs where a command takes local files.

    Raises
    ------
    SettingsError
        An argument is a URL.
    """
    for name in _PLACES:
        value = getattr(arguments, name, None)
        for number, text in enumerate(value if isinstance(value, list) else (value,)):
            if not (isinstance(text, str) and is_url(text)) or (name == "path" and not path_too):
                continue
            scheme, _, rest = text.partition("://")
            problem = f"takes local folders; {_COPY.get(scheme, 'copy it to one first').format(url=text, path=rest)}"
            # The first place of an export without -o is that of the bundle.
            if name in ("out", "output") or (name == "places" and number == 0 and not arguments.out):
                problem = "writes local files; copy them there afterwards"
            raise SettingsError(printable(f"{text}: mirkit {arguments.command} {problem}"))
