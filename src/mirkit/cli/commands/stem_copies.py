"""``mirkit separate -o DIR``: copy the stems of tracks into a folder."""

import filecmp
import shutil
from collections.abc import Collection
from pathlib import Path
from typing import TYPE_CHECKING

from mirkit.cli.output import failure, note
from mirkit.errors import MirkitError, SettingsError, counted, printable
from mirkit.pipeline.task import name_within
from mirkit.store.atomic import atomic_file, make_folder
from mirkit.track import Track
from mirkit.track.renaming import is_marked

if TYPE_CHECKING:
    from mirkit.pipeline import RunPlan, RunRequest


def check_folder(folder: Path) -> None:
    """Check that the folder of ``-o`` may be one, before any work is done.

    Raises
    ------
    SettingsError
        There is a file of this name.
    """
    if folder.exists() and not folder.is_dir():
        raise SettingsError(f"{printable(folder)}: -o names a folder for the stems, and this is a file")


def copy_stems(plan: "RunPlan", request: "RunRequest", folder: Path, failed: Collection[str]) -> int:
    """Copy the stems of all tracks that have them to ``folder/TRACK/vocals.flac``; return the exit status.

    A file that mirkit has written as a stem is replaced; any other is kept, which is a failure.
    """
    count = status = 0
    two = plan.settings.separation.two_stems
    for planned in plan.tracks:
        if name_within(plan.root, planned) in failed:
            continue
        try:
            track = Track.at(planned.path)
            inside = track.path.parent.relative_to(request.path.resolve()) if request.batch else Path()
            files = track.stems | track.rests
            wanted = {name for name in files if not two or name.removeprefix("no_") == two}
            for name in sorted(wanted):
                _copy(files[name], folder / inside / track.name / f"{name}{files[name].suffix}")
            count += bool(wanted)
        except (MirkitError, ValueError) as error:
            failure(f"{planned.name}: {error}")
            status = 1
    note(f"the stems of {counted(count, 'track')} are in {printable(folder)}")
    return status


def _copy(source: Path, target: Path) -> None:
    if target.exists():
        if filecmp.cmp(source, target, shallow=False):
            return
        if not is_marked(target):
            raise SettingsError(
                f"{printable(target)}: the file exists already, and mirkit did not write it; name another folder"
            )
    make_folder(target.parent)
    with atomic_file(target) as temp:
        shutil.copyfile(source, temp)
