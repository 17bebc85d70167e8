"""``.CHORDS``: when each chord of a track begins and ends."""

import json
from dataclasses import asdict, replace
from pathlib import Path

from mirkit.errors import MissingInput, pasted, printable
from mirkit.features.harmony.chord_list import Chord, Chords
from mirkit.features.harmony.chord_symbols import is_symbol
from mirkit.store.sidecars import DamagedFileError, check_format, parse_object, read_bounded

#: Version of the file; a newer one is neither read nor replaced.
FORMAT = 1
_DECIMALS = 6
_LONGEST_SYMBOL = 40
#: Most chords of a file that is read.
_MOST = 100_000


def chords_as_stored(chords: Chords) -> Chords:
    """Return chords as a ``.CHORDS`` holds them, so that their values are the same in the run that finds them.

    Parameters
    ----------
    chords : tuple of Chord
    """
    return tuple(
        replace(
            chord,
            start=round(chord.start, _DECIMALS),
            end=round(chord.end, _DECIMALS),
            confidence=None if chord.confidence is None else round(chord.confidence, 3),
        )
        for chord in chords
    )


def format_chords(chords: Chords) -> bytes:
    """Return the content of a ``.CHORDS``: JSON with one chord per line.

    Parameters
    ----------
    chords : tuple of Chord
    """
    rows = map(asdict, chords_as_stored(chords))
    lines = ",\n".join(f"    {json.dumps(row, allow_nan=False)}" for row in rows)
    listed = f"[\n{lines}\n  ]" if lines else "[]"
    return f'{{\n  "format": {FORMAT},\n  "chords": {listed}\n}}\n'.encode("ascii")


def read_chords(path: Path) -> Chords:
    """Read a ``.CHORDS``, which may be the user's: ``confidence`` may be left out.

    Raises
    ------
    MissingInput
        There is no such file.
    NewerFormatError
        A newer version of mirkit wrote it.
    InfoError
        The file is damaged: its chords have no order, or a symbol is not in Harte's syntax.
    """
    data = read_bounded(path)
    if data is None:
        raise MissingInput(
            f"{printable(path)}: there are no chords; find them with: mirkit measure chords {pasted(path.parent)}"
        )
    content = parse_object(data, path)
    check_format(content, FORMAT, path)
    try:
        rows = content.get("chords")
        if not isinstance(rows, list) or len(rows) > _MOST:
            raise TypeError("chords are not a list")
        chords = tuple(_chord(row) for row in rows)
        for i, after in enumerate(chords[1:]):
            if after.start < chords[i].end - 10**-_DECIMALS:
                raise ValueError(f"the chord at {after.start:g} s begins before the one before it ends")
    except (TypeError, ValueError, OverflowError) as error:
        raise DamagedFileError(
            f"{printable(path)}: these are not chords ({printable(str(error))}); correct the file, or remove it, and "
            "mirkit writes it again"
        ) from error
    return chords


def _chord(row: object) -> Chord:
    if not isinstance(row, dict):
        raise TypeError("a chord is not an object")
    start, end = _number(row, "start"), _number(row, "end")
    if not 0 <= start < end:
        raise ValueError(f"a chord from {start:g} to {end:g} s has no length")
    symbol = row.get("symbol")
    if not isinstance(symbol, str) or len(symbol) > _LONGEST_SYMBOL or not is_symbol(symbol):
        raise ValueError(f"{str(symbol)[:_LONGEST_SYMBOL]!r} at {start:g} s is not a chord such as A:min, G:7 or N")
    confidence = None if row.get("confidence") is None else _number(row, "confidence")
    if confidence is not None and not 0 <= confidence <= 1:
        raise ValueError(f"the confidence of the chord at {start:g} s is not between 0 and 1")
    return Chord(start, end, symbol, confidence)


def _number(row: dict[str, object], name: str) -> float:
    value = row.get(name)
    if isinstance(value, bool) or not isinstance(value, int | float) or not abs(value) < float("inf"):
        raise TypeError(f"{name} of a chord is not a number")
    return float(value)
