"""Four stems onto disk."""

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import numpy as np

from mirkit import separation
from mirkit.audio import Writer, open_audio
from mirkit.catalog import STEMS
from mirkit.features.types import FloatArray
from mirkit.opentrack import damage_note
from mirkit.stages import Result
from mirkit.store import Settings
from mirkit.track import Track
from mirkit.track.names import STEM_MARK

_LOSSLESS = ("flac", "wav")


def separate(track: Track, settings: Settings, keep: frozenset[str]) -> tuple[Result, dict[str, Path]]:
    """Write the stems of a track, sample-aligned with its mix, at the mix's own rate.

    Parameters
    ----------
    track : Track
    settings : Settings
    keep : set of str
        Stems that the user brought: they stay.

    Returns
    -------
    Result
    dict
        Stem -> file, of the stems written.
    """
    audio = open_audio(track.mix, rate=None, hold_seconds=0)
    wanted = [stem for stem in STEMS if stem not in keep]
    form = settings.separation.format
    bits = _bits(audio.source.bits) if form in _LOSSLESS else None
    paths = {stem: track.stem_path(stem, f".{form}") for stem in wanted}
    blocks = separation.separate(audio.blocks(), audio.rate, audio.channels)
    if bits:
        blocks = _on_grid(blocks, bits)
    with ExitStack() as files:
        writers = {
            stem: files.enter_context(
                Writer(
                    path,
                    rate=audio.rate,
                    channels=audio.channels,
                    bits=bits,
                    bitrate=settings.separation.bitrate if form == "mp3" else None,
                    tags={"artist": STEM_MARK, "title": stem},
                )
            )
            for stem, path in paths.items()
        }
        for stems in blocks:
            for stem, writer in writers.items():
                writer.write(stems[stem])
    _remove_older(track, paths)
    notes = [damage_note("full_mix", audio.damage)] if audio.damage.share else []
    for stem, writer in writers.items():
        if writer.written.clipped:
            notes.append(f"{stem}: {writer.written.clipped} samples were cut off at full scale: the mix exceeds it")
    method = {"format": form, "bits": bits, "clipped": {s: w.written.clipped for s, w in writers.items()}}
    return Result(method=method, notes=tuple(notes)), paths


def _bits(source: int | None) -> int:
    """Bits of the stems: enough for the source, and 16 for a lossy one, whose own noise lies far above that."""
    return 24 if source is not None and source > 16 else 16


def _on_grid(blocks: Iterator[dict[str, FloatArray]], bits: int) -> Iterator[dict[str, FloatArray]]:
    """Round the stems so that their sum stays the mix: what rounding takes from three goes to ``other``."""
    scale = np.float32(2 ** (bits - 1))
    for stems in blocks:
        rounded = {stem: np.rint(block * scale) / scale for stem, block in stems.items() if stem != "other"}
        left = sum((stems[stem] - rounded[stem] for stem in rounded), np.zeros_like(stems["other"]))
        yield rounded | {"other": stems["other"] + left}


def _remove_older(track: Track, paths: dict[str, Path]) -> None:
    """Take away the same stems in another format: two files for one stem are an error."""
    for stem, path in paths.items():
        for old in (track.folder / name for name in track.sounds if track.part_of(name) == stem):
            if old.exists() and not old.samefile(path):  # on some disks Drums.flac is drums.flac
                old.unlink()
