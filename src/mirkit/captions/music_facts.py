"""``music_facts``: two to four plain sentences on a track or clip, written by rules from its stored values.

They hold the words of :mod:`mirkit.captions.vocabulary` and nothing else, in ASCII, so that a T5 encoder knows them.
"""

from collections.abc import Sequence

from mirkit.captions.vocabulary import Values, Word, number, of_group, words

#: Words that follow "it is"; the others follow "with".
_ADJECTIVES = frozenset({"atonal", "dark", "bright", "quiet", "loud", "heavily compressed", "mono"})
_TEMPI = {"slow tempo": "slow", "medium tempo": "medium", "fast tempo": "fast"}
_FEWEST, _MOST = 2, 4


def music_facts(values: Values) -> str | None:
    """Describe a track or clip.

    Parameters
    ----------
    values : mapping
        Content of its ``.INFO``.

    Returns
    -------
    str or None
        Two to four sentences in ASCII, one for audio of which only the length is known; None if not even that is.

    Examples
    --------
    >>> known = {"bpm": 152.2, "bpm_confidence": 0.95, "key": "A#", "mode": "major", "key_confidence": 0.95}
    >>> music_facts(known | {"vocal_presence": 0.0, "lufs": -8.1, "stereo_width": 0.45})
    'The music has a fast tempo of 152 BPM. It is instrumental, in Bb major. It is loud, with wide stereo.'
    """
    found = words(values)
    said = [_rhythm(found), _harmony_and_voice(found), _sound(found)]
    told = [sentence for sentence in said if sentence]
    seconds = number(values, "duration_seconds")
    if len(told) < _FEWEST and seconds is not None:
        told.append(f"It lasts {_length(seconds)}.")
    if not told:
        return None
    return " ".join(told[:_MOST])


def _rhythm(found: Sequence[Word]) -> str:
    texts = [word.text for word in of_group(found, "rhythm")]
    bpm = next((text for text in texts if text.endswith(" BPM")), "")
    meter = next((text for text in texts if text.endswith(" time")), "")
    rest = [text for text in texts if text not in (bpm, meter, *_TEMPI)]
    speed = next((_TEMPI[text] for text in texts if text in _TEMPI), "")
    parts = [f"a {speed} tempo of {bpm}" if speed else f"a tempo of {bpm}"] if bpm else []
    if not parts and not rest and not meter:
        return ""
    if not parts and rest:
        parts, rest = [rest[0]], rest[1:]
    sentence = f"The music has {parts[0]}" if parts else f"The music is in {meter}"
    sentence += f" in {meter}" if parts and meter else ""
    return f"{sentence}{_with(rest)}."


def _harmony_and_voice(found: Sequence[Word]) -> str:
    voice = next((word.text for word in of_group(found, "voice")), "")
    harmony = [word.text for word in of_group(found, "harmony")]
    key = next((f"in {text}" for text in harmony if text not in _ADJECTIVES and text.endswith(("major", "minor"))), "")
    other = [text for text in harmony if text in _ADJECTIVES]
    more = [text for text in harmony if text not in _ADJECTIVES and f"in {text}" != key]
    said = {"vocals": "has vocals", "instrumental": "is instrumental"}.get(voice, "")
    tail = _listed([*([key] if key else []), *other])
    if said:
        return f"It {said}{f', {tail}' if tail else ''}{_with(more)}."
    return f"It is {tail}{_with(more)}." if tail else ""


def _sound(found: Sequence[Word]) -> str:
    texts = [word.text for group in ("timbre", "dynamics", "space") for word in of_group(found, group)]
    adjectives = [text for text in texts if text in _ADJECTIVES]
    nouns = [text for text in texts if text not in _ADJECTIVES]
    if adjectives:
        return f"It is {_listed(adjectives)}{_with(nouns)}."
    return f"It has {_listed(nouns)}." if nouns else ""


def _with(texts: Sequence[str]) -> str:
    return f", with {_listed(texts)}" if texts else ""


def _listed(texts: Sequence[str]) -> str:
    return " and ".join(filter(None, (", ".join(texts[:-1]), *texts[-1:])))


def _length(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    parts = [f"{minutes} minute{'s' * (minutes != 1)}"] if minutes else []
    return " and ".join([*parts, *([f"{rest} second{'s' * (rest != 1)}"] if rest or not minutes else [])])
