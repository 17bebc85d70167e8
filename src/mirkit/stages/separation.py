"""Stage of separation: a mix into four stems, or into one stem and the rest.

Stems are written at their true level, or with one common gain if the format would clip. Those that a model does not
produce are computed from the rest of the mix.
"""

from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from mirkit import models, separation
from mirkit.analysis import damage_notes
from mirkit.audio import Audio, Writer, open_audio
from mirkit.catalog import STEMS
from mirkit.engines.prefetch import prefetch
from mirkit.errors import AudioError, printable
from mirkit.features.types import FloatArray
from mirkit.models.backend import StemRun, StemSeparator
from mirkit.stages import Result
from mirkit.store import Settings
from mirkit.track import MIX, REST, Track
from mirkit.track.names import STEM_MARK

LOSSLESS = ("flac", "wav")

#: Samples beyond full scale: their channels, positions in the track, and values.
_Over = tuple[npt.NDArray[np.intp], npt.NDArray[np.intp], FloatArray]


def bits_of(settings: Settings, source: int | None) -> int | None:
    """Choose the bit depth of the stems: that of the source, but 16 for a lossy source, whose noise is far higher."""
    if settings.separation.format not in LOSSLESS:
        return None
    if settings.separation.bits is not None:
        return settings.separation.bits
    return 24 if source is not None and source > 16 else 16


class StemFiles:
    """The files of the stems of one track.

    Parameters
    ----------
    paths : dict
        Stem -> file.
    audio : Audio
        The mix, which defines the rate and the channels of the stems.
    settings : Settings
    bits : int or None
        Bit depth of flac and wav; None for the default of the format, which for wav is floating point.
    """

    def __init__(self, paths: Mapping[str, Path], audio: Audio, settings: Settings, bits: int | None) -> None:
        form = settings.separation.format
        self._paths = dict(paths)
        self._form: dict[str, Any] = {
            "rate": audio.rate,
            "channels": audio.channels,
            "bits": bits,
            "bitrate": settings.separation.bitrate if form == "mp3" else None,
        }
        self.clipped: dict[str, int] = {}
        self._peak = 0.0
        self._over: dict[str, list[_Over]] = {stem: [] for stem in paths}

    def write(self, blocks: Iterable[Mapping[str, FloatArray]]) -> None:
        """Write blocks of stems, shape=(channels, n). Stems that have no file are skipped.

        The files appear together when all blocks are written, or not at all.
        """
        with ExitStack() as files:
            writers = {stem: files.enter_context(self._writer(stem)) for stem in self._paths}
            for stems in blocks:
                for stem, writer in writers.items():
                    self._remember(stem, writer.written.frames, stems[stem])
                    writer.write(stems[stem])
        self.clipped = {stem: writer.written.clipped for stem, writer in writers.items()}
        self._peak = max((writer.written.peak for writer in writers.values()), default=0.0)

    def fit(self) -> float:
        """Lower all stems by one gain if samples of any of them were clipped, and write them again.

        Clipped samples are restored first, so the files are the same as with that gain from the start, except that
        they are rounded twice.

        Returns
        -------
        float
            The gain; 1 where nothing was clipped.
        """
        if not any(self.clipped.values()):
            return 1.0
        gain = np.float32(1 / self._peak)
        for stem, path in self._paths.items():
            channels, places, values = self._cut_off(stem)
            audio, start = open_audio(path, rate=None, hold_seconds=0), 0
            with self._writer(stem) as writer:
                for block in audio.blocks():
                    whole = block.copy()
                    first, last = np.searchsorted(places, (start, start + whole.shape[1]))
                    whole[channels[first:last], places[first:last] - start] = values[first:last]
                    writer.write(whole * gain)
                    start += whole.shape[1]
        return float(gain)

    def _writer(self, stem: str) -> Writer:
        return Writer(self._paths[stem], tags={"artist": STEM_MARK, "title": stem}, **self._form)

    def _remember(self, stem: str, start: int, block: FloatArray) -> None:
        """Store the samples beyond full scale."""
        channels, samples = np.nonzero(np.abs(block) > 1)
        if len(samples):
            self._over[stem].append((channels, start + samples, block[channels, samples]))

    def _cut_off(self, stem: str) -> _Over:
        """The clipped samples of a stem, in the order of time."""
        none: _Over = (np.zeros(0, np.intp), np.zeros(0, np.intp), np.zeros(0, np.float32))
        channels, places, values = (np.concatenate(part) for part in zip(none, *self._over[stem], strict=True))
        order = np.argsort(places, kind="stable")
        return channels[order], places[order], values[order]


