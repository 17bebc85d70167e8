"""Which tracks of a data set are the same recording, told from ``.CURVES.npz``; no sound is decoded.

Found are copies under another codec, gain or trim, played up to 5 % faster or slower, or a semitone higher or lower.
Landmarks of harmony and dynamics are hashed (:mod:`fingerprint`), tracks that share some are laid over each other
(:mod:`matching`), and told to be one recording by how well they agree there (:mod:`likeness`).
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from mirkit.dataset.alignment import Alignment, align
from mirkit.dataset.candidate_search import SEMITONES, candidates
from mirkit.dataset.fingerprint import NO_LANDMARKS, FingerprintFeatures, Hashes, hashes, landmarks, outline, rotated
from mirkit.dataset.groups import DisjointSet
from mirkit.errors import InfoError, MissingInput
from mirkit.features.serialization import from_arrays
from mirkit.store import printable, read_curves, read_curves_header
from mirkit.track import Track, rename_hint

#: Outlines that are held in memory while pairs are compared.
_HELD = 512


@dataclass(frozen=True)
class Pair:
    """Two tracks that are one recording.

    Attributes
    ----------
    first, second : int
        Which of the tracks.
    likeness : Alignment or None
        How they agree; None where their files hold the same bytes.
    """

    first: int
    second: int
    likeness: Alignment | None


@dataclass
class Duplicates:
    """What is the same in a data set.

    Attributes
    ----------
    groups : list of list of int
        Tracks that are one recording, two and more together.
    pairs : list of Pair
        What told so: enough pairs to connect each group.
    not_compared : dict
        Track -> why nothing can be said of it.
    unmeasured : list of int
        Those of them that have no curves yet.
    failed : dict
        Track -> what is wrong with its curves.
    """

    groups: list[list[int]] = field(default_factory=list)
    pairs: list[Pair] = field(default_factory=list)
    not_compared: dict[int, str] = field(default_factory=dict)
    unmeasured: list[int] = field(default_factory=list)
    failed: dict[int, str] = field(default_factory=dict)


def find_duplicates(tracks: Sequence[Track], advance: Callable[[str], None] = lambda _: None) -> Duplicates:
    """Find the tracks that are the same recording.

    Parameters
    ----------
    tracks : sequence of Track
    advance : callable, optional
        Called with the name of each track when it has been read.
    """
    found = Duplicates()
    times: list[npt.NDArray[np.float32]] = []
    hashed: list[list[Hashes]] = []
    sounds: dict[str, int] = {}
    bonds = DisjointSet(len(tracks))
    for number, track in enumerate(tracks):
        marks = NO_LANDMARKS
        try:
            marks = landmarks(read_outline(track.curves))
            if not len(marks.times):
                found.not_compared[number] = "too short, or nothing moves in it"
            same = sounds.setdefault(_sound(track.curves), number)
            if bonds.join(same, number):
                found.pairs.append(Pair(same, number, None))
                marks = NO_LANDMARKS  # whatever it is a copy of is found by the first of them
        except MissingInput as error:
            found.not_compared[number] = rename_hint(track) or str(error)
            found.unmeasured.append(number)
        except InfoError as error:
            found.failed[number] = str(error)
        times.append(marks.times)
        hashed.append([hashes(rotated(marks.cells, semitones)) for semitones in SEMITONES])
        advance(track.name)
    read = lru_cache(_HELD)(lambda number: read_outline(tracks[number].curves))
    for candidate in candidates(times, hashed):
        if bonds.joined(candidate.first, candidate.second):
            continue
        told = align(read(candidate.first), read(candidate.second), candidate)
        if told is not None and told.same:
            bonds.join(candidate.first, candidate.second)
            found.pairs.append(Pair(candidate.first, candidate.second, told))
    found.groups = [group for group in bonds.groups() if len(group) > 1]
    return found


def read_outline(path: Path) -> FingerprintFeatures:
    """Read a track's outline from its ``.CURVES.npz``.

    Raises
    ------
    MissingInput
        There is none, or it lacks the curves.
    InfoError
        It is damaged.
    """
    chroma = read_curves(path, "tonal/chroma")
    part = "tonal" if chroma else "full_mix"
    chroma = chroma or read_curves(path, "full_mix/chroma")
    bands = read_curves(path, "full_mix/bands")
    if not (chroma and bands):
        raise MissingInput(
            f'{printable(path)}: its curves are missing; measure it with: mirkit extract "{printable(path.parent)}"'
        )
    try:
        return outline(_curve(f"{part}/chroma", chroma, 12), _curve("full_mix/bands", bands, 4))
    except (KeyError, ValueError) as error:
        raise InfoError(f"{printable(path)}: {error}; remove the file to have its curves made again") from error


def _curve(name: str, arrays: Mapping[str, Any], columns: int) -> Any:
    fields = {key.removeprefix(f"{name}/"): array for key, array in arrays.items()}
    family = name.partition("/")[2]
    rows = fields["chroma" if family == "chroma" else "energy"]
    if rows.ndim != 2 or rows.shape[1] != columns or not len(rows):
        raise ValueError(f"{name} is not {columns} columns")
    return from_arrays(family, fields)


def _sound(path: Path) -> str:
    """Hash of the mix's file, or the path where it is not known: unlike all others."""
    note: Any = read_curves_header(path).get("full_mix/sound")
    return str(note["sound"]) if isinstance(note, dict) and "sound" in note else str(path)
