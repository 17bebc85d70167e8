"""`from core.file_utils import get_organized_folders, get_info_path`, as the user manual has it."""

from mirkit.track import get_info_path, get_organized_folders

__all__ = ["get_info_path", "get_organized_folders"]
