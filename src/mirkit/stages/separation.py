"""Stage of separation: a mix into four stems."""

from collections.abc import Generator, Iterator
from contextlib import closing
from pathlib import Path

import numpy as np

from mirkit import models, separation
from mirkit.analysis import damage_note
from mirkit.audio import Audio, open_audio
from mirkit.catalog import STEMS
from mirkit.engines.prefetch import prefetch
from mirkit.features.types import FloatArray
from mirkit.models.protocols import StemRun, StemSeparator
from mirkit.stages import Result
from mirkit.stages.residual import fill_missing_stems
from mirkit.stages.stem_files import StemFiles, bits_of
from mirkit.store import Settings
from mirkit.track import Track

Blocks = Iterator[dict[str, FloatArray]]


def separate(track: Track, settings: Settings, keep: frozenset[str]) -> tuple[Result, dict[str, Path]]:
    """Write the stems of a track, sample-aligned with its mix, at the mix's own rate.

    Parameters
    ----------
    track : Track
    settings : Settings
    keep : set of str
        Stems of the user, which are not written.

    Returns
    -------
    result : Result
    paths : dict of str to Path
        Stem -> file, of the stems written.

    Raises
    ------
    MirkitError
        The mix cannot be read, a stem cannot be written, or the model cannot be used.
    """
    audio = open_audio(track.mix, rate=None, hold_seconds=0)
    paths = {stem: track.stem_path(stem, f".{settings.separation.format}") for stem in STEMS if stem not in keep}
    backend = models.chosen("stems", settings)
    if backend and backend.is_network:
        audio = open_audio(track.mix, rate=None)  # kept in memory: models read it twice, first for its level
        result = _neural(audio, settings, paths)
    else:
        result = _embedded(audio, settings, paths)
    _remove_older(track, paths)
    return result, paths


def neural_stems(
    audio: Audio, settings: Settings, separator: StemSeparator
) -> tuple[StemRun, Generator[dict[str, FloatArray]]]:
    """Separate a mix with a model, at the mix's rate; the embedded backend adds stems that the model lacks.

    Returns
    -------
    run : StemRun
        Its ``method`` and ``notes`` are complete after the last block.
    blocks : generator of dict of str to array, float32, shape=(channels, n)
        Blocks of the four stems, in all as long as the mix.
    """
    run = separator.separate(audio, settings.separation)
    missing = [stem for stem in STEMS if stem not in separator.stems]

    def blocks() -> Generator[dict[str, FloatArray]]:
        with closing(prefetch(run.blocks())) as stems:  # so that encoding and the model run in parallel
            yield from fill_missing_stems(stems, audio, missing) if missing else stems

    return run, blocks()


def _embedded(audio: Audio, settings: Settings, paths: dict[str, Path]) -> Result:
    bits = bits_of(settings, audio.source.bits)
    blocks = separation.separate(audio.blocks(), audio.rate, audio.channels)
    files = StemFiles(paths, audio, settings, bits)
    files.write(_on_grid(blocks, bits) if bits else blocks)
    notes = _damage(audio)
    notes += [
        f"{stem}: {clipped} samples were cut off at full scale: the mix exceeds it"
        for stem, clipped in files.clipped.items()
        if clipped
    ]
    method = {"format": settings.separation.format, "bits": bits, "clipped": files.clipped}
    return Result(method=method, notes=tuple(notes))


def _neural(audio: Audio, settings: Settings, paths: dict[str, Path]) -> Result:
    separator = models.load_separator("stems", settings)
    run, blocks = neural_stems(audio, settings, separator)
    form = settings.separation.format
    # Stems of a model may exceed full scale even if the mix does not; floating point stores them without clipping.
    bits = bits_of(settings, audio.source.bits) if form != "wav" else None
    files = StemFiles(paths, audio, settings, bits)
    lacking = [stem for stem in STEMS if stem not in separator.stems]
    with closing(blocks):
        files.write(blocks)
    gain = files.fit()
    notes = [*_damage(audio), *run.notes]
    if gain != 1:
        notes.append(
            f"the stems exceed full scale, which {form} cannot hold: all of them were lowered by "
            f"{-20 * np.log10(gain):.1f} dB"
        )
    method = {**run.method, "format": form, "bits": bits or (32 if form == "wav" else None), "gain": gain}
    if lacking:
        method["embedded"] = lacking
        notes.append(f"{', '.join(lacking)}: by the embedded method, of what the model leaves of the mix")
    return Result(
        method=method,
        notes=tuple(notes),
        model=separator.weights.model,
        weights_sha256=separator.weights.sha256 or None,
    )


def _on_grid(blocks: Blocks, bits: int) -> Blocks:
    """Round three stems, and add their rounding errors to ``other``, so that the sum stays the mix."""
    scale = np.float32(2 ** (bits - 1))
    for stems in blocks:
        rounded = {stem: np.rint(block * scale) / scale for stem, block in stems.items() if stem != "other"}
        left = sum((stems[stem] - rounded[stem] for stem in rounded), np.zeros_like(stems["other"]))
        yield rounded | {"other": stems["other"] + left}


def _damage(audio: Audio) -> list[str]:
    return [damage_note("full_mix", audio.damage)] if audio.damage.share else []


def _remove_older(track: Track, paths: dict[str, Path]) -> None:
    """Remove the same stems in other formats, because two files for one stem are an error."""
    for stem, path in paths.items():
        for old in (track.folder / name for name in track.sounds if track.part_of(name) == stem):
            if old.exists() and not old.samefile(path):  # some file systems ignore case
                old.unlink()
