"""How often ``voice`` is right on real music: whole tracks and windows of them.

    python benchmarks/voice.py FOLDER

FOLDER holds ``labels.csv`` with the columns ``path`` (relative to it), ``group`` and ``voice`` (``vocals`` or
``instrumental``), and any files that mirkit reads. Nothing of it may have been fitted on.
"""

import csv
import sys
from collections import defaultdict
from pathlib import Path

import numpy as np
import voice_corpus

from mirkit.catalog import VOCALS
from mirkit.features.types import Unknown, Window
from mirkit.features.voice import LEAST_SECONDS, RATE, VoiceCurve, decide, evidence_of, log_odds

Row = tuple[str, str, float, str]  # path, truth, evidence, answer ("" for none)


def judged(folder: Path) -> dict[str, list[Row]]:
    """The tracks of each group."""
    rows: dict[str, list[Row]] = defaultdict(list)
    with (folder / "labels.csv").open() as file:
        for label in csv.DictReader(file):
            odds = log_odds(voice_corpus.levels_of(voice_corpus.sound(folder / label["path"]))).astype(np.float16)
            if len(odds) >= LEAST_SECONDS * RATE:
                found = decide(VoiceCurve(odds), Window(0, len(odds) / RATE)).voice
                answer = "" if isinstance(found, Unknown) else found
                rows[label["group"]].append((label["path"], label["voice"], evidence_of(odds), answer))
    return rows


def line(name: str, rows: list[Row]) -> str:
    sung, others = ([row[2] for row in rows if (row[1] == VOCALS) == value] for value in (True, False))
    area = np.mean(np.array(sung)[:, None] > np.array(others)) if sung and others else np.nan
    cells = [name, f"{len(sung)} + {len(others)}", "" if np.isnan(area) else f"{area:.3f}"]
    for value in (True, False):
        said = [row for row in rows if row[3] and (row[3] == VOCALS) == value]
        cells.append(f"{sum(row[1] == row[3] for row in said)} of {len(said)}")
    unknown = sum(not row[3] for row in rows)
    return "| " + " | ".join([*cells, f"{unknown} ({unknown / len(rows):.0%})"]) + " |"


def main() -> None:
    groups = judged(Path(sys.argv[1]))
    head = ("group", "vocals + instrumental", "AUC", '"vocals" right', '"instrumental" right', "unknown")
    print(f"| {' | '.join(head)} |")
    print("|---" * len(head) + "|")
    for name, rows in groups.items():
        print(line(name, rows))
    everything = [row for rows in groups.values() for row in rows]
    print(line("all", everything))
    for path, truth, evidence, answer in sorted(everything, key=lambda row: row[2]):
        if answer not in ("", truth):
            print(f"wrong: {path}, evidence {evidence:.2f}: {answer}")


if __name__ == "__main__":
    main()
