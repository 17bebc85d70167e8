"""``.TIMESERIES.npz``: values over time at the rate of a model's latents, one file beside each exported file.

Each array has one value per latent frame: ``float16``, shape=(T,), and ``hpcp_ts`` (T, 12). Names and shapes are those
that the trainers of control heads read (``LatCHDataset`` of Taikakim/stable-audio-3, ``target_source="npz"``). Onset
envelopes and the levels of the stems are measured on the audio that is exported and on the stems of that time; all
others are read from the stored feature series of the track.
"""

import io
import math
import zipfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from mirkit.catalog import STEMS
from mirkit.errors import MirkitError, counted, printable
from mirkit.export.audio import SummedFiles, exported_blocks
from mirkit.export.parallel import work_on
from mirkit.export.plan import ExportPlan, Sample
from mirkit.export.stems import stem_factor
from mirkit.features.bands import HOP as BAND_HOP
from mirkit.features.extraction import mono_of
from mirkit.features.harmony.chroma import FRAME_RATE as CHROMA_RATE
from mirkit.features.loudness import HOPS_PER_SECOND, MOMENTARY_HOPS, momentary, to_energy, to_lufs
from mirkit.features.rhythm.onset_envelope import onset_envelope
from mirkit.features.rhythm.onsets import LEAD_SECONDS
from mirkit.features.stft import HOP as STFT_HOP
from mirkit.features.types import ANALYSIS_RATE, FloatArray
from mirkit.store import atomic_write
from mirkit.windows import WindowAnalyzer

SUFFIX = ".TIMESERIES.npz"
#: Model family -> samples at 44.1 kHz of one latent frame: 21.53 and 10.77 frames per second.
FRAME_SAMPLES = {"sat": 2048, "sa3": 4096}
BANDS = ("rms_energy_bass_ts", "rms_energy_body_ts", "rms_energy_mid_ts", "rms_energy_air_ts")
SHAPES = ("spectral_flatness_ts", "spectral_flux_ts", "spectral_skewness_ts", "spectral_kurtosis_ts")
EVENTS = ("beat_activation_ts", "downbeat_activation_ts", "onset_activation_ts")
OTHERS = ("lufs_ts", "active_ts", "relative_position_ts", "hpcp_ts", "onset_envelope_ts")
#: Stem -> its level and its onset envelope.
STEM_FIELDS = {stem: (f"rms_{stem}_ts", f"onset_envelope_{stem}_ts") for stem in STEMS}
#: Lowest level that is written (dB).
_FLOOR = -120.0
_EPOCH = (1980, 1, 1, 0, 0, 0)

Series = dict[str, npt.NDArray[np.float16]]


@dataclass(frozen=True)
class _Task:
    mix: Path
    sounds: Mapping[str, SummedFiles]
    target: Path
    start: float
    seconds: float
    gain_db: float
    frame: int
    frames: int


def write_series(
    plan: ExportPlan, places: Mapping[str, tuple[Path, int | None]], advance: Callable[[str], None]
) -> list[Path]:
    """Write the series of all samples; one that fails is a line in the plan's problems.

    Parameters
    ----------
    plan : ExportPlan
    places : mapping
        Sample's name -> the file that the series belong to, and its number of latent frames; None: from its length.
    advance : callable
        Called with the name of each item that is done.

    Returns
    -------
    list of Path
        The files.
    """
    frame = FRAME_SAMPLES[plan.options.series]
    tasks, names, without = [], {}, 0
    for sample in plan.samples:
        path, frames = places[sample.name]
        target = path.with_name(f"{path.stem}{SUFFIX}")
        names[target] = sample.item.name
        tasks.append(_task(sample, target, frame, frames))
        without += len(tasks[-1].sounds) <= len(STEMS)
    work_on(_write, tasks, lambda task: names[task.target], plan.problems, advance, jobs=plan.options.jobs)
    if without:
        plan.notes.append(
            f"{counted(without, 'file')} without all four stems: the series of these files lack rms_STEM_ts and "
            "onset_envelope_STEM_ts of the stems that are missing; make them with mirkit separate"
        )
    return list(names)


