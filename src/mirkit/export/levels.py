"""Peaks and gains of the items of an export: nothing that is written exceeds full scale.

They are computed before anything is written, because features and their ranges depend on them.
"""

import math
from collections import defaultdict, deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial

import numpy as np

from mirkit.audio import check_peak, full_scale_gain, probe
from mirkit.catalog import level_shift
from mirkit.errors import AudioError, InfoError
from mirkit.export.audio import CHANNELS, exported_blocks
from mirkit.export.item import Item, name_of
from mirkit.export.level_features import measure_levels
from mirkit.export.parallel import work_on
from mirkit.features.true_peak import TruePeakExtractor
from mirkit.features.types import ANALYSIS_RATE, FloatArray
from mirkit.store import round6

#: Highest true peak of a normalized clip (dBTP): it leaves headroom for a lossy codec.
CEILING_DBTP = -1.0
MONO_TO_STEREO_LU = 10 * math.log10(2)


@dataclass(frozen=True)
class Level:
    """Peak and gain of one item.

    Attributes
    ----------
    peak : float or None
        Largest absolute sample at the sample rate of the bundle, before the gain; None if it was not measured.
    gain_db : float
        Gain that is applied (dB).
    limited : bool
        Whether the gain is lower than the target loudness requires, because the true peak would exceed the ceiling.
    lufs_db : float
        What the loudness gains besides: 3.01 LU for a mono source, which the bundle has on two channels.
    measured : dict
        Feature's name -> its value before the gain, of audio whose rate in the bundle cannot hold all frequencies that
        were measured; empty for other audio.
    pair_peak : float or None
        Largest absolute sample of the mix that is exported beside a stem, before the gain.
    """

    peak: float | None = None
    gain_db: float = 0.0
    limited: bool = False
    lufs_db: float = 0.0
    measured: Mapping[str, float] = field(default_factory=dict)
    pair_peak: float | None = None

    def applied(self, key: str, value: float) -> float:
        """Return the value of a feature in the exported audio."""
        if key == "plr" and self.measured.keys() >= {"true_peak", "lufs"}:
            return round6(self.measured["true_peak"] - self.measured["lufs"])
        if key in self.measured:
            return round6(self.measured[key] + self.gain_db)
        shift = level_shift(key, self.gain_db, self.lufs_db)
        return round6(value + shift) if shift else value


@dataclass(frozen=True)
class _Peaks:
    """Largest absolute sample, the highest level between samples where that was asked for, and the measured levels."""

    sample: float
    true: float = 0.0
    measured: Mapping[str, float] = field(default_factory=dict)
    pair: float | None = None

    @property
    def highest(self) -> float:
        """Largest absolute sample of the item and of the mix beside it."""
        return max(self.sample, self.pair or 0.0)


def find_levels(
    items: Sequence[Item],
    problems: list[str],
    *,
    rate: int,
    target_lufs: float | None,
    jobs: int,
    advance: Callable[[str], None],
) -> dict[str, Level]:
    """Compute peak and gain of every item.

    Without a target loudness, all items of a track get the same gain: 0, or as much less as the highest of them
    exceeds full scale.

    Parameters
    ----------
    items : sequence of Item
    problems : list of str
        Gets a line for each item that fails, also where its peak is above +20 dBFS.
    rate : int
        Sample rate of the bundle (Hz).
    target_lufs : float or None
        The wanted loudness (LUFS); None for the loudness that the items have.
    jobs : int
        Worker processes, 0 for one per core.
    advance : callable
        Called with the name of each item that is done.

    Returns
    -------
    dict
        Item's name -> its level. Items that failed are left out.
    """
    measure = partial(_measured, rate=rate, true=target_lufs is not None)
    peaks: dict[str, _Peaks] = {}
    unknown = []
    for item in items:
        known = None if target_lufs is not None else _recorded_peak(item, rate)
        if known is None:
            unknown.append(item)
        else:
            peaks[item.name] = _Peaks(known)
            advance(item.name)
    peaks |= work_on(measure, unknown, name_of, problems, advance, jobs=jobs)
    measured = [item for item in items if item.name in peaks]
    if target_lufs is not None:
        return {item.name: _normalized(item, peaks[item.name], target_lufs) for item in measured}
    highest: dict[str, float] = defaultdict(float)
    for item in measured:
        highest[item.source] = max(highest[item.source], peaks[item.name].highest)
    return {
        item.name: Level(
            peaks[item.name].sample,
            full_scale_gain(highest[item.source]),
            lufs_db=_doubled_mono(item),
            measured=peaks[item.name].measured,
            pair_peak=peaks[item.name].pair,
        )
        for item in measured
    }


