"""Values of options: what a user writes, as what it means."""

import argparse

#: What may keep tracks on one side of a split.
TIES = ("artist", "album")


def seconds(text: str) -> float:
    """A positive number of seconds."""
    found = float(text)
    if not 0 < found < float("inf"):
        raise argparse.ArgumentTypeError("takes a positive number of seconds")
    return found


def jobs(text: str) -> int:
    """A number of worker processes, 0 for one a core."""
    found = int(text)
    if found < 0:
        raise argparse.ArgumentTypeError("--jobs takes 0 (one a core) or a positive number")
    return found


def size(text: str) -> int:
    """Bytes, written with a unit or without."""
    number, unit = (text[:-1], text[-1].upper()) if text[-1:].isalpha() else (text, "B")
    try:
        found = float(number) * {"B": 1, "K": 2**10, "M": 2**20, "G": 2**30, "T": 2**40}[unit]
        if found < 1:
            raise ValueError
        return int(found)
    except (ValueError, KeyError, OverflowError):
        raise argparse.ArgumentTypeError("--memory takes a size such as 500M or 8G") from None


def ties(text: str) -> tuple[str, ...]:
    """What keeps tracks on one side of a split."""
    found = () if text == "none" else tuple(text.split(","))
    if not set(found) <= set(TIES):
        raise argparse.ArgumentTypeError("--together takes artist,album, artist, album or none")
    return found
