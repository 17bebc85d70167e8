"""One item of an export: a clip or a whole track, with its features, metadata and texts."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any

from mirkit.captions.vocabulary import LEAST_VOCALS
from mirkit.catalog import INSTRUMENTAL
from mirkit.dataset.rights import Rights
from mirkit.export.audio import SummedFiles
from mirkit.models.language import language_of
from mirkit.store import FileDigest
from mirkit.track import Track
from mirkit.track.user_texts import UserTexts

#: Name of the user's caption among the texts of an item.
CAPTION = "caption"


@dataclass(frozen=True)
class Pair:
    """The mix that belongs to an exported stem.

    Attributes
    ----------
    audio : SummedFiles
    features : dict
        Name of a feature -> value.
    metadata : dict
        Name -> value.
    """

    audio: SummedFiles
    features: Mapping[str, float]
    metadata: Mapping[str, Any]


@dataclass(frozen=True)
class PackedRow:
    """The row of an item in a table, in a few bytes: a table may have 100,000.

    Attributes
    ----------
    names : tuple of str
        Names of the columns that have a value; most rows share them.
    values : bytes
        The values.
    """

    names: tuple[str, ...]
    values: bytes

    @classmethod
    def of(cls, row: Mapping[str, Any]) -> "PackedRow":
        """Pack a row of texts and numbers."""
        return cls(_names(tuple(row)), json.dumps(list(row.values())).encode())

    def unpacked(self) -> dict[str, Any]:
        """Return the row."""
        return dict(zip(self.names, json.loads(self.values), strict=True))


@lru_cache(4096)
def _names(names: tuple[str, ...]) -> tuple[str, ...]:
    return names


@dataclass(frozen=True)
class Item:
    """A clip, or a whole track.

    Attributes
    ----------
    name : str
        Its path relative to the data set's folder, with forward slashes.
    source : str
        Path of the track that it was cut from, written in the same way; its own name where it is a whole track.
    track : Track
        The track that it was cut from; the track itself where it is a whole track.
    mix : Path
        Its audio file.
    digest : FileDigest
        Content of that file.
    sample_rate : int
        Sample rate of that file (Hz).
    start : float
        Start of the item in its source (s).
    seconds : float
        Length without the padding of a clip (s).
    features : dict
        Name of a feature or a numeric descriptor -> value; unknown ones are left out.
    categories : dict
        Name of a descriptor that is a category -> its value; unknown and invalid ones are left out.
    missing_reasons : dict
        Feature's name -> why it is unknown.
    metadata : dict
        Name -> value, of what is known.
    texts : dict
        Name -> text.
    methods : dict
        Stage -> method that computed its features.
    offset : float
        Where the item begins in its audio file (s): 0, except for a part of a track that the export cuts.
    seed_key : str
        Seed of random draws: the name before the track was organized, so that organizing changes no draw.
    user_texts : UserTexts
        What the user wrote about the track.
    rights : Rights
        The rights in the track.
    source_sha256 : str
        Digest of the track's audio file.
    files : Track or None
        The files that belong to it: those of the clip, or of the track.
    audio : SummedFiles or None
        What is exported instead of the mix.
    label : str
        Name of that audio: a stem, or ``instrumental``; "" for the mix.
    pair : Pair or None
        The mix that is exported with it.
    older : tuple of str
        Of a clip, the stages of its track that have changed since its values were computed.
    row : PackedRow or None
        Its row in a table, where that is all that is left of its values.
    """

    name: str
    source: str
    track: Track
    mix: Path
    digest: FileDigest
    sample_rate: int
    start: float
    seconds: float
    features: Mapping[str, float]
    missing_reasons: Mapping[str, str]
    metadata: Mapping[str, Any]
    texts: Mapping[str, str]
    methods: Mapping[str, str]
    seed_key: str = ""
    offset: float = 0.0
    user_texts: UserTexts = field(default_factory=UserTexts)
    rights: Rights = field(default_factory=Rights)
    source_sha256: str = ""
    files: Track | None = None
    audio: SummedFiles | None = None
    label: str = ""
    pair: Pair | None = None
    row: PackedRow | None = None

    @property
    def sound(self) -> SummedFiles:
        """The audio that is exported."""
        return self.audio or SummedFiles((self.mix,))

    @property
    def is_clip(self) -> bool:
        """Whether it is a clip that mirkit crop has cut."""
        return self.files is not None and self.files.path != self.track.path

    @property
    def vocal_presence(self) -> float | None:
        """Share of the sounding time with a voice; None where it is unknown."""
        share = self.metadata.get("vocals_share")
        return share if isinstance(share, int | float) else self.features.get("vocal_presence")

    @property
    def is_instrumental(self) -> bool:
        """Whether it is known to have no vocals.

        What the user says comes first: ``[Instrumental]`` in place of words, and the voice in the ``.INFO``. Then the
        vocals stem decides. What is heard in the mix comes last: it may be wrong, and the user's words are not left out
        because of it.
        """
        lyrics, voice, share = self.user_texts.lyrics, self.categories.get("voice"), self.vocal_presence
        confidence = self.features.get("voice_confidence")
        if lyrics is not None and lyrics.is_instrumental:
            return True
        if voice is not None and confidence is not None:
            return voice == INSTRUMENTAL and (confidence == 1 or not self._words)
        return share is not None and share < LEAST_VOCALS

    @property
    def _words(self) -> str:
        """The user's words of its span."""
        lyrics = self.user_texts.lyrics
        if lyrics is None:
            return ""
        return lyrics.text if self.name == self.source else lyrics.between(self.start, self.start + self.seconds)

    @property
    def lyrics(self) -> str:
        """The words that are sung in it; "" where they are not known, and where there are no vocals.

        Words with times are cut to the span of the item; words without times are those of a whole track only.
        """
        return "" if self.is_instrumental else self._words

    @property
    def language(self) -> str:
        """Code of the language of all words of the track, "" where it is not known or no words are sung."""
        lyrics = self.user_texts.lyrics
        if lyrics is None or not self.lyrics:
            return ""
        return self.user_texts.language or language_of(lyrics.words)

    categories: Mapping[str, str] = field(default_factory=dict)
    older: tuple[str, ...] = ()


def name_of(item: Item) -> str:
    """Return the name of an item."""
    return item.name