def estimated_levels(items: Sequence[Item], target_lufs: float | None) -> dict[str, Level]:
    """Estimate the gains of a dry run, without measuring peaks."""
    levels = {}
    for item in items:
        lufs, more = item.features.get("lufs"), _doubled_mono(item)
        gain = 0.0 if lufs is None or target_lufs is None else target_lufs - lufs - more
        levels[item.name] = Level(None, gain, lufs_db=more)
    return levels


def _doubled_mono(item: Item) -> float:
    """What the loudness of a mono source gains on two channels (LU); 0 for other sources."""
    channels = item.metadata.get("channels")
    return MONO_TO_STEREO_LU if (channels if isinstance(channels, int) else probe(item.mix).channels) == 1 else 0.0


def _recorded_peak(item: Item, rate: int) -> float | None:
    """Peak of a clip as it was recorded when it was cut; None where the file has to be decoded for it."""
    peak = item.metadata.get("peak")
    if not isinstance(peak, int | float) or item.sample_rate != rate or item.offset or item.audio:
        return None
    return float(10 ** (peak / 20))


def _measured(item: Item, rate: int, true: bool) -> _Peaks | str:
    between = TruePeakExtractor()
    peak = 0.0
    loses = rate < min(ANALYSIS_RATE, item.sample_rate)  # frequencies, and with them level
    true = true or loses

    def blocks() -> Iterator[FloatArray]:
        nonlocal peak
        for block in exported_blocks(item.sound, rate, item.offset, item.seconds):
            peak = max(peak, float(np.abs(block).max(initial=0.0)))
            if true:
                between.push(block)
            yield block

    measured: dict[str, float] = {}
    try:
        if loses:
            measured = dict(measure_levels(blocks(), rate, CHANNELS).levels)
        else:
            deque(blocks(), maxlen=0)
        check_peak(item.sound.paths[0], peak)
        pair = _pair_peaks(item, rate, true=true)
    except (AudioError, InfoError) as error:
        return str(error)
    highest = between.finish()
    if measured and highest > 0:
        measured = measured | {"true_peak": 20 * math.log10(highest)}
    known = {key: measured[key] for key in measured if key in item.features}
    return _Peaks(peak, max(highest, pair.true) if pair else highest, known, pair.sample if pair else None)


def _pair_peaks(item: Item, rate: int, *, true: bool) -> _Peaks | None:
    """Measure the mix that is exported beside an item; None where there is none."""
    if item.pair is None:
        return None
    between, peak = TruePeakExtractor(), 0.0
    for block in exported_blocks(item.pair.audio, rate, item.offset, item.seconds):
        peak = max(peak, float(np.abs(block).max(initial=0.0)))
        if true:
            between.push(block)
    check_peak(item.pair.audio.paths[0], peak)
    return _Peaks(peak, between.finish())


def _normalized(item: Item, peaks: _Peaks, target_lufs: float) -> Level:
    """Compute the gain that brings an item to a loudness; silence gets none."""
    lufs, more = peaks.measured.get("lufs", item.features.get("lufs")), _doubled_mono(item)
    if lufs is None:
        gain = full_scale_gain(peaks.highest)
        return Level(peaks.sample, gain, lufs_db=more, measured=peaks.measured, pair_peak=peaks.pair)
    more_measured = 0.0 if "lufs" in peaks.measured else more
    wanted = target_lufs - lufs - more_measured
    headroom = CEILING_DBTP - 20 * math.log10(peaks.true) if peaks.true > 0 else 0.0
    # Rounded down: the peak stays below the ceiling.
    gain = math.floor(min(wanted, headroom) * 1000) / 1000
    return Level(peaks.sample, gain, headroom < wanted, more, peaks.measured, peaks.pair)


def lowered_tracks(levels: Mapping[str, Level], items: Sequence[Item]) -> dict[str, float]:
    """Track -> gain (dB), for tracks that were lowered because they exceed full scale."""
    return {item.source: levels[item.name].gain_db for item in items if levels[item.name].gain_db < 0}