def fill_missing_stems(
    stems: Iterable[dict[str, FloatArray]], audio: Audio, missing: Sequence[str]
) -> Iterator[dict[str, FloatArray]]:
    """Add the stems that a model does not produce, so that all stems add up to the mix.

    The residual (mix minus stems of the model) is separated by the embedded backend. Its parts for stems that the model
    has produced are added to ``other``.

    Parameters
    ----------
    stems : iterable of dict
        Blocks of the stems that the model makes, shape=(channels, n).
    audio : Audio
        The mix, at the rate of the stems.
    missing : sequence of str
        The other stems; ``other`` is one of them.

    Yields
    ------
    dict of str to array, float32, shape=(channels, n)
        Blocks of all four stems.
    """
    rest = separation.Separator(audio.rate, audio.channels)
    mix, made, names = _Queue(), _Queue(), [""]
    mix_blocks = audio.blocks()

    def combined(parts: dict[str, FloatArray]) -> dict[str, FloatArray]:
        own = made.take(parts["other"].shape[-1])
        filled = {stem: parts[stem] for stem in missing}
        filled["other"] = sum((parts[stem] for stem in parts if stem not in missing), parts["other"])
        return dict(zip(names, own, strict=True)) | filled

    for block in stems:
        names, own = list(block), np.stack(list(block.values()))
        made.put(own)
        while mix.length < own.shape[-1]:
            mix.put(next(mix_blocks))
        for parts in rest.push(mix.take(own.shape[-1]) - own.sum(axis=0)):
            yield combined(parts)
    for parts in rest.finish():
        yield combined(parts)


class _Queue:
    """A first-in, first-out queue of samples, along the last axis."""

    def __init__(self) -> None:
        self._kept: FloatArray | None = None

    @property
    def length(self) -> int:
        return 0 if self._kept is None else self._kept.shape[-1]

    def put(self, samples: FloatArray) -> None:
        self._kept = samples if self._kept is None else np.concatenate((self._kept, samples), axis=-1)

    def take(self, count: int) -> FloatArray:
        assert self._kept is not None
        taken, self._kept = self._kept[..., :count], self._kept[..., count:]
        return taken


Blocks = Iterator[dict[str, FloatArray]]


def with_rests(stems: Blocks, audio: Audio, rests: Sequence[str], existing: Mapping[str, Path] | None = None) -> Blocks:
    """Add the mix without each of some stems to blocks of stems, as ``no_vocals`` and the like.

    Parameters
    ----------
    stems : iterator of dict
        Blocks, shape=(channels, n).
    audio : Audio
        The mix.
    rests : sequence of str
        The stems without which the mix is added.
    existing : mapping of str to Path, optional
        Those of them that are read from files, and not from the blocks.

    Raises
    ------
    AudioError
        A file does not have the length and the channels of the mix.
    """
    mix = _Reader(audio.blocks())
    files = {stem: _Reader(_same_shape(path, audio).blocks()) for stem, path in (existing or {}).items()}
    for block in stems:
        if count := next(iter(block.values())).shape[-1]:
            own = block | {stem: file.take(count) for stem, file in files.items()}
            whole = mix.take(count)
            yield block | {f"{REST}{stem}": whole - own[stem] for stem in rests}


class _Reader:
    """Reads any number of samples at a time from blocks."""

    def __init__(self, blocks: Iterator[FloatArray]) -> None:
        self._blocks, self._queue = blocks, _Queue()

    def take(self, count: int) -> FloatArray:
        while self._queue.length < count:
            self._queue.put(next(self._blocks))
        return self._queue.take(count)


def _same_shape(path: Path, mix: Audio) -> Audio:
    stem = open_audio(path, rate=mix.rate, hold_seconds=0)
    if (stem.channels, stem.frames) != (mix.channels, mix.frames):
        raise AudioError(
            f"{printable(path)}: this stem does not have the length and the channels of the mix, so the rest of the "
            "mix cannot be computed"
        )
    return stem


def separate(
    track: Track, settings: Settings, keep: frozenset[str], rests: Sequence[str] = ()
) -> tuple[Result, dict[str, Path]]:
    """Write the stems of a track, sample-aligned with its mix, at the mix's own rate.

    Parameters
    ----------
    track : Track
    settings : Settings
    keep : set of str
        Stems that exist and are not written.
    rests : sequence of str
        Stems without which the mix is written, too: as ``no_vocals`` and the like.

    Returns
    -------
    result : Result
    paths : dict of str to Path
        Stem, or ``no_vocals`` and the like -> file, of the files written.

    Raises
    ------
    MirkitError
        The mix cannot be read, a stem cannot be written, or the model cannot be used.
    """
    audio = open_audio(track.mix, rate=None, hold_seconds=0)
    two = settings.separation.two_stems
    names = [stem for stem in ((two,) if two else STEMS) if stem not in keep]
    names += [f"{REST}{stem}" for stem in rests]
    paths = {name: track.path_of(f"{name}.{settings.separation.format}") for name in names}
    existing = {stem: track.stems[stem] for stem in rests if stem in keep}

    def completed(stems: Blocks) -> Blocks:
        return with_rests(stems, audio, rests, existing) if rests else stems

    backend, bits = models.chosen("stems", settings), bits_of(settings, audio.source.bits)
    if all(name.startswith(REST) for name in names):  # their stems exist
        blocks = completed({MIX: block} for block in audio.blocks())
        result = _written(blocks, audio, settings, paths, bits)
    elif backend and backend.is_network:
        audio = open_audio(track.mix, rate=None)  # kept in memory: models read it twice, first for its level
        result = _neural(audio, settings, paths, completed)
    else:
        method = backend.name if backend else separation.EMBEDDED
        presence = presence_of(open_audio(track.mix), method)
        stems = separation.separate(audio.blocks(), audio.rate, audio.channels, method, presence)
        blocks = completed(_on_grid(stems, bits) if bits and bits < 32 else stems)  # 32: floating point
        result = _written(blocks, audio, settings, paths, bits)
        result = replace(result, notes=(*result.notes, *presence.notes))
    _remove_older(track, paths)
    return result, paths


