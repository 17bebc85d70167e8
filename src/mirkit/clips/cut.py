"""Write the clips of a track, each into its own track folder.

Every file of the track is decoded once and cut at the same times.
"""

import math
import time
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

import numpy as np

from mirkit import __version__
from mirkit.audio import (
    Writer,
    check_peak,
    full_scale_gain,
    may_exceed_full_scale,
    open_audio,
    peak_of,
    probe,
    quantize,
)
from mirkit.catalog import ALL_SPECS, stage
from mirkit.clips.features import MeasuredTrack, clip_features
from mirkit.clips.plan import ClipInput, ClipPlan, plan_clips
from mirkit.drums.tempo_map import tempo_map
from mirkit.errors import MissingInput, printable
from mirkit.features.types import FloatArray, Unknown
from mirkit.stages import entry_name
from mirkit.staleness import is_clip_audio_current, is_clip_current, keep_edits
from mirkit.store import (
    EXTERNAL,
    BeatGrid,
    FileDigest,
    JsonValue,
    ProvenanceRecord,
    Settings,
    as_number,
    atomic_write,
    file_digest,
    format_chords,
    format_grid,
    format_onsets,
    make_folder,
    read_info,
    read_provenance,
    remove_orphans,
    update_info,
    update_provenance,
    write_sidecar,
)
from mirkit.store.midi import is_our_midi, part_of_midi
from mirkit.track import MIDI_NAMES, MIX, Track
from mirkit.track.clip import (
    CUT,
    ClipSource,
    check_free,
    check_no_link,
    clear,
    clip_folders,
    cut_in,
    folder_name,
    refusal,
    replaced_clips,
    set_aside,
    source_path,
)

#: Source (mix or stem) -> samples of a clip, shape=(channels, n).
ClipAudio = dict[str, FloatArray]


class TrackAudio:
    """Mix and stems of a track, each at its own sample rate.

    Parameters
    ----------
    paths : dict
        Source (mix or stem) -> file.
    gains : dict
        Source -> gain of its clips (dB).

    Raises
    ------
    AudioError
        One of the files cannot be read.
    """

    def __init__(self, paths: Mapping[str, Path], gains: Mapping[str, float]) -> None:
        self._gains = gains
        self._audio = {source: open_audio(path, rate=None, hold_seconds=0) for source, path in paths.items()}

    def clips(self, clips: Sequence[ClipSource]) -> Iterator[ClipAudio]:
        """Yield the samples of each clip, without its padding.

        All sources of a clip have the same duration; a source that ends earlier is padded with silence. Samples are
        those of the clip's file: with its gain, and rounded to its bit depth, which does not change a lossless source
        of up to 24 bits without a gain.

        Parameters
        ----------
        clips : sequence of ClipSource
            Sorted by start.

        Yields
        ------
        dict
            Source -> float32 array, shape=(channels, n).
        """
        streams = {source: audio.windows(clip.window for clip in clips) for source, audio in self._audio.items()}
        for clip in clips:
            yield {source: self._quantized(source, next(streams[source]), clip) for source in streams}

    def write(self, path: Path, source: str, samples: FloatArray, clip: ClipSource) -> None:
        """Write a source of a clip and its padding as FLAC, at the source's sample rate and bit depth.

        Parameters
        ----------
        path : Path
        source : str
            Mix or stem.
        samples : float32 array, shape=(channels, n)
            Without padding.
        clip : ClipSource
        """
        audio = self._audio[source]
        padding = _at_rate(audio.rate, clip.length, clip) - samples.shape[1]
        with Writer(path, rate=audio.rate, channels=audio.channels, bits=self._bits(source)) as writer:
            writer.write(samples)
            writer.write(np.zeros((audio.channels, max(0, padding)), np.float32))

    def _quantized(self, source: str, samples: FloatArray, clip: ClipSource) -> FloatArray:
        audio, gain = self._audio[source], self._gains.get(source, 0.0)
        quantized = np.zeros((audio.channels, _at_rate(audio.rate, clip.last - clip.first, clip)), np.float32)
        samples = samples[:, : quantized.shape[1]]
        if gain:
            samples = samples * np.float32(10 ** (gain / 20))
        noise = np.random.default_rng([clip.first, *source.encode()])
        quantized[:, : samples.shape[1]] = quantize(samples, self._bits(source), noise)
        return quantized

    def _bits(self, source: str) -> int:
        """Bit depth of the files of clips: 16 for a source of 16 bits, or a lossy one, without a gain, else 24."""
        audio = self._audio[source]
        unchanged = audio.source.channels <= 2 and not self._gains.get(source)
        return 16 if unchanged and (audio.source.bits or 16) <= 16 else 24


