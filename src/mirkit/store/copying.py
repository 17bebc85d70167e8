"""Copies of whole files."""

import os
import shutil
from pathlib import Path


def copy_content(source: Path, target: Path) -> None:
    """Copy the content of a file; the copy shares the blocks of the original where the file system can do that.

    On Btrfs, XFS and other file systems with reflinks, a copy takes no time and no space until one of the two files is
    written to, which never changes the other one.

    Parameters
    ----------
    source : Path
    target : Path
        A new file.

    Raises
    ------
    OSError
        The source cannot be read, or the target cannot be written.
    """
    try:
        copied = _copied_by_system(source, target)
    except OSError:  # not for these file systems; if the reason is another one, it is raised again below
        copied = False
    if not copied:
        shutil.copyfile(source, target)


def _copied_by_system(source: Path, target: Path) -> bool:
    """Copy without reading the content into this process; return whether the whole file was copied."""
    if not hasattr(os, "copy_file_range"):  # Linux has it
        return False
    with open(source, "rb") as old, open(target, "wb") as new:
        size = left = os.fstat(old.fileno()).st_size
        while left and (count := os.copy_file_range(old.fileno(), new.fileno(), left)):
            left -= count
    return size > 0 and not left
