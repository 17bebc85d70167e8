"""One track: which files it has, and where its results go."""

import os
import sys
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from mirkit.catalog import STEMS
from mirkit.errors import MissingInput
from mirkit.store.os_errors import printable
from mirkit.track.listing import FolderListing, list_folder, walk
from mirkit.track.names import AUDIO_SUFFIXES, MIX, base_of, is_sound, part_of
from mirkit.track.sidecar_names import ADTOF_MIDI, DRUMS_MIDI, for_folder, for_loose_file, kind_beside


@dataclass(frozen=True)
class Track:
    """Paths of a track, as they were when its folder was looked at. Made by :meth:`at` and ``find_tracks``.

    Attributes
    ----------
    folder : Path
        Folder that holds its files.
    loose : str
        Name of the sound file for a loose one; "" for a track folder.
    sounds : tuple of str
        Names of the sound files that may be its mix or its stems.
    unclean : bool
        Whether something lies in the folder that a killed writer may have left (``mirkit.store.sweep`` removes it).
    """

    folder: Path
    loose: str = ""
    sounds: tuple[str, ...] = field(default=(), compare=False)
    unclean: bool = field(default=False, compare=False)

    @classmethod
    def at(cls, path: Path | str) -> "Track":
        """Give the track that a path means: a track folder, the ``full_mix.*`` in one, or a loose sound file.

        Raises
        ------
        MissingInput
            It is none of these; the message says what it is and what would help.
        """
        path = Path(os.path.abspath(path))
        if path.is_dir():
            looked = list_folder(path)
            if not looked.is_track:
                raise MissingInput(_why_no_track(path, looked))
            return cls.of(looked)
        if not path.is_file():
            raise MissingInput(f"{printable(path)}: no such file or folder")
        if not is_sound(path.name):
            raise MissingInput(f"{printable(path)}: not a sound file by its name; known are {' '.join(AUDIO_SUFFIXES)}")
        looked = list_folder(path.parent)
        if not looked.is_track:
            if owner := _owner(path.name, looked):
                raise MissingInput(f'{printable(path)}: a stem of a track; give its mix instead: "{printable(owner)}"')
            return cls.all_loose(looked, [path])[0]
        if part_of(path.name) == MIX:
            return cls.of(looked)
        raise MissingInput(f'{printable(path)}: part of a track; give its folder instead: "{printable(path.parent)}"')

    @classmethod
    def of(cls, looked: FolderListing) -> "Track":
        """Give the track folder that was looked at."""
        # There may be 100,000 tracks, and most have files of the same names: each name is kept once.
        names = tuple(sys.intern(name) for name in looked.sounds if part_of(name))
        return cls(looked.folder, sounds=names, unclean=looked.unclean)

    @classmethod
    def all_loose(cls, looked: FolderListing, paths: Iterable[Path]) -> "list[Track]":
        """Give loose files as tracks, with the stems beside them.

        Parameters
        ----------
        looked : FolderListing
            The folder that holds them.
        paths : iterable of Path
            The files.
        """
        stems: dict[str, list[str]] = defaultdict(list)
        named: dict[str, list[str]] = defaultdict(list)
        for name in looked.sounds:
            named[os.path.splitext(name)[0]].append(name)
            if base := kind_beside(name)[0]:
                stems[base].append(name)
        tracks = []
        for path in paths:
            stem = os.path.splitext(path.name)[0]
            base = base_of(path.name if len(named[stem]) > 1 else stem)
            names = tuple(sorted({*named[stem], *stems[base]}))
            tracks.append(cls(path.parent, loose=path.name, sounds=names, unclean=looked.unclean))
        return tracks

    @property
    def path(self) -> Path:
        """What a user calls it by: the folder, or the loose file."""
        return self.folder / self.loose if self.loose else self.folder

    @property
    def name(self) -> str:
        """Name of the folder, or of the loose file without its suffix.

        Loose files that differ in nothing but the suffix (``x.flac``, ``x.mp3``) keep it: each has results of its own.
        """
        if not self.loose:
            return self.folder.name
        stem = os.path.splitext(self.loose)[0]
        shared = any(name != self.loose and os.path.splitext(name)[0] == stem for name in self.sounds)
        return self.loose if shared else stem

    @property
    def is_crop(self) -> bool:
        """Whether this is a crop, cut from a track."""
        return not self.loose and self.folder.parent.name == "crops"

    @property
    def mix(self) -> Path:
        """The full mix.

        Raises
        ------
        MissingInput
            There is none, or more than one file could be it.
        """
        path = self._only(MIX)
        if path is None:
            raise MissingInput(f"{printable(self.folder)}: no {MIX}.*; put the track's sound there under this name")
        return path

    @property
    def stems(self) -> dict[str, Path]:
        """The stems that there are: name -> file.

        Raises
        ------
        MissingInput
            More than one file could be one of them.
        """
        found = {stem: self._only(stem) for stem in STEMS}
        return {stem: path for stem, path in found.items() if path is not None}

    @property
    def parts(self) -> dict[str, Path]:
        """Mix and stems: ``full_mix`` or the stem's name -> file. Raises as :attr:`mix` and :attr:`stems`."""
        return {MIX: self.mix} | self.stems

    def stem(self, stem: str) -> Path:
        """Give the file of one stem.

        Raises
        ------
        MissingInput
            There is none, or more than one file could be it.
        """
        path = self._only(stem)
        if path is None:
            raise MissingInput(
                f'{printable(self.folder)}: no {stem} stem; make it with: mirkit separate "{printable(self.path)}"'
            )
        return path

    def stem_path(self, stem: str, suffix: str = ".flac") -> Path:
        """Give the path at which a stem is written.

        Parameters
        ----------
        stem : str
            ``drums``, ``bass``, ``other`` or ``vocals``.
        suffix : str
            Of the file, with its dot.
        """
        return self._companion(stem + suffix)

    def sidecar(self, kind: str) -> Path:
        """Say where a sidecar is: ``INFO``, ``BEATS_GRID``, or another of ``SIDECARS``."""
        return self._companion(kind)

    @property
    def info(self) -> Path:
        """The ``.INFO``."""
        return self.sidecar("INFO")

    @property
    def grid(self) -> Path:
        """The ``.BEATS_GRID``."""
        return self.sidecar("BEATS_GRID")

    @property
    def onsets(self) -> Path:
        """The ``.ONSETS``."""
        return self.sidecar("ONSETS")

    @property
    def curves(self) -> Path:
        """The ``.CURVES.npz``."""
        return self.sidecar("CURVES.npz")

    @property
    def provenance(self) -> Path:
        """The ``.PROVENANCE``."""
        return self.sidecar("PROVENANCE")

    @property
    def adtof_midi(self) -> Path:
        """Drums as MIDI, by ADTOF: ``drums_adtof.mid``, of a loose ``x.flac`` ``x_adtof.mid``."""
        return self._companion(ADTOF_MIDI)

    @property
    def drums_midi(self) -> Path:
        """Drums as MIDI, by drum separation: ``drums.mid``, of a loose ``x.flac`` ``x_drums.mid``."""
        return self._companion(DRUMS_MIDI)

    @property
    def crops(self) -> Path:
        """Folder of the clips cut from it."""
        return self.folder / "crops"

    def _companion(self, role: str) -> Path:
        return self.folder / (for_loose_file(role, self.name) if self.loose else for_folder(role, self.name))

    def _only(self, part: str) -> Path | None:
        candidates = [name for name in self.sounds if self.part_of(name) == part]
        if len(candidates) > 1:
            which = " and ".join(printable(name) for name in candidates)
            raise MissingInput(f"{printable(self.folder)}: {which} could each be the {part}; keep one of them")
        return self.folder / candidates[0] if candidates else None

    def part_of(self, name: str) -> str:
        """Say which part one of its ``sounds`` is: ``full_mix``, a stem, or "" for none."""
        if not self.loose:
            return part_of(name)
        if name == self.loose:
            return MIX
        base, role = kind_beside(name)
        return part_of(role) if base == base_of(self.name) else ""


def _owner(name: str, looked: FolderListing) -> Path | None:
    """The loose file beside which a file of this name is a stem."""
    base = kind_beside(name)[0]
    owners = (
        other for other in looked.sounds if base and base in (base_of(os.path.splitext(other)[0]), base_of(other))
    )
    return next((looked.folder / other for other in owners), None)


def _why_no_track(path: Path, looked: FolderListing) -> str:
    if any(inner.is_track for inner in walk(path, follow=True)):
        return f"{printable(path)}: no track but a folder of tracks; add --batch to take all of them"
    if looked.sounds:
        return (
            f"{printable(path)}: no {MIX}.* in it; add --batch to work on the sound files where they lie, "
            f'or put them into track folders with: mirkit organize "{printable(path)}"'
        )
    return f"{printable(path)}: no track (no {MIX}.* in it) and no sound files"
