"""``Audio``: the samples of one file at any sample rate, read in blocks, in bounded memory for any duration."""

import os
from collections import deque
from collections.abc import Iterable, Iterator
from fractions import Fraction
from pathlib import Path
from typing import Literal

import numpy as np
import numpy.typing as npt

from mirkit.audio.container import MAX_CHANNELS, MAX_RATE, MAX_SECONDS, MIN_RATE, SourceInfo, probe
from mirkit.audio.decode import CHUNK, Damage, DecodeStats, Piece, decode
from mirkit.audio.downmix import DEFAULT_LAYOUTS, downmix_gains
from mirkit.errors import AudioError, printable
from mirkit.features.types import ANALYSIS_RATE, FloatArray, Window

#: Quality of a rate conversion, by soxr's name.
Quality = Literal["HQ", "VHQ"]


def resampled_length(n: int, source_rate: int, rate: int) -> int:
    """Return the number of samples after resampling ``n`` samples."""
    return round(Fraction(n * rate, source_rate))


class Resampler:
    """A stream from one sample rate to another.

    Output sample ``i`` is at time ``i / rate``, without delay. The total is ``round(n * rate / source_rate)`` samples,
    for any division of the input into blocks. The passband ends at 0.91 of the lower Nyquist frequency; the stopband
    attenuation is 120 dB, with ``VHQ`` 170 dB.

    Parameters
    ----------
    source_rate, rate : int
        Hz.
    channels : int
    quality : str
        soxr's name of the quality: ``HQ`` for measuring, ``VHQ`` for audio that is written.
    """

    def __init__(self, source_rate: int, rate: int, channels: int, quality: Quality = "HQ") -> None:
        import soxr

        self._rates = source_rate, rate
        self._streams = [
            soxr.ResampleStream(source_rate, rate, 1, dtype="float32", quality=quality) for _ in range(channels)
        ]
        self._taken = self._given = 0

    def push(self, samples: FloatArray) -> FloatArray:
        """Take the next samples, float32, shape=(channels, n); return those that are ready, shape=(channels, m)."""
        return self._run(samples, last=False)

    def finish(self) -> FloatArray:
        """Return the remaining samples."""
        return self._run(np.zeros((len(self._streams), 0), np.float32), last=True)

    def _run(self, samples: FloatArray, *, last: bool) -> FloatArray:
        out = np.stack([s.resample_chunk(row, last=last) for s, row in zip(self._streams, samples, strict=True)])
        self._taken += samples.shape[1]
        if last:  # soxr rounds halves up, and returns nothing for empty input
            left = resampled_length(self._taken, *self._rates) - self._given
            out = np.pad(out[:, :left], ((0, 0), (0, max(0, left - out.shape[1]))))
        self._given += out.shape[1]
        return out


def resample(samples: FloatArray, source_rate: int, rate: int) -> FloatArray:
    """Resample a whole signal, float32, shape=(channels, n) or (n,): equal to the result of the stream.

    Parameters
    ----------
    samples : float32 array, shape=(channels, n) or (n,)
    source_rate, rate : int
        Hz.

    Returns
    -------
    float32 array
        As many dimensions as ``samples``.
    """
    if source_rate == rate:
        return samples
    rows = np.atleast_2d(samples).astype(np.float32, copy=False)
    stream = Resampler(source_rate, rate, len(rows))
    out = np.concatenate((stream.push(rows), stream.finish()), axis=1)
    return out if samples.ndim == 2 else out[0]


def to_rate(pieces: Iterable[Piece], rate: int, quality: Quality = "HQ") -> Iterator[FloatArray]:
    """Resample all pieces to one rate; consecutive pieces of the same rate are one stream."""
    stream: Resampler | None = None
    current = rate
    for piece in pieces:
        if piece.rate != current:
            if stream is not None:
                yield stream.finish()
            current = piece.rate
            stream = None if current == rate else Resampler(current, rate, len(piece.samples), quality)
        yield piece.samples if stream is None else stream.push(piece.samples)
    if stream is not None:
        yield stream.finish()


#: Audio up to this duration (s) is decoded once and kept in memory.
HOLD_SECONDS = 600.0
#: Largest size in bytes of audio that is kept in memory (it matters for many channels and high rates).
HOLD_BYTES = 512 * 2**20


def open_audio(
    path: str | os.PathLike[str],
    *,
    rate: int | None = ANALYSIS_RATE,
    hold_seconds: float = HOLD_SECONDS,
    max_seconds: float = MAX_SECONDS,
    quality: Quality = "HQ",
) -> "Audio":
    """Open a sound file: wav, flac, mp3, ogg, opus, m4a (AAC, ALAC), aiff; also the sound of an mp4 or Matroska film.

    Only the header is read here; samples are decoded when they are requested. More than two channels are mixed down to
    stereo (see ``downmix``).

    Parameters
    ----------
    path : path
        A local file. Its format is detected from its content, not from its name.
    rate : int or None
        Sample rate to resample to; None keeps the file's own.
    hold_seconds : float
        Audio up to this long is decoded once and kept in memory (at most 512 MiB); longer audio is decoded again at
        each request.
    max_seconds : float
        Longer audio is refused, both when the header states it and when decoding shows it.
    quality : str
        Quality of the rate conversion.

    Raises
    ------
    AudioError
        The file cannot be read, or has more than two channels without names; the message names the file, the problem
        and what to do. All methods of ``Audio`` that decode raise it too.
    """
    return Audio(Path(path), probe(path, max_seconds=max_seconds), rate, hold_seconds, max_seconds, quality)


