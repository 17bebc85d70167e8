"""How good the sections are: 60 rendered pieces of known form that were never tuned on, and msaf on the same pieces.

    python benchmarks/sections.py FOLDER [MSAF_RESULT.json]

FOLDER keeps the feature series of the pieces (``fit_sections``). Pieces without fills and pieces that are played twice
have rows of their own. MSAF_RESULT is written by ``sections_msaf.py`` in an
environment of its own, from the mixes that ``sections_corpus`` renders. Scores are those of mir_eval: boundaries within
3 s and 0.5 s without the ends of the piece, pairs of frames with the same label; functions against the parts of the
form.
"""

import json
import sys
import time
from collections import Counter
from collections.abc import Sequence
from itertools import combinations
from pathlib import Path

import numpy as np
from fit_sections import compare, repetitions_of, scores, series_of, sources_of

from mirkit.features.structure.form import Form
from mirkit.features.structure.sections import form

#: Share of a found section that one part of the form covers, for its letter to be judged.
_MOSTLY = 0.7


def _row(name: str, found: list[dict[str, float]]) -> str:
    means = {key: float(np.mean([row[key] for row in found])) for key in found[0]}
    low = float(np.percentile([row["F3"] for row in found], 10))
    return f"| {name} | {len(found)} | " + " | ".join(f"{value:.3f}" for value in means.values()) + f" | {low:.2f} |"


def _functions(piece: dict[str, object], found: Form, counts: Counter[str]) -> None:
    """Count the functions that are right: an intro is I, an outro O, an instrumental section is not sung."""
    truth = piece["truth"]["sections"]  # type: ignore[index]
    for section in found.sections:
        if section.function:
            overlap = [min(section.end, s["end"]) - max(section.start, s["start"]) for s in truth]
            part = truth[int(np.argmax(overlap))]
            wanted = {"intro": part["label"] == "I", "outro": part["label"] == "O", "instrumental": not part["sung"]}
            counts[f"{section.function} {'right' if wanted[section.function] else 'wrong'}"] += 1
    for part in truth:
        counts[f"{part['label']} in all"] += part["label"] in "IO"


def _calibration(piece: dict[str, object], found: Form, rows: list[tuple[float, bool]]) -> None:
    """Collect the confidence of each section, and whether both of its ends are within 3 s of a true boundary."""
    edges = np.array([s["start"] for s in piece["truth"]["sections"]] + [piece["truth"]["sections"][-1]["end"]])  # type: ignore[index]
    for section in found.sections:
        ends = [section.start, section.end]
        right = all(np.min(np.abs(edges - end)) <= 3 for end in ends)
        rows.append((float(section.confidence or 0), right))


def _letters(piece: dict[str, object], found: Form, counts: Counter[str]) -> None:
    """Count the pairs of found sections, each within one part of the form, whose letters agree with the truth."""
    truth = piece["truth"]["sections"]  # type: ignore[index]
    parts = []
    for section in found.sections:
        overlap = [min(section.end, s["end"]) - max(section.start, s["start"]) for s in truth]
        best = int(np.argmax(overlap))
        parts.append((section.label, truth[best]["label"], best, overlap[best] / (section.end - section.start)))
    for one, other in combinations(parts, 2):
        if one[2] != other[2] and min(one[3], other[3]) > _MOSTLY:
            kind = "alike" if one[1] == other[1] else "different"
            counts[kind] += 1
            counts[f"{kind}, same letter"] += one[0] == other[0]


def _repetitions(pieces: Sequence[dict[str, object]], name: str) -> None:
    for stems in (True, False):
        rows, counts = [], Counter[str]()
        for piece in pieces:
            sources = sources_of(piece, stems=stems, tracked=True)
            found = form(sources)
            rows.append(scores(piece["truth"]["sections"], found, sources.duration))  # type: ignore[index]
            if isinstance(found, Form):
                _letters(piece, found, counts)
        print(_row(f"{name}, {'stems' if stems else 'mix'}, tracked beats", rows), dict(counts))


def main(folder: Path, msaf: Path | None) -> None:
    """Print the tables."""
    pieces = list(series_of(folder, "test"))
    print(
        "| | pieces | P 3 s | R 3 s | F 3 s | F 0.5 s | pair P | pair R | pair F | F 3 s, 10th percentile |\n|"
        + 10 * "---|"
    )
    keyed = {str(p["name"]): bool(p["truth"]["key_change"] and "C" in p["truth"]["form"]) for p in pieces}  # type: ignore[index]
    for stems in (True, False):
        for tracked in (False, True):
            rows, seconds, audio = [], 0.0, 0.0
            counts: Counter[str] = Counter()
            sure: list[tuple[float, bool]] = []
            for piece in pieces:
                sources = sources_of(piece, stems=stems, tracked=tracked)
                started = time.process_time()
                found = form(sources)
                seconds += time.process_time() - started
                audio += sources.duration
                rows.append(scores(piece["truth"]["sections"], found, sources.duration))  # type: ignore[index]
                if isinstance(found, Form) and tracked:
                    _functions(piece, found, counts)
                    _calibration(piece, found, sure)
            name = f"mirkit, {'stems' if stems else 'mix'}, {'tracked' if tracked else 'true'} beats"
            print(_row(name, rows))
            if tracked:
                for group, chosen in (("soundfont", "timgm"), ("synthesis", "synth")):
                    kept = [r for r, p in zip(rows, pieces, strict=True) if str(p["name"]).endswith(chosen)]
                    print(_row(f"... {group}", kept))
                print(
                    _row(
                        "... with a key change", [r for r, p in zip(rows, pieces, strict=True) if keyed[str(p["name"])]]
                    )
                )
                print(f"CPU {180 * seconds / audio:.3f} s per 3 min; functions {dict(counts)}")
                for low, high in ((0, 0.5), (0.5, 0.7), (0.7, 0.9), (0.9, 1.01)):
                    inside = [right for confidence, right in sure if low <= confidence < high]
                    print(f"confidence {low}-{high}: {len(inside)}, right {np.mean(inside) if inside else 0:.2f}")
                worst = sorted(zip([r["F3"] for r in rows], pieces, strict=True), key=lambda row: row[0])[:5]
                print("worst", [(round(f, 2), p["name"], p["truth"]["form"], p["truth"]["style"]) for f, p in worst])  # type: ignore[index]
    _repetitions(pieces, "all 60")
    repeating = list(repetitions_of(folder, "test"))
    for kind, name in (("plain", "without fills"), ("twice", "played twice")):
        _repetitions([piece for piece in repeating if kind in str(piece["name"])], name)
    results = json.loads(msaf.read_text()) if msaf else {}
    for method in sorted({method for found in results.values() for method in found}):
        rows = []
        for piece in pieces:
            answer = results.get(str(piece["name"]), {}).get(method)
            if isinstance(answer, list) and len(answer[0]) > 1:
                truth, duration = piece["truth"]["sections"], float(piece["duration"])  # type: ignore[index, arg-type]
                true = np.array([[s["start"], s["end"]] for s in truth], float)
                times = np.array(answer[0])
                parts = np.stack((times[:-1], times[1:]), axis=1)
                rows.append(compare(true, [str(s["label"]) for s in truth], parts, answer[1], duration))
        print(_row(f"msaf {method}", rows))


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]) if len(sys.argv) > 2 else None)
