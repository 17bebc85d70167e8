"""Finding the tracks and loose files in a folder."""

import logging
import os
from collections import Counter, defaultdict
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path

from mirkit.audio import has_moving_picture, probe
from mirkit.errors import MirkitError, pasted, printable
from mirkit.store.provenance import read_provenance
from mirkit.track.albums import Album, albums_in, cut_from, uncut
from mirkit.track.listing import FolderListing, Unread, is_no_file, list_folder, walk
from mirkit.track.names import (
    MIX,
    ORIGINAL_NAME,
    SKIPPED_FOLDERS,
    VIDEO_SUFFIXES,
    base_of,
    is_audio_name,
    kind_beside,
    left_out_line,
    source_of,
    unclear_parts,
)
from mirkit.track.track import Track

#: A loose file that is shorter is a sample, not a track (s).
SAMPLE_SECONDS = 4.0
#: With fewer of them, a folder is not taken for a sample pack.
_MIN_ONE_SHOTS = 4
#: No file of that length is larger (bytes): eight channels of 32 bits at 96 kHz.
_LARGEST_SAMPLE = 13_000_000

_log = logging.getLogger("mirkit")


def is_track(path: Path | str) -> bool:
    """Return whether a path is a track folder. Raises MissingInput if the folder cannot be read."""
    path = Path(os.path.abspath(path))
    return path.is_dir() and list_folder(path).is_track


def find_tracks(root: Path | str, problems: list[str] | None = None) -> list[Track]:
    """Find all track folders at or below a folder, sorted by path.

    Hidden folders, ``separated``, ``crops``, exports and folders inside a track are skipped. Links to folders are
    followed, each target once.

    Parameters
    ----------
    root : Path
        Folder to search.
    problems : list of str, optional
        Receives a line for every folder, mix or stem that cannot be read; without it these lines are logged as
        warnings. Tracks whose mix cannot be read are left out.

    Returns
    -------
    list of Track

    Raises
    ------
    MissingInput
        ``root`` is not a readable folder.
    """
    root = Path(os.path.abspath(root))
    unread: list[Unread] = []
    tracks = [Track.of(listing) for listing in walk(root, unread, follow=True) if listing.is_track]
    lines = [one.line for one in unread] + [is_no_file(track.folder / track.lost) for track in tracks if track.lost]
    for line in lines:
        if problems is None:
            _log.warning("%s", line)
        else:
            problems.append(line)
    return [track for track in tracks if not track.lost]


def find_all(
    root: Path | str,
    unread: list[Unread] | None = None,
    notes: list[str] | None = None,
    *,
    lister: Callable[[Path], FolderListing] = list_folder,
    samples: bool = True,
) -> list[Track]:
    """Find all tracks at or below a folder: track folders, then loose files.

    A loose file that was copied into a track folder beside it (``organize --copy``) is not a track of its own. The name
    of an audio file that is no file, such as a link to nothing, is a track whose mix cannot be read.

    Errors are those of :func:`find_tracks`; ``unread`` receives the folders, and the stems of track folders, that
    cannot be read, and ``notes`` a line for stems without a mix, and one for files that are not used. ``lister`` lists
    a folder, as ``list_folder`` does. Without ``samples``, the files that are not used include one-shots: four or more
    loose files of less than 4 s that have not been measured.
    """
    tracks = _tracks_in(Path(os.path.abspath(root)), unread, notes, follow=True, lister=lister, samples=samples)
    return sorted(tracks, key=lambda track: bool(track.loose))


def loose_files(root: Path | str, problems: list[str] | None = None, *, video_sound: bool = False) -> list[Path]:
    """Find all loose audio files at or below a folder: those of :func:`find_all` outside of track folders.

    Stems of a loose file (``x_drums.flac`` beside ``x.flac``) and stems without a mix are not included. Links to
    folders are not followed, because the files may be moved.

    Parameters and errors are those of :func:`find_tracks`; ``problems`` also receives a line for stems without a
    mix, and one for files that are not used: formats that are not read, and, without ``video_sound``, files with a
    moving picture.
    """
    unread: list[Unread] = []
    lines: list[str] = []
    tracks = _tracks_in(Path(os.path.abspath(root)), unread, lines, follow=False, video_sound=video_sound, samples=True)
    if problems is not None:
        problems += [one.line for one in unread]
        problems += [is_no_file(track.folder / track.lost) for track in tracks if track.lost]
        problems += lines
    return [track.path for track in tracks if track.loose and not track.lost]


