"""What the weights may be trained on: recorded sounds, MIDI and songs with stems under licenses that allow shipping.

    python -m training.material [--data FOLDER] [--credits]

The data folder (``--data``, or the environment variable ``MIRKIT_TRAINING_DATA``) holds ``samples/index.csv`` (columns
path, class, instrument, midi_note, drum_class, license, attribution) and ``midi/index.csv`` (path, kind, licence,
attribution). Every file that training opens goes through `read`, and is a row of an index. A license that is not in
`LICENSES` stops everything. ``--credits`` prints the section of NOTICE.
"""

import argparse
import csv
import os
import textwrap
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache, lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import soundfile
import soxr

RATE = 44100
STEMS = ("drums", "bass", "other", "vocals")
#: Samples of any number of channels, float32.
Sound = npt.NDArray[np.float32]

#: SPDX identifiers of the licenses that allow shipping what was trained, with credit where they ask for it; and the
#: name that the index uses for the Unlicense.
LICENSES = frozenset(
    {
        *("CC0-1.0", "CC-BY-3.0", "CC-BY-4.0", "Unlicense", "Unlicense (public domain)"),
        *("Apache-2.0", "BSD-2-Clause", "BSD-3-Clause", "ISC", "MIT"),
    }
)
#: Instruments of the mixes of validation; those of training contain none of them. Two microphone mixes of one kit are
#: on the same side.
HELD_OUT = frozenset(
    {
        *("muldjord1_room", "muldjord3", "gog1", "pasta_fetu", "pasta_spag", "yamaha_yr", "upright_kw", "unitra_organ"),
        *("shiny_elec", "shiny_acou", "meat_arco", "mtgsax_alt", "mtgsax_bar", "mtgsax_sop", "mtgsax_ten", "bk_female"),
        *("bk_choir_m", "kerstin", "eif2_lithium", "eif7_francium"),
    }
)
#: Songs with stems that are used for validation and early stopping alone.
VALIDATION_SONGS = ("eif2_lithium", "eif7_francium")
#: Names of the real multitracks, which are scored at the end and never trained on: folders and files.
_NEVER = ("mdb", "truth"), ("mdbraw_", "musicdelta_")
_SONG_STEMS = {"drums": "drums", "bass": "bass", "other": "synth", "vocals": "voice"}
_FEWEST_NOTES = 3


class MaterialError(ValueError):
    """A file that training may not use."""


@dataclass(frozen=True)
class Sample:
    """One recorded sound: its file, class, instrument, MIDI note (None if it has no pitch), and kind of drum."""

    path: Path
    kind: str
    instrument: str
    note: float | None
    drum: str


def data_folder() -> Path:
    """Return ``MIRKIT_TRAINING_DATA``, or else ``shared/data`` beside the repository."""
    default = Path(__file__).resolve().parents[2] / "shared" / "data"
    return Path(os.environ.get("MIRKIT_TRAINING_DATA") or default)


def checked(path: Path, folder: Path) -> Path:
    """Return a path if it is inside a folder and does not belong to the real multitracks, links resolved.

    Raises
    ------
    MaterialError
        The path leads elsewhere, or to a recording that is for scoring alone.
    """
    resolved = path.resolve()
    folders, prefixes = _NEVER
    names = [part.lower() for part in resolved.parts]
    if any(name in folders or name.startswith(prefixes) for name in names):
        raise MaterialError(f"{path}: the real multitracks are for scoring alone; training never opens them")
    if not resolved.is_relative_to(folder.resolve()):
        raise MaterialError(f"{path}: this file is not in {folder}")
    return path


def index(folder: Path) -> tuple[dict[str, str], ...]:
    """Return the rows of ``index.csv``, each with a ``license``, after a check of all licenses and paths.

    Raises
    ------
    MaterialError
        The index lists a file under another license, or one outside of the folder.
    """
    return _index(folder.resolve())


@cache
def _index(folder: Path) -> tuple[dict[str, str], ...]:
    with (folder / "index.csv").open(encoding="utf-8", newline="") as table:
        rows = list(csv.DictReader(table))
    for row in rows:
        row.setdefault("license", row.get("licence", ""))
        checked(folder / row["path"], folder)
        if row["license"] not in LICENSES:
            raise MaterialError(
                f"{folder / row['path']}: the license {row['license']!r} is not one that allows shipping trained "
                f"weights. Remove the file from {folder / 'index.csv'}, or add the license to training/material.py"
            )
    return tuple(rows)


@lru_cache(maxsize=1024)
def read(path: Path, folder: Path) -> Sound:
    """Return a recording of an index at 44.1 kHz, shape=(channels, n)."""
    samples, rate = soundfile.read(checked(path, folder), dtype="float32", always_2d=True)
    if rate != RATE:
        samples = soxr.resample(samples, rate, RATE)
    return np.ascontiguousarray(samples.T, np.float32)


