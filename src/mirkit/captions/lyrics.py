"""Words of a song, with or without times, and the part of them that is sung in a clip.

*Timed* words are those of an ``.lrc`` file: a time before each line, or also before each word. A line ends where the
next one begins, also an empty one; at most ten seconds after it began.
"""

import re
import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

#: Longest time that a line is taken to last (s), where the next one begins later.
LONGEST_LINE = 10.0
#: What stands for the words of a song without vocals.
INSTRUMENTAL = "[Instrumental]"
#: Most lines that are read.
_MOST_LINES = 5000
_TIME = r"(\d{1,3}):(\d{1,2})(?:[.:](\d{1,3}))?"
_LINE_TIME = re.compile(rf"\s*\[{_TIME}\]")
_WORD_TIME = re.compile(rf"<{_TIME}>")
_TAG = re.compile(r"\s*\[(ar|ti|al|au|by|offset|length|re|ve|tool|la|lr|id|#)\s*:(.*)\]\s*", re.IGNORECASE)
_SECTION = re.compile(r"\[[^\[\]]{1,60}\]")
#: Special tokens of text encoders, such as ``<|endoftext|>``: a trainer would read them as the end of the words.
_SPECIAL = re.compile(r"<\|[^<>|]{0,40}\|>|</?(?:s|unk|pad|bos|eos)>", re.IGNORECASE)
_NO_WORDS = re.compile(r"\W*instrumental\W*", re.IGNORECASE)


@dataclass(frozen=True)
class Line:
    """A line of words, or the tag of a section.

    Attributes
    ----------
    text : str
        Without times; "" for a line that only ends the one before it.
    start, end : float or None
        Seconds from the start of the track; None where the words have no times.
    words : tuple of (float, float, str)
        Start and end (s) and text of each word, where each has its time.
    """

    text: str
    start: float | None = None
    end: float | None = None
    words: tuple[tuple[float, float, str], ...] = ()

    @property
    def is_section(self) -> bool:
        """Whether the line is the tag of a section, such as ``[Chorus]``."""
        return bool(_SECTION.fullmatch(self.text))

    def within(self, start: float, end: float) -> str:
        """Return the words that are sung completely in a span of time (s), "" if there are none."""
        if self.words:
            return "".join(text for a, b, text in self.words if a >= start and b <= end).strip()
        inside = self.start is not None and self.end is not None and self.start >= start and self.end <= end
        return self.text if inside else ""


@dataclass(frozen=True)
class Lyrics:
    """The words of a song.

    Attributes
    ----------
    lines : tuple of Line
    """

    lines: tuple[Line, ...]

    @property
    def timed(self) -> bool:
        """Whether the lines have times."""
        return any(line.start is not None for line in self.lines)

    @property
    def is_instrumental(self) -> bool:
        """Whether the text says that there are no words."""
        texts = [line.text for line in self.lines if line.text]
        return len(texts) == 1 and bool(_NO_WORDS.fullmatch(texts[0]))

    @property
    def text(self) -> str:
        """All lines, with the tags of sections."""
        return "\n".join(line.text for line in self.lines if line.text or not self.timed).strip()

    @property
    def words(self) -> str:
        """All lines without the tags of sections."""
        return "\n".join(line.text for line in self.lines if line.text and not line.is_section)

    def between(self, start: float, end: float) -> str:
        r"""Return the lines that are sung completely in a span of time.

        The tag of a section stands before its first line in the span; that of a section without words is kept if it
        begins in the span.

        Parameters
        ----------
        start, end : float
            Seconds from the start of the track.

        Returns
        -------
        str
            "" where no line is in the span, and for words without times.

        Examples
        --------
        >>> song = parse_lyrics("[00:00]One\n[00:05]Two\n[00:09]Three\n[00:12]")
        >>> song.between(5, 12)
        'Two\nThree'
        """
        found: list[str] = []
        for section, lines in _sections(self.lines):
            kept = [text for line in lines if (text := line.within(start, end))]
            begins = section is not None and section.start is not None and start <= section.start < end
            if section is not None and (kept or (begins and not any(line.text for line in lines))):
                found += ["", section.text] if found else [section.text]
            found += kept
        return "\n".join(found)