def clip_gains(paths: Mapping[str, Path], stem_gain: float, our_stems: Collection[str]) -> dict[str, float]:
    """Compute the gains of the clips of a track, so that neither the mix nor a stem exceeds full scale.

    Mix and stems are lowered together, by the same gain for all clips. Stems that were lowered when they were separated
    get that much less, so that they have the level that they have in the mix.

    Parameters
    ----------
    paths : dict
        Source (mix or stem) -> file.
    stem_gain : float
        Factor by which the stems that mirkit made are lower than in the mix.
    our_stems : collection of str
        The stems that mirkit made.

    Returns
    -------
    dict
        Source -> gain (dB); empty where nothing exceeds full scale.

    Raises
    ------
    AudioError
        A file cannot be read, or its peak is above +20 dBFS.
    """
    peaks = {source: peak_of(path) for source, path in paths.items() if may_exceed_full_scale(probe(path))}
    for source, peak in peaks.items():
        check_peak(paths[source], peak)
    lowered = {source: stem_gain if source in our_stems else 1.0 for source in paths}
    gain = full_scale_gain(max((peak / lowered[source] for source, peak in peaks.items()), default=0.0))
    # Stems that were lowered are above full scale at the level of the mix.
    gain = min(gain, 20 * math.log10(min(lowered.values())))
    return {source: gain - 20 * math.log10(factor) for source, factor in lowered.items()} if gain else {}


def _at_rate(rate: int, samples: int, clip: ClipSource) -> int:
    """Convert a number of samples of the mix to another sample rate."""
    return round(samples * rate / clip.rate)


_ORDER = tuple(row.name for row in ALL_SPECS)


@dataclass(frozen=True)
class CutResult:
    """The clips of a track after cutting.

    Attributes
    ----------
    names : tuple of str
        Folders of the set in ``crops``.
    written : int
        Number of clips that were cut or measured in this run; the others were up to date.
    aligned : str
        What the clips are aligned with: ``downbeat``, ``beat`` or ``free``.
    notes : tuple of str
        What a user should know.
    """

    names: tuple[str, ...]
    written: int
    aligned: str
    notes: tuple[str, ...]


def cut_clips(
    track: MeasuredTrack, settings: Settings, *, overwrite: bool = False, begin: Callable[[], None] = lambda: None
) -> CutResult:
    """Cut a track into clips; clips that are complete and up to date are kept.

    Parameters
    ----------
    track : MeasuredTrack
    settings : Settings
    overwrite : bool
        Cut all clips again, and delete those of the set that were cut with other settings.
    begin : callable
        Called before the first file is written or removed, after all checks have passed.

    Returns
    -------
    CutResult

    Raises
    ------
    MissingInput
        A folder of the user is where a clip would be written, or clips of other settings would be deleted.
    AudioError
        The audio cannot be read or written.
    InfoError
        A sidecar cannot be read or written.
    """
    files = track.analysis.track
    plan, rate = _plan(track, settings)
    check_no_link(files.crops)
    if not plan.clips and not files.crops.exists():
        return CutResult((), 0, plan.aligned, (plan.reason,))
    own, name = source_path(files), settings.crop.name
    clips = {
        folder_name(files, name, i): ClipSource(own, name, rate, clip.first, clip.last, clip.length)
        for i, clip in enumerate(plan.clips, 1)
    }
    if not overwrite:
        _check_nothing_is_lost(track, settings, clips)
    paths = files.sources
    pending: dict[str, ClipSource] = clips
    with_audio: set[str] = set()
    if not overwrite:
        is_current = partial(is_clip_current, digests=track.digests, needs=track.needs)
        pending = {f: clip for f, clip in clips.items() if not is_current(files.crops / f, clip)}
        with_audio = {f for f, clip in pending.items() if is_clip_audio_current(files.crops / f, clip, track.digests)}
    for folder in sorted(pending.keys() - with_audio):
        check_free(files.crops / folder, own)
    gains = _gains(track, paths) if pending else {}
    begin()
    make_folder(files.crops)
    for path in clip_folders(files, name):
        remove_orphans(path)  # temporary files and locks of a run that was killed
    audio = TrackAudio(paths if pending.keys() - with_audio else {MIX: paths[MIX]}, gains)
    samples = audio.clips(list(pending.values()))
    stale = [folder for folder in clip_folders(files, name) if folder.name not in clips]
    cut_again = [files.crops / folder for folder in sorted(pending.keys() - with_audio)]
    aside = [path for folder in (*cut_again, *stale) if folder.is_dir() for path in set_aside(folder)]
    for folder, clip in pending.items():
        write = folder not in with_audio
        _write_clip(track, files.crops / folder, clip, audio, next(samples), settings, gains, write=write)
    kept = [folder.name for folder in stale if not clear(folder)]
    notes = _notes(plan, settings, gains.get(MIX, 0.0), kept, aside)
    return CutResult(tuple(clips), len(pending), plan.aligned, tuple(notes))


def _gains(track: MeasuredTrack, paths: Mapping[str, Path]) -> dict[str, float]:
    separated = track.stages.get("separate")
    ours = separated.outputs if separated and separated.backend != EXTERNAL else {}
    factor = as_number(separated.details.get("gain")) if separated else None
    our_stems = [source for source, digest in track.digests.items() if ours.get(source) == digest]
    return clip_gains(paths, factor or 1.0, our_stems)


