"""What trainers of songs read beside a caption: tempo, key, meter, lyrics and their language, in the form of ACE-Step.

ACE-Step 1.5, Side-Step, HOT-Step, SimpleTuner and ai-toolkit share these fields and their limits.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from mirkit.captions.lyrics import INSTRUMENTAL
from mirkit.captions.normalize import normalize_name
from mirkit.captions.vocabulary import SURE
from mirkit.export.item import Item
from mirkit.export.plan import Sample
from mirkit.export.prompts import max_tokens

#: Sample rate of the trainers (Hz).
RATE = 48000
#: Lengths that they train on (s). ACE-Step cuts longer audio at 240 s from its start.
SHORTEST, LONGEST = 10.0, 240.0
BPM = (30, 300)
TIME_SIGNATURES = ("2", "3", "4", "6")
UNKNOWN_LANGUAGE = "unknown"
_LANGUAGES = (
    "ar az bg bn ca cs da de el en es fa fi fr he hi hr ht hu id is it ja ko la lt ms ne nl no pa pl pt ro ru sa sk sr "
    "sv sw ta te th tl tr uk ur vi yue zh"
)
#: Codes of the languages that the trainers know.
LANGUAGES = frozenset([*_LANGUAGES.split(), UNKNOWN_LANGUAGE])
#: Tokens that the text encoder reads of the caption with the metadata, and of the lyrics.
TEXT_TOKENS, LYRICS_TOKENS = 256, 2048
#: Tokens of lyrics that releases before the middle of 2026 read.
OLD_LYRICS_TOKENS = 512
#: Tokens that are left for the caption; the rest holds the instruction and the metadata (see :func:`text_tokens`).
CAPTION_TOKENS = 150
_KEY = re.compile(r"[A-G][#b]? (major|minor)")
#: What surrounds the caption in the text that is encoded, for counting its tokens.
_AROUND = (
    "# Instruction Fill the audio semantic mask based on the given conditions: # Caption # Metas - bpm: {} "
    "- timesignature: {} - keyscale: {} - duration: {} seconds <|endoftext|>"
)


@dataclass(frozen=True)
class SongFields:
    """The fields of one song.

    Attributes
    ----------
    bpm : int or None
        Rounded: some readers cut off the digits after the point.
    keyscale : str
        For example ``F# minor``; "" if unknown.
    timesignature : str
        Number of beats per bar: 2, 3, 4 or 6; "" if unknown, or if the trainers do not know it.
    duration : int
        Whole seconds, rounded down as the trainers do it.
    genre : str
        From the tags; "" if unknown.
    lyrics : str
        ``[Instrumental]`` for a song without vocals; "" if there are vocals, or may be, and the words are unknown.
    language : str
        Code of the lyrics' language, or ``unknown``.
    is_instrumental : bool
        Whether it is known to have no vocals.
    """

    bpm: int | None
    keyscale: str
    timesignature: str
    duration: int
    genre: str
    lyrics: str
    language: str
    is_instrumental: bool

    @property
    def lacks_lyrics(self) -> bool:
        """Whether the words are unknown."""
        return not self.lyrics


def song_fields(sample: Sample, rate: int = RATE) -> SongFields:
    """Make the fields of a sample from its features and metadata; what is unknown stays empty."""
    metadata = sample.item.metadata
    bpm = sample.features.get("bpm")
    rounded = None if bpm is None else round(bpm)
    categories = sample.item.categories
    key = sure_key(sample.item)
    beats, _, unit = categories.get("time_signature", "").partition("/")
    if not _is_sure(sample.item, "time_signature"):
        beats = ""
    lyrics, language = sample.item.lyrics, sample.item.language
    tags = metadata.get("tags") or {}
    return SongFields(
        rounded if rounded is not None and BPM[0] <= rounded <= BPM[1] else None,
        key if _KEY.fullmatch(key) else "",
        beats if beats in TIME_SIGNATURES and (unit == "8") == (beats == "6") else "",
        round(sample.item.seconds * rate) // rate,
        normalize_name(str(tags.get("genre") or "")),
        INSTRUMENTAL if sample.item.is_instrumental else lyrics,
        language if language in LANGUAGES else UNKNOWN_LANGUAGE,
        sample.item.is_instrumental,
    )


def sure_key(item: Item) -> str:
    """Return the key, such as ``F# minor``; "" where it is unknown or less sure than a prompt needs."""
    key, mode = item.categories.get("key"), item.categories.get("mode")
    return f"{key} {mode}" if key and mode and _is_sure(item, "key") else ""


def _is_sure(item: Item, name: str) -> bool:
    """Whether a value is as sure as in a prompt: the trainers write these fields into the text."""
    return item.features.get(f"{name}_confidence", SURE) >= SURE


def text_tokens(caption: str, bpm: object, keyscale: object, timesignature: object, duration: object) -> int:
    """Estimate an upper bound of the tokens of a caption with its metadata (see :func:`max_tokens`)."""
    metas = (value or "N/A" for value in (bpm, timesignature, keyscale, duration))
    return max_tokens(f"{_AROUND.format(*metas)} {caption}")


def song_faults(where: str, bpm: object, keyscale: object, timesignature: object, language: object) -> Iterator[str]:
    """Yield what is wrong with the fields of a song, as they are in a bundle."""
    if bpm is not None and (not isinstance(bpm, int) or isinstance(bpm, bool) or not BPM[0] <= bpm <= BPM[1]):
        yield f"{where}: bpm is {bpm!r}; it must be a whole number from {BPM[0]} to {BPM[1]}, or null where unknown"
    if keyscale != "" and not _KEY.fullmatch(str(keyscale)):
        yield f"{where}: keyscale is {keyscale!r}; it must be a key such as 'F# minor', or empty where unknown"
    if timesignature != "" and timesignature not in TIME_SIGNATURES:
        yield f"{where}: timesignature is {timesignature!r}; it must be 2, 3, 4 or 6, or empty where unknown"
    if language not in LANGUAGES:
        yield f"{where}: the trainer does not know the language {language!r}; use a code such as en, or unknown"


def lyrics_faults(where: str, lyrics: str) -> Iterator[str]:
    """Yield what is wrong with lyrics."""
    if (tokens := max_tokens(lyrics)) > LYRICS_TOKENS:
        yield f"{where}: the lyrics may have {tokens} tokens; the trainer cuts off all but {LYRICS_TOKENS}"


def lyrics_note(songs: Sequence[SongFields]) -> list[str]:
    """A note on songs whose words are unknown, because the trainers call such songs instrumental; or nothing."""
    count = sum(song.lacks_lyrics for song in songs)
    if not count:
        return []
    return [
        f"{count} of {len(songs)} songs have vocals, or may have them, and no lyrics; the trainer reads them as "
        f"{INSTRUMENTAL}, so a model learns to sing without words. Add the lyrics, or leave these songs out"
    ]