def audio_from_array(
    samples: npt.ArrayLike,
    sample_rate: float,
    *,
    rate: int | None = ANALYSIS_RATE,
    hold_seconds: float = HOLD_SECONDS,
) -> "Audio":
    """Create ``Audio`` from an array instead of a file. Samples that are float32 are not copied.

    Parameters
    ----------
    samples : array, floating point, shape=(channels, n) or (n,)
        Full scale is 1; at most 8 channels. More than two are taken to be in the order of FLAC (for six: left, right,
        center, low-frequency effects, back left, back right) and are mixed down to stereo.
    sample_rate : int
        Hz, 4000 to 384000.
    rate, hold_seconds
        See ``open_audio``.

    Raises
    ------
    AudioError
        The array or the rate cannot be used; the message names the problem and what to do.
    """
    array = np.asarray(samples)
    if array.dtype.kind != "f":
        raise AudioError(
            f"the audio array has dtype {array.dtype}; pass floating-point samples with full scale 1, "
            "such as samples / 32768 for 16-bit integers"
        )
    array = array[None] if array.ndim == 1 else array
    if array.ndim != 2 or not 1 <= len(array) <= MAX_CHANNELS:
        hint = "; transpose it" if array.ndim == 2 and 1 <= array.shape[1] <= MAX_CHANNELS else ""
        raise AudioError(
            f"the audio array has shape {np.shape(samples)}; pass (channels, n) with 1 to {MAX_CHANNELS} channels, "
            f"or (n,){hint}"
        )
    if not array.shape[1]:
        raise AudioError("the audio array is empty; pass at least one sample")
    if not np.isfinite(array).all():
        raise AudioError("the audio array holds NaN or infinite samples; replace them, for instance by 0")
    whole = float(sample_rate).is_integer() if isinstance(sample_rate, float | int | np.number) else False
    if not whole or isinstance(sample_rate, bool) or not MIN_RATE <= sample_rate <= MAX_RATE:
        raise AudioError(f"the sample rate is {sample_rate!r}; pass a whole number of Hz from {MIN_RATE} to {MAX_RATE}")
    return _ArrayAudio(array.astype(np.float32, copy=False), int(sample_rate), rate, hold_seconds)


