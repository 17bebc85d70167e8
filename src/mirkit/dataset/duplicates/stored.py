"""Fingerprints of tracks, computed on all cores, and kept in the library until their ``.CURVES.npz`` change.

Those of 100,000 tracks take a gigabyte. While they are compared, their hashes are in a temporary file.
"""

import os
import tempfile
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from mirkit import engines
from mirkit.dataset.duplicates.fingerprints import (
    BITS,
    NO_LANDMARKS,
    SEMITONES,
    TABLES,
    UNSURE,
    FingerprintFeatures,
    Hashes,
    fingerprint_features,
    hashes,
    landmarks,
    rotated,
)
from mirkit.dataset.library import Library
from mirkit.dataset.library.row import key_of
from mirkit.dataset.library.stamps import settled, stamp
from mirkit.engines.processes import iter_chunked
from mirkit.errors import InfoError, MirkitError, MissingInput, pasted, printable
from mirkit.features.serialization import from_arrays
from mirkit.store import (
    digest_of_text,
    file_digest,
    read_feature_series,
    read_feature_series_header,
    read_provenance,
)
from mirkit.track import MIX, Track, rename_hint

#: Raised when the same series would give another fingerprint.
_VERSION = b"2"
#: Bytes of the hash of the audio, in hexadecimal; blanks where it is not known.
_AUDIO = 64
#: A copy of a data set may change the status of a mix so much later than that of its series (ns).
_COPIED_AFTER = 60 * 10**9
#: Fingerprints of one transaction.
_AT_A_TIME = 5000
#: Bytes of the hashes of a landmark for one transposition, and of all that is kept of it.
_HASHES = TABLES * (4 + UNSURE) + 16
_ROW = 4 + len(SEMITONES) * _HASHES


@dataclass(frozen=True)
class Fingerprint:
    """The fingerprint of a track.

    Attributes
    ----------
    times : float32 array, shape=(n,)
        Times of the landmarks (s).
    hashed : sequence of Hashes
        Their hashes, transposed by each of ``SEMITONES``.
    audio : str
        Hash of the hash of the mix, "" where it is not known.
    unmeasured : str
        Why there are no feature series, or "".
    failed : str
        Why they cannot be read, or "".
    compared : bool
        Whether the track was compared with all others of the data set of which that is said.
    """

    times: npt.NDArray[np.float32]
    hashed: Sequence[Hashes]
    audio: str = ""
    unmeasured: str = ""
    failed: str = ""
    compared: bool = False


@dataclass(frozen=True)
class StoredHashes(Sequence[Hashes]):
    """The hashes of a track, which are read when they are needed.

    Attributes
    ----------
    file : HashFile
    start : int
        Where they begin in it.
    landmarks : int
        Number of landmarks.
    """

    file: "HashFile" = field(repr=False)
    start: int
    landmarks: int

    def __len__(self) -> int:
        return len(SEMITONES)

    def __getitem__(self, which: Any) -> Any:
        if not 0 <= which < len(self):
            raise IndexError(which)
        size = self.landmarks * _HASHES
        return _decoded_hashes(self.file.read(self.start + which * size, size), self.landmarks)


class HashFile:
    """A temporary file of hashes; this process and copies of it may read it."""

    def __init__(self) -> None:
        self._file: Any = None
        self._end = 0
        with suppress(OSError):  # no space, or no folder for it
            self._file = tempfile.TemporaryFile(buffering=0)  # noqa: SIM115 (closed when no fingerprint needs it)

    def add(self, one: Fingerprint) -> Fingerprint:
        """Return a fingerprint whose hashes are in the file; as it is if the disk is full."""
        content = b"".join(map(_encoded_hashes, one.hashed))
        if not content or self._file is None:
            return one
        try:
            self._file.seek(self._end)
            if self._file.write(content) != len(content):
                return one
        except OSError:
            return one
        start, self._end = self._end, self._end + len(content)
        return replace(one, times=one.times.copy(), hashed=StoredHashes(self, start, len(one.times)))

    def read(self, start: int, size: int) -> bytes:
        """Read some bytes."""
        if hasattr(os, "pread"):  # copies of this process share the position in the file
            return os.pread(self._file.fileno(), size, start)
        self._file.seek(start)
        content: bytes = self._file.read(size)
        return content


#: That of a track without landmarks.
NO_FINGERPRINT = Fingerprint(NO_LANDMARKS.times, tuple(hashes(NO_LANDMARKS.cells) for _ in SEMITONES))


def fingerprint_of(track: Track) -> Fingerprint:
    """Compute the fingerprint of a track from its ``.CURVES.npz``."""
    try:
        marks = landmarks(read_features(track.feature_series))
        hashed = tuple(hashes(rotated(marks.cells, semitones)) for semitones in SEMITONES)
        header: Any = read_feature_series_header(track.feature_series).get("full_mix/sound")
    except MissingInput:
        return replace(NO_FINGERPRINT, unmeasured=rename_hint(track) or "it has not been measured")
    except InfoError as error:
        return replace(NO_FINGERPRINT, failed=str(error))
    audio = digest_of_text(str(header["sound"])).sha256 if isinstance(header, dict) and "sound" in header else ""
    return Fingerprint(marks.times, hashed, audio)


