"""Decode a file to float32 pieces, placed by their time stamps, and count the parts that cannot be decoded."""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from mirkit.audio.container import MAX_SECONDS, Mp3Gaps, SourceInfo, info_frame, ogg_ends, open_container
from mirkit.audio.unreadable import GOOD_COPY, not_audio
from mirkit.errors import AudioError, printable
from mirkit.features.types import FloatArray

if TYPE_CHECKING:
    from av.audio.frame import AudioFrame
    from av.audio.stream import AudioStream
    from av.container import InputContainer
    from av.packet import Packet

# A deviation of a time stamp below this (s) is not a gap: some containers round to milliseconds, and concatenated Opus
# files overlap by 6.5 ms. A lost packet is longer.
_TOLERANCE = 0.01
# Longest gap (s), in addition to the duration decoded before it; a longer jump is a broken time stamp.
_LONGEST_GAP = 60.0
# A file may end this much (s) before the duration in its header, because encoders round.
_SHORT = 0.1
# Most samples of padding that an encoder adds at the end.
MOST_PADDING = 8192


@dataclass(frozen=True)
class Damage:
    """Damage of a file that could be decoded.

    Parameters
    ----------
    share : float
        Share of the audio (0 to 1) that is lost: packets that could not be decoded (replaced by silence if their time
        is known), samples that are not finite (set to zero), and the part that the header states but the file lacks.
    bad_packets : int
        Number of packets that could not be decoded, gaps, and a missing end. Garbage after the audio counts here too,
        although no audio is lost.
    """

    share: float = 0.0
    bad_packets: int = 0


@dataclass
class DecodeStats:
    """Counts of a decoding pass; complete once the pass has ended."""

    seconds: float = 0.0
    silence: float = 0.0
    missing: float = 0.0
    bad_packets: int = 0
    samples: int = 0
    not_numbers: int = 0

    def damage(self) -> Damage:
        """Return the damage of the whole file."""
        gone = (self.silence + self.missing) / (self.seconds + self.missing) if self.seconds else 0.0
        broken = self.not_numbers / self.samples if self.samples else 0.0
        return Damage(share=gone + broken * (1 - gone), bad_packets=self.bad_packets)


