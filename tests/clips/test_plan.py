"""Where clips are: aligned, of the wanted length, and not silent."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mirkit.clips.plan import LEAD_SECONDS, Clip, ClipInput, plan_clips
from mirkit.features.loudness import LoudnessCurve
from mirkit.settings import ClipSettings
from mirkit.settings.validators import clip_length

RATE = 44100
NOTHING = np.zeros(0)


def track(seconds: float, *, bpm: float = 120, offset: float = 0.0, silent: tuple[float, float] = (0, 0)) -> ClipInput:
    """A track in 4/4 with one silence."""
    beats = np.arange(offset, seconds, 60 / bpm)
    energy = np.full(int(seconds * 10), 0.01, np.float32)
    energy[int(silent[0] * 10) : int(silent[1] * 10)] = 0
    return ClipInput(RATE, round(seconds * RATE), beats, beats[::4], LoudnessCurve(energy))


def starts(clips: tuple[Clip, ...]) -> list[float]:
    return [clip.first / RATE for clip in clips]


def test_bars_fit_together_to_the_sample() -> None:
    plan = plan_clips(track(33.0, offset=0.5), ClipSettings(length="4 bars"))
    assert len(plan.clips) == 4
    assert [a.last for a in plan.clips[:-1]] == [b.first for b in plan.clips[1:]]
    assert starts(plan.clips) == pytest.approx([0.495, 8.495, 16.495, 24.495], abs=1 / RATE)


@pytest.mark.parametrize("bars", [1, 2, 4, 8])
def test_so_many_bars_have_so_many_downbeats(bars: int) -> None:
    """A clip of n bars holds n downbeats: not n - 1, which is what counting both ends gives."""
    piece = track(40.0, offset=0.3)
    for clip in plan_clips(piece, ClipSettings(length=f"{bars} bars")).clips:
        inside = (piece.downbeats * RATE >= clip.first) & (piece.downbeats * RATE < clip.last)
        assert np.count_nonzero(inside) == bars


def test_a_loop_of_whole_bars_is_one_clip() -> None:
    (clip,) = plan_clips(track(16.0), ClipSettings(length="8 bars")).clips
    assert clip == Clip(0, 16 * RATE, 16 * RATE)


@pytest.mark.parametrize("offset", [0.0, 0.002, 0.5])
@pytest.mark.parametrize("align", ["downbeat", "beat"])
def test_clips_of_whole_bars_skip_none(offset: float, align: str) -> None:
    """Also after a downbeat at the very start, before which there is no room for the lead."""
    plan = plan_clips(track(20.0, offset=offset), ClipSettings(length="4 s", align=align))  # type: ignore[arg-type]
    expected = np.maximum(offset + np.arange(0, 16 - offset, 4) - LEAD_SECONDS, 0)
    assert starts(plan.clips[: len(expected)]) == pytest.approx(expected, abs=2 / RATE)
    assert {clip.length for clip in plan.clips} == {4 * RATE}


def test_half_overlapping_bars() -> None:
    plan = plan_clips(track(32.0), ClipSettings(length="4 bars", overlap=0.5))
    assert starts(plan.clips) == pytest.approx([0, *(np.arange(4, 25, 4) - LEAD_SECONDS)], abs=2 / RATE)


def test_bars_do_not_span_a_gap_in_the_grid() -> None:
    whole = track(60.0)
    downbeats = np.delete(whole.downbeats, slice(5, 15))
    piece = ClipInput(RATE, whole.samples, whole.beats, downbeats, whole.loudness)
    for clip in plan_clips(piece, ClipSettings(length="4 bars")).clips:
        assert clip.length == pytest.approx(8 * RATE, abs=LEAD_SECONDS * RATE + 1)


@pytest.mark.parametrize("samples", [524288, 2097152])
def test_samples_are_exact(samples: int) -> None:
    clips = plan_clips(track(200.0, offset=0.4), ClipSettings(length=f"{samples} samples")).clips
    assert len(clips) > 3
    assert {clip.last - clip.first for clip in clips} == {clip.length for clip in clips} == {samples}


@pytest.mark.parametrize("rate", [22050, 48000, 96000])
def test_samples_count_at_the_models_rate(rate: int) -> None:
    piece = track(60.0)
    plan = plan_clips(
        ClipInput(rate, 60 * rate, piece.beats, piece.downbeats, piece.loudness), ClipSettings(length="524288 samples")
    )
    for clip in plan.clips:
        assert 0 <= clip.length * 44100 / rate - 524288 < 44100 / rate, "resampled, never too short"


def test_clips_begin_just_before_a_downbeat() -> None:
    piece = track(60.0, bpm=97, offset=0.77)
    for clip in plan_clips(piece, ClipSettings(length="7 s")).clips:
        ahead = piece.downbeats - clip.first / RATE
        assert np.min(np.abs(ahead - LEAD_SECONDS)) < 2 / RATE


@pytest.mark.parametrize(
    ("has", "align", "aligned"),
    [
        ("downbeats", "downbeat", "downbeat"),
        ("downbeats", "beat", "beat"),
        ("downbeats", "free", "free"),
        ("beats", "downbeat", "beat"),
        ("nothing", "downbeat", "free"),
        ("nothing", "beat", "free"),
    ],
)
def test_without_downbeats_beats_without_beats_freely(has: str, align: str, aligned: str) -> None:
    piece = track(30.0, offset=0.2)
    beats = NOTHING if has == "nothing" else piece.beats
    downbeats = piece.downbeats if has == "downbeats" else NOTHING
    plan = plan_clips(
        ClipInput(RATE, piece.samples, beats, downbeats, piece.loudness), ClipSettings(length="5 s", align=align)
    )
    assert plan.aligned == aligned
    assert plan.clips


def test_bars_need_downbeats() -> None:
    piece = track(30.0)
    plan = plan_clips(
        ClipInput(RATE, piece.samples, piece.beats, NOTHING, piece.loudness), ClipSettings(length="4 bars")
    )
    assert not plan.clips
    assert "downbeats" in plan.reason


def test_free_clips_follow_each_other() -> None:
    plan = plan_clips(track(21.0), ClipSettings(length="5.025 s", align="free"))
    assert starts(plan.clips) == pytest.approx([0, 5.025, 10.05, 15.075], abs=2 / RATE)


@pytest.mark.parametrize("align", ["downbeat", "free"])
def test_silence_is_skipped(align: str) -> None:
    clips = plan_clips(track(60.0, silent=(0, 21.3)), ClipSettings(length="6 s", align=align)).clips
    assert 17 <= clips[0].first / RATE <= 21.4
    clips = plan_clips(track(60.0, silent=(10, 50)), ClipSettings(length="4 s", align=align)).clips
    assert not [t for t in starts(clips) if 10 <= t <= 47.9]
    assert not plan_clips(track(30.0, silent=(0, 30)), ClipSettings(length="4 s", align=align)).clips


def test_a_mostly_silent_clip_is_tried_again_a_quarter_of_its_length_later() -> None:
    """0.9 s of music, a rest, then just enough music for one clip of 4 s, which a step of a whole clip would miss."""
    piece = track(7.3, silent=(0.9, 3.2))
    (clip,) = plan_clips(piece, ClipSettings(length="4 s", align="free")).clips
    assert clip.first / RATE == pytest.approx(3.2)
    sparse = np.zeros(120, np.float32)  # one step of three is active up to 8 s, then all of them
    sparse[::3] = sparse[80:] = 0.01
    piece = ClipInput(RATE, 12 * RATE, NOTHING, NOTHING, LoudnessCurve(sparse))
    first, *_ = plan_clips(piece, ClipSettings(length="4 s", align="free")).clips
    assert first.first / RATE == pytest.approx(6.0), "1 s later each time, then the next active step: 1.2, 2.4, ..."


@pytest.mark.parametrize(("tail", "lengths"), [("drop", [10, 10]), ("keep", [10, 10, 6]), ("pad", [10, 10, 10])])
def test_the_end_of_the_track(tail: str, lengths: list[float]) -> None:
    clips = plan_clips(track(26.0), ClipSettings(length="10 s", align="free", tail=tail)).clips
    assert [clip.length / RATE for clip in clips] == lengths
    assert clips[-1].last <= 26 * RATE


def test_the_end_must_add_enough() -> None:
    crop = ClipSettings(length="10 s", align="free", overlap=0.5, tail="keep")
    assert len(plan_clips(track(20.5), crop).clips) == 3, "half a second is not worth a clip"
    assert len(plan_clips(track(23.0), crop).clips) == 4


@pytest.mark.parametrize("tail", ["keep", "pad"])
def test_a_short_track_is_one_clip(tail: str) -> None:
    (clip,) = plan_clips(track(3.0), ClipSettings(tail=tail)).clips
    assert (clip.first, clip.last) == (0, 3 * RATE)
    assert clip.length == (2097152 if tail == "pad" else 3 * RATE)
    assert not plan_clips(track(3.0), ClipSettings()).clips


@given(
    seconds=st.floats(0.5, 90),
    bpm=st.floats(50, 200),
    offset=st.floats(0, 5),
    unit=st.sampled_from(["s", "samples", "bars"]),
    amount=st.integers(1, 20),
    align=st.sampled_from(["downbeat", "beat", "free"]),
    overlap=st.floats(0, 0.99),
    tail=st.sampled_from(["drop", "pad", "keep"]),
    silence=st.tuples(st.floats(0, 60), st.floats(0, 60)),
)
def test_any_plan(
    seconds: float,
    bpm: float,
    offset: float,
    unit: str,
    amount: int,
    align: str,
    overlap: float,
    tail: str,
    silence: tuple[float, float],
) -> None:
    piece = track(seconds, bpm=bpm, offset=offset, silent=(min(silence), max(silence)))
    text = f"{amount * (44100 if unit == 'samples' else 1)} {unit}"
    clips = plan_clips(piece, ClipSettings(clip_length()(text), align, overlap, tail)).clips
    firsts = [clip.first for clip in clips]
    assert firsts == sorted(set(firsts)), "no clip twice"
    for clip in clips:
        assert 0 <= clip.first < clip.last <= piece.samples
        assert clip.length >= clip.last - clip.first
    whole = clips[:-1] if tail != "drop" else clips
    assert all(clip.length == clip.last - clip.first for clip in whole)
    if unit != "bars":
        assert len({clip.length for clip in whole}) <= 1


@pytest.mark.parametrize("text", ["", "10", "0 s", "-4 s", "2.5 bars", "1e9 s", "12 beats", "5s5", 30, None, "nan s"])
def test_what_is_no_length(text: object) -> None:
    with pytest.raises(ValueError, match="length"):
        clip_length()(text)


@pytest.mark.parametrize(("text", "kept"), [("30 s", "30 s"), ("47.550s", "47.55 s"), ("8 bars", "8 bars")])
def test_lengths_are_written_in_one_way(text: str, kept: str) -> None:
    assert clip_length()(text) == kept


def sectioned(seconds: float, sections: list[float], **more: object) -> ClipInput:
    piece = track(seconds, **more)  # type: ignore[arg-type]
    return replace(piece, sections=np.array(sections))


def test_clips_begin_with_sections_and_stay_in_them() -> None:
    piece = sectioned(61.0, [0.0, 20.6, 46.6], offset=0.6)  # bars of 2 s
    found = starts(plan_clips(piece, ClipSettings(length="8 s", align="section")).clips)
    assert found == pytest.approx([0.6, 8.6, 20.6, 28.6, 36.6, 46.6], abs=0.02)
    plan = plan_clips(piece, ClipSettings(length="4 bars", align="section"))
    assert plan.aligned == "section"
    assert starts(plan.clips) == pytest.approx([0.6, 8.6, 20.6, 28.6, 36.6, 46.6], abs=0.02)


def test_a_section_that_is_shorter_than_a_clip_continues_into_the_next() -> None:
    piece = sectioned(41.0, [0.0, 4.6, 20.6], offset=0.6)
    found = starts(plan_clips(piece, ClipSettings(length="10 s", align="section")).clips)
    assert found == pytest.approx([0.6, 10.6, 20.6, 30.6], abs=0.02)


def test_the_first_section_begins_on_its_first_downbeat() -> None:
    piece = sectioned(40.0, [0.0, 20.6], offset=0.6)
    found = starts(plan_clips(piece, ClipSettings(length="15 s", align="section")).clips)
    assert found == pytest.approx([0.6, 20.6], abs=0.02)


def test_without_sections_clips_begin_on_downbeats() -> None:
    assert plan_clips(track(40.0), ClipSettings(length="8 s", align="section")).aligned == "downbeat"
