"""A track: its files, the paths of its results, and the listing of folders in which tracks are found."""

import os
import sys
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from mirkit.catalog import STEMS
from mirkit.errors import MissingInput, printable, system_errors
from mirkit.store.atomic import LOCK_NAME, TEMP_PREFIX
from mirkit.track.names import (
    ADTOF_MIDI,
    AUDIO_SUFFIXES,
    DRUMS_MIDI,
    EXPORT_SUMMARY,
    MIX,
    REST,
    SKIPPED_FOLDERS,
    base_of,
    for_folder,
    for_loose_file,
    is_audio_name,
    is_placeholder_name,
    is_unread_audio_name,
    kind_beside,
    mixes_in,
    rest_of,
    source_of,
    unclear_parts,
)


@dataclass(frozen=True)
class FolderListing:
    """The audio files and folders in a folder, sorted by name.

    Attributes
    ----------
    folder : Path
    audio_files : tuple of str
        Names of the audio files, without hidden ones.
    folders : tuple of str
        Names of the folders, without hidden ones, ``separated`` and ``crops``.
    links : frozenset of str
        Names of the folders that are links.
    lost : tuple of str
        Names of audio files that cannot be read as files: broken or circular links, pipes.
    unclean : bool
        Whether the folder contains files that a killed process may have left.
    unread : tuple of str
        Names of sound files in formats that are not read.
    is_export : bool
        Whether an export wrote the folder.
    has_links : bool
        Whether a visible entry is a link, whose target may change while the folder does not.
    cue_sheets : tuple of str
        Names of cue sheets.
    placeholders : int
        Number of audio files that are only placeholders of a cloud disk.
    """

    folder: Path
    audio_files: tuple[str, ...]
    folders: tuple[str, ...]
    links: frozenset[str]
    lost: tuple[str, ...]
    unclean: bool
    unread: tuple[str, ...] = ()
    is_export: bool = False
    has_links: bool = False
    cue_sheets: tuple[str, ...] = ()
    placeholders: int = 0

    @property
    def is_track(self) -> bool:
        """Whether the folder contains the mix of a track: a ``full_mix.*``, or a ``mixture.*`` beside stems."""
        return bool(mixes_in(self.audio_files))


def list_folder(folder: Path) -> FolderListing:
    """List a folder.

    Raises
    ------
    MissingInput
        The folder cannot be read.
    """
    audio_files, folders, lost, unread, links, cues = [], [], [], [], set(), []
    unclean = is_export = has_links = False
    placeholders = 0
    with system_errors(folder, "read", MissingInput), os.scandir(folder) as entries:
        for entry in entries:
            name = entry.name
            if is_placeholder_name(name):
                placeholders += 1
                continue
            if name.startswith("."):
                unclean = unclean or name.startswith((TEMP_PREFIX, LOCK_NAME))
                continue
            has_links = has_links or entry.is_symlink()
            if is_audio_name(name) and _holds(entry.is_file):
                if _in_the_cloud(entry):
                    placeholders += 1
                else:
                    audio_files.append(name)
            elif name not in SKIPPED_FOLDERS and _holds(entry.is_dir):
                folders.append(name)
                # Junctions are a second kind of folder link on Windows, known from Python 3.12 on.
                if entry.is_symlink() or getattr(entry, "is_junction", bool)():
                    links.add(name)
            elif is_audio_name(name) and not _holds(entry.is_dir):
                lost.append(name)
            elif is_unread_audio_name(name):
                unread.append(name)
            elif name == EXPORT_SUMMARY:
                is_export = True
            elif name.lower().endswith(".cue"):
                cues.append(name)
    return FolderListing(
        folder,
        tuple(sorted(audio_files)),
        tuple(sorted(folders)),
        frozenset(links),
        tuple(sorted(lost)),
        unclean,
        tuple(sorted(unread)),
        is_export,
        has_links,
        tuple(sorted(cues)),
        placeholders,
    )


#: Attributes of Windows and macOS of a file whose content is still on a server.
_RECALL_ON_OPEN, _RECALL_ON_DATA, _DATALESS = 0x40000, 0x400000, 0x40000000


