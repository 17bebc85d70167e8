"""Write flac, wav, mp3 and ogg files block by block and atomically, and count clipped samples."""

import os
from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Self, cast

import numpy as np

from mirkit.errors import AudioError, InfoError, as_error, printable
from mirkit.features.types import FloatArray
from mirkit.store import FileBatch, atomic_file

if TYPE_CHECKING:
    from av.audio.stream import AudioStream

_LAYOUTS = ("mono", "stereo", "3.0", "quad", "5.0", "5.1", "6.1", "7.1")
_TINY_MP3 = 47  # least number of samples that an mp3 decodes to
_MP3_RATES = (8000, 11025, 12000, 16000, 22050, 24000, 32000, 44100, 48000)
# FFmpeg's names of tags, if they differ from ours; FFmpeg does not define the last two
_TAG_KEYS = {"albumartist": "album_artist", "year": "date", "bpm": "BPM", "key": "INITIALKEY"}
_ID3_KEYS = {"bpm": "TBPM", "key": "TKEY"}
# A wav file above 4 GB needs 64-bit sizes (RF64). Short ogg pages: a lost page costs 0.2 s instead of 1 s, and FFmpeg
# has problems with files of one page. Without bitexact, FFmpeg gives an ogg stream a random serial number.
_CONTAINER_OPTIONS = {"wav": {"rf64": "auto"}, "ogg": {"page_duration": "200000", "fflags": "+bitexact"}}


@dataclass(frozen=True)
class Written:
    """Result of writing a file.

    Parameters
    ----------
    frames : int
        Samples per channel.
    peak : float
        Largest absolute sample before limiting; above 1, integer formats clip.
    clipped : int
        Number of samples that were limited to full scale (flac and integer wav; 0 for other formats, which do not
        clip).
    """

    frames: int = 0
    peak: float = 0.0
    clipped: int = 0


@dataclass(frozen=True)
class _Format:
    container: str
    codec: str
    sample: str  # sample format of the encoder, by FFmpeg's name
    full_scale: int | None  # None: floating point
    options: Mapping[str, str]


_DEFAULT_BITS = {".flac": 24, ".wav": 32}
#: Suffix and bits per sample -> format.
_FORMATS = {
    (".flac", 16): _Format("flac", "flac", "s16", 2**15, {}),
    (".flac", 24): _Format("flac", "flac", "s32", 2**23, {"bits_per_raw_sample": "24"}),
    (".wav", 16): _Format("wav", "pcm_s16le", "s16", 2**15, {}),
    (".wav", 24): _Format("wav", "pcm_s24le", "s32", 2**23, {}),
    (".wav", 32): _Format("wav", "pcm_f32le", "flt", None, {}),
    # Level 7 takes half the time of the default, without audible loss at high bit rates.
    (".mp3", None): _Format("mp3", "libmp3lame", "fltp", None, {"compression_level": "7"}),
    # FFmpeg's own Vorbis encoder at its best quality (118 is its unit of quality): about 175 kbit/s.
    (".ogg", None): _Format(
        "ogg", "vorbis", "fltp", None, {"strict": "experimental", "flags": "+qscale", "global_quality": str(118 * 10)}
    ),
}


def encode(
    path: str | os.PathLike[str],
    blocks: Iterable[FloatArray],
    *,
    rate: int,
    channels: int,
    bits: int | None = None,
    bitrate: int | None = None,
    tags: Mapping[str, str] | None = None,
    batch: FileBatch | None = None,
) -> Written:
    """Write all blocks to a file: see ``Writer``.

    Parameters
    ----------
    path : path
        Its suffix names the format.
    blocks : iterable of arrays
        Float32, shape=(channels, n), full scale 1.
    rate, channels, bits, bitrate, tags, batch
        See ``Writer``.

    Returns
    -------
    Written
    """
    with Writer(path, rate=rate, channels=channels, bits=bits, bitrate=bitrate, tags=tags, batch=batch) as writer:
        for block in blocks:
            writer.write(block)
    return writer.written


