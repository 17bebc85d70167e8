"""Audio files of a bundle: at the sample rate of the trainer, in stereo, with a given length and gain."""

import os
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from mirkit.audio import Audio, encode, open_audio, probe, quantize
from mirkit.errors import AudioError, InfoError
from mirkit.features.types import ANALYSIS_RATE, FloatArray
from mirkit.store import FileBatch, copy_content, keep_all_stamps, remove_file

CHANNELS = 2
_BLOCK = 1 << 18


@dataclass(frozen=True)
class SummedFiles:
    """Audio that is exported: one file, or several that are added up sample by sample.

    Attributes
    ----------
    paths : tuple of Path
        The shorter ones are continued by silence.
    factor : float
        By which the sum is multiplied.
    """

    paths: tuple[Path, ...]
    factor: float = 1.0

    @property
    def is_file(self) -> bool:
        """Whether it is one file as it is."""
        return len(self.paths) == 1 and self.factor == 1


@dataclass(frozen=True)
class AudioJob:
    """One audio file to be written.

    Attributes
    ----------
    source : SummedFiles
    target : Path
        The suffix, flac or wav, chooses the format.
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
    exact : bool
        Whether the file has exactly ``samples`` samples, as another one does with which it is aligned.
    provenance : Path or None
        That of the track of the source, whose stamps are kept when a link is made.
    """

    source: SummedFiles
    target: Path
    seconds: float
    start: float = 0.0
    rate: int = ANALYSIS_RATE
    gain_db: float = 0.0
    link: bool = False
    exact: bool = False
    provenance: Path | None = None

    @property
    def samples(self) -> int:
        """Largest number of samples per channel of the file."""
        return round(self.seconds * self.rate)


def convert(job: AudioJob, batch: FileBatch | None = None) -> int:
    """Decode the source, resample it, make it stereo, apply the gain and write the file atomically.

    A mono source is written to both channels; more than two channels are mixed down. The file has 16 bits if the source
    has no more and its samples are unchanged, else 24; where bits are lost, there is dither.

    Parameters
    ----------
    job : AudioJob
    batch : FileBatch, optional
        Files that are synced to disk together.

    Returns
    -------
    int
        Samples per channel.

    Raises
    ------
    AudioError
        The source cannot be read, or the target cannot be written.
    """
    infos = [probe(path) for path in job.source.paths]
    same = all(info.sample_rate == job.rate and info.channels <= CHANNELS for info in infos)
    bits = (
        16 if same and not job.gain_db and job.source.factor == 1 and all((i.bits or 16) <= 16 for i in infos) else 24
    )
    gain, noise = np.float32(10 ** (job.gain_db / 20)), np.random.default_rng([*job.target.name.encode()])
    blocks = exported_blocks(job.source, job.rate, job.start, job.seconds, exact=job.exact)
    rounded = (quantize(block * gain, bits, noise) for block in blocks)
    return encode(job.target, rounded, rate=job.rate, channels=CHANNELS, bits=bits, batch=batch).frames


def write_unconverted(jobs: Sequence[AudioJob]) -> list[int | str | None]:
    """Write the files among several that exist, or need only a copy of the source or a link to it.

    This function and :func:`write_converted` run in worker processes, so this module imports little.

    Parameters
    ----------
    jobs : sequence of AudioJob

    Returns
    -------
    list
        For each job: samples per channel, also of a file that exists, as its name holds a hash of its content; why it
        cannot be written; None where it has to be converted.

    Raises
    ------
    InfoError
        A target cannot be written.
    """
    results: list[int | str | None] = []
    copied = []
    for job in jobs:
        try:
            samples = _existing_samples(job)
            if samples is None and (samples := _unchanged_samples(job)) is not None:
                copied.append(job)
            results.append(samples)
        except (AudioError, InfoError) as error:
            results.append(str(error))
    linked = {job.provenance: job.source.paths[0] for job in copied if job.link and job.provenance}
    with keep_all_stamps(linked), FileBatch() as batch:
        for job in copied:
            if not (job.link and _link(job.source.paths[0], job.target)):
                with batch.file(job.target) as temp:
                    copy_content(job.source.paths[0], temp)
    return results


def _existing_samples(job: AudioJob) -> int | None:
    """Samples per channel of a file that exists; None if it has to be written, as a damaged one."""
    with suppress(AudioError):
        if job.target.exists() and (seconds := probe(job.target).duration):
            return round(seconds * job.rate)
    return None


def _unchanged_samples(job: AudioJob) -> int | None:
    """Samples per channel of a source that has the required format already; None where it has to be converted."""
    info = probe(job.source.paths[0])
    if (info.codec, job.target.suffix) != ("flac", ".flac") or job.gain_db or job.start or not info.duration:
        return None
    samples = round(info.duration * info.sample_rate)
    if not job.source.is_file or (info.sample_rate, info.channels) != (job.rate, CHANNELS) or samples > job.samples:
        return None
    return None if job.exact and samples != job.samples else samples


def write_converted(jobs: Sequence[AudioJob]) -> list[int | str]:
    """Write several files, see :func:`convert`, which wait for the disk together.

    Parameters
    ----------
    jobs : sequence of AudioJob

    Returns
    -------
    list
        For each job: samples per channel, or why it cannot be written.

    Raises
    ------
    InfoError
        A target cannot be written.
    """
    results: list[int | str] = []
    with FileBatch() as batch:
        for job in jobs:
            try:
                results.append(convert(job, batch))
            except (AudioError, InfoError) as error:
                results.append(str(error))
    return results


def exported_blocks(
    source: SummedFiles, rate: int, start: float, seconds: float, *, exact: bool = False
) -> Iterator[FloatArray]:
    """Yield the audio of an excerpt as it is exported, without gain: shape=(2, n), at the rate of the bundle (Hz).

    Parameters
    ----------
    source : SummedFiles
    rate : int
        Sample rate of the bundle (Hz).
    start, seconds : float
        Start and length of the excerpt (s).
    exact : bool
        Whether silence is added where the files end earlier.

    Raises
    ------
    AudioError
        The source cannot be read.
    """
    first, samples = round(start * rate), round(seconds * rate)
    opened = [open_audio(path, rate=rate, hold_seconds=0, quality="VHQ") for path in source.paths]
    streams = [_stereo(audio, first, samples) for audio in opened]
    total = 0
    for block in streams[0] if len(streams) == 1 else _sum(streams):
        total += block.shape[1]
        yield block if source.factor == 1 else block * np.float32(source.factor)
    if exact and total < samples:
        yield np.zeros((CHANNELS, samples - total), np.float32)


def _sum(streams: list[Iterator[FloatArray]]) -> Iterator[FloatArray]:
    """Add up streams whose blocks may have different lengths; one that has ended counts as silence."""
    rests = [np.zeros((CHANNELS, 0), np.float32) for _ in streams]
    ended = [False] * len(streams)
    while not all(ended):
        for number, stream in enumerate(streams):
            if not ended[number] and not rests[number].shape[1]:
                block = next(stream, None)
                ended[number] = block is None
                if block is not None:
                    rests[number] = block
        length = min((rest.shape[1] for rest, end in zip(rests, ended, strict=True) if not end), default=0)
        if not length:
            continue
        heads = [rest[:, :length] for rest in rests if rest.shape[1]]
        yield np.add.reduce(heads) if len(heads) > 1 else heads[0]
        rests = [rest[:, length:] for rest in rests]


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
    remove_file(target)  # a damaged one
    try:
        os.link(source, target)
    except OSError:
        return False
    return True