class TimestampTracker:
    """Follow the time stamps of one decoding pass and count what is missing.

    The first decoded frame is at time 0, independent of its time stamp, unless packets before it were lost.
    """

    def __init__(self, path: Path, info: SourceInfo, start: float | None, stats: DecodeStats) -> None:
        self._path, self._info, self._stats = path, info, stats
        # time stamps of flac begin at 0, but FFmpeg starts with the first frame that it can parse
        self._start = 0.0 if info.container == "flac" and info.duration is not None else start
        self._origin: float | None = None
        self._fresh_damage = False
        self._last: Packet[Any] | None = None
        self._gaps: Mp3Gaps | None = None
        if info.container == "mp3":
            frame = info_frame(path)
            self._gaps = Mp3Gaps(None if frame is None else frame.end)
        self._gap_seconds = self._unread = 0.0

    def is_tag(self, packet: "Packet[Any]") -> bool:
        """Whether a packet is a tag in the middle of the file and holds no audio."""
        return self._gaps is not None and self._gaps.is_tag(packet)

    def packet(self, packet: "Packet[Any]", *, decodes: bool) -> None:
        """Record the next packet; one that does not decode is counted."""
        if packet.is_corrupt or not decodes:
            self._stats.bad_packets += 1
            self._fresh_damage = True
        if not packet.duration:
            return
        self._last = packet
        if self._gaps is not None and (missed := self._gaps.missed(packet, decodes)):
            self._gap_seconds += missed * float(packet.duration * packet.time_base)

    @property
    def cuts_end(self) -> bool:
        """Whether :meth:`padding` determines the end of the audio, so that FFmpeg must not cut it."""
        return self._info.container == "mov"

    def stopped(self) -> None:
        """Record that the container could not be read to its end, and estimate what is lost from the bytes left."""
        self._stats.bad_packets += 1
        if self._last is not None and self._last.pos:
            left = self._path.stat().st_size / (self._last.pos + self._last.size) - 1
            self._unread = self._stats.seconds * max(0.0, left)

    def gap(self, frame: "AudioFrame") -> float:
        """Duration of the silence to insert before this frame (s)."""
        time = self._time(frame)
        if time is None:
            return 0.0
        if self._origin is None:
            self._origin = self._start if self._fresh_damage and self._start is not None else time
        ahead = time + self._gap_seconds - self._origin - self._stats.seconds
        damaged, self._fresh_damage = self._fresh_damage, False
        if abs(ahead) <= _TOLERANCE:
            return 0.0
        stated = self._info.duration
        left = math.inf if stated is None else stated + 1 - self._stats.seconds
        if not 0 < ahead <= min(_LONGEST_GAP + self._stats.seconds, left):
            self._origin += ahead  # a concatenated file or a broken time stamp: continue from here
            self._stats.bad_packets += ahead > 0
            return 0.0
        self._stats.bad_packets += not damaged
        self._stats.silence += ahead
        return ahead

    def _time(self, frame: "AudioFrame") -> float | None:
        """Start of a frame in seconds, from its time stamp.

        FFmpeg assumes a too short duration for the first short Vorbis block after a long one, so that its start is late
        (10 ms at 44.1 kHz, at every attack). Its end is right and is used instead.
        """
        if frame.time is None or self._info.codec != "vorbis" or not frame.duration:
            return frame.time
        return frame.time + float(frame.duration * (frame.time_base or 0)) - frame.samples / frame.sample_rate

    def padding(self, itunes: str | None) -> int:
        """Number of padding samples at the end that FFmpeg does not remove.

        In mp4, the end is the earliest of three: the end of the last packet, iTunes' sample count, and the edit list.
        The edit list is rounded to the time scale of the movie (1/600 s or finer), so it counts only if it is clearly
        earlier. In mp3 and ogg, the header states the end; FFmpeg applies it, except in an mp3 with lost packets and in
        an ogg with a single page.
        """
        rate, now = self._info.sample_rate, self._stats.seconds
        end, stated = now, self._info.duration
        if self._info.container in ("mp3", "ogg") and stated is not None:
            end = stated
        elif self._info.container == "mov":
            if (last := self._last) is not None and last.pts is not None and self._origin is not None:
                end = min(end, float((last.pts + (last.duration or 0)) * last.time_base) - self._origin)
            if (total := _itunes_total(itunes)) is not None:
                end = min(end, total / rate)
            if stated is not None and end - stated > 1 / 500:
                end = stated
        excess = round((now - end) * rate)
        return excess if 0 < excess <= MOST_PADDING else 0

    def is_noise(self) -> bool:
        """Whether the decoded frames are accidental: random bytes sometimes look like an mp3 frame."""
        return self._gaps is not None and self._stats.bad_packets > 10 * self._gaps.frames

    def close(self) -> None:
        """Compare the end with the duration in the header."""
        if self._info.container == "ogg" and not ogg_ends(self._path):
            self._stats.bad_packets += 1
        missing = max((self._info.duration or 0.0) - self._stats.seconds, self._unread)
        if missing > _SHORT:
            self._stats.missing = missing


def _itunes_total(text: str | None) -> int | None:
    """Sample count of an iTunSMPB tag: its second to fourth hexadecimal words are priming, padding and length."""
    try:
        return int((text or "").split()[3], 16) or None
    except (IndexError, ValueError):
        return None


#: Samples per channel of a piece: 6 s at 44.1 kHz, 2 MB in stereo.
CHUNK = 1 << 18
# A larger sample comes from a broken file, like NaN; float files scaled as integers stay far below.
_ABSURD = 1e9