def presence_of(mix: Audio, method: str) -> separation.Presence:
    """Return which stems of a mix at the analysis rate play; the hand-made rules alone do not ask."""
    if method != separation.EMBEDDED:
        return separation.ALL_PRESENT
    return separation.survey(mix.blocks(), mix.channels)


def neural_stems(
    audio: Audio, settings: Settings, separator: StemSeparator
) -> tuple[StemRun, Generator[dict[str, FloatArray]]]:
    """Separate a mix with a model, at the mix's rate; the embedded backend adds stems that the model lacks.

    Returns
    -------
    run : StemRun
        Its ``method`` and ``notes`` are complete after the last block.
    blocks : generator of dict of str to array, float32, shape=(channels, n)
        Blocks of the four stems, in all as long as the mix. If only one stem is wanted, only that stem is valid.
    """
    run = separator.separate(audio, settings.separation)
    missing = _lacking(separator, settings)

    def blocks() -> Generator[dict[str, FloatArray]]:
        with closing(prefetch(run.blocks())) as stems:  # so that encoding and the model run in parallel
            yield from fill_missing_stems(stems, audio, missing) if missing else stems

    return run, blocks()


def _lacking(separator: StemSeparator, settings: Settings) -> list[str]:
    """Return the wanted stems that a model does not separate; with them, all stems that it does not separate."""
    if settings.separation.two_stems in separator.stems:
        return []
    return [stem for stem in STEMS if stem not in separator.stems]


def _written(blocks: Blocks, audio: Audio, settings: Settings, paths: dict[str, Path], bits: int | None) -> Result:
    """Write stems whose sum is the mix."""
    files = StemFiles(paths, audio, settings, bits)
    files.write(blocks)
    gain = files.fit()
    notes = damage_notes("full_mix", audio.damage) + _gain_notes(gain, settings)
    method = {"format": settings.separation.format, "bits": bits, "gain": gain}
    return Result(method=method, notes=tuple(notes))


def _neural(audio: Audio, settings: Settings, paths: dict[str, Path], completed: Callable[[Blocks], Blocks]) -> Result:
    separator = models.load_separator("stems", settings)
    run, blocks = neural_stems(audio, settings, separator)
    form = settings.separation.format
    # Stems of a model may exceed full scale even if the mix does not; floating point stores them without clipping.
    bits = bits_of(settings, audio.source.bits) if form != "wav" else settings.separation.bits
    files = StemFiles(paths, audio, settings, bits)
    lacking = _lacking(separator, settings)
    with closing(blocks):
        files.write(completed(blocks))
    gain = files.fit()
    notes = [*damage_notes("full_mix", audio.damage), *run.notes, *_gain_notes(gain, settings)]
    method = {**run.method, "format": form, "bits": bits or (32 if form == "wav" else None), "gain": gain}
    if lacking:
        method["embedded"] = lacking
        notes.append(
            f"{', '.join(lacking)}: separated by the embedded method, from the rest of the mix "
            "that the model does not cover"
        )
    return Result(
        method=method,
        notes=tuple(notes),
        model=separator.weights.model,
        weights_sha256=separator.weights.sha256 or None,
    )


def _gain_notes(gain: float, settings: Settings) -> list[str]:
    if gain == 1:
        return []
    lowered = f"{-20 * np.log10(gain):.1f} dB"
    form = settings.separation.format
    return [f"the stems exceed full scale, which {form} cannot hold: all of them were lowered by {lowered}"]


def _on_grid(blocks: Blocks, bits: int) -> Blocks:
    """Round three stems, and add their rounding errors to ``other``, so that the sum stays the mix."""
    scale = np.float32(2 ** (bits - 1))
    for stems in blocks:
        rounded = {stem: np.rint(block * scale) / scale for stem, block in stems.items() if stem != "other"}
        left = sum((stems[stem] - rounded[stem] for stem in rounded), np.zeros_like(stems["other"]))
        yield rounded | {"other": stems["other"] + left}


def _remove_older(track: Track, paths: dict[str, Path]) -> None:
    """Remove the same stems in other formats, because two files for one stem are an error."""
    for stem, path in paths.items():
        for old in (track.folder / name for name in track.audio_files if track.source_of(name) == stem):
            if old.exists() and not old.samefile(path):  # some file systems ignore case
                old.unlink()