def _tracks_in(
    root: Path,
    unread: list[Unread] | None,
    notes: list[str] | None,
    *,
    follow: bool,
    video_sound: bool = False,
    lister: Callable[[Path], FolderListing] = list_folder,
    samples: bool,
) -> list[Track]:
    tracks: list[Track] = []
    lines: list[str] = []
    suffixes: Counter[str] = Counter()
    videos = placeholders = 0
    one_shots: set[Track] = set()
    for listing in walk(root, unread, follow=follow, lister=lister):
        placeholders += listing.placeholders
        if listing.is_track:
            tracks.append(track := Track.of(listing))
            one_shots |= {track} if not samples and is_one_shot(track) else set()
            continue
        suffixes.update(os.path.splitext(name)[1].lower() for name in listing.unread)
        if (listing.audio_files or listing.lost) and root.name not in SKIPPED_FOLDERS:
            loose = loose_in(listing, notes)
            lost = [path for path in loose if path.name in listing.lost]
            loose = [path for path in loose if path not in lost]
            tracks += Track.all_loose(listing, lost)
            if listing.cue_sheets:
                albums = albums_in(listing.folder, listing.cue_sheets, [path.name for path in loose], lines)
                loose = [path for path in loose if path not in {album.path for album in albums}]
                lines += [_album_line(album) for album in albums if uncut(album, listing.folders)]
            used = loose if video_sound else [path for path in loose if not _is_video(path)]
            videos += len(loose) - len(used)
            found = Track.all_loose(listing, used)
            if unread is not None:
                unread += _lost_stems(listing, found)
            one_shots |= set() if samples else {track for track in found if is_one_shot(track)}
            tracks += found
        elif listing.cue_sheets and not (listing.folders or listing.unread):  # nothing explains where the album is
            albums_in(listing.folder, listing.cue_sheets, (), lines, alone=lines)
    tracks = _without_copied(tracks)
    one_shots &= set(tracks)  # a file and its copy in a track folder are one
    if len(one_shots) < _MIN_ONE_SHOTS:
        one_shots = set()
    tracks = [track for track in tracks if track not in one_shots]
    if line := left_out_line(suffixes, videos, placeholders, len(one_shots)):
        lines.append(line)
    if notes is not None:
        notes += lines
    return tracks


def is_one_shot(track: Track) -> bool:
    """Whether a loose file, or one that organize has moved, is a sample of less than 4 s that has not been measured."""
    try:
        if track.loose:
            may_be = track.path.stat().st_size <= _LARGEST_SAMPLE and not track.provenance.exists()
        else:
            may_be = len(track.audio_files) == 1 and not track.info.exists() and _is_organized(track)
        seconds = probe(track.path if track.loose else track.mix).duration if may_be else None
    except (MirkitError, OSError):  # processing the track reports it
        return False
    return seconds is not None and seconds < SAMPLE_SECONDS


def _is_organized(track: Track) -> bool:
    """Whether organize made a track folder, and no stage has run on it."""
    provenance = read_provenance(track.provenance)
    return ORIGINAL_NAME in provenance.facts and not provenance.stages


def _album_line(album: Album) -> str:
    return (
        f"{printable(album.path)}: this file holds the {len(album.tracks)} tracks of an album "
        f"({printable(album.sheet.name)}), so it is not used as one; cut it with: "
        f"mirkit organize --cue {pasted(album.path.parent)}"
    )


def _is_video(path: Path) -> bool:
    return path.name.lower().endswith(VIDEO_SUFFIXES) and has_moving_picture(path)


def _without_copied(tracks: list[Track]) -> list[Track]:
    """Remove loose files that were copied into track folders beside them and are unchanged since."""
    loose: dict[Path, dict[str, Track]] = defaultdict(dict)
    for track in tracks:
        if track.loose:
            loose[track.folder][track.loose] = track
    copied: set[Track] = set()
    for track in tracks if loose else ():
        beside = {} if track.loose else loose.get(track.folder.parent, {})
        if beside and (original := beside.get(_copied_from(track, beside))):
            copied.add(original)
    return [track for track in tracks if track not in copied] if copied else tracks


def _copied_from(track: Track, beside: Mapping[str, Track]) -> str:
    """Return the name of the loose file of which a track folder has a copy, or ``""``.

    The provenance names the file from which the track was made. It is read only if a loose file has the size and time
    of the mix, because copying keeps both.
    """
    with suppress(MirkitError, OSError):  # unreadable files are reported when the track is processed
        mix = track.mix.stat()
        if any(_alike(mix, other.path.stat()) for other in beside.values()):
            name = read_provenance(track.provenance).facts.get(ORIGINAL_NAME, {}).get("value")
            if isinstance(name, str) and name in beside and _alike(mix, beside[name].path.stat()):
                return name
    return ""


def _alike(one: os.stat_result, other: os.stat_result) -> bool:
    return (one.st_size, one.st_mtime_ns) == (other.st_size, other.st_mtime_ns)


