"""Rules of instruments, means of tags over windows, and closed lists of words."""

import numpy as np
import pytest

from mirkit.features.loudness import LoudnessCurve, to_energy
from mirkit.features.pitch.f0 import FRAME_RATE, F0Curve
from mirkit.features.rhythm.stem_onsets import StemOnsets
from mirkit.features.tags import words
from mirkit.features.tags.instruments import bass_in_stem, drums_in_mix, from_share
from mirkit.features.tags.music_tags import MAGNATAGATUNE, MILLION_SONG, ROW_SECONDS, TAGS, MusicTags
from mirkit.features.types import SILENT, TOO_SHORT, Unknown, Window

TEN = Window(0.0, 10.0)


def level(lufs: float, seconds: float = 10.0) -> LoudnessCurve:
    return LoudnessCurve(np.full(round(10 * seconds), to_energy(lufs), np.float32))


def hits(probability: float, count: int = 20) -> StemOnsets:
    rest = (1 - probability) / 2
    table = np.tile(np.array([rest, probability, rest], np.float32), (count, 1))
    return StemOnsets(np.linspace(0.1, 9.9, count), np.ones(count), table)


def pitched(note: float, seconds: float = 10.0) -> F0Curve:
    count = round(seconds * FRAME_RATE)
    return F0Curve(
        np.full(count, round(100 * note), np.uint16), np.full(count, 255, np.uint8), np.full(count, -20, np.float16)
    )


def tagged(**chances: float) -> np.ndarray:
    """Means of all tags: 0.01 but for those of the keywords, in both data sets."""
    names = {name.replace(" ", "_").replace("-", "_"): chance for name, chance in chances.items()}
    return np.array(
        [names.get(tag.partition("/")[2].replace(" ", "_").replace("-", "_"), 0.01) for tag in TAGS], np.float64
    )


def test_lists_of_tags() -> None:
    assert (len(MAGNATAGATUNE), len(MILLION_SONG), len(set(TAGS))) == (50, 50, 100)
    assert (MAGNATAGATUNE[9], MAGNATAGATUNE[-1], MILLION_SONG[0], MILLION_SONG[-1]) == (
        *("piano", "choral", "rock", "happy"),
    )


def test_the_probability_of_a_true_stem_rises_with_its_share() -> None:
    chances = [from_share(share) for share in (0.0, 0.005, 0.02, 0.1, 1.0)]
    assert chances == sorted(chances)  # type: ignore[type-var]
    assert chances[0] < 0.001  # type: ignore[operator]
    assert chances[2] == pytest.approx(0.5)
    assert chances[3] > 0.95  # type: ignore[operator]
    assert from_share(SILENT) is SILENT


def test_drums_follow_from_what_plays_the_onsets() -> None:
    mix = level(-14)
    chances = [drums_in_mix(hits(p), mix, TEN) for p in (0.0, 0.2, 0.529, 0.7, 0.9)]
    assert chances == sorted(chances)  # type: ignore[type-var]
    assert chances[1] < 0.1  # type: ignore[operator]
    assert chances[2] == pytest.approx(0.5, abs=0.01)
    assert chances[3] > 0.7  # type: ignore[operator]
    none = StemOnsets(np.zeros(0), np.zeros(0), np.zeros((0, 3), np.float32))
    assert drums_in_mix(none, mix, TEN) < 0.05  # type: ignore[operator]
    assert drums_in_mix(hits(0.9), level(-200), TEN) == SILENT
    assert drums_in_mix(hits(0.9), mix, Window(0, 1)) == TOO_SHORT


def test_drums_of_a_window_are_those_of_its_onsets() -> None:
    both = hits(0.0)
    both.probabilities[both.times >= 5, 1] = 0.95
    assert drums_in_mix(both, level(-14), Window(0, 5)) < 0.05  # type: ignore[operator]
    assert drums_in_mix(both, level(-14), Window(5, 10)) > 0.95  # type: ignore[operator]


def test_a_bass_is_loud_and_low() -> None:
    mix = level(-14)
    assert bass_in_stem(level(-20), pitched(36), mix, TEN) > 0.9  # type: ignore[operator]
    assert bass_in_stem(level(-32), pitched(52), mix, TEN) < 0.05  # type: ignore[operator]
    low = bass_in_stem(level(-24), pitched(33), mix, TEN)
    assert bass_in_stem(level(-24), pitched(57), mix, TEN) < low  # type: ignore[operator]
    unpitched = F0Curve(np.zeros(900, np.uint16), np.zeros(900, np.uint8), np.zeros(900, np.float16))
    assert bass_in_stem(level(-30), unpitched, mix, TEN) < 0.05  # type: ignore[operator]
    quieter = bass_in_stem(level(-34), pitched(33), level(-24), TEN)
    assert quieter == pytest.approx(bass_in_stem(level(-24), pitched(33), level(-14), TEN), rel=1e-4)
    assert bass_in_stem(level(-200), pitched(33), level(-200), TEN) == SILENT


def test_a_mean_counts_rows_by_how_much_of_them_is_inside() -> None:
    rows = np.zeros((3, len(TAGS)))
    rows[1] = 0.5
    rows[2] = 1.0
    tags = MusicTags.of(list(rows))
    whole = tags.mean(Window(0, 30))
    assert isinstance(whole, np.ndarray)
    np.testing.assert_allclose(whole, 0.5)
    part = tags.mean(Window(ROW_SECONDS * 1.5, ROW_SECONDS * 2.25))
    assert isinstance(part, np.ndarray)
    np.testing.assert_allclose(part, (0.5 * 0.5 + 0.25 * 1.0) / 0.75, rtol=1e-6)
    assert tags.mean(Window(ROW_SECONDS * 3, ROW_SECONDS * 3 + 1)) == TOO_SHORT
    assert MusicTags.of([]).mean(Window(0, 5)) == TOO_SHORT


def test_every_word_has_its_tags() -> None:
    named = (*words.GENRES.values(), *words.MOODS.values(), *((tag,) for tag in words.MODEL_INSTRUMENTS.values()))
    for tags in named:
        for tag in tags:
            assert words.probability(tagged(**{tag: 0.9}), (tag,)) == 0.9
    assert set(words.MODEL_FROM) <= {*words.MODEL_INSTRUMENTS, "vocals"}


def test_the_most_probable_genre_is_named_from_its_threshold_on() -> None:
    found = words.best(tagged(rock=0.41, jazz=0.4, guitar=0.9), words.GENRES, words.GENRE_FROM)
    assert found == words.Named("rock", 0.41)
    assert isinstance(words.best(tagged(rock=0.34), words.GENRES, words.GENRE_FROM), Unknown)
    assert words.best(tagged(indie_rock=0.5), words.GENRES, words.GENRE_FROM) == words.Named("indie", 0.5)
    assert words.best(tagged(chillout=0.3), words.MOODS, words.MOOD_FROM) == words.Named("chill", 0.3)


def test_a_voice_follows_from_tags_of_voices() -> None:
    assert words.voice(tagged()) < 0.05
    assert words.voice(tagged(vocal=0.12)) == pytest.approx(0.5)
    assert words.voice(tagged(female_vocalists=0.3)) > 0.8


def test_the_list_of_tags_is_ordered_and_has_no_twins() -> None:
    assert words.listed(tagged(rock=0.25, guitar=0.42)) == "guitar 0.42, rock 0.25"
    assert isinstance(words.listed(tagged()), Unknown)
