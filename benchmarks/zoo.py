"""Outcomes of ``mirkit run`` on every damaged or unusual file of ``tests/trust/zoo.py``, counted by class.

``python benchmarks/zoo.py [--lines]``; ``--lines`` also prints the message of each refused file.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections import Counter, defaultdict
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "tests" / "trust"))

from zoo import make_zoo  # noqa: E402


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--lines", action="store_true", help="print the line of each refused file")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder, "zoo")
        root.mkdir()
        animals = make_zoo(root)
        moves = mirkit("organize", str(root), "--json")["moves"]
        moved = {
            os.path.relpath(move["from"], root): os.path.dirname(os.path.relpath(move["to"], root)) for move in moves
        }
        began = time.perf_counter()
        outcomes = {outcome["track"]: outcome for outcome in mirkit("run", str(root), "--json")["tracks"]}
        seconds = time.perf_counter() - began
    table: dict[str, Counter[str]] = defaultdict(Counter)
    for name, animal in animals.items():
        outcome = outcomes.get(moved.get(name, os.path.dirname(name)))
        table[animal.species][became(outcome)] += 1
        if arguments.lines and outcome:
            for why in outcome["failures"].values():
                print(f"{name!r}: {why.replace(str(root), '...')}")
    columns = ("measured", "measured, damage reported", "refused in one line", "not audio of a track")
    print(f"| class | files | {' | '.join(columns)} |\n|---|{'---:|' * 5}")
    for species, counts in table.items():
        print(f"| {species} | {sum(counts.values())} | {' | '.join(str(counts[column]) for column in columns)} |")
    whole = sum(table.values(), Counter())
    print(f"| all | {len(animals)} | {' | '.join(str(whole[column]) for column in columns)} |")
    print(f"\n{seconds:.0f} s; no crash")


def became(outcome: dict | None) -> str:
    if outcome is None:
        return "not audio of a track"
    if outcome["failures"]:
        return "refused in one line"
    return "measured, damage reported" if any("damaged" in note for note in outcome["notes"]) else "measured"


def mirkit(*arguments: str) -> dict:
    done = subprocess.run([sys.executable, "-m", "mirkit", *arguments], capture_output=True, text=True)
    assert done.returncode in (0, 1), done.stderr
    assert "Traceback" not in done.stderr, done.stderr
    return json.loads(done.stdout)


if __name__ == "__main__":
    main()