_FORMATS: dict[str, tuple[type[np.generic], float]] = {
    "u8": (np.uint8, 2.0**-7),
    "s16": (np.int16, 2.0**-15),
    "s32": (np.int32, 2.0**-31),
    "s64": (np.int64, 2.0**-63),
    "flt": (np.float32, 1.0),
    "dbl": (np.float64, 1.0),
}


class Piece(NamedTuple):
    """Consecutive samples at one sample rate: float32, shape=(channels, n)."""

    rate: int
    samples: FloatArray


def decode(path: Path, stats: DecodeStats, *, max_seconds: float = MAX_SECONDS) -> Iterator[Piece]:
    """Decode a file piece by piece, with as many channels as its header names.

    A piece has the sample rate of its frames, because the rate can change within a file. Integers are scaled so that
    full scale is 1 (exactly, for up to 24 bits). Lost packets are replaced by silence if their duration is known from
    the time stamps or, in an mp3, from the number of bad bytes.

    Parameters
    ----------
    path : Path
    stats : DecodeStats
        Receives the counts; complete when the iterator ends.
    max_seconds : float
        Longer audio is refused.

    Raises
    ------
    AudioError
        Nothing can be decoded, most samples are not finite, or the audio is longer than ``max_seconds``.
    """
    with open_container(path, max_seconds=max_seconds) as (container, stream, info):
        start = None if stream.start_time is None else float(stream.start_time * (stream.time_base or 0))
        tracker = TimestampTracker(path, info, start, stats)
        queue = _Queue(info.channels, stats)
        for frame in _frames(container, stream, tracker):
            gap = tracker.gap(frame)
            layout = _Layout(frame.format.name, frame.layout.nb_channels, frame.sample_rate)
            if gap or not queue.fits(layout):
                yield from queue.pieces()
                yield from _silence(gap, info.sample_rate, info.channels)
                stats.seconds += gap
            queue.put(frame, layout)
            if stats.seconds > max_seconds:
                raise AudioError(
                    f"{printable(path)}: the audio is longer than the limit of {max_seconds / 3600:g} h; "
                    "cut it into parts"
                )
            if queue.waiting >= CHUNK + MOST_PADDING:
                yield from queue.pieces(keep=MOST_PADDING)
        yield from queue.pieces(drop=tracker.padding(container.metadata.get("iTunSMPB")))
        tracker.close()
    if not stats.samples or tracker.is_noise():
        why = not_audio(path) or f"no audio in the file could be decoded; {GOOD_COPY}"
        raise AudioError(f"{printable(path)}: {why}")
    if stats.not_numbers > stats.samples / 2:
        raise AudioError(f"{printable(path)}: most samples of the file are not numbers; {GOOD_COPY}")


def _frames(container: "InputContainer", stream: "AudioStream", tracker: TimestampTracker) -> Iterator["AudioFrame"]:
    import av

    context = stream.codec_context
    context.thread_count = 1
    if context.name == "flac":  # drop frames with a wrong checksum, which are often noise
        context.options = {"err_detect": "crccheck+explode"}
    packets = container.demux(stream)
    while True:
        try:
            packet = next(packets, None)
        except av.FFmpegError:  # the container is damaged here; keep the audio before it
            tracker.stopped()
            return
        if packet is None:
            return
        if tracker.is_tag(packet):
            continue
        if tracker.cuts_end:
            _keep_end(packet)
        try:
            frames = packet.decode()
        except av.FFmpegError:
            context.flush_buffers()  # avoids a click from the overlap with audio before the damage
            tracker.packet(packet, decodes=False)
        else:
            tracker.packet(packet, decodes=True)
            yield from frames


