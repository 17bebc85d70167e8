"""Closed lists of instruments, genres and moods, and when each is named.

*Measured*: a genre, a mood or an instrument that a model hears has one or several of its tags; the most probable one
counts. *Reading*: a word is named from a threshold on; docs/how_good/tags.md shows how often words above it are right.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from mirkit.features.tags.music_tags import TAGS
from mirkit.features.types import FloatArray, Unknown

_SETS = ("magnatagatune", "million_song")

#: Instruments that only a model hears -> its tag.
MODEL_INSTRUMENTS = {
    "guitar": "guitar",
    "piano": "piano",
    "strings": "strings",
    "flute": "flute",
    "synthesizer": "synth",
    "choir": "choir",
}
#: Least probability of an instrument that is named, where it is measured, and where a model hears it. Instruments
#: without a threshold are never named, because they are wrong too often.
MEASURED_FROM = {"drums": 0.4, "bass": 0.5, "vocals": 0.5}
MODEL_FROM = {"vocals": 0.7, "piano": 0.4, "strings": 0.4}
#: Least probability of a genre, and of a mood.
GENRE_FROM, MOOD_FROM = 0.35, 0.25
GENRES: Mapping[str, tuple[str, ...]] = {
    **{
        name: (name,)
        for name in (
            *("rock", "pop", "electronic", "jazz", "classical", "folk", "blues", "country", "metal", "punk", "soul"),
            *("funk", "techno", "ambient", "opera", "new age"),
        )
    },
    "indie": ("indie", "indie rock", "indie pop", "alternative", "alternative rock"),
    "hard rock": ("hard rock", "heavy metal"),
    "classic rock": ("classic rock",),
    "progressive rock": ("Progressive rock",),
    "dance": ("dance", "House"),
    "hip-hop": ("Hip-Hop",),
    "rnb": ("rnb",),
    "indian": ("indian", "sitar"),
    "choral": ("choral",),
    "experimental": ("experimental",),
}
MOODS: Mapping[str, tuple[str, ...]] = {
    **{name: (name,) for name in ("beautiful", "catchy", "easy listening", "happy", "party", "sad", "sexy")},
    "chill": ("chill", "chillout"),
    "mellow": ("Mellow",),
}
#: Tags of a voice.
_VOICE = ("vocal", "vocals", "singing", "female", "male", "female vocalists", "male vocalists")
#: Probability of these tags from which a voice is more likely heard than not, and slope of the log odds.
_HALF_VOICE, _VOICE_SLOPE = 0.12, 2.0
#: Tags that are listed in ``music_tags``, and how many at most.
_LISTED_FROM, _MOST_LISTED = 0.1, 12

NOT_PROBABLE = Unknown("no tag is probable enough")


@dataclass(frozen=True)
class Named:
    """A word with its probability.

    Attributes
    ----------
    text : str
    probability : float
        0 to 1.
    """

    text: str
    probability: float


def probability(mean: FloatArray, tags: tuple[str, ...]) -> float:
    """Return the probability of the most probable of some tags.

    Parameters
    ----------
    mean : array, shape=(100,)
        Of ``music_tags.TAGS``.
    tags : tuple of str
        Names without the data set, of which either counts.

    Returns
    -------
    float

    Examples
    --------
    >>> import numpy as np
    >>> round(probability(np.where(np.array(TAGS) == "million_song/rock", 0.4, 0.1), ("rock", "pop")), 2)
    0.4
    """
    return max(float(mean[i]) for name in tags for i in _places(name))


def best(mean: FloatArray, words: Mapping[str, tuple[str, ...]], at_least: float) -> Named | Unknown:
    """Return the most probable word of a list, if its probability reaches a threshold.

    Parameters
    ----------
    mean : array, shape=(100,)
        Of ``music_tags.TAGS``.
    words : mapping
        Word -> its tags: ``GENRES`` or ``MOODS``.
    at_least : float

    Returns
    -------
    Named or Unknown

    Examples
    --------
    >>> import numpy as np
    >>> best(np.where(np.array(TAGS) == "million_song/rock", 0.4, 0.1), GENRES, GENRE_FROM)
    Named(text='rock', probability=0.4)
    """
    chances = {word: probability(mean, tags) for word, tags in words.items()}
    word = max(chances, key=lambda name: chances[name])
    return Named(word, chances[word]) if chances[word] >= at_least else NOT_PROBABLE


def voice(mean: FloatArray) -> float:
    """Return the probability that somebody sings, from the tags of voices.

    Parameters
    ----------
    mean : array, shape=(100,)
        Of ``music_tags.TAGS``.

    Returns
    -------
    float
        0.5 where the most probable tag of a voice has 0.12.

    Examples
    --------
    >>> import numpy as np
    >>> round(voice(np.where(np.array(TAGS) == "magnatagatune/vocal", 0.24, 0.01)), 2)
    0.8
    """
    odds: float = (max(probability(mean, _VOICE), 1e-4) / _HALF_VOICE) ** _VOICE_SLOPE
    return odds / (1 + odds)


def listed(mean: FloatArray) -> str | Unknown:
    """Write the most probable tags with their probabilities.

    Parameters
    ----------
    mean : array, shape=(100,)
        Of ``music_tags.TAGS``.

    Returns
    -------
    str or Unknown
        At most twelve tags with a probability of at least 0.1, the most probable first.

    Examples
    --------
    >>> import numpy as np
    >>> listed(np.where(np.array(TAGS) == "million_song/rock", 0.4, 0.01))
    'rock 0.40'
    """
    names = dict.fromkeys(tag.partition("/")[2] for tag in TAGS)
    chances = sorted(((probability(mean, (name,)), name) for name in names), reverse=True)
    kept = [f"{name} {chance:.2f}" for chance, name in chances[:_MOST_LISTED] if chance >= _LISTED_FROM]
    return ", ".join(kept) or NOT_PROBABLE


def _places(name: str) -> list[int]:
    return [TAGS.index(tag) for part in _SETS if (tag := f"{part}/{name}") in TAGS]
