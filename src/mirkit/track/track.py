"""A track: its files and the paths of its results."""

import os
import sys
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import cached_property
from html import escape
from pathlib import Path

from mirkit.catalog import STEMS
from mirkit.errors import MissingInput, pasted, printable
from mirkit.track.listing import FolderListing, is_no_file, list_folder, walk
from mirkit.track.names import (
    ADTOF_MIDI,
    AUDIO_SUFFIXES,
    DRUMS_MIDI,
    MIX,
    REST,
    base_of,
    for_folder,
    for_loose_file,
    is_audio_name,
    kind_beside,
    mixes_in,
    rest_of,
    source_of,
    unclear_parts,
)


@dataclass(frozen=True)
class Track:
    """Paths of a track when its folder was listed. Created by :meth:`at` and ``find_tracks``.

    Attributes
    ----------
    folder : Path
        Folder that contains its files.
    loose : str
        Name of a loose file; ``""`` for a track folder.
    audio_files : tuple of str
        Names of the audio files that may be its mix or stems.
    unclean : bool
        Whether the folder contains files that a killed process may have left, see ``mirkit.store.remove_orphans``.
    former : str
        Name that its results have, if the folder was renamed since it was measured and they were not, see
        :func:`mirkit.track.as_measured`; else "".
    lost : str
        Name of its mix if that is no file, such as a link to nothing; else "".
    """

    folder: Path
    loose: str = ""
    audio_files: tuple[str, ...] = field(default=(), compare=False)
    unclean: bool = field(default=False, compare=False)
    former: str = field(default="", compare=False)
    lost: str = field(default="", compare=False)

    @classmethod
    def at(cls, path: Path | str) -> "Track":
        """Return the track of a path: a track folder, the ``full_mix.*`` in one, or a loose audio file.

        Parameters
        ----------
        path : path
            It need not be absolute.

        Returns
        -------
        Track

        Raises
        ------
        MissingInput
            The path is none of these.
        """
        path = Path(os.path.abspath(path))
        if path.is_dir():
            listing = list_folder(path)
            if not listing.is_track:
                raise MissingInput(_why_no_track(path, listing))
            return cls.of(listing)
        if not path.is_file() and not (os.path.lexists(path) and is_audio_name(path.name)):
            raise MissingInput(f"{printable(path)}: there is no such file or folder")
        if not is_audio_name(path.name):
            raise MissingInput(
                f"{printable(path)}: this is not the name of an audio file; audio files end in "
                f"{' '.join(AUDIO_SUFFIXES)}"
            )
        listing = list_folder(path.parent)
        if not listing.is_track:
            if mix := _mix_of(path.name, listing):
                raise MissingInput(
                    f'{printable(path)}: this is a stem of a track; name its mix instead: "{printable(mix)}"'
                )
            return cls.all_loose(listing, [path])[0]
        if path.name in mixes_in((*listing.audio_files, *listing.lost)):
            return cls.of(listing)
        raise MissingInput(
            f'{printable(path)}: this file is part of a track; name its folder instead: "{printable(path.parent)}"'
        )

    @classmethod
    def of(cls, listing: FolderListing) -> "Track":
        """Return a listed track folder as a track.

        Parameters
        ----------
        listing : FolderListing
            A folder that is a track.

        Returns
        -------
        Track
        """
        # There may be 100,000 tracks, and most have files of the same names: each name is stored once.
        mixes = mixes_in((*listing.audio_files, *listing.lost))
        kept = (name for name in listing.audio_files if name in mixes or source_of(name) or rest_of(name))
        names = tuple(map(sys.intern, kept))
        lost = "" if set(mixes) & set(listing.audio_files) else mixes[0]
        return cls(listing.folder, audio_files=names, unclean=listing.unclean, lost=lost)

    @classmethod
    def all_loose(cls, listing: FolderListing, paths: Iterable[Path]) -> "list[Track]":
        """Return loose files as tracks, with the stems beside them.

        Parameters
        ----------
        listing : FolderListing
            The folder of the files.
        paths : iterable of Path
            The files.

        Returns
        -------
        list of Track
            In the order of ``paths``.
        """
        stems: dict[str, list[str]] = defaultdict(list)
        named: dict[str, list[str]] = defaultdict(list)
        unclear = unclear_parts(listing.audio_files)
        for name in (*listing.audio_files, *listing.lost):
            named[os.path.splitext(name)[0]].append(name)
            if name not in unclear and name not in listing.lost and (base := kind_beside(name)[0]):
                stems[base].append(name)
        tracks = []
        for path in paths:
            stem = os.path.splitext(path.name)[0]
            base = base_of(path.name if len(named[stem]) > 1 else stem)
            names = tuple(sorted({*named[stem], *stems[base]}))
            lost = path.name if path.name in listing.lost else ""
            tracks.append(cls(path.parent, loose=path.name, audio_files=names, unclean=listing.unclean, lost=lost))
        return tracks

    def _repr_html_(self) -> str:
        """Return the name and the files of the track, for notebooks."""
        files = [*self.sources.values(), *(path for path in (self.info, self.provenance) if path.exists())]
        listed = "".join(f"<li><bdi>{escape(path.name)}</bdi></li>" for path in files)
        return (
            f"<div><strong><bdi>{escape(self.name)}</bdi></strong><br><small><bdi>{escape(str(self.path))}</bdi></small>"
            f"<ul>{listed}</ul></div>"
        )

    def readable(self) -> "Track":
        """Return the track itself.

        Returns
        -------
        Track

        Raises
        ------
        MissingInput
            Its mix is no file.
        """
        if self.lost:
            raise MissingInput(is_no_file(self.folder / self.lost))
        return self

    @property
    def path(self) -> Path:
        """The folder, or the loose file."""
        return self.folder / self.loose if self.loose else self.folder

    @property
    def name(self) -> str:
        """Name of the folder, or of the loose file without its suffix.

        Loose files that differ only in the suffix (``x.flac``, ``x.mp3``) keep it, because each has results of its own.
        """
        if not self.loose:
            return self.folder.name
        stem = os.path.splitext(self.loose)[0]
        shared = any(name != self.loose and os.path.splitext(name)[0] == stem for name in self.audio_files)
        return self.loose if shared else stem

    @property
    def mix(self) -> Path:
        """The full mix.

        Raises
        ------
        MissingInput
            There is none, it is no file, or there are several candidates.
        """
        path = self.readable()._only(MIX)
        if path is None:
            raise MissingInput(
                f"{printable(self.folder)}: there is no {MIX}.* in this folder; put the audio file of "
                "the track there under this name"
            )
        return path

    @property
    def stems(self) -> dict[str, Path]:
        """The existing stems: name -> file.

        Raises
        ------
        MissingInput
            There are several candidates for a stem.
        """
        paths = {stem: self._only(stem) for stem in STEMS}
        return {stem: path for stem, path in paths.items() if path is not None}

    @property
    def sources(self) -> dict[str, Path]:
        """Mix and stems: ``full_mix`` or the stem's name -> file. Raises as :attr:`mix` and :attr:`stems`."""
        return {MIX: self.mix} | self.stems

    @property
    def rests(self) -> dict[str, Path]:
        """The existing files of the mix without a stem: ``no_vocals`` and the like -> file.

        Raises
        ------
        MissingInput
            There are several candidates for one of them.
        """
        paths = {name: self._only(name) for name in (f"{REST}{stem}" for stem in STEMS)}
        return {name: path for name, path in paths.items() if path is not None}

    def stem(self, stem: str) -> Path:
        """Return the file of a stem.

        Parameters
        ----------
        stem : str
            ``drums``, ``bass``, ``other`` or ``vocals``.

        Returns
        -------
        Path

        Raises
        ------
        MissingInput
            There is none, or there are several candidates.
        """
        path = self._only(stem)
        if path is None:
            raise MissingInput(
                f"{printable(self.folder)}: there is no {stem} stem; make it with: mirkit separate "
                f'"{printable(self.path)}"'
            )
        return path

    def path_of(self, role: str) -> Path:
        """Return the path of a file by its role.

        Parameters
        ----------
        role : str
            A kind of sidecar (``INFO``) or a name (``bass.flac``).

        Returns
        -------
        Path
            Whether or not there is such a file.
        """
        return self.folder / (
            for_loose_file(role, self.name) if self.loose else for_folder(role, self.former or self.name)
        )

    @property
    def info(self) -> Path:
        """The ``.INFO``."""
        return self.path_of("INFO")

    @property
    def grid(self) -> Path:
        """The ``.BEATS_GRID``."""
        return self.path_of("BEATS_GRID")

    @property
    def onsets(self) -> Path:
        """The ``.ONSETS``."""
        return self.path_of("ONSETS")

    @property
    def sections(self) -> Path:
        """The ``.SECTIONS``."""
        return self.path_of("SECTIONS")

    @property
    def chords(self) -> Path:
        """The ``.CHORDS``."""
        return self.path_of("CHORDS")

    @property
    def feature_series(self) -> Path:
        """The ``.CURVES.npz``."""
        return self.path_of("CURVES.npz")

    @property
    def provenance(self) -> Path:
        """The ``.PROVENANCE``."""
        return self.path_of("PROVENANCE")

    @property
    def adtof_midi(self) -> Path:
        """MIDI file of ADTOF: ``drums_adtof.mid``, or ``x_adtof.mid`` for a loose ``x.flac``."""
        return self.path_of(ADTOF_MIDI)

    @property
    def drums_midi(self) -> Path:
        """MIDI file of the other methods: ``drums.mid``, or ``x_drums.mid`` for a loose ``x.flac``."""
        return self.path_of(DRUMS_MIDI)

    @property
    def crops(self) -> Path:
        """Folder of the clips that were cut from the track."""
        return self.folder / "crops"

    @cached_property
    def _names_of(self) -> dict[str, list[str]]:
        """Source -> names of the audio files that could be it."""
        names: dict[str, list[str]] = {}
        for name in self.audio_files:
            names.setdefault(self.source_of(name), []).append(name)
        return names

    def _only(self, source: str) -> Path | None:
        candidates = self._names_of.get(source, ())
        if len(candidates) > 1:
            which = " and ".join(printable(name) for name in candidates)
            raise MissingInput(f"{printable(self.folder)}: {which} could each be the {source}; keep one of them")
        return self.folder / candidates[0] if candidates else None

    def source_of(self, name: str) -> str:
        """Return which source an audio file is.

        Parameters
        ----------
        name : str
            One of ``audio_files``.

        Returns
        -------
        str
            ``full_mix``, the name of a stem, ``no_vocals`` and the like for the mix without a stem, or ``""``.
        """
        if not self.loose:
            return source_of(name) or rest_of(name) or MIX
        if name == self.loose:
            return MIX
        base, role = kind_beside(name)
        return source_of(role) or rest_of(role) if base == base_of(self.name) else ""


def _mix_of(name: str, listing: FolderListing) -> Path | None:
    """Return the loose file of which a file of this name is a stem."""
    base = kind_beside(name)[0]
    mixes = (
        other for other in listing.audio_files if base and base in (base_of(os.path.splitext(other)[0]), base_of(other))
    )
    return next((listing.folder / other for other in mixes), None)


def _why_no_track(path: Path, listing: FolderListing) -> str:
    if any(inner.is_track for inner in walk(path, follow=True)):
        return f"{printable(path)}: this is a folder of tracks; name one track of it"
    if listing.audio_files:
        return (
            f"{printable(path)}: there is no {MIX}.* in this folder; name one of its audio files, "
            f"or put them into track folders with: mirkit organize {pasted(path)}"
        )
    return f"{printable(path)}: the folder is not a track (it holds no {MIX}.*), and holds no audio files"
