"""Moving loose audio files into track folders, and back.

A folder is named after the tags of its audio file (artist, album, title, as far as they exist), else after the file.
Nothing is overwritten, nothing leaves the data set, and a journal lets the next run finish every interrupted step and
``undo`` reverse it.
"""

from mirkit.organize.execute import MoveReport, apply, tidy, undo
from mirkit.organize.journal import Move
from mirkit.organize.naming import folder_name, safe_name
from mirkit.organize.plan import plan

__all__ = ["Move", "MoveReport", "apply", "folder_name", "plan", "safe_name", "tidy", "undo"]
