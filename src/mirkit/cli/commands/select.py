"""The command ``mirkit select``: few tracks or clips that cover a data set."""

import argparse
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mirkit.cli.output import note, table
from mirkit.cli.output.dataset import outdated
from mirkit.errors import SettingsError, counted, pasted, printable

if TYPE_CHECKING:
    from mirkit.dataset.curation import Curation

_MOST_LINES = 12


def select(arguments: argparse.Namespace) -> int:
    """Choose tracks or clips that cover a data set; print them, and write exclusions or weights if asked to."""
    from mirkit.dataset.curation import CAPS, curate
    from mirkit.dataset.find import exclude_all
    from mirkit.store.output import MADE_BY, Output, made_by

    output = None
    if arguments.output:
        output = Output(Path(arguments.output), made_by("mirkit select"), arguments.overwrite)
        output.check()
    caps: dict[str, int] = {}
    for name, limit in arguments.cap:
        if name not in CAPS:
            raise SettingsError(f"--cap {name}: the caps are {', '.join(CAPS)}")
        caps[name] = limit
    found = curate(
        Path(arguments.path),
        arguments.count,
        crops=arguments.crops,
        where=arguments.where or "",
        caps=caps,
        seed=arguments.seed,
    )
    result = _as_json(found, arguments)
    if output:
        output.write(json.dumps({MADE_BY: "mirkit select"} | result, indent=1).encode() + b"\n")
    if arguments.exclude:
        kept = {choice.index for choice in found.chosen.choices}
        others = [path for i, path in enumerate(found.paths) if i not in kept]
        exclude_all(found.root, others, f"not selected: mirkit select {arguments.count} --seed {arguments.seed}")
    if arguments.json:
        print(json.dumps(result, indent=1))
    elif not arguments.quiet:
        _show(found, arguments)
    return 0


def _as_json(found: "Curation", arguments: argparse.Namespace) -> dict[str, Any]:
    weights = found.chosen.weights()
    return {
        "seed": arguments.seed,
        "caps": dict(arguments.cap),
        "features": list(found.keys),
        "chosen": [
            {"name": found.names[choice.index], "stands_for": choice.count, "why": found.explain(number)}
            for number, choice in enumerate(found.chosen.choices)
        ],
        "weights": {name: int(weight) for name, weight in zip(found.names, weights, strict=True)},
        "coverage": {
            which: {name: round(value, 4) for name, value in vars(coverage).items()}
            for which, coverage in (("chosen", found.chosen.coverage), ("random", found.chosen.random))
        },
    }


def _show(found: "Curation", arguments: argparse.Namespace) -> None:
    choices, what = found.chosen.choices, "clip" if arguments.crops else "track"
    most = len(choices) if arguments.verbose else _MOST_LINES
    for number, choice in enumerate(choices[:most]):
        print(f"{number + 1:>4}  {printable(found.names[choice.index])}: {found.explain(number)}")
    if len(choices) > most:
        print(f"      and {len(choices) - most} more; --verbose lists all")
    print()
    print(f"{counted(len(choices), what)} of {len(found.paths)}, compared by {len(found.keys)} features")
    if found.unmeasured:
        note(
            f"note   {counted(found.unmeasured, what)} without numbers cannot be chosen; measure them with: mirkit run"
        )
    if found.outdated:
        note(f"note   {outdated(found.outdated, printable(arguments.path), what)}")
    if len(choices) < min(arguments.count, len(found.paths)):
        caps = ", ".join(f"{name} {count}" for name, count in found.chosen.capped.items() if count)
        note(f"note   the caps leave no more than these (kept out by {caps})")
    if arguments.count > len(found.paths):
        note(f"note   there are no more than these to choose from, and {arguments.count} were asked for")
    rows = [
        (name, *(f"{value:.2f}" for value in vars(coverage).values()))
        for name, coverage in (("these", found.chosen.coverage), ("as many at random", found.chosen.random))
    ]
    table(("distance to the nearest chosen one", "mean", "95 %", "largest"), rows)
    shares = [
        (name, f"{after} of {before}", f"{share:.0%}", f"{kept:.0%}")
        for name, (before, after, share, kept) in found.largest_shares().items()
    ]
    if shares:
        print()
        table(("of", "groups kept", "largest before", "after"), shares)
    print()
    if arguments.exclude:
        undo = f"mirkit include {pasted(arguments.path)} --where 'excluded:~\"not selected\"'"
        print(f"{counted(len(found.paths) - len(choices), what)} excluded; undo: {undo}")
    if arguments.output:
        file = printable(arguments.output)
        print(f"{file} has the choice and a weight for each {what}; use them with: mirkit export sat --weights {file}")
    if not (arguments.exclude or arguments.output):
        print("--exclude excludes the others; -o FILE writes weights, with which each region is drawn equally often")