def _keep_end(packet: "Packet[Any]") -> None:
    """Make FFmpeg decode the last packet to its end, as before version 9.

    If an mp4 states its padding twice (as the duration of its last packet and in an iTunSMPB tag), FFmpeg 9 removes it
    twice. Therefore FFmpeg removes only the priming at the start here.
    """
    if packet.has_sidedata("skip_samples"):
        skipped = packet.get_sidedata("skip_samples")
        data = bytes(skipped)  # samples to drop at the start and at the end (4 bytes each), and the reasons
        if any(data[4:8]):
            skipped.update(data[:4] + bytes(4) + data[8:])
            packet.set_sidedata(skipped)


class _Queue:
    """Collects small frames into large pieces, and converts them to float32."""

    def __init__(self, channels: int, stats: DecodeStats) -> None:
        self._channels, self._stats = channels, stats
        self._layout: _Layout | None = None

    @property
    def waiting(self) -> int:
        """Samples per channel in the queue."""
        return self._fifo.samples

    def fits(self, layout: "_Layout") -> bool:
        """Whether a frame has the layout of the queue; the FIFO itself does not check the channels."""
        return self._layout is None or self._layout == layout

    def put(self, frame: "AudioFrame", layout: "_Layout") -> None:
        if self._layout != layout:
            from av.audio.fifo import AudioFifo

            self._layout, self._fifo = layout, AudioFifo()
        frame.pts = None  # otherwise the FIFO checks it
        self._fifo.write(frame)
        self._stats.seconds += frame.samples / layout.rate

    def pieces(self, *, keep: int = 0, drop: int = 0) -> Iterator[Piece]:
        """Yield the queue, without its last ``keep`` samples; discard the last ``drop`` samples, which are padding."""
        if self._layout is None:
            return
        rate = self._layout.rate
        drop = min(drop, self.waiting)
        self._stats.seconds -= drop / rate
        while (n := min(CHUNK, self.waiting - keep - drop)) > 0 and (n == CHUNK or not keep):
            frame = self._fifo.read(n)
            assert frame is not None
            yield Piece(rate, self._convert(frame))

    def _convert(self, frame: "AudioFrame") -> FloatArray:
        samples = _to_float(frame)
        if frame.format.name[:3] in ("flt", "dbl") and not max(-samples.min(), samples.max()) <= _ABSURD:
            wrong = ~(np.abs(samples) <= _ABSURD)
            samples[wrong] = 0
            self._stats.not_numbers += int(wrong.sum())
        self._stats.samples += samples.size
        return _fold(samples, self._channels)


class _Layout(NamedTuple):
    format: str
    channels: int
    rate: int


def _to_float(frame: "AudioFrame") -> FloatArray:
    """Samples as float32, shape=(channels, n)."""
    n, channels = frame.samples, frame.layout.nb_channels
    planes: Any = frame.planes  # these are buffers; PyAV's type hints lack that
    kind, scale = _FORMATS[frame.format.name.removesuffix("p")]
    out = np.empty((channels, n), np.float32)
    if frame.format.is_planar:
        rows = [np.frombuffer(plane, kind, n) for plane in planes]
    else:
        rows = list(np.frombuffer(planes[0], kind, channels * n).reshape(n, channels).T)
    for row, target in zip(rows, out, strict=True):
        # NumPy multiplies 32-bit integers in float64, so that they are rounded only once
        with np.errstate(over="ignore", invalid="ignore"):
            np.multiply(row, np.float32(scale), out=target, casting="same_kind")
        if kind is np.uint8:
            target -= 1
    return out


def _fold(samples: FloatArray, channels: int) -> FloatArray:
    """Convert to the initial number of channels: the mean of all channels, repeated."""
    if len(samples) == channels:
        return samples
    return np.repeat(samples.mean(axis=0, keepdims=True), channels, axis=0)


def _silence(seconds: float, rate: int, channels: int) -> Iterator[Piece]:
    n = round(seconds * rate)
    for start in range(0, n, CHUNK):
        yield Piece(rate, np.zeros((channels, min(CHUNK, n - start)), np.float32))