def _in_the_cloud(entry: "os.DirEntry[str]") -> bool:
    """Whether reading a file would first download it."""
    if sys.platform not in ("win32", "darwin"):
        return False
    status = entry.stat()
    attributes = getattr(status, "st_file_attributes", 0) & (_RECALL_ON_OPEN | _RECALL_ON_DATA)
    return bool(attributes or getattr(status, "st_flags", 0) & _DATALESS)


def _holds(test: Callable[[], bool]) -> bool:
    """Return the result of a test of an entry; False for a circular or forbidden link."""
    try:
        return test()
    except OSError:
        return False


def walk(
    root: Path,
    problems: list[str] | None = None,
    *,
    follow: bool,
    lister: Callable[[Path], FolderListing] = list_folder,
) -> Iterator[FolderListing]:
    """Yield the listings of a folder and all folders below it, parents first, by name; not inside tracks.

    Folders below that an export wrote are left out, because their audio files are copies.

    Parameters
    ----------
    root : Path
        Folder to begin with.
    problems : list of str, optional
        Receives a line for every folder below that cannot be read, and for every broken audio file.
    follow : bool
        Whether to follow links to folders, each target once.
    lister : callable
        Lists a folder, as :func:`list_folder` does.

    Raises
    ------
    MissingInput
        ``root`` cannot be read.
    """
    home = Path(os.path.realpath(root))
    reached: set[Path] = set()  # by links, as real paths
    todo: list[tuple[Path, Path | None]] = [(root, None)]
    while todo:
        folder, real = todo.pop()
        if real is not None:
            if real in reached:
                continue
            reached.add(real)
        try:
            listing = lister(folder)
        except MissingInput as error:
            if folder is root:
                raise
            if problems is not None:
                problems.append(str(error))
            continue
        if listing.is_export and folder is not root:
            continue
        if problems is not None:
            problems += [
                f"{printable(folder / name)}: the link leads to no file; repair or remove it" for name in listing.lost
            ]
        yield listing
        if listing.is_track:
            continue
        for name in reversed(listing.folders):
            if name not in listing.links:
                todo.append((folder / name, real and real / name))
            elif follow:
                target = Path(os.path.realpath(folder / name))
                if not (target.is_relative_to(home) or home.is_relative_to(target)):
                    todo.append((folder / name, target))


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
    """

    folder: Path
    loose: str = ""
    audio_files: tuple[str, ...] = field(default=(), compare=False)
    unclean: bool = field(default=False, compare=False)

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
        if not path.is_file():
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
        if path.name in mixes_in(listing.audio_files):
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
        mixes = mixes_in(listing.audio_files)
        kept = (name for name in listing.audio_files if name in mixes or source_of(name) or rest_of(name))
        names = tuple(map(sys.intern, kept))
        return cls(listing.folder, audio_files=names, unclean=listing.unclean)

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
        for name in listing.audio_files:
            named[os.path.splitext(name)[0]].append(name)
            if name not in unclear and (base := kind_beside(name)[0]):
                stems[base].append(name)
        tracks = []
        for path in paths:
            stem = os.path.splitext(path.name)[0]
            base = base_of(path.name if len(named[stem]) > 1 else stem)
            names = tuple(sorted({*named[stem], *stems[base]}))
            tracks.append(cls(path.parent, loose=path.name, audio_files=names, unclean=listing.unclean))
        return tracks

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
            There is none, or there are several candidates.
        """
        path = self._only(MIX)
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
        return self.folder / (for_loose_file(role, self.name) if self.loose else for_folder(role, self.name))

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

    def _only(self, source: str) -> Path | None:
        candidates = [name for name in self.audio_files if self.source_of(name) == source]
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
        return f"{printable(path)}: this is a folder of tracks, not a track; add --batch to process all of them"
    if listing.audio_files:
        return (
            f"{printable(path)}: there is no {MIX}.* in this folder; add --batch to process the "
            "audio files without moving them, "
            f'or put them into track folders with: mirkit organize "{printable(path)}"'
        )
    return f"{printable(path)}: the folder is not a track (it holds no {MIX}.*), and holds no audio files"