class Audio:
    """Sound of one file, shape=(channels, n), float32, full scale 1; at most two channels.

    Parameters
    ----------
    path : Path
    source : SourceInfo
        Properties from the header.
    rate, hold_seconds, max_seconds, quality
        See ``open_audio``.
    """

    def __init__(
        self,
        path: Path,
        source: SourceInfo,
        rate: int | None,
        hold_seconds: float,
        max_seconds: float,
        quality: Quality = "HQ",
    ) -> None:
        self.path, self.source = path, source
        self.rate = rate or source.sample_rate
        self.channels = min(source.channels, 2)
        self._quality: Quality = quality
        self._downmix = downmix_gains(source.layout) if source.channels > 2 else None
        if source.channels > 2 and self._downmix is None:
            which = f"in an unusual layout ({' '.join(source.layout)})" if source.layout else "without names"
            raise AudioError(
                f"{printable(path)}: the file has {source.channels} channels {which}, so mirkit cannot mix it down to "
                "stereo; convert it to stereo, or to a flac or wav file with named channels"
            )
        self._most = int(min(hold_seconds * self.rate, HOLD_BYTES / (4 * self.channels)))
        self._max_seconds = max_seconds
        self._held: list[FloatArray] | None = None
        self._frames: int | None = None
        self._damage = Damage()

    @property
    def frames(self) -> int:
        """Exact number of samples per channel. The first call decodes the whole file."""
        if self._frames is None:
            self._exhaust()
        assert self._frames is not None
        return self._frames

    @property
    def duration(self) -> float:
        """Exact duration in seconds (see ``frames``)."""
        return self.frames / self.rate

    @property
    def damage(self) -> Damage:
        """Audio that was lost in decoding (see ``frames``)."""
        return self._damage if self.frames else Damage()

    def blocks(self, size: int = CHUNK) -> Iterator[FloatArray]:
        """Yield the sound from its start in read-only blocks, shape=(channels, size); the last one may be shorter.

        It may be called several times. Blocks may be views of samples in memory: copy a block before changing it.
        """
        return _cut(self._chunks(), size)

    def samples(self) -> FloatArray:
        """Return all samples as one read-only array, for audio that fits in memory.

        Raises
        ------
        AudioError
            The audio is longer than ``hold_seconds`` or larger than 512 MiB.
        """
        n = self.frames
        if self._held is None and n <= self._most:  # the header stated a longer duration
            self._exhaust()
        if self._held is None:
            raise AudioError(
                f"{printable(self.path)}: {self.duration:.0f} s of audio are too long to be read at once "
                f"(limit {self._most / self.rate:.0f} s); read it in blocks"
            )
        if len(self._held) > 1:
            whole, at = np.empty((self.channels, n), np.float32), 0
            waiting = deque(self._held)
            self._held = []
            while waiting:  # each chunk is freed after it is copied, to save memory
                chunk = waiting.popleft()
                whole[:, at : at + chunk.shape[1]] = chunk
                at += chunk.shape[1]
            self._held = [_sealed(whole)]
        return self._held[0]

    def windows(self, windows: Iterable[Window]) -> Iterator[FloatArray]:
        """Yield the samples of each window, in one pass over the file; long files are not kept in memory.

        Window ``[start, end)`` has the existing samples from ``round(start * rate)`` to ``round(end * rate)``.

        Parameters
        ----------
        windows : iterable of Window
            In order of their start; they may overlap.
        """
        chunks = self._chunks()
        near: deque[FloatArray] = deque()
        start = end = 0  # the samples in ``near``
        before = 0.0
        for window in windows:
            if window.start < before:
                raise ValueError("windows must be in order of their start")
            before = window.start
            first, last = round(window.start * self.rate), round(window.end * self.rate)
            while end < last and (chunk := next(chunks, None)) is not None:
                near.append(chunk)
                end += chunk.shape[1]
                while near and start + near[0].shape[1] <= first:
                    start += near.popleft().shape[1]
            pieces, at = [], start
            for chunk in near:
                pieces.append(chunk[:, max(0, first - at) : max(0, last - at)])
                at += chunk.shape[1]
            pieces = [p for p in pieces if p.shape[1]]
            yield pieces[0] if len(pieces) == 1 else _joined(pieces, self.channels)

    def window(self, start: float, end: float) -> FloatArray:
        """Return the samples of one window (s): see ``windows``.

        Parameters
        ----------
        start, end : float
            Seconds.

        Returns
        -------
        float32 array, shape=(channels, n)
        """
        return next(self.windows([Window(start, end)]))

    def _exhaust(self) -> None:
        deque(self._chunks(), maxlen=0)

    def _chunks(self) -> Iterator[FloatArray]:
        if self._held is not None:
            return iter(self._held)
        return self._decode()

    def _mixed(self, pieces: Iterable[Piece]) -> Iterator[Piece]:
        """Mix more than two channels down to stereo."""
        for rate, samples in pieces:
            yield Piece(rate, samples if self._downmix is None else self._downmix @ samples)

    def _pieces(self, stats: DecodeStats) -> Iterator[Piece]:
        return decode(self.path, stats, max_seconds=self._max_seconds)

    def _decode(self) -> Iterator[FloatArray]:
        stats, n = DecodeStats(), 0
        expected = self._frames if self._frames is not None else (self.source.duration or 0.0) * self.rate
        kept: list[FloatArray] | None = [] if expected <= self._most else None
        for block in _cut(to_rate(self._mixed(self._pieces(stats)), self.rate, self._quality), CHUNK):
            n += block.shape[1]
            if n > self._most:
                kept = None
            if kept is not None:
                kept.append(block)
            yield block
        self._held, self._frames, self._damage = kept, n, stats.damage()


class _ArrayAudio(Audio):
    """Audio in memory; resampling and blocks are the same as for a decoded file."""

    def __init__(self, samples: FloatArray, sample_rate: int, rate: int | None, hold_seconds: float) -> None:
        seconds = samples.shape[1] / sample_rate
        layout = DEFAULT_LAYOUTS[len(samples)]
        info = SourceInfo(sample_rate, len(samples), "array", "array", None, seconds, lossless=True, layout=layout)
        super().__init__(Path("array"), info, rate, hold_seconds, MAX_SECONDS)
        self._samples = samples

    def _pieces(self, stats: DecodeStats) -> Iterator[Piece]:
        for start in range(0, self._samples.shape[1], CHUNK):
            yield Piece(self.source.sample_rate, self._samples[:, start : start + CHUNK])


def _cut(chunks: Iterable[FloatArray], size: int) -> Iterator[FloatArray]:
    """Cut a stream into read-only blocks of one size."""
    rest: list[FloatArray] = []
    have = 0
    for chunk in chunks:
        at = 0
        while have + chunk.shape[1] - at >= size:
            piece = chunk[:, at : at + size - have]
            yield _sealed(np.concatenate([*rest, piece], axis=1) if rest else piece)
            at += size - have
            rest, have = [], 0
        if at < chunk.shape[1]:
            rest.append(chunk[:, at:])
            have += chunk.shape[1] - at
    if rest:
        yield _sealed(_joined(rest, len(rest[0])))


def _joined(pieces: list[FloatArray], channels: int) -> FloatArray:
    if len(pieces) == 1:
        return pieces[0]
    return np.concatenate([np.zeros((channels, 0), np.float32), *pieces], axis=1)


def _sealed(block: FloatArray) -> FloatArray:
    block.flags.writeable = False
    return block
