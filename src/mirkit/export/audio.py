"""Audio files of a bundle: at the sample rate of the trainer, in stereo, with a given length and loudness."""

import math
import os
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from mirkit import engines
from mirkit.audio import Audio, encode, open_audio, probe
from mirkit.errors import AudioError, InfoError
from mirkit.export.items import Item
from mirkit.features.true_peak import TruePeakExtractor
from mirkit.features.types import ANALYSIS_RATE, FloatArray
from mirkit.store import atomic_file, keep_stamps
from mirkit.track import Track

#: Highest true peak of a normalized clip (dBTP): it leaves headroom for a lossy codec.
CEILING_DBTP = -1.0
CHANNELS = 2
_BLOCK = 1 << 18


@dataclass(frozen=True)
class AudioJob:
    """One audio file to be written.

    Attributes
    ----------
    source, target : Path
        The suffix of ``target``, flac or wav, chooses the format.
    seconds : float
        Length of the excerpt (s).
    start : float
        Where the excerpt begins in the source (s).
    rate : int
        Sample rate of the file (Hz).
    gain_db : float
        Gain that is applied (dB).
    link : bool
        Whether a file that needs no conversion may become a hard link to the source.
    """

    source: Path
    target: Path
    seconds: float
    start: float = 0.0
    rate: int = ANALYSIS_RATE
    gain_db: float = 0.0
    link: bool = False

    @property
    def samples(self) -> int:
        """Largest number of samples per channel of the file."""
        return round(self.seconds * self.rate)


def copy_unchanged(job: AudioJob) -> int | None:
    """Copy or link the source if its format is already the required one.

    Parameters
    ----------
    job : AudioJob

    Returns
    -------
    int or None
        Samples per channel; None where the file has to be converted (see :func:`convert`).

    Raises
    ------
    AudioError
        The source cannot be read.
    InfoError
        The target cannot be written.
    """
    info = probe(job.source)
    if (info.codec, job.target.suffix) != ("flac", ".flac") or job.gain_db or job.start or not info.duration:
        return None
    samples = round(info.duration * info.sample_rate)
    if (info.sample_rate, info.channels) != (job.rate, CHANNELS) or samples > job.samples:
        return None
    provenance = Track.at(job.source).provenance
    with (
        keep_stamps(provenance, provenance, [(job.source, job.source)] if job.link else []),
        atomic_file(job.target) as temp,
    ):
        if not (job.link and _link(job.source, temp)):
            shutil.copyfile(job.source, temp)
    return samples


def convert(job: AudioJob) -> int:
    """Decode the source, resample it, make it stereo, apply the gain and write the file atomically.

    A mono source is written to both channels; of more than two channels, the first two are used. The file has 16 bits
    if the source has no more and its samples are unchanged, else 24.

    Parameters
    ----------
    job : AudioJob

    Returns
    -------
    int
        Samples per channel.

    Raises
    ------
    AudioError
        The source cannot be read, or the target cannot be written.
    """
    info = probe(job.source)
    unchanged = info.sample_rate == job.rate and not job.gain_db and (info.bits or 16) <= 16
    gain = np.float32(10 ** (job.gain_db / 20))
    audio = open_audio(job.source, rate=job.rate, hold_seconds=0)
    blocks = (block * gain for block in _stereo(audio, round(job.start * job.rate), job.samples))
    return encode(job.target, blocks, rate=job.rate, channels=CHANNELS, bits=16 if unchanged else 24).frames


def gain_of(
    source: Path, seconds: float, lufs: float | None, target_lufs: float, *, start: float = 0.0
) -> tuple[float, bool]:
    """Compute the gain that brings an audio file to a loudness.

    Parameters
    ----------
    source : Path
    seconds : float
        Length of the excerpt (s).
    lufs : float or None
        Integrated loudness of the file (LUFS); None for silence, which gets a gain of 0 dB.
    target_lufs : float
        The wanted loudness (LUFS).
    start : float
        Where the excerpt begins in the file (s).

    Returns
    -------
    gain_db : float
    limited : bool
        Whether the gain is lower than required, because the true peak would exceed the ceiling.
    """
    if lufs is None:
        return 0.0, False
    extractor = TruePeakExtractor()
    samples = round(seconds * ANALYSIS_RATE)
    for block in _stereo(open_audio(source, hold_seconds=0), round(start * ANALYSIS_RATE), samples):
        extractor.push(block)
    peak, wanted = extractor.finish(), target_lufs - lufs
    headroom = CEILING_DBTP - 20 * math.log10(peak) if peak > 0 else 0.0
    # Rounded down: the peak stays below the ceiling.
    return math.floor(min(wanted, headroom) * 1000) / 1000, headroom < wanted


@dataclass(frozen=True)
class _GainJob:
    name: str
    source: Path
    seconds: float
    lufs: float | None
    target_lufs: float
    start: float


def find_gains(
    items: Sequence[Item], problems: list[str], *, target_lufs: float, jobs: int, advance: Callable[[str], None]
) -> Mapping[str, tuple[float, bool]]:
    """Compute the gain of every item, before anything is written: features and ranges depend on it.

    Parameters
    ----------
    items : sequence of Item
    problems : list of str
        Gets a line for each item that fails.
    target_lufs : float
        The wanted loudness (LUFS).
    jobs : int
        Worker processes, 0 for one per core.
    advance : callable
        Called with the name of each item that is done.

    Returns
    -------
    dict
        Item's name -> gain (dB), and whether the true peak limits it. Items that failed are left out.
    """
    work = [
        _GainJob(item.name, item.mix, item.seconds, item.features.get("lufs"), target_lufs, item.offset)
        for item in items
    ]
    gains: dict[str, tuple[float, bool]] = {}
    for done in engines.run(_gain, work, jobs=jobs or engines.cores()):
        if isinstance(done.result, tuple):
            gains[done.item.name] = done.result
        else:
            problems.append(f"{done.item.name}: {done.result or done.error}")
        advance(done.item.name)
    return gains


def estimated_gains(items: Sequence[Item], target_lufs: float) -> Mapping[str, tuple[float, bool]]:
    """Compute the gains of a dry run: like :func:`find_gains`, but without measuring true peaks."""
    lufs = {item.name: item.features.get("lufs") for item in items}
    return {name: (0.0 if value is None else target_lufs - value, False) for name, value in lufs.items()}


def _gain(job: _GainJob) -> tuple[float, bool] | str:
    try:
        return gain_of(job.source, job.seconds, job.lufs, job.target_lufs, start=job.start)
    except (AudioError, InfoError) as error:
        return str(error)


def _stereo(audio: Audio, start: int, samples: int) -> Iterator[FloatArray]:
    before, remaining = start, samples
    for block in audio.blocks(_BLOCK):
        if remaining <= 0:
            return
        if before >= block.shape[1]:
            before -= block.shape[1]
            continue
        block = block[:CHANNELS, before : before + remaining]
        before = 0
        remaining -= block.shape[1]
        yield np.repeat(block, 2, axis=0) if len(block) == 1 else block


def _link(source: Path, target: Path) -> bool:
    """Make a hard link; return False if the target is on another disk or the file system has no hard links."""
    try:
        os.link(source, target)
    except OSError:
        return False
    return True