def loose_in(listing: FolderListing, notes: list[str] | None = None) -> list[Path]:
    """Return the loose audio files of one folder that is not a track, see :func:`loose_files`."""
    names = sorted((*listing.audio_files, *listing.lost))  # what a name says does not depend on the file
    lone_stems = {source_of(name) for name in names} - {""}
    is_stems_folder = len(lone_stems) > 1
    owners = {base_of(base) for name in names for base in (name, os.path.splitext(name)[0])}
    stems: dict[str, list[str]] = defaultdict(list)  # base -> its stems
    for name in names:
        if base := kind_beside(name)[0]:
            stems[base].append(name)
    orphans = {base for base, parts in stems.items() if base not in owners and _are_stems(listing.folder, base, parts)}
    if notes is not None:
        unclear: dict[str, list[str]] = defaultdict(list)
        for name, base in unclear_parts(listing.audio_files).items():
            unclear[base].append(name)
        notes += [
            f"{printable(listing.folder)}: {', '.join(map(printable, parts))}: several files could be the same part of "
            f"{printable(base)}, so they are not used; keep one of each part"
            for base, parts in sorted(unclear.items())
        ]
        if is_stems_folder:
            notes.append(f"{printable(listing.folder)}: the folder holds stems but no {MIX}.*, so they are not used")
        notes += [
            f"{printable(listing.folder)}: {', '.join(map(printable, stems[base]))}: "
            f"there is no mix {printable(base)}.* for these stems, so they are not used"
            for base in sorted(orphans)
        ]
    taken = owners | orphans
    return [
        listing.folder / name
        for name in names
        if kind_beside(name)[0] not in taken and not (is_stems_folder and source_of(name))
    ]


def _lost_stems(listing: FolderListing, tracks: list[Track]) -> list[Unread]:
    """Return the names of stems beside loose files that are no files."""
    owners = {base: track for track in tracks for base in (base_of(track.loose), base_of(track.name))}
    return [
        Unread(listing.folder / name, owner.path, is_no_file(listing.folder / name))
        for name in listing.lost
        if (owner := owners.get(kind_beside(name)[0]))
    ]


def _are_stems(folder: Path, base: str, names: list[str]) -> bool:
    """Return whether files with names of stems are stems without a mix: there are several, or a provenance."""
    parts = {kind_beside(name)[1].rpartition(".")[0] for name in names}
    return len(parts) > 1 or (folder / f"{base}.PROVENANCE").exists()


def find_albums(root: Path | str, problems: list[str]) -> list[Album]:
    """Find all audio files at or below a folder, or the one at a path, that a cue sheet divides into tracks."""
    path = Path(os.path.abspath(root))
    albums: list[Album] = []
    unread: list[Unread] = []
    for listing in walk(path if path.is_dir() else path.parent, unread, follow=False):
        if listing.cue_sheets and not listing.is_track:
            names = [loose.name for loose in loose_in(listing) if loose.name not in listing.lost]
            wanted = [name for name in listing.cue_sheets if path.suffix.lower() != ".cue" or name == path.name]
            cut = any(map(cut_from, (listing.folder / name for name in listing.folders)))  # and the album removed
            albums += albums_in(listing.folder, wanted, names, problems, alone=None if cut else problems)
    problems += [one.line for one in unread]
    return [album for album in albums if path.is_dir() or path in (album.path, album.sheet)]


def find_cut_tracks(root: Path | str) -> dict[Path, list[Path]]:
    """Find the tracks at or below a folder that were cut from albums: path of the album -> folders of its tracks."""
    found: dict[Path, list[Path]] = defaultdict(list)
    for listing in walk(Path(os.path.abspath(root)), follow=False):
        for name in listing.folders if listing.cue_sheets and not listing.is_track else ():
            if (album := cut_from(listing.folder / name)) and is_track(listing.folder / name):
                found[listing.folder / album].append(listing.folder / name)
    return dict(found)


def get_organized_folders(root: Path | str) -> list[Path]:
    """Return the folders of all tracks at or below ``root``, sorted. Raises as :func:`find_tracks`."""
    return [track.folder for track in find_tracks(root)]


def get_info_path(path: Path | str) -> Path:
    """Return the path of the ``.INFO`` of a track folder, a file in one, or a loose audio file; it need not exist."""
    path = Path(os.path.abspath(path))
    if path.is_dir() or not is_audio_name(path.name):
        return Track(path).info
    if source_of(path.name) == MIX or (source_of(path.name) and is_track(path.parent)):
        return Track(path.parent).info
    return Track.at(path).info if path.is_file() else Track(path.parent, loose=path.name).info
