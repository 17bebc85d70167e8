"""Stems that Demucs wrote for the loose files of a folder: ``separated/MODEL/SONG/vocals.wav``."""

import os
from pathlib import Path

from mirkit.catalog import STEMS
from mirkit.errors import printable
from mirkit.track.names import is_audio_name, rest_of, source_of

#: Folder into which Demucs writes where it is called.
_FOLDER = "separated"
#: Parts of the six-stem model, whose ``other`` has no guitar and no piano.
_MORE_PARTS = ("guitar", "piano")


def demucs_results(folder: Path) -> tuple[dict[str, dict[str, Path]], list[str]]:
    """Find the stems of the songs in a folder.

    Parameters
    ----------
    folder : Path
        The folder of loose files.

    Returns
    -------
    results : dict
        Name of a song without its suffix -> role (``vocals.wav``) -> file.
    problems : list of str
        A line for each song whose stems are not used: several models made some, or the parts do not add up.
    """
    found: dict[str, dict[str, dict[str, Path]]] = {}  # song -> model -> role -> file
    for model in _folders(folder / _FOLDER):
        for song in _folders(model):
            parts = {
                path.name.lower(): path
                for path in sorted(song.iterdir())
                if is_audio_name(path.name) and path.is_file() and _is_part(path.name)
            }
            if parts:
                found.setdefault(song.name, {})[model.name] = parts
    results, problems = {}, []
    for name, models in found.items():
        if len(models) > 1:
            problems.append(
                f"{printable(folder / _FOLDER)}: {', '.join(map(printable, models))} each hold stems of "
                f"{printable(name)}, so they are not used; keep one of them"
            )
            continue
        (parts,) = models.values()
        words = [os.path.splitext(role)[0] for role in parts]
        if set(words) & set(_MORE_PARTS) or len(set(words)) < len(words):
            problems.append(
                f"{next(iter(parts.values())).parent}: these are not four stems that add up to the mix, so they are "
                "not used"
            )
            continue
        results[name] = parts
    return results, problems


def _is_part(name: str) -> bool:
    return source_of(name) in STEMS or bool(rest_of(name)) or os.path.splitext(name)[0].lower() in _MORE_PARTS


def _folders(path: Path) -> list[Path]:
    try:
        return sorted(entry for entry in path.iterdir() if entry.is_dir() and not entry.is_symlink())
    except OSError:
        return []