class Writer:
    """Writer of an audio file, in the format of its suffix. The file appears only when it is complete.

    Use it as a context manager: at the end the file is moved to its path; after an exception no file remains. Every
    format decodes to exactly the number of samples that was written, without delay (an mp3 of fewer than 47 samples
    decodes to 47).

    Parameters
    ----------
    path : path
        ``.flac``, ``.wav``, ``.mp3`` or ``.ogg`` (Vorbis). An existing file is replaced.
    rate, channels : int
        flac, wav: 1 to 8 channels. mp3: 1 or 2 channels at one of the nine MPEG rates (8 to 48 kHz). ogg: 2 channels.
    bits : 16, 24 or 32, optional
        flac: 16 or 24 (default). wav: 16, 24 or 32, which is floating point (default).
    bitrate : int, optional
        kbit/s, only for mp3; default 320. The format allows at most 160 below 32 kHz, and 64 below 16 kHz.
    tags : mapping, optional
        title, artist, album, albumartist, genre, year, track, bpm, key.
    batch : FileBatch, optional
        Files with which this one is synced to disk and moved to its path.

    Raises
    ------
    AudioError
        The format does not support the rate or the channels, a sample is not finite, there are no samples, or the file
        cannot be written.
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        *,
        rate: int,
        channels: int,
        bits: int | None = None,
        bitrate: int | None = None,
        tags: Mapping[str, str] | None = None,
        batch: FileBatch | None = None,
    ) -> None:
        self._path, self._batch = Path(path), batch
        self._form = _format(self._path, rate, channels, bits, bitrate)
        self._rate, self._channels, self._layout = rate, channels, _LAYOUTS[channels - 1]
        keys = _TAG_KEYS | (_ID3_KEYS if self._form.container == "mp3" else {})
        self._tags = {keys.get(key, key): value for key, value in (tags or {}).items()}
        self._written = Written()

    def __enter__(self) -> Self:
        import av

        with ExitStack() as stack, self._disk():
            file = atomic_file if self._batch is None else self._batch.file
            temporary = stack.enter_context(file(self._path))
            self._container = av.open(
                "file:" + os.path.abspath(temporary),
                "w",
                format=self._form.container,
                container_options=_CONTAINER_OPTIONS.get(self._form.container, {}),
            )
            stack.callback(self._close)
            self._container.metadata.update(self._tags)
            stream = self._container.add_stream(
                self._form.codec,
                rate=self._rate,
                layout=self._layout,
                format=self._form.sample,
                options=dict(self._form.options),
            )
            self._stream = cast("AudioStream", stream)
            self._stack = stack.pop_all()
        return self

    @property
    def written(self) -> Written:
        """Return what was written so far."""
        return self._written

    def write(self, block: FloatArray) -> None:
        """Append samples, shape=(channels, n), full scale 1."""
        import av

        if block.ndim != 2 or block.shape[0] != self._channels:
            raise ValueError(f"a block of shape {block.shape} is not of {self._channels} channels")
        if not block.shape[1]:
            return
        peak = float(max(-block.min(), block.max()))
        if not peak < np.inf:
            raise AudioError(f"{printable(self._path)}: the file cannot be written, because a sample is not a number")
        frame = av.AudioFrame.from_ndarray(_samples(block, self._form), format=self._form.sample, layout=self._layout)
        frame.sample_rate, frame.pts, frame.time_base = self._rate, self._written.frames, Fraction(1, self._rate)
        with self._disk():
            self._container.mux(self._stream.encode(frame))
        over = int((np.abs(block) > 1).sum()) if peak > 1 and self._form.full_scale else 0
        self._written = Written(
            self._written.frames + block.shape[1], max(self._written.peak, peak), self._written.clipped + over
        )

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if error is not None:
            self._stack.__exit__(kind, error, trace)
            return
        with self._disk(), self._stack:
            self._finish()

    def _finish(self) -> None:
        if not self._written.frames:
            raise AudioError(f"{printable(self._path)}: there are no samples to write, so no file was made")
        for packet in self._stream.encode(None):
            if self._form.container in ("mp3", "ogg"):
                # The encoder pads its last packet, and may add a packet of padding only. Decoders cut the last packet
                # to its duration. Therefore its duration must be right, and packets of padding only are dropped.
                left = self._written.frames - (packet.pts or 0)
                packet.duration = max(0, min(packet.duration or 0, left))
                if not packet.duration and self._form.container == "mp3" and self._written.frames > _TINY_MP3:
                    continue
            self._container.mux(packet)
        self._container.close()

    def _close(self) -> None:
        with suppress(OSError, ValueError):  # FFmpeg's errors are one of these; the first error is already being raised
            self._container.close()

    @contextmanager
    def _disk(self) -> Iterator[None]:
        import av

        try:
            yield
        except InfoError as error:
            raise AudioError(str(error)) from error
        except OSError as error:
            raise AudioError(str(as_error(error, self._path, "write"))) from error
        except av.FFmpegError as error:
            raise AudioError(f"{printable(self._path)}: the file cannot be written ({error.strerror})") from error


def _format(path: Path, rate: int, channels: int, bits: int | None, bitrate: int | None) -> _Format:
    suffix, name = path.suffix.lower(), printable(path)
    bits = bits or _DEFAULT_BITS.get(suffix)
    if not 1 <= channels <= len(_LAYOUTS):
        raise AudioError(f"{name}: the audio has {channels} channels; 1 to {len(_LAYOUTS)} can be written")
    if bitrate is not None and suffix != ".mp3":
        raise ValueError(f"a bit rate can be chosen for mp3, not for {suffix}")
    if suffix not in {known for known, _ in _FORMATS}:
        raise AudioError(
            f"{name}: mirkit cannot write {suffix or 'a file without a suffix'}; choose flac, wav, mp3 or ogg"
        )
    if (suffix, bits) not in _FORMATS:
        raise ValueError(f"a {suffix} file cannot have {bits} bits per sample")
    if suffix == ".mp3" and (channels > 2 or rate not in _MP3_RATES):
        raise AudioError(f"{name}: mp3 does not support {rate} Hz with channels: {channels}; choose flac")
    if suffix == ".ogg" and channels != 2:
        raise AudioError(f"{name}: ogg is written with 2 channels only, and this audio has {channels}; choose flac")
    form = _FORMATS[suffix, bits]
    return replace(form, options={**form.options, "b": f"{bitrate or 320}k"}) if suffix == ".mp3" else form


def _samples(block: FloatArray, form: _Format) -> FloatArray:
    """Convert a block for the encoder: scaled, rounded, and interleaved if required."""
    if form.full_scale is None:
        data = block.astype(np.float32, copy=False)
    else:
        data = np.rint(block.astype(np.float32, copy=False) * np.float32(form.full_scale))
        np.clip(data, -form.full_scale, form.full_scale - 1, out=data)
        data = data.astype(np.int16 if form.sample == "s16" else np.int32)
        if form.full_scale == 2**23:
            data <<= 8
    if form.sample.endswith("p"):
        return np.ascontiguousarray(data)
    return np.ascontiguousarray(data.T).reshape(1, -1)
