"""Where in time a decoded frame belongs, and how much of a file's sound is missing."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mirkit.audio.container import SourceInfo
from mirkit.audio.headers import ogg_ends
from mirkit.audio.mp3 import Mp3Gaps, info_frame

if TYPE_CHECKING:
    from av.audio.frame import AudioFrame
    from av.packet import Packet

# Time stamps of some containers are rounded to milliseconds, and joined Opus files overlap by 6.5; a step smaller than
# this (s) is no gap. A lost packet is longer.
_TOLERANCE = 0.01
# A gap may be this long (s) plus what was decoded before it; a jump beyond that is a broken time stamp.
_LONGEST_GAP = 60.0
# A file that ends this much (s) before its header says is whole: encoders round.
_SHORT = 0.1
# No encoder pads the end by more samples than this.
MOST_PADDING = 8192


@dataclass(frozen=True)
class Damage:
    """What was wrong with a file that could be decoded.

    Parameters
    ----------
    share : float
        Share of the sound (0 to 1) that is lost: packets that did not decode (silence stands in their place where
        the file tells their time), samples that were not numbers (set to zero), and what the header promised beyond
        the end.
    bad_packets : int
        Packets that did not decode, gaps, and an end that is not one. Junk behind the sound counts here and loses
        nothing.
    """

    share: float = 0.0
    bad_packets: int = 0


@dataclass
class DecodeStats:
    """What a pass over a file found out; complete once the pass has ended."""

    seconds: float = 0.0
    silence: float = 0.0
    missing: float = 0.0
    bad_packets: int = 0
    samples: int = 0
    nonsense: int = 0

    def damage(self) -> Damage:
        """The verdict on the whole file."""
        gone = (self.silence + self.missing) / (self.seconds + self.missing) if self.seconds else 0.0
        broken = self.nonsense / self.samples if self.samples else 0.0
        return Damage(share=gone + broken * (1 - gone), bad_packets=self.bad_packets)


class TimestampTracker:
    """Follows the time stamps of one decoding pass and keeps its ledger.

    The first sound is time 0, whatever its stamp, unless packets before it were lost.
    """

    def __init__(self, path: Path, info: SourceInfo, start: float | None, ledger: DecodeStats) -> None:
        self._path, self._info, self._ledger = path, info, ledger
        # a flac's stamps count from 0, but FFmpeg starts at the first frame that it understood
        self._start = 0.0 if info.container == "flac" and info.duration is not None else start
        self._origin: float | None = None
        self._fresh_damage = False
        self._last: Packet[Any] | None = None
        self._holes: Mp3Gaps | None = None
        if info.container == "mp3":
            frame = info_frame(path)
            self._holes = Mp3Gaps(None if frame is None else frame.end)
        self._hole_seconds = 0.0

    def is_tag(self, packet: "Packet[Any]") -> bool:
        """Whether a packet holds no sound but a tag in the middle of the file."""
        return self._holes is not None and self._holes.is_tag(packet)

    def packet(self, packet: "Packet[Any]", *, decodes: bool) -> None:
        """Note the next packet; one that does not decode is counted."""
        if packet.is_corrupt or not decodes:
            self._ledger.bad_packets += 1
            self._fresh_damage = True
        if not packet.duration:
            return
        self._last = packet
        if self._holes is not None and (missed := self._holes.missed(packet, decodes)):
            self._hole_seconds += missed * float(packet.duration * packet.time_base)

    @property
    def cuts_end(self) -> bool:
        """Whether :meth:`padding` alone says where the sound ends, and FFmpeg is to cut nothing there."""
        return self._info.container == "mov"

    def stopped(self) -> None:
        """Note that the container could not be followed to its end."""
        self._ledger.bad_packets += 1

    def gap(self, frame: "AudioFrame") -> float:
        """Seconds of silence that belong before this frame."""
        time = self._time(frame)
        if time is None:
            return 0.0
        if self._origin is None:
            self._origin = self._start if self._fresh_damage and self._start is not None else time
        ahead = time + self._hole_seconds - self._origin - self._ledger.seconds
        damaged, self._fresh_damage = self._fresh_damage, False
        if abs(ahead) <= _TOLERANCE:
            return 0.0
        if not 0 < ahead <= self._room():
            self._origin += ahead  # joined files start over; stamps may be broken: go on from here
            self._ledger.bad_packets += ahead > 0
            return 0.0
        self._ledger.bad_packets += not damaged
        self._ledger.silence += ahead
        return ahead

    def _time(self, frame: "AudioFrame") -> float | None:
        """Begin of a frame in seconds, by its stamp.

        FFmpeg takes the first short block of Vorbis after a long one for shorter than it is, and its stamp is late by
        as much (10 ms at 44.1 kHz, at every attack); where it ends is right.
        """
        if frame.time is None or self._info.codec != "vorbis" or not frame.duration:
            return frame.time
        return frame.time + float(frame.duration * (frame.time_base or 0)) - frame.samples / frame.sample_rate

    def padding(self, itunes: str | None) -> int:
        """Samples at the end that only fill an encoder's last frame, where FFmpeg leaves them to us.

        In mp4 these tell, whichever ends first: the duration of the last packet, iTunes' own count, and the edit list,
        which is rounded to the film's time scale (1/600 s or finer) and so decides only when it is clearly earlier. In
        mp3 and ogg the header tells; FFmpeg heeds it, but for an mp3 with lost packets and an ogg of a single page.
        """
        rate, now = self._info.sample_rate, self._ledger.seconds
        end, promised = now, self._info.duration
        if self._info.container in ("mp3", "ogg") and promised is not None:
            end = promised
        elif self._info.container == "mov":
            if (last := self._last) is not None and last.pts is not None and self._origin is not None:
                end = min(end, float((last.pts + (last.duration or 0)) * last.time_base) - self._origin)
            if (total := _itunes_total(itunes)) is not None:
                end = min(end, total / rate)
            if promised is not None and end - promised > 1 / 500:
                end = promised
        excess = round((now - end) * rate)
        return excess if 0 < excess <= MOST_PADDING else 0

    def is_noise(self) -> bool:
        """Whether what decoded is chance: of noise, one packet in many looks like an mp3 frame."""
        return self._holes is not None and self._ledger.bad_packets > 10 * self._holes.frames

    def close(self) -> None:
        """Compare the end with what the file promised."""
        if self._info.container == "ogg" and not ogg_ends(self._path):
            self._ledger.bad_packets += 1
        missing = (self._info.duration or 0.0) - self._ledger.seconds
        if missing > _SHORT:
            self._ledger.missing = missing

    def _room(self) -> float:
        room = _LONGEST_GAP + self._ledger.seconds
        if self._info.duration is not None:
            room = min(room, self._info.duration + 1 - self._ledger.seconds)
        return room


def _itunes_total(text: str | None) -> int | None:
    """The sample count in an iTunSMPB tag: hexadecimal words; priming, padding and length are the second to fourth."""
    try:
        return int((text or "").split()[3], 16) or None
    except (IndexError, ValueError):
        return None