def _task(sample: Sample, target: Path, frame: int, frames: int | None) -> _Task:
    item = sample.item
    count = frames or math.ceil(round(item.seconds * ANALYSIS_RATE) / frame)
    files = (item.files or item.track).sources
    factor = stem_factor(item)
    stems = {stem: SummedFiles((files[stem],), factor) for stem in STEMS if stem in files}
    return _Task(item.mix, {"": item.sound, **stems}, target, item.offset, item.seconds, sample.gain_db, frame, count)


def _write(task: _Task) -> Path | str:
    try:
        track = WindowAnalyzer.open(task.mix)
        series = series_of(track, task.start, task.seconds, task.frame, task.frames, gain_db=task.gain_db)
        for stem, sound in task.sounds.items():
            blocks = list(exported_blocks(sound, ANALYSIS_RATE, task.start, task.seconds))
            audio = np.concatenate(blocks, axis=1) if blocks else np.zeros((2, 0), np.float32)
            level, envelope = series_of_audio(audio, task.frame, task.frames, gain_db=task.gain_db)
            series |= dict(zip(STEM_FIELDS[stem], (level, envelope), strict=True)) if stem else {OTHERS[-1]: envelope}
        atomic_write(task.target, _packed(series))
    except MirkitError as error:
        return str(error)
    return task.target