class Material:
    """The recorded sounds, drummers' MIDI and songs of one side of the split.

    Parameters
    ----------
    data : Path
        The data folder.
    held_out : bool
        Whether the sounds are those of validation instead of those of training.
    extra : iterable of `Sample`
        More sounds, such as notes of a soundfont.
    recorded : bool
        Whether the recorded sounds are used, or the others alone.

    Raises
    ------
    MaterialError
        An index lists a file that may not be used.
    """

    def __init__(self, data: Path, held_out: bool = False, extra: Iterable[Sample] = (), recorded: bool = True) -> None:
        self.held_out = held_out
        self._data = data
        self._samples: dict[tuple[str, str], list[Sample]] = defaultdict(list)
        for row in index(data / "samples") if recorded else ():
            if row["instrument"] != "stems" and (row["instrument"] in HELD_OUT) == held_out:
                note = float(row["midi_note"]) if row["midi_note"] else None
                path = data / "samples" / row["path"]
                self.add(Sample(path, row["class"], row["instrument"], note, row["drum_class"]))
        for sample in extra:
            self.add(sample)
        wanted = {"validation", "test"} if held_out else {"train"}
        self.grooves = tuple(
            data / "midi" / row["path"]
            for row in (index(data / "midi") if (data / "midi" / "index.csv").exists() else ())
            if row["kind"] == "drums" and row["split"] in wanted
        )

    def add(self, sample: Sample) -> None:
        """Add a sound."""
        self._samples[sample.kind, sample.instrument].append(sample)

    def instruments(self, kind: str, tonal: bool = True) -> list[str]:
        """Return the instruments of a class in order; with ``tonal`` those with at least three known notes."""
        return sorted(
            name
            for (found, name), samples in self._samples.items()
            if found == kind and (not tonal or sum(s.note is not None for s in samples) >= _FEWEST_NOTES)
        )

    def samples(self, kind: str, instrument: str) -> list[Sample]:
        """Return the sounds of an instrument."""
        return self._samples[kind, instrument]

    def sound(self, sample: Sample) -> Sound:
        """Return a recorded sound, mono, shape=(n,)."""
        inside = self._data / "samples"
        folder = inside if sample.path.is_relative_to(inside) else sample.path.parent
        return np.asarray(read(sample.path, folder).mean(axis=0))

    def songs(self) -> dict[str, dict[str, Sound]]:
        """Return windows of real songs by name and stem, shape=(2, n) each; a stem that a song lacks is zero."""
        return songs(self._data, self.held_out)


def songs(data: Path, validation: bool) -> dict[str, dict[str, Sound]]:
    """Return the windows of the songs of training or of validation, with their stems, shape=(2, n) each."""
    folder = data / "samples"
    found: dict[str, dict[str, Sound]] = {}
    rows = [row for row in index(folder) if row["instrument"] == "stems"]
    for name in sorted({Path(row["path"]).stem for row in rows}):
        if name.startswith(VALIDATION_SONGS) != validation:
            continue
        parts = {}
        for stem, kind in _SONG_STEMS.items():
            path = next((r["path"] for r in rows if r["class"] == kind and Path(r["path"]).stem == name), None)
            if path is not None:
                sound = read(folder / path, folder)
                parts[stem] = np.broadcast_to(sound, (2, sound.shape[1]))
        count = min(part.shape[1] for part in parts.values())
        silence = np.zeros((2, count), np.float32)
        found[name] = {s: np.ascontiguousarray(parts[s][:, :count]) if s in parts else silence for s in STEMS}
    return found


def credits_text(data: Path, soundfonts: Iterable[tuple[str, str]] = ()) -> str:
    """Return the section of NOTICE that names the authors of everything that training may use, by license.

    Parameters
    ----------
    data : Path
        The data folder.
    soundfonts : iterable of (license, attribution)
        Soundfonts that are used where they are installed.
    """
    by_license: dict[str, set[str]] = defaultdict(set)
    for row in (*index(data / "samples"), *index(data / "midi")):
        by_license[row["license"]].add(" ".join(row["attribution"].split()))
    for name, attribution in soundfonts:
        by_license[name].add(attribution)
    intro = (
        "The embedded separator is trained by the programs in training/ on mixes that they render from these sounds "
        "and scores, and on songs with stems; no part of them is in this product."
    )
    sections = [f"{name}: {'; '.join(sorted(authors, key=str.casefold))}." for name, authors in by_license.items()]
    return "\n".join(textwrap.fill(text, 118, subsequent_indent="  ") for text in (intro, *sorted(sections)))


def summary(material: Material) -> str:
    """Return the number of instruments and sounds of each class, a line each."""
    kinds: dict[str, list[int]] = defaultdict(lambda: [0, 0])
    for (kind, _), samples in material._samples.items():
        kinds[kind][0] += 1
        kinds[kind][1] += len(samples)
    return "\n".join(f"{kind:8} {n:3} instruments {m:5} sounds" for kind, (n, m) in sorted(kinds.items()))


def add_data_argument(parser: argparse.ArgumentParser) -> Any:
    """Add the option ``--data``."""
    return parser.add_argument("--data", type=Path, default=data_folder(), help="the data folder")


def main() -> None:
    """Print what there is, or the credits."""
    from training.soundfonts import ALLOWED

    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add_data_argument(parser)
    parser.add_argument("--credits", action="store_true", help="print the section of NOTICE")
    arguments = parser.parse_args()
    try:
        if arguments.credits:
            print(credits_text(arguments.data, [(font.license, font.attribution) for font in ALLOWED]))
            return
        for held_out in (False, True):
            print("validation" if held_out else "training")
            print(summary(Material(arguments.data, held_out)))
            print(f"songs    {len(songs(arguments.data, held_out)):3} windows")
    except (MaterialError, FileNotFoundError) as error:
        raise SystemExit(f"training.material: {error}") from None


if __name__ == "__main__":
    main()
