"""The demo set on disk: loose tagged files to start from, and what a run measured beside what is true."""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mirkit.errors import MissingInput
from mirkit.store import make_folder, read_grid, read_info, read_onsets, read_provenance
from mirkit.store.output import Output
from mirkit.track import Track, find_tracks

#: What is true of the pieces: title -> facts, times in seconds.
TRUTH_NAME = "truth.json"
#: One format each, so that the demo reads them all.
FORMATS = {"Last Tram": "flac", "Home by Nine": "mp3", "Three Chairs": "wav", "Inland Fog": "ogg"}
#: A beat is right within 70 ms, an onset within 50 ms: the windows of the MIREX contests.
BEAT_TOLERANCE_S = 0.070
ONSET_TOLERANCE_S = 0.050
#: From this F-measure on, the table says "ok".
GOOD_F = 0.9


@dataclass(frozen=True)
class Row:
    """One line of the table: what is true, what was measured, and whether they agree."""

    track: str
    what: str
    truth: str
    measured: str
    agrees: bool


def write_demo(folder: Path) -> list[Path]:
    """Write the demo set into ``folder`` as loose files, one format each, tagged and named ``Artist - Title``.

    Pieces that the folder holds already, loose or organized, are left alone.

    Returns
    -------
    list of Path
        The files written.
    """
    from mirkit.audio import encode
    from mirkit.demo import demo_tracks

    truth_file = Output(make_folder(folder) / TRUTH_NAME, _is_truth)
    truth_file.check()
    there = [entry.name for entry in folder.iterdir()]
    wanted = {title for title in FORMATS if not any(title in name for name in there)}
    if not wanted and TRUTH_NAME in there:
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
        found = json.loads(path.read_bytes())
    except (ValueError, RecursionError):
        return False
    return isinstance(found, dict) and found.keys() == FORMATS.keys()


def compare(folder: Path) -> list[Row]:
    """Set what a run measured in a demo set beside what is true.

    Raises
    ------
    MissingInput
        The folder is no demo set.
    """
    try:
        truths = json.loads((folder / TRUTH_NAME).read_bytes())
    except FileNotFoundError as error:
        raise MissingInput(f"{folder}: no demo set (no {TRUTH_NAME}); make one: mirkit demo {folder}") from error
    rows: list[Row] = []
    for track in find_tracks(folder):
        title = next((title for title in truths if title in track.name), None)
        if title is not None and read_info(track.info):
            rows.extend(_rows(title, truths[title], track))
    return rows


def _rows(title: str, truth: Mapping[str, Any], track: Track) -> Iterator[Row]:
    info = read_info(track.info)
    facts = read_provenance(track.provenance).facts
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
        meter = facts.get("meter", {}).get("value")
        true_meter = f"{truth['meter']}/4"
        yield Row(title, "meter", true_meter, str(meter), meter == true_meter)
    key = f"{facts.get('key', {}).get('value')} {facts.get('mode', {}).get('value')}"
    yield Row(title, "key", f"{truth['key']} {truth['mode']}", key, key == f"{truth['key']} {truth['mode']}")
    onsets = sorted({time for times in truth["onsets"].values() for time in times})
    yield _times(title, "onsets", onsets, read_onsets(track.onsets).tolist(), ONSET_TOLERANCE_S)


def _times(title: str, what: str, true: Sequence[float], found: Sequence[float], tolerance: float) -> Row:
    score = f_measure(true, found, tolerance)
    return Row(title, what, str(len(true)), f"{len(found)} (F {score:.2f})", score >= GOOD_F)


def f_measure(true: Sequence[float], found: Sequence[float], tolerance: float) -> float:
    """Harmonic mean of precision and recall of ascending times, each matched once within ``tolerance`` seconds.

    1 when both are empty: nothing there, nothing found.
    """
    if not true and not found:
        return 1.0
    hits = i = j = 0
    # Earliest first is the best matching there is when all windows are equally wide.
    while i < len(true) and j < len(found):
        if abs(true[i] - found[j]) <= tolerance:
            hits, i, j = hits + 1, i + 1, j + 1
        elif true[i] < found[j]:
            i += 1
        else:
            j += 1
    return 2 * hits / (len(true) + len(found))
