"""``.BEATS_GRID`` and ``.ONSETS``: times of beats, downbeats and onsets in seconds."""

import math
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from mirkit.errors import MissingInput, pasted, printable
from mirkit.store.info import round6
from mirkit.store.sidecars import DamagedFileError, JsonValue, encode_object, parse_object, read_bounded

#: Times are stored to the microsecond, finer than a sample.
DECIMALS = 6

Times = npt.NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class BeatGrid:
    """Beats of a track.

    Attributes
    ----------
    beats : np.ndarray, shape=(n,)
        Times of the beats in seconds, increasing.
    downbeats : np.ndarray, shape=(m,)
        Times of the first beats of the bars in seconds, increasing; empty if the meter is unknown.
    bpm : float or None
        Tempo in beats per minute; None if it is not steady or not known.
    tempo_map : tuple of (float, float, float)
        Where the tempo changes: start and end in seconds and beats per minute of each part with one tempo. Each part
        ends where the next begins.
    """

    beats: Times
    downbeats: Times
    bpm: float | None = None
    tempo_map: tuple[tuple[float, float, float], ...] = ()

    def __post_init__(self) -> None:
        for name in ("beats", "downbeats"):
            object.__setattr__(self, name, _checked(getattr(self, name)))
        for tempo in (self.bpm, *(bpm for _, _, bpm in self.tempo_map)):
            if tempo is not None and not (math.isfinite(tempo) and tempo > 0):
                raise ValueError(f"not a tempo: {tempo}")
        _checked(np.array([start for start, _, _ in self.tempo_map]))


def read_grid(path: Path) -> BeatGrid:
    """Read a ``.BEATS_GRID``: JSON, or the text form of older data sets (one beat per line, no downbeats).

    Raises
    ------
    MissingInput
        There is no such file.
    InfoError
        The file is damaged: it has neither form, or its times do not increase.
    """
    data = _read(path, "beat grid")
    if data.lstrip(b"\xef\xbb\xbf \t\r\n").startswith(b"{"):
        content = parse_object(data, path)
        if "beats" not in content:
            raise DamagedFileError(
                f"{printable(path)}: the beat grid has no beats; remove the file, and mirkit writes it again"
            )
        beats, downbeats, bpm, parts = (content.get(key) for key in ("beats", "downbeats", "bpm", "tempo_map"))
    elif data.strip():
        beats, downbeats, bpm, parts = _lines(data, path), None, None, None
    else:
        raise DamagedFileError(f"{printable(path)}: the file is empty; remove it, and mirkit writes it again")
    try:
        return BeatGrid(
            _times(beats),
            _times([] if downbeats is None else downbeats),
            None if bpm is None else _number(bpm),
            _parts([] if parts is None else parts),
        )
    except (KeyError, TypeError, ValueError, OverflowError) as error:
        raise DamagedFileError(
            f"{printable(path)}: this is not a beat grid ({error}); remove the file, and mirkit writes it again"
        ) from error


def format_grid(grid: BeatGrid) -> bytes:
    """Return the content of a ``.BEATS_GRID``.

    It is JSON with ``beats``, ``downbeats``, ``bpm`` and ``total_beats``, and ``tempo_map`` where the tempo changes.
    """
    content: dict[str, JsonValue] = {
        "beats": _rounded(grid.beats),
        "downbeats": _rounded(grid.downbeats),
        "bpm": None if grid.bpm is None else round6(grid.bpm),
        "total_beats": len(grid.beats),
    }
    if grid.tempo_map:
        content["tempo_map"] = [
            {"start": round(start, DECIMALS), "end": round(end, DECIMALS), "bpm": round6(bpm)}
            for start, end, bpm in grid.tempo_map
        ]
    return encode_object(content)


def read_onsets(path: Path) -> Times:
    """Read a ``.ONSETS``: text, one time in seconds per line; blank lines and comments after ``#`` are ignored.

    Returns
    -------
    np.ndarray, shape=(n,)
        Increasing times in seconds; empty if there are no onsets.

    Raises
    ------
    MissingInput
        There is no such file.
    InfoError
        The file is damaged.
    """
    data = _read(path, "onsets")
    try:
        return _checked(_times(_lines(data, path)))
    except ValueError as error:
        raise DamagedFileError(
            f"{printable(path)}: this is not a list of onsets ({error}); remove the file, and mirkit writes it again"
        ) from error


def format_onsets(times: Iterable[float] | Times) -> bytes:
    """Return the content of a ``.ONSETS``: one time in seconds per line, with six decimals."""
    return "".join(f"{time:.{DECIMALS}f}\n" for time in _rounded(times)).encode("ascii")


def _read(path: Path, what: str) -> bytes:
    data = read_bounded(path)
    if data is None:
        raise MissingInput(
            f"{printable(path)}: there is no {what}; compute it with: mirkit measure rhythm {pasted(path.parent)}"
        )
    return data


def _lines(data: bytes, path: Path) -> list[float]:
    try:
        lines = (line.partition("#")[0].strip() for line in data.decode("utf-8-sig").splitlines())
        return [float(line) for line in lines if line]
    except ValueError as error:
        raise DamagedFileError(
            f"{printable(path)}: not one time per line ({printable(str(error))}); remove the file, "
            "and run the same command again"
        ) from error


def _number(value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise TypeError(f"{str(value)[:40]!r} is not a number")
    return float(value)


def _times(values: object) -> Times:
    if not isinstance(values, list):
        raise TypeError("times are not a list")
    return np.array([_number(value) for value in values], dtype=np.float64)


def _parts(values: object) -> tuple[tuple[float, float, float], ...]:
    if not (isinstance(values, list) and all(isinstance(part, dict) for part in values)):
        raise TypeError("the tempo map is not a list of objects")
    return tuple((_number(part["start"]), _number(part["end"]), _number(part["bpm"])) for part in values)


def _checked(times: Times) -> Times:
    """Return times as an array; raises ValueError if they are not increasing numbers."""
    times = np.asarray(times, dtype=np.float64)
    if times.ndim != 1 or not np.all(np.isfinite(times)):
        raise ValueError("times must be a list of numbers")
    if np.any(np.diff(times) <= 0):
        raise ValueError("times must increase")
    return times


def _rounded(times: Iterable[float] | Times) -> list[float]:
    exact = np.asarray(times if isinstance(times, np.ndarray) else list(times), dtype=np.float64)
    return [float(time) for time in _checked(np.round(exact, DECIMALS) + 0.0)]
