"""Sound files of a bundle: at the model's rate, in stereo, exactly as long as asked for, at the loudness asked for."""

import math
import os
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from mirkit.audio import Audio, encode, open_audio, probe
from mirkit.features.true_peak import TruePeakExtractor
from mirkit.features.types import ANALYSIS_RATE, FloatArray
from mirkit.store import atomic_file, stamps_kept
from mirkit.track import Track

#: What a normalized clip may reach between its samples (dBTP), so that a codec after it does not clip.
CEILING_DBTP = -1.0
CHANNELS = 2
_BLOCK = 1 << 18


@dataclass(frozen=True)
class AudioJob:
    """One sound file to be made.

    Attributes
    ----------
    source, target : Path
        The suffix of ``target`` says whether it becomes flac or wav.
    seconds : float
        So much of the source, from its start.
    gain_db : float
        By how much it is made louder.
    link : bool
        Whether a file that needs no change may be a hard link.
    """

    source: Path
    target: Path
    seconds: float
    gain_db: float = 0.0
    link: bool = False


def copy(order: AudioJob) -> int | None:
    """Copy a flac of the right form as it is; give its samples a channel, or None where it has to be made.

    Raises
    ------
    AudioError
        The source cannot be read.
    InfoError
        The target cannot be written.
    """
    info = probe(order.source)
    if (info.codec, order.target.suffix) != ("flac", ".flac") or order.gain_db or info.duration is None:
        return None
    samples = round(info.duration * info.sample_rate)
    if (info.sample_rate, info.channels) != (ANALYSIS_RATE, CHANNELS) or samples > _samples(order):
        return None
    told = Track.at(order.source).provenance
    with (
        stamps_kept(told, told, [(order.source, order.source)] if order.link else []),
        atomic_file(order.target) as temp,
    ):
        if not (order.link and _linked(order.source, temp)):
            shutil.copyfile(order.source, temp)
    return samples


def make(order: AudioJob) -> int:
    """Write one sound file, whole or not at all; give its samples a channel.

    It is decoded, resampled to 44.1 kHz, brought to two channels (one is doubled, of more the first two are taken) and
    written with 16 bits where nothing changed that needs more, else with 24.

    Raises
    ------
    AudioError
        The source cannot be read, or the target not be written.
    """
    info = probe(order.source)
    same = info.sample_rate == ANALYSIS_RATE and not order.gain_db and (info.bits or 16) <= 16
    gain = np.float32(10 ** (order.gain_db / 20))
    blocks = (block * gain for block in _stereo(open_audio(order.source, hold_seconds=0), _samples(order)))
    return encode(order.target, blocks, rate=ANALYSIS_RATE, channels=CHANNELS, bits=16 if same else 24).frames


def gain_of(source: Path, seconds: float, lufs: float | None, loudness: float) -> tuple[float, bool]:
    """Find by how many decibels a sound is made louder, and whether its true peak allows no more.

    Parameters
    ----------
    source : Path
    seconds : float
        So much of it, from its start.
    lufs : float or None
        Its loudness now; None, for silence, leaves it as it is.
    loudness : float
        What it is to have.
    """
    if lufs is None:
        return 0.0, False
    meter = TruePeakExtractor()
    for block in _stereo(open_audio(source, hold_seconds=0), round(seconds * ANALYSIS_RATE)):
        meter.push(block)
    peak, wanted = meter.finish(), loudness - lufs
    room = CEILING_DBTP - 20 * math.log10(peak) if peak > 0 else 0.0
    # Rounded down: the peak stays below the ceiling.
    return math.floor(min(wanted, room) * 1000) / 1000, room < wanted


def _samples(order: AudioJob) -> int:
    return round(order.seconds * ANALYSIS_RATE)


def _stereo(audio: Audio, samples: int) -> Iterator[FloatArray]:
    left = samples
    for block in audio.blocks(_BLOCK):
        if left <= 0:
            return
        part = block[:CHANNELS, :left]
        left -= part.shape[1]
        yield np.repeat(part, 2, axis=0) if len(part) == 1 else part


def _linked(source: Path, target: Path) -> bool:
    """Make a hard link; not on another disk, or a file system without links."""
    try:
        os.link(source, target)
    except OSError:
        return False
    return True
