"""Loose sound files into track folders, and back.

A folder is named by the tags of its sound (artist, album, title, what exists of them), else by the file's name.
Nothing is overwritten, nothing leaves the data set, and a journal makes every step one that an interrupted run
finishes and ``undo`` takes back.
"""

from mirkit.organize.execute import MoveReport, apply, tidy, undo
from mirkit.organize.journal import Move
from mirkit.organize.naming import folder_name, safe_name
from mirkit.organize.plan import plan

__all__ = ["Move", "MoveReport", "apply", "folder_name", "plan", "safe_name", "tidy", "undo"]
