"""The form of a piece: its sections, with letters, functions and confidences."""

from dataclasses import dataclass
from typing import Literal

from mirkit.features.types import Unknown, Window

#: What the boundaries of sections lie on: bars, every fourth beat of a piece without known bars, or equal times.
GridKind = Literal["downbeats", "beats", "time"]
SEVERAL_SECTIONS = Unknown("several sections")
NO_FUNCTION = Unknown("no rule names its function")
NO_SECTIONS = Unknown("the sections do not cover it")
#: Least share of a window that one section must cover for the window to lie in it.
_LEAST_SHARE = 0.5


@dataclass(frozen=True)
class Section:
    """One section.

    Attributes
    ----------
    start, end : float
        Seconds.
    label : str
        A letter; sections with the same letter are alike.
    function : str or None
        One of ``catalog.SECTION_FUNCTIONS``; None where no rule names it.
    confidence : float or None
        Probability that the section begins and ends as stated, 0 to 1; None where a user has not stated one.
    """

    start: float
    end: float
    label: str
    function: str | None = None
    confidence: float | None = None


@dataclass(frozen=True)
class Form:
    """The sections of a piece.

    Attributes
    ----------
    sections : tuple of Section
        In order, without overlaps.
    grid : str or None
        What the boundaries lie on; None where a user has not stated it.
    """

    sections: tuple[Section, ...]
    grid: GridKind | None = None


@dataclass(frozen=True)
class SectionValues:
    """What the ``.INFO`` of a track or clip says about sections.

    Attributes
    ----------
    section_count : int or Unknown
        Number of sections that it touches.
    section : str or Unknown
        Letter of the section that it lies in.
    section_function : str or Unknown
        Function of that section.
    """

    section_count: int | Unknown
    section: str | Unknown
    section_function: str | Unknown


def section_values(form: Form | Unknown, window: Window) -> SectionValues:
    """Return how many sections a window touches, and in which one it lies.

    Parameters
    ----------
    form : Form or Unknown
        Of the whole piece.
    window : Window
        Seconds; the whole piece for a track.

    Returns
    -------
    SectionValues
        The section that covers most of the window, if it covers half of it.

    Examples
    --------
    >>> form = Form((Section(0, 10, "A", "intro"), Section(10, 30, "B")))
    >>> section_values(form, Window(2, 12))
    SectionValues(section_count=2, section='A', section_function='intro')
    """
    if isinstance(form, Unknown):
        return SectionValues(form, form, form)
    shares = [_overlap(section, window) / max(window.duration, 1e-9) for section in form.sections]
    touched = sum(share > 0 for share in shares)
    if not touched:
        return SectionValues(NO_SECTIONS, NO_SECTIONS, NO_SECTIONS)
    largest = max(range(len(shares)), key=shares.__getitem__)
    if shares[largest] < _LEAST_SHARE:
        return SectionValues(touched, SEVERAL_SECTIONS, SEVERAL_SECTIONS)
    section = form.sections[largest]
    return SectionValues(touched, section.label, section.function or NO_FUNCTION)


def _overlap(section: Section, window: Window) -> float:
    return max(0.0, min(section.end, window.end) - max(section.start, window.start))