def parse_lyrics(text: str) -> Lyrics:
    """Read the words of a song, as plain text or in the form of ``.lrc`` files.

    Times before a line may repeat (``[00:10][00:40]Chorus``), words may have times of their own (``<00:10.5>``), and
    ``[offset:ms]`` shifts all times. A line without a time in a text with times belongs to the line before it, and the
    tag of a section to the line after it.

    Parameters
    ----------
    text : str

    Returns
    -------
    Lyrics
        Without lines where there are no words.
    """
    rows = [_clean(row) for row in text.splitlines()[:_MOST_LINES]]
    offset = 0.0
    lines: list[tuple[list[float], str]] = []
    for row in rows:
        if tag := _TAG.fullmatch(row):
            if tag[1].lower() == "offset" and re.fullmatch(r"\s*[+-]?\d{1,7}\s*", tag[2]):
                offset = int(tag[2]) / 1000
            continue
        lines.append(_leading_times(row))
    if not any(times for times, _ in lines):
        return Lyrics(tuple(Line(text) for text in _trimmed([text for _, text in lines])))
    return Lyrics(_timed_lines(_attached(lines), offset))


def _leading_times(row: str) -> tuple[list[float], str]:
    times = []
    while match := _LINE_TIME.match(row):
        times.append(_seconds(match))
        row = row[match.end() :]
    return times, row.strip()


def _seconds(match: re.Match[str]) -> float:
    minutes, seconds, fraction = match.groups()
    return 60 * int(minutes) + int(seconds) + (int(fraction) / 10 ** len(fraction) if fraction else 0.0)


def _attached(lines: Sequence[tuple[list[float], str]]) -> list[tuple[float, str]]:
    """Give each line without a time those of the line after it (tag of a section) or before it."""
    timed: list[tuple[float, str]] = []
    waiting: list[str] = []
    before: list[float] = []
    for times, text in lines:
        if times:
            timed += [(time, line) for time in times for line in (*waiting, text)]
            waiting, before = [], times
        elif _SECTION.fullmatch(text):
            waiting.append(text)
        elif text:
            timed += [(time, text) for time in before]
    return timed


def _timed_lines(timed: list[tuple[float, str]], offset: float) -> tuple[Line, ...]:
    timed = sorted(((max(0.0, time - offset), text) for time, text in timed), key=lambda line: line[0])
    starts = sorted({time for time, _ in timed})
    following = dict(pairwise(starts))
    lines = []
    for start, text in timed:
        end = min(following.get(start, start + LONGEST_LINE), start + LONGEST_LINE)
        lines.append(Line(_WORD_TIME.sub("", text).strip(), start, end, tuple(_words(text, start, end, offset))))
    return tuple(lines)


def _words(text: str, start: float, end: float, offset: float) -> Iterator[tuple[float, float, str]]:
    """Yield the words of a line that have times; nothing for a line without them."""
    marks = list(_WORD_TIME.finditer(text))
    if not marks:
        return
    times = [max(0.0, _seconds(mark) - offset) for mark in marks]
    pieces = [text[: marks[0].start()], *(text[a.end() : b.start()] for a, b in pairwise(marks))]
    pieces.append(text[marks[-1].end() :])
    spans = [(start, times[0]), *pairwise(times), (times[-1], end)]
    for (begin, stop), piece in zip(spans, pieces, strict=True):
        if piece.strip():
            yield begin, stop, piece


def _sections(lines: Iterable[Line]) -> Iterator[tuple[Line | None, list[Line]]]:
    """Yield the tag of each section with its lines; None before the first tag."""
    section: Line | None = None
    members: list[Line] = []
    for line in lines:
        if line.is_section:
            yield section, members
            section, members = line, []
        else:
            members.append(line)
    yield section, members


def _trimmed(texts: Sequence[str]) -> list[str]:
    """Remove empty lines at both ends, and all but one of several together."""
    kept: list[str] = []
    for text in texts:
        if text or (kept and kept[-1]):
            kept.append(text)
    while kept and not kept[-1]:
        kept.pop()
    return kept


def _clean(row: str) -> str:
    """Remove control and format characters, which songs do not need and terminals may obey, and special tokens."""
    kept = "".join(" " if c.isspace() else c for c in row if c.isspace() or _is_printed(c))
    while (without := _SPECIAL.sub("", kept)) != kept:  # a token may be hidden in another one
        kept = without
    return unicodedata.normalize("NFC", " ".join(kept.split()))


def _is_printed(character: str) -> bool:
    # category Cf has joiners, which some scripts need, and marks that change the direction of text
    return unicodedata.category(character) not in ("Cc", "Cs", "Cn", "Co", "Cf") or character in "\u200c\u200d"