def _has_changed(track: Track) -> bool:
    """Whether the mix of a track is another one than that of its feature series.

    Its content is compared only if it was written after them.
    """
    try:
        mix, series = os.stat(track.mix), os.stat(track.feature_series)
        if mix.st_mtime_ns <= series.st_mtime_ns and mix.st_ctime_ns <= series.st_ctime_ns + _COPIED_AFTER:
            return False
        entry = read_provenance(track.provenance).stages.get("bands")
        known = entry.inputs.get(MIX) if entry else None
        return known is not None and file_digest(track.mix, known) != known
    except (OSError, MirkitError):  # reported when the track is processed
        return False


def fingerprints(
    tracks: Sequence[Track], library: Library | None = None, advance: Callable[[str], None] = lambda _: None
) -> list[Fingerprint]:
    """Return the fingerprints of tracks.

    Parameters
    ----------
    tracks : sequence of Track
    library : Library, optional
        Where those of unchanged tracks are taken from, and new ones are kept; by default all are computed.
    advance : callable, optional
        Called with the name of each track when its fingerprint is known.
    """
    prefix = os.path.join(library.root, "") if library else ""
    keys = [key_of(track, prefix) for track in tracks] if library else []
    now = [stamp(os.fsencode(track.feature_series)) + _VERSION for track in tracks]
    found: dict[int, Fingerprint] = {}
    file = HashFile()
    if library:
        numbers = {key: number for number, key in enumerate(keys)}
        for key, known, content, compared in library.fingerprints():
            number = numbers.get(key)
            if number is not None and known == now[number] and (one := _decoded(content, compared=compared == 1)):
                found[number] = file.add(one)
                advance(tracks[number].name)
    unknown = [number for number in range(len(tracks)) if number not in found]
    waiting: list[tuple[bytes, bytes, bytes]] = []
    for start, some in iter_chunked(fingerprint_of, [tracks[number] for number in unknown], jobs=engines.cores()):
        for number, one in zip(unknown[start : start + len(some)], some, strict=True):
            found[number] = file.add(one)
            advance(tracks[number].name)
            if library and not (one.unmeasured or one.failed) and settled(now[number][:-1]):
                waiting.append((keys[number], now[number], _encoded(one)))
        if library and (len(waiting) >= _AT_A_TIME or len(found) == len(tracks)):
            library.keep_fingerprints(waiting)
            waiting = []
    return [_outdated(track) if _has_changed(track) else found[number] for number, track in enumerate(tracks)]


def _outdated(track: Track) -> Fingerprint:
    why = f"the audio has changed since it was measured; measure it with: mirkit extract {pasted(track.path)}"
    return replace(NO_FINGERPRINT, unmeasured=why)


def _encoded(one: Fingerprint) -> bytes:
    audio, times = one.audio.encode("ascii", "replace").ljust(_AUDIO), one.times.astype("<f4").tobytes()
    return b"".join((audio, times, *map(_encoded_hashes, one.hashed)))


def _encoded_hashes(one: Hashes) -> bytes:
    return one.words.astype("<u4").tobytes() + one.near.tobytes() + one.parts.astype("<u8").tobytes()


def _decoded(content: Any, *, compared: bool) -> Fingerprint | None:
    """Decode a fingerprint; None for what a library from a stranger may hold instead."""
    if type(content) is not bytes or len(content) < _AUDIO or (len(content) - _AUDIO) % _ROW:
        return None
    count = (len(content) - _AUDIO) // _ROW
    times = np.frombuffer(content, "<f4", count, _AUDIO)
    at = _AUDIO + times.nbytes
    hashed = tuple(_decoded_hashes(content[at + which * count * _HASHES :], count) for which in range(len(SEMITONES)))
    if not np.isfinite(times).all() or any((one.near >= BITS).any() for one in hashed):
        return None
    return Fingerprint(times, hashed, content[:_AUDIO].decode("ascii", "replace").strip(), compared=compared)


def _decoded_hashes(content: bytes, count: int) -> Hashes:
    words = np.frombuffer(content, "<u4", count * TABLES).reshape(count, TABLES)
    near = np.frombuffer(content, np.uint8, count * TABLES * UNSURE, words.nbytes).reshape(count, TABLES, UNSURE)
    parts = np.frombuffer(content, "<u8", count * 2, words.nbytes + near.nbytes).reshape(count, 2)
    return Hashes(words, near, parts)


def read_features(path: Path) -> FingerprintFeatures:
    """Read the fingerprint features of a track from its ``.CURVES.npz``.

    Raises
    ------
    MissingInput
        The file does not exist, or lacks the feature series.
    InfoError
        The file is damaged.
    """
    chroma = read_feature_series(path, "tonal/chroma")
    source = "tonal" if chroma else "full_mix"
    chroma = chroma or read_feature_series(path, "full_mix/chroma")
    bands = read_feature_series(path, "full_mix/bands")
    if not (chroma and bands):
        raise MissingInput(
            f"{printable(path)}: the feature series are missing; measure the track with: "
            f"mirkit extract {pasted(path.parent)}"
        )
    try:
        return fingerprint_features(_series(f"{source}/chroma", chroma, 12), _series("full_mix/bands", bands, 4))
    except (KeyError, ValueError) as error:
        raise InfoError(f"{printable(path)}: {error}; remove the file, and mirkit computes it again") from error


def _series(name: str, arrays: Mapping[str, Any], columns: int) -> Any:
    fields = {key.removeprefix(f"{name}/"): array for key, array in arrays.items()}
    kind = name.partition("/")[2]
    rows = fields["chroma" if kind == "chroma" else "energy"]
    if rows.ndim != 2 or rows.shape[1] != columns or not len(rows):
        raise ValueError(f"{name} does not have {columns} columns")
    return from_arrays(kind, fields)