def _packed(series: Series) -> bytes:
    """Pack arrays as an npz file; the same arrays give the same bytes."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, values in series.items():
            array = io.BytesIO()
            np.lib.format.write_array(array, values, allow_pickle=False)
            archive.writestr(zipfile.ZipInfo(f"{name}.npy", _EPOCH), array.getvalue(), zipfile.ZIP_DEFLATED)
    return file.getvalue()


def series_of(
    track: WindowAnalyzer, start: float, seconds: float, frame: int, frames: int, *, gain_db: float = 0.0
) -> Series:
    """Compute the values over time of a part of a track.

    Parameters
    ----------
    track : WindowAnalyzer
        A measured track, or a clip of one.
    start, seconds : float
        The part (s from the start of the track or clip).
    frame : int
        Samples at 44.1 kHz of one latent frame.
    frames : int
        Number of latent frames; those after the end of the part are silent.
    gain_db : float
        Gain of the exported audio (dB).

    Returns
    -------
    dict
        Name -> float16 array. Levels (dB) and spectral shape are interpolated at the centers of the frames; the
        activations are 1 in the frame in which such an event falls, else 0; pitch classes have the greatest value 1 in
        a frame; ``active_ts`` is 0 where the track is silent, and the spectral shape means nothing there;
        ``relative_position_ts`` goes from 0 to 1 over the source of the part.
    """
    analysis, begin = track.analysis, track.window.start + start
    centers = begin + (np.arange(frames) + 0.5) * frame / ANALYSIS_RATE
    inside = centers < begin + seconds
    bands = analysis.series("full_mix", "bands")
    covered = np.minimum((np.arange(len(bands.energy)) + 0.5) * BAND_HOP, bands.samples)
    lengths = np.maximum(np.diff(covered, prepend=0.0), 1.0)
    found: dict[str, FloatArray] = {}
    for number, name in enumerate(BANDS):
        level = _decibels(bands.energy[:, number] / lengths) + gain_db
        found[name] = np.interp(centers, np.arange(len(level)) * BAND_HOP / ANALYSIS_RATE, level)
    shape = analysis.series("full_mix", "spectral")
    times = np.arange(len(shape.level_db)) * STFT_HOP / ANALYSIS_RATE
    for name in SHAPES:
        found[name] = np.interp(centers, times, getattr(shape, name.removeprefix("spectral_").removesuffix("_ts")))
    blocks = momentary(analysis.series("full_mix", "loudness").energy)
    middle = MOMENTARY_HOPS / HOPS_PER_SECOND / 2
    at = middle + np.arange(len(blocks)) / HOPS_PER_SECOND
    levels = to_lufs(np.maximum(blocks, to_energy(_FLOOR))) + gain_db
    found["lufs_ts"] = np.interp(centers, at, levels) if len(at) else np.full(frames, _FLOOR)
    silent = np.interp(centers, times, shape.level_db) < -70
    for name in (*BANDS, "lufs_ts"):
        found[name] = np.where(inside, np.maximum(found[name], _FLOOR), _FLOOR)
    for name in SHAPES:
        found[name] = np.where(inside & ~silent, found[name], 0.0)
    beats = analysis.beats
    onsets = analysis.series("full_mix", "onsets").times
    for name, events in zip(EVENTS, (beats.times, beats.downbeats, onsets), strict=True):
        hit = np.floor((np.asarray(events) - begin) * ANALYSIS_RATE / frame).astype(int)
        late = np.asarray(events) >= begin + seconds
        found[name] = np.zeros(frames)
        found[name][hit[(hit >= 0) & (hit < frames) & ~late]] = 1.0
    found["active_ts"] = (inside & ~silent).astype(float)
    chroma = analysis.series(analysis.tonal_source, "chroma").chroma / 255
    at = np.arange(len(chroma)) / CHROMA_RATE
    classes = np.stack([np.interp(centers, at, chroma[:, number]) for number in range(12)])
    found["hpcp_ts"] = np.where(inside, classes, 0.0).T
    found["relative_position_ts"] = np.clip(centers / analysis.duration, 0, 1)
    return {name: values.astype(np.float16) for name, values in found.items()}


def series_of_audio(
    audio: FloatArray, frame: int, frames: int, *, gain_db: float = 0.0
) -> tuple[npt.NDArray[np.float16], npt.NDArray[np.float16]]:
    """Compute the level and the onset envelope of audio in each latent frame.

    Parameters
    ----------
    audio : float32 array, shape=(channels, n)
        At 44.1 kHz.
    frame : int
        Samples of one latent frame.
    frames : int
        Number of latent frames; those after the end of the audio are silent.
    gain_db : float
        Gain of the exported audio (dB).

    Returns
    -------
    level : float16 array, shape=(frames,)
        RMS level of the frame (mean power of its samples and channels), dBFS; at least -120.
    envelope : float16 array, shape=(frames,)
        Highest value of the onset envelope in the frame, dB per hop of 512 samples, 0 in silence; the loudest band of
        ``audio`` is the reference of its floor.
    """
    audio = audio[:, : frames * frame]
    power = np.zeros(frames * frame)
    power[: audio.shape[1]] = np.square(audio, dtype=np.float64).mean(axis=0)
    counts = np.clip(audio.shape[1] - np.arange(frames) * frame, 1, frame)
    level = _decibels(power.reshape(frames, frame).sum(axis=1) / counts)
    level = np.where(level > _FLOOR, np.maximum(level + gain_db, _FLOOR), _FLOOR)
    rise = onset_envelope(mono_of(audio)) if audio.shape[1] else np.zeros(0, np.float32)
    at = (np.arange(len(rise)) * STFT_HOP + LEAD_SECONDS * ANALYSIS_RATE) // frame
    envelope = np.zeros(frames)
    inside = at < frames
    np.maximum.at(envelope, at[inside].astype(int), rise[inside])
    return level.astype(np.float16), envelope.astype(np.float16)


def _decibels(power: FloatArray) -> FloatArray:
    return np.asarray(10 * np.log10(np.maximum(power, 10 ** (_FLOOR / 10))), np.float64)


def series_faults(out: Path) -> Iterator[str]:
    """Yield what is wrong with the series of a bundle."""
    for path in sorted(out.rglob(f"*{SUFFIX}")):
        where = printable(path.relative_to(out).as_posix())
        try:
            with np.load(path, allow_pickle=False) as series:
                arrays = {name: series[name] for name in series.files}
        except (OSError, ValueError, zipfile.BadZipFile) as error:
            yield f"{where}: the series cannot be read ({error}); export the bundle again"
            continue
        if missing := sorted({*BANDS, *SHAPES, *EVENTS, *OTHERS} - arrays.keys()):
            yield f"{where}: the series lack {missing[0]}"
        for pair in STEM_FIELDS.values():
            if len(half := arrays.keys() & set(pair)) == 1:
                yield f"{where}: the series have {half.pop()} without its counterpart; export the bundle again"
        frames = {len(values) for values in arrays.values()}
        if len(frames) > 1:
            yield f"{where}: the series have {min(frames)} and {max(frames)} frames; all must have those of the latent"
        for name, values in arrays.items():
            if values.dtype != np.float16 or not np.isfinite(values).all():
                yield f"{where}: {name} must be float16 and finite"
