"""Write the demo set as loose tagged files, and compare measured features with the truth."""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mirkit.errors import MissingInput
from mirkit.store import make_folder, read_grid, read_info, read_onsets
from mirkit.store.output import Output
from mirkit.track import Track, find_tracks

#: File with the truth of the pieces: title -> facts, times in seconds.
TRUTH_NAME = "truth.json"
#: A different format for each piece, so that the demo reads all of them.
FORMATS = {"Last Tram": "flac", "Home by Nine": "mp3", "Three Chairs": "wav", "Inland Fog": "ogg"}
#: Tolerances of the MIREX evaluations: 70 ms for a beat, 50 ms for an onset.
BEAT_TOLERANCE_S = 0.070
ONSET_TOLERANCE_S = 0.050
#: Least F-measure of a row that agrees with the truth.
GOOD_F = 0.9


@dataclass(frozen=True)
class Row:
    """One row of the table: truth, measurement, and whether they agree.

    Attributes
    ----------
    track : str
        Title of the piece.
    what : str
        What is compared.
    truth, measured : str
    agrees : bool or None
        None where there is no truth to compare with.
    """

    track: str
    what: str
    truth: str
    measured: str
    agrees: bool | None


def write_demo(folder: Path) -> list[Path]:
    """Write the demo set as loose files, each in another format, tagged and named ``Artist - Title``.

    Pieces that exist in the folder, loose or organized, are not written.

    Parameters
    ----------
    folder : Path
        It is created if it does not exist.

    Returns
    -------
    list of Path
        The files that were written.
    """
    from mirkit.audio import encode
    from mirkit.demo import demo_tracks

    truth_file = Output(make_folder(folder) / TRUTH_NAME, _is_truth)
    truth_file.check()
    existing = [entry.name for entry in folder.iterdir()]
    wanted = {title for title in FORMATS if not any(title in name for name in existing)}
    if not wanted and TRUTH_NAME in existing:
        return []
    written, truths = [], {}
    for piece in demo_tracks():
        truth = piece.truth
        truths[piece.title] = {
            "bpm": truth.bpm,
            "meter": truth.meter,
            "key": truth.key,
            "mode": truth.mode,
            "beats": truth.beats.tolist(),
            "downbeats": truth.downbeats.tolist(),
            "onsets": {stem: times.tolist() for stem, times in truth.onsets.items()},
            "drums": {drum: times.tolist() for drum, times in truth.drums.items()},
        }
        if piece.title in wanted:
            path = folder / f"{piece.name}.{FORMATS[piece.title]}"
            tags = {"artist": piece.artist, "album": piece.album, "title": piece.title, "genre": piece.genre}
            encode(path, [piece.samples], rate=piece.rate, channels=2, tags=tags)
            written.append(path)
    truth_file.write(json.dumps(truths, indent=1).encode())
    return written


def _is_truth(path: Path) -> bool:
    try:
        content = json.loads(path.read_bytes())
    except (ValueError, RecursionError):
        return False
    return isinstance(content, dict) and content.keys() == FORMATS.keys()


def compare(folder: Path) -> list[Row]:
    """Compare the measured features of a demo set with the truth.

    Parameters
    ----------
    folder : Path

    Returns
    -------
    list of Row

    Raises
    ------
    MissingInput
        The folder holds no demo set.
    """
    try:
        truths = json.loads((folder / TRUTH_NAME).read_bytes())
    except FileNotFoundError as error:
        raise MissingInput(
            f"{folder}: the folder holds no demo set (there is no {TRUTH_NAME}); write one with: mirkit demo {folder}"
        ) from error
    rows: list[Row] = []
    for track in find_tracks(folder):
        title = next((title for title in truths if title in track.name), None)
        if title is not None and read_info(track.info):
            rows.extend(_rows(title, truths[title], track))
    return rows


def _rows(title: str, truth: Mapping[str, Any], track: Track) -> Iterator[Row]:
    info = read_info(track.info)
    bpm = info.get("bpm")
    if truth["bpm"] is None:
        yield Row(title, "pulse", "none", "none" if info.get("bpm_is_defined") == 0 else f"{bpm} BPM", bpm is None)
        yield Row(title, "beats", "0", str(info.get("beat_count")), info.get("beat_count") == 0)
    else:
        close = isinstance(bpm, int | float) and abs(bpm - truth["bpm"]) <= 0.01 * truth["bpm"]
        yield Row(title, "tempo", f"{truth['bpm']:.2f} BPM", f"{bpm} BPM", close)
        grid = read_grid(track.grid)
        yield _times(title, "beats", truth["beats"], grid.beats.tolist(), BEAT_TOLERANCE_S)
        yield _times(title, "downbeats", truth["downbeats"], grid.downbeats.tolist(), BEAT_TOLERANCE_S)
        meter = info.get("time_signature")
        true_meter = f"{truth['meter']}/4"
        yield Row(title, "meter", true_meter, str(meter), meter == true_meter)
    key = f"{info.get('key')} {info.get('mode')}"
    yield Row(title, "key", f"{truth['key']} {truth['mode']}", key, key == f"{truth['key']} {truth['mode']}")
    onsets = sorted({time for times in truth["onsets"].values() for time in times})
    found = read_onsets(track.onsets).tolist()
    if onsets:
        yield _times(title, "onsets", onsets, found, ONSET_TOLERANCE_S)
    else:
        # Where all sounds fade in, no time of an onset is right or wrong: notes a semitone apart beat against each
        # other ten times a second, which the ear hears as a tremolo and the measurement as onsets.
        yield Row(title, "onsets", "none to compare", str(len(found)), agrees=None)


def _times(title: str, what: str, true: Sequence[float], found: Sequence[float], tolerance: float) -> Row:
    score = f_measure(true, found, tolerance)
    return Row(title, what, str(len(true)), f"{len(found)} (F {score:.2f})", score >= GOOD_F)


def f_measure(true: Sequence[float], found: Sequence[float], tolerance: float) -> float:
    """Harmonic mean of precision and recall of ascending times, each matched once within ``tolerance`` seconds.

    It is 1 where both are empty.
    """
    if not true and not found:
        return 1.0
    hits = i = j = 0
    # Matching the earliest first is optimal, because all windows have the same width.
    while i < len(true) and j < len(found):
        if abs(true[i] - found[j]) <= tolerance:
            hits, i, j = hits + 1, i + 1, j + 1
        elif true[i] < found[j]:
            i += 1
        else:
            j += 1
    return 2 * hits / (len(true) + len(found))
