"""What some sections are for, by fixed rules on what sounds: ``intro``, ``outro`` and ``instrumental``.

A rule names a section only where it was right on rendered music (docs/how_good/sections.md); verse and chorus are not
named, because no measured rule tells them apart.
"""

from collections.abc import Sequence

from mirkit.features.loudness import loudness, vocals_share
from mirkit.features.structure.bars import Sources
from mirkit.features.types import Unknown, Window

#: A first or last section is quiet if it is this far below its neighbor (LU); without stems, the level alone tells.
_QUIETER, _MUCH_QUIETER = 3.0, 5.0
#: What is further below its neighbor is no music (LU).
_SILENCE = 30.0
#: It lacks an instrument that sounds in this much more of its neighbor.
_LACKS = 0.5
#: It is at most this share of the piece.
_LONGEST_SHARE = 0.2
#: A voice is absent below the first share of the time, and present above the second.
_ABSENT, _PRESENT = 0.05, 0.3
#: The voice sings in at least this share of the time of the other sections.
_SUNG_SHARE = 0.5


def functions_of(sources: Sources, windows: Sequence[Window], labels: Sequence[str]) -> list[str | None]:
    """Return the function of each section, or None.

    Parameters
    ----------
    sources : Sources
    windows : sequence of Window
        The sections.
    labels : sequence of str
        Their letters.

    Returns
    -------
    list of str or None
    """
    functions: list[str | None] = [None] * len(windows)
    if len(windows) < 2:
        return functions
    last = len(windows) - 1
    for at, neighbor, name in ((0, 1, "intro"), (last, last - 1, "outro")):
        alone = labels.count(labels[at]) == 1 or (labels.count(labels[at]) == 2 and labels[0] == labels[last])
        short = windows[at].duration <= _LONGEST_SHARE * sources.duration
        if alone and short and last > 1 and _is_reduced(sources, windows[at], windows[neighbor]):
            functions[at] = name
    if "vocals" in sources.stems:
        sung = [_share(sources, "vocals", window) for window in windows]
        for at in range(1, last):
            others = [i for i in range(len(windows)) if i != at and functions[i] is None]
            total = sum(windows[i].duration for i in others)
            present = sum(windows[i].duration for i in others if sung[i] > _PRESENT)
            if sung[at] < _ABSENT and total and present >= _SUNG_SHARE * total:
                functions[at] = "instrumental"
    return functions


def _is_reduced(sources: Sources, window: Window, neighbor: Window) -> bool:
    """Whether a section has no voice, and is quieter than its neighbor or lacks one of its instruments."""
    levels = loudness(sources.loudness, window).lufs, loudness(sources.loudness, neighbor).lufs
    if isinstance(levels[0], Unknown) or isinstance(levels[1], Unknown):
        return False  # silence is no intro
    below = float(levels[1] - levels[0])
    if below > _SILENCE:
        return False
    if not sources.stems:
        return below >= _MUCH_QUIETER
    if "vocals" in sources.stems and _share(sources, "vocals", window) > _ABSENT:
        return False
    lacking = (_share(sources, stem, neighbor) - _share(sources, stem, window) for stem in sources.stems)
    return below >= _QUIETER or any(share >= _LACKS for share in lacking)


def _share(sources: Sources, stem: str, window: Window) -> float:
    """Share of the sounding time of the mix in which a stem sounds."""
    share = vocals_share(sources.stems[stem], sources.loudness, window)
    return 0.0 if isinstance(share, Unknown) else float(share)