def _check_nothing_is_lost(track: MeasuredTrack, settings: Settings, clips: Mapping[str, ClipSource]) -> None:
    """Raise an error if clips that were cut with other, or with unknown, settings would be deleted."""
    files, entry = track.analysis.track, track.stages.get(entry_name(stage("crop"), settings))
    if entry:
        lost, before = replaced_clips(files, settings.crop, entry), entry.parameters
    else:
        existing = clip_folders(files, settings.crop.name)
        lost, before = [folder for folder in existing if cut_in(folder) != clips.get(folder.name)], {}
    if lost:
        raise MissingInput(refusal(len(lost), 1, before, settings.crop))


def _notes(plan: ClipPlan, settings: Settings, gain: float, kept: list[str], aside: list[Path]) -> Iterator[str]:
    if not plan.clips:
        yield plan.reason
    elif plan.aligned != settings.crop.align:
        begin = {"downbeat": "on downbeats", "beat": "on beats", "free": "at any time"}[plan.aligned]
        yield f"the track has no known {settings.crop.align}s: its clips begin {begin}"
    if gain:
        yield f"the track exceeds full scale, which flac cannot hold: all of its clips were lowered by {-gain:.2f} dB"
    for path in aside:
        yield f"crops/{path.parent.name}: a file in it that mirkit did not write was renamed to {printable(path.name)}"
    for name in kept:
        yield f"crops/{name}: the clip has other settings and was removed; files in it that mirkit did not write stay"


def _plan(track: MeasuredTrack, settings: Settings) -> tuple[ClipPlan, int]:
    analysis = track.analysis
    info = probe(analysis.track.mix)
    exact = info.duration is not None and abs(info.duration - analysis.duration) < 0.001
    seconds = info.duration if exact and info.duration else analysis.duration
    beats = analysis.beats
    loudness = analysis.series(MIX, "loudness")
    samples = round(seconds * info.sample_rate)
    sections = np.zeros(0)
    if settings.crop.align == "section" and not isinstance(analysis.form, Unknown):
        sections = np.array([section.start for section in analysis.form.sections])
    params = ClipInput(info.sample_rate, samples, beats.times, beats.downbeats, loudness, sections)
    return plan_clips(params, settings.crop), info.sample_rate


def _write_clip(
    track: MeasuredTrack,
    folder: Path,
    clip: ClipSource,
    audio: TrackAudio,
    samples: ClipAudio,
    settings: Settings,
    gains: Mapping[str, float],
    *,
    write: bool,
) -> None:
    """Write one clip, its provenance last."""
    started, files = time.perf_counter(), Track(folder)
    if write:
        clear(folder)
        make_folder(folder)
        # Written first, so that after a kill the next run recognizes this folder as a clip.
        update_provenance(files.provenance, [_entry(track, clip, {}, failed="interrupted")])
        for source, waveform in samples.items():
            audio.write(folder / f"{source}.flac", source, waveform, clip)
    files = Track.at(folder)
    # Values that the user has edited in a clip whose audio stays are kept.
    info, before = ({}, {}) if write else (read_info(files.info), read_provenance(files.provenance).stages)
    digests = {source: file_digest(path) for source, path in files.sources.items()}
    features = clip_features(track, clip, samples[MIX], digests, settings, gains)
    write_sidecar(files.grid, format_grid(features.grid))
    write_sidecar(files.onsets, format_onsets(features.onsets))
    write_sidecar(files.chords, format_chords(features.chords))
    _write_midi(track, files, clip, features.grid)
    values: dict[str, JsonValue] = {key: None if isinstance(v, Unknown) else v for key, v in features.values.items()}
    entries = []
    for measured in features.entries:
        record, kept = keep_edits(stage(measured.stage), measured, values, info, before.get(measured.stage))
        entries.append(record)
        values |= kept
    update_info(files.info, values, order=_ORDER)
    entry = _entry(track, clip, digests, seconds=round(time.perf_counter() - started, 3))
    update_provenance(files.provenance, [entry, *entries], facts=features.metadata)


def _write_midi(track: MeasuredTrack, files: Track, clip: ClipSource, grid: BeatGrid) -> None:
    """Write the part of each MIDI file of the track, on the beats of the clip; one of the user's own is kept."""
    tempo = tempo_map(grid.beats, grid.downbeats)
    for name in MIDI_NAMES:
        source, target = track.analysis.track.path_of(name), files.path_of(name)
        if source.is_file() and (not target.exists() or is_our_midi(target)):
            atomic_write(target, part_of_midi(source, clip.window, tempo))


def _entry(
    track: MeasuredTrack, clip: ClipSource, outputs: Mapping[str, FileDigest], **more: object
) -> ProvenanceRecord:
    details: dict[str, JsonValue] = {
        "source": track.analysis.track.path.name,
        "start": clip.window.start,
        "end": clip.window.end,
    }
    return ProvenanceRecord(
        CUT,
        __version__,
        stage("crop").version,
        parameters=clip.parameters,
        inputs=track.digests,
        outputs=outputs,
        needs=track.needs,
        when=datetime.now(UTC).isoformat(timespec="seconds"),
        details=details,
        **more,  # type: ignore[arg-type]
    )
