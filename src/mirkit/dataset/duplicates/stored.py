"""Fingerprints of tracks, computed on all cores, and kept in the library until their ``.CURVES.npz`` change."""

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
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
_VERSION = b"1"
#: Bytes of the hash of the audio, in hexadecimal; blanks where it is not known.
_AUDIO = 64
#: A copy of a data set may change the status of a mix so much later than that of its series (ns).
_COPIED_AFTER = 60 * 10**9
#: Fingerprints of one transaction.
_AT_A_TIME = 5000
_ROW = 4 + len(SEMITONES) * TABLES * (4 + UNSURE)


@dataclass(frozen=True)
class Fingerprint:
    """The fingerprint of a track.

    Attributes
    ----------
    times : float32 array, shape=(n,)
        Times of the landmarks (s).
    hashed : tuple of Hashes
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
    hashed: tuple[Hashes, ...]
    audio: str = ""
    unmeasured: str = ""
    failed: str = ""
    compared: bool = False


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
    if library:
        numbers = {key: number for number, key in enumerate(keys)}
        for key, known, content, compared in library.fingerprints():
            number = numbers.get(key)
            if number is not None and known == now[number] and (one := _decoded(content, compared=compared == 1)):
                found[number] = one
                advance(tracks[number].name)
    unknown = [number for number in range(len(tracks)) if number not in found]
    waiting: list[int] = []
    for start, some in iter_chunked(fingerprint_of, [tracks[number] for number in unknown], jobs=engines.cores()):
        for number, one in zip(unknown[start : start + len(some)], some, strict=True):
            found[number] = one
            advance(tracks[number].name)
            if not (one.unmeasured or one.failed) and settled(now[number][:-1]):
                waiting.append(number)
        if library and (len(waiting) >= _AT_A_TIME or len(found) == len(tracks)):
            library.keep_fingerprints([(keys[number], now[number], _encoded(found[number])) for number in waiting])
            waiting = []
    return [_outdated(track) if _has_changed(track) else found[number] for number, track in enumerate(tracks)]


def _outdated(track: Track) -> Fingerprint:
    why = f"the audio has changed since it was measured; measure it with: mirkit extract {pasted(track.path)}"
    return replace(NO_FINGERPRINT, unmeasured=why)


def _encoded(one: Fingerprint) -> bytes:
    parts = [one.audio.encode("ascii", "replace").ljust(_AUDIO), one.times.astype("<f4").tobytes()]
    for hashed in one.hashed:
        parts += [hashed.words.astype("<u4").tobytes(), hashed.near.tobytes()]
    return b"".join(parts)


def _decoded(content: Any, *, compared: bool) -> Fingerprint | None:
    """Decode a fingerprint; None for what a library from a stranger may hold instead."""
    if type(content) is not bytes or len(content) < _AUDIO or (len(content) - _AUDIO) % _ROW:
        return None
    count, at = (len(content) - _AUDIO) // _ROW, _AUDIO
    times = np.frombuffer(content, "<f4", count, at)
    at += times.nbytes
    hashed = []
    for _ in SEMITONES:
        words = np.frombuffer(content, "<u4", count * TABLES, at).reshape(count, TABLES)
        at += words.nbytes
        near = np.frombuffer(content, np.uint8, count * TABLES * UNSURE, at).reshape(count, TABLES, UNSURE)
        at += near.nbytes
        hashed.append(Hashes(words, near))
    if not np.isfinite(times).all() or any((one.near >= BITS).any() for one in hashed):
        return None
    return Fingerprint(times, tuple(hashed), content[:_AUDIO].decode("ascii", "replace").strip(), compared=compared)


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
