"""Cutting an album in one audio file into track folders, by its cue sheet. The album itself is left as it is."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from mirkit.audio import Tags, Writer, open_audio
from mirkit.audio.cue_sheet import FRAMES_PER_SECOND, CueTrack
from mirkit.errors import AudioError, printable
from mirkit.features.types import FloatArray
from mirkit.organize.naming import folder_name
from mirkit.store import make_folder, update_provenance
from mirkit.track import CUT_FROM, MIX, Track, find_albums, is_track
from mirkit.track.albums import Album

#: Samples per channel that are decoded at a time.
_BLOCK = 1 << 18


@dataclass(frozen=True)
class AlbumTrack:
    """A track that is cut.

    Attributes
    ----------
    album : Album
    track : CueTrack
    end : int or None
        End in the file, in 75ths of a second; None for the end of the file.
    target : Path
        Its full mix.
    """

    album: Album
    track: CueTrack
    end: int | None
    target: Path

    @property
    def exists(self) -> bool:
        """Whether it was cut before."""
        return self.target.parent.is_dir() and is_track(self.target.parent)


def plan_cuts(path: Path, problems: list[str]) -> list[AlbumTrack]:
    """Plan a track folder for each track of all albums at or below a folder.

    Parameters
    ----------
    path : Path
    problems : list of str
        Receives a line for each cue sheet that cannot be read.
    """
    cuts = []
    for album in find_albums(path, problems):
        names: set[str] = set()
        ends = [track.start for track in album.tracks[1:]]
        for track, end in zip(album.tracks, [*ends, None], strict=True):
            tags = Tags(artist=track.artist or None, album=track.album or None, title=track.title or None)
            name = folder_name(tags, f"{album.path.stem} {track.number:02d}")
            while name.casefold() in names:
                name = f"{name} ({track.number})"
            names.add(name.casefold())
            cuts.append(AlbumTrack(album, track, end, album.path.parent / name / f"{MIX}.flac"))
    return cuts


def cut_albums(cuts: list[AlbumTrack], advance: Callable[[str], None]) -> list[str]:
    """Write tracks; each album is decoded once.

    Parameters
    ----------
    cuts : list of AlbumTrack
        Those of one album follow each other.
    advance : callable
        Called with the name of each track that was written.

    Returns
    -------
    list of str
        A line for each album that could not be cut to its end.
    """
    albums: dict[Path, list[AlbumTrack]] = {}
    for cut in cuts:
        albums.setdefault(cut.album.path, []).append(cut)
    problems = []
    for path, tracks in albums.items():
        try:
            for cut in _cut(path, tracks):
                advance(cut.target.parent.name)
        except AudioError as error:
            problems.append(str(error))
    return problems


def _cut(path: Path, cuts: list[AlbumTrack]) -> Iterator[AlbumTrack]:
    audio = open_audio(path, rate=None, hold_seconds=0)
    bits = 16 if audio.source.bits == 16 else 24
    blocks: Iterator[FloatArray | None] = audio.blocks(_BLOCK)
    block, at = next(blocks), 0  # ``at``: position of the block in the file
    for cut in cuts:
        start, end = _sample(cut.track.start, audio.rate), None if cut.end is None else _sample(cut.end, audio.rate)
        while block is not None and at + block.shape[1] <= start:
            at, block = at + block.shape[1], next(blocks, None)
        if block is None:
            raise AudioError(
                f"{printable(path)}: it ends at {at / audio.rate:.1f} s, before track {cut.track.number} of "
                f"{printable(cut.album.sheet.name)} begins"
            )
        make_folder(cut.target.parent)
        # First, so that a track that was written is always known to be part of the album.
        update_provenance(Track(cut.target.parent).provenance, facts={CUT_FROM: {"value": path.name}})
        with Writer(cut.target, rate=audio.rate, channels=audio.channels, bits=bits, tags=_tags(cut.track)) as writer:
            while block is not None and (end is None or at < end):
                writer.write(block[:, max(0, start - at) : None if end is None else max(0, end - at)])
                if end is not None and at + block.shape[1] >= end:
                    break  # the rest of the block is of the next track
                at, block = at + block.shape[1], next(blocks, None)
        yield cut


def _sample(frames: int, rate: int) -> int:
    return round(frames * rate / FRAMES_PER_SECOND)


def _tags(track: CueTrack) -> dict[str, str]:
    tags = {name: getattr(track, name) for name in ("title", "artist", "album", "genre", "year")}
    return {name: text for name, text in tags.items() if text} | {"track": str(track.number)}
