"""Audio files of a bundle: at the sample rate of the trainer, in stereo, with a given length and gain."""

import os
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from mirkit.audio import Audio, encode, open_audio, probe, quantize
from mirkit.features.types import ANALYSIS_RATE, FloatArray
from mirkit.store import atomic_file, keep_stamps
from mirkit.track import Track

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

    A mono source is written to both channels; more than two channels are mixed down. The file has 16 bits if the source
    has no more and its samples are unchanged, else 24; where bits are lost, there is dither.

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
    unchanged = info.sample_rate == job.rate and info.channels <= CHANNELS and not job.gain_db
    bits = 16 if unchanged and (info.bits or 16) <= 16 else 24
    gain, noise = np.float32(10 ** (job.gain_db / 20)), np.random.default_rng([*job.target.name.encode()])
    blocks = exported_blocks(job.source, job.rate, job.start, job.seconds)
    rounded = (quantize(block * gain, bits, noise) for block in blocks)
    return encode(job.target, rounded, rate=job.rate, channels=CHANNELS, bits=bits).frames


def exported_blocks(source: Path, rate: int, start: float, seconds: float) -> Iterator[FloatArray]:
    """Yield the audio of an excerpt as it is exported, without gain: shape=(2, n), at the rate of the bundle (Hz).

    Parameters
    ----------
    source : Path
    rate : int
        Sample rate of the bundle (Hz).
    start, seconds : float
        Start and length of the excerpt (s).

    Raises
    ------
    AudioError
        The source cannot be read.
    """
    audio = open_audio(source, rate=rate, hold_seconds=0, quality="VHQ")
    yield from _stereo(audio, round(start * rate), round(seconds * rate))


def _stereo(audio: Audio, start: int, samples: int) -> Iterator[FloatArray]:
    before, remaining = start, samples
    for block in audio.blocks(_BLOCK):
        if remaining <= 0:
            return
        if before >= block.shape[1]:
            before -= block.shape[1]
            continue
        block = block[:, before : before + remaining]
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
