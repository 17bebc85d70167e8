"""Whatever mirkit reads beside the sound: for each, an example and what reads it. For property tests and fuzzing."""

import json
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from mido import Message, MetaMessage, MidiFile, MidiTrack

from mirkit.cli import main
from mirkit.dataset.library import stamps
from mirkit.dataset.library.row import RowJob, read_row
from mirkit.dataset.status import status
from mirkit.dataset.verify import verify_all
from mirkit.errors import MirkitError
from mirkit.models.roformer.load import read_config
from mirkit.organize.journal import Journal
from mirkit.remote.lease import LEASE, lease
from mirkit.remote.listing import MANIFEST, parse
from mirkit.remote.object_store import ObjectStore
from mirkit.report.track_page import notes
from mirkit.store import (
    LockedError,
    read_feature_series,
    read_feature_series_header,
    read_grid,
    read_info,
    read_onsets,
    read_provenance,
    read_sections,
    read_settings,
    update_feature_series,
    update_info,
    update_provenance,
)
from mirkit.track import Track
from mirkit.track.clip import cut_in


@dataclass(frozen=True)
class File:
    """A file of a data set, and what reads it: functions of its path, and commands on the whole."""

    name: str
    readers: tuple[Callable[[Path], object], ...]
    commands: tuple[str, ...] = field(default=())


def _take_lease(path: Path) -> None:
    with suppress(LockedError), lease(ObjectStore(path.parents[1].as_uri()), "A", 0):
        pass


def _read_row(path: Path) -> object:
    return read_row(RowJob(Track.at(path.parent), b""), root=path.parents[1], excluded={})


FILES = {
    "INFO": File(
        "A/A.INFO",
        (read_info, _read_row, lambda path: update_info(path, {"bpm": 120.0})),
        ("verify", "stats"),
    ),
    "BEATS_GRID": File("A/A.BEATS_GRID", (read_grid,)),
    "ONSETS": File("A/A.ONSETS", (read_onsets,)),
    "SECTIONS": File("A/A.SECTIONS", (read_sections,), ("verify",)),
    "CURVES": File(
        "A/A.CURVES.npz",
        (read_feature_series, read_feature_series_header, lambda path: update_feature_series(path, {"a/b": [1.0]})),
    ),
    "PROVENANCE": File(
        "A/A.PROVENANCE",
        (
            read_provenance,
            _read_row,
            lambda path: cut_in(path.parent),
            lambda path: update_provenance(path, facts={"x": {"value": 1}}),
        ),
        ("verify", "stats"),
    ),
    "settings": File("mirkit.toml", (lambda path: read_settings(path.parent),)),
    "journal": File(".mirkit-organize.jsonl", (lambda path: Journal(path.parent).records(),)),
    "library": File(".mirkit/library.sqlite", (lambda path: verify_all(path.parents[1]),), ("verify", "stats")),
    "ledger": File(f"A/{MANIFEST}", (lambda path: parse(path.read_bytes(), "A"),)),
    "lease": File(f"A/{LEASE}000001", (_take_lease,)),
    "midi": File("A/drums.mid", (notes,)),
    "yaml": File("A/model.yaml", (read_config,)),
    "log": File(".mirkit/log/20260101T000000000000-1.jsonl", (lambda path: status(path.parents[2]),), ("status",)),
}

SETTINGS = """[backends]
stems = "embedded"
[rhythm]
bpm_range = [80, 160]
[crop]
length = "8 bars"
[exclude]
"A track" = "clipped"
"""
JOURNAL: tuple[Any, ...] = (
    {"number": 1, "state": "begun", "run": 1, "copy": False, "folder": "A", "files": [["a.flac", "A/full_mix.flac"]]},
    {"number": 1, "state": "done"},
)
LOG: tuple[Any, ...] = (
    {"time": 1.0, "event": "start", "process": {"machine": "x", "number": 1, "since": 2.0}, "workers": 2, "todo": 2},
    {"time": 2.0, "event": "track", "track": "A", "done": ["beats"], "failures": {}, "seconds": {"beats": 1.0}},
    {"time": 3.0, "event": "track", "track": "B", "failures": {"beats": "why"}, "seconds": {}, "duration": 3.0},
    {"time": 4.0, "event": "end", "state": "finished"},
)


LEDGER_ROWS: tuple[Any, ...] = ({"full_mix.flac": [9, "mark", 1]},)
LEASES: tuple[Any, ...] = ({"owner": "x", "until": 1.0},)
MODEL: tuple[Any, ...] = (
    {
        "model": {"dim": 8, "depth": 1, "stereo": True, "num_stems": 1, "freqs_per_bands": [4, 4]},
        "audio": {"chunk_size": 9},
        "training": {"instruments": ["vocals"]},
        "inference": {"num_overlap": 2, "when": "2001-12-14"},
    },
)


def write_examples(root: Path) -> dict[str, bytes]:
    """Put what a measured track does not bring beside it: settings, journal, log. Gives kind -> content."""
    (root / "mirkit.toml").write_text(SETTINGS)
    for name, lines in (
        ("journal", JOURNAL),
        ("log", LOG),
        ("ledger", LEDGER_ROWS),
        ("lease", LEASES),
        ("yaml", MODEL),
    ):
        path = root / FILES[name].name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    MidiFile(tracks=[MidiTrack([MetaMessage("set_tempo"), Message("note_on", note=36, time=9)])]).save(
        root / FILES["midi"].name
    )
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(stamps, "MIN_AGE", -60.0)  # the library keeps what has not changed lately
        for command in ("verify", "stats"):
            assert main([command, str(root), "--quiet"]) in (0, 1)
    return {kind: (root / file.name).read_bytes() for kind, file in FILES.items()}


def read_all(root: Path, kind: str, content: bytes, *, commands: bool) -> None:
    """Have everything that reads this kind of file read this content: an answer, or one line that says why not."""
    file = FILES[kind]
    path = root / file.name
    for reader in file.readers:
        path.write_bytes(content)
        with suppress(MirkitError):
            reader(path)
    path.write_bytes(content)
    if commands:
        for command in file.commands:
            with suppress(MirkitError):  # the line that is printed without --debug
                assert main([command, str(root), "--debug"]) in (0, 1)
    for aside in path.parent.glob("*.unreadable-*"):
        aside.unlink()
