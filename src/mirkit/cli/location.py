"""Where a command looks: a local folder, or one that stands for a data set on object storage."""

import argparse
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

#: Beside the commands on tracks, those that read a data set where it lies.
READ_AWAY = ("verify", "stats", "status")
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

    def told(self, text: str) -> str:
        """Name in a text the place that the user knows."""
        return text.replace(str(self.path), self.url) if self.url else text


def is_url(path: str) -> bool:
    """Whether a path that a user gave means object storage."""
    return "://" in path


@contextmanager
def place_of(path: str, to: Purpose) -> Iterator[Location]:
    """Give the place that a path or URL means, for a purpose.

    ``work``: what belongs to the whole data set goes back to the URL at the end. ``compare``: the sound is compared
    with what was measured. ``read``: only sidecars are read. ``logs``: only the logs of runs.
    """
    from mirkit.errors import MirkitError

    if not is_url(path):
        yield Location(Path(path))
        return
    from mirkit.remote.listing import upload_dataset_files

    with tempfile.TemporaryDirectory(prefix="mirkit-", ignore_cleanup_errors=True) as folder:
        place = Location(Path(folder), path)
        try:
            _fill(place, to)
            try:
                yield place
            finally:
                if to == "work":
                    upload_dataset_files(path, place.path)
        except MirkitError as error:
            raise type(error)(place.told(str(error))) from error


def _fill(place: Location, to: Purpose) -> None:
    from mirkit.cli.output.run_summary import note
    from mirkit.remote.listing import mirror, mirror_logs

    def comparing(count: int) -> None:
        note(f"note   {count} sounds were not put there by mirkit: copied one by one to compare them")

    if to == "logs":
        mirror_logs(place.url, place.path)
    else:
        mirror(place.url, place.path, compare=comparing if to == "compare" else None)


def refuse_urls(arguments: argparse.Namespace, *, path_too: bool) -> None:
    """Refuse URLs where a command takes local files.

    Raises
    ------
    SettingsError
        One was given.
    """
    from mirkit.errors import SettingsError

    for name in _PLACES:
        given = getattr(arguments, name, None)
        for text in given if isinstance(given, list) else (given,):
            if not (isinstance(text, str) and is_url(text)) or (name == "path" and not path_too):
                continue
            scheme, _, rest = text.partition("://")
            mend = f"takes local folders; {_COPY.get(scheme, 'copy it to one first').format(url=text, path=rest)}"
            if name in ("out", "output"):
                mend = "writes local files; copy them there afterwards"
            from mirkit.store.os_errors import (
                printable,  # not before: `mirkit doctor` must work where a package is missing
            )

            raise SettingsError(printable(f"{text}: mirkit {arguments.command} {mend}"))
