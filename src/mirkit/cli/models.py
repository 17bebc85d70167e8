"""``mirkit models``: what there is, what is here, where from."""

import argparse
import json
from typing import TYPE_CHECKING

from mirkit.cli import consent
from mirkit.cli.options import overrides
from mirkit.cli.output import run_summary
from mirkit.cli.progress import downloading

if TYPE_CHECKING:
    from mirkit.models.backend import Model


def models(arguments: argparse.Namespace) -> int:
    """The neural models: what there is; fetch one, say where it is, check what is here."""
    from mirkit.errors import SettingsError
    from mirkit.models import registry, weights
    from mirkit.models.cache_paths import missing
    from mirkit.settings import Settings
    from mirkit.store import with_values

    for line in registry.problems():
        run_summary.note(f"note   {line}")
    if arguments.cite is not None:
        return _cite(arguments)
    if arguments.action == "list":
        return _list_models(arguments)
    if arguments.action == "verify":
        return _verify_models(
            [weights.model(arguments.name)] if arguments.name else list(registry.model_rows()), arguments
        )
    if not arguments.name:
        raise SettingsError(
            f"mirkit models {arguments.action} needs one of {', '.join(row.name for row in registry.model_rows())}"
        )
    row = weights.model(arguments.name)
    run = with_values(Settings(), overrides(arguments), "command line").run
    if arguments.action == "path":
        found = weights.load_checked(row, run)
    else:
        if missing(row) and not (arguments.quiet or weights.unavailable_reason(row, run)):
            consent.say_license(row)
        with downloading(shown=not (arguments.quiet or arguments.json)) as progress:
            found = weights.fetch(row, run, progress)
    if arguments.json:
        print(json.dumps({"model": found.model, "files": [str(path) for path in found.files], "sha256": found.sha256}))
    elif not arguments.quiet:
        for path in found.files:
            print(path)
    return 0


def _cite(arguments: argparse.Namespace) -> int:
    """Print BibTeX of a backend or of the backend of a model; of all without a name."""
    from mirkit.errors import SettingsError
    from mirkit.models import registry

    name = arguments.cite
    rows = [
        row for row in registry.backends() if not name or name in (row.name, *(model.name for model in row.weights))
    ]
    if not rows:
        names = dict.fromkeys(row.name for row in registry.backends() if row.citation)
        raise SettingsError(f"{name} is neither a backend nor a model; there are {', '.join(names)}")
    citations = list(dict.fromkeys(row.citation for row in rows if row.citation))
    if arguments.json:
        print(json.dumps({row.name: row.citation for row in rows if row.citation}, indent=2))
    elif citations:
        print("\n\n".join(citations))
    elif not arguments.quiet:
        run_summary.note(f"{name} has no citation")
    return 0


def _list_models(arguments: argparse.Namespace) -> int:
    from mirkit.cli.doctor import model_rows
    from mirkit.models import weights
    from mirkit.models.cache_paths import cache
    from mirkit.models.messages import megabytes

    rows = [row for row in model_rows() if not arguments.name or row["model"] == weights.model(arguments.name).name]
    if overrides(arguments).get("run.commercial_safe"):
        rows = [row for row in rows if row["commercial use"] == "yes"]
    if arguments.json:
        print(json.dumps(rows, indent=2))
    else:
        cells = [row | {"size": megabytes(row["size"]) if row["size"] else ""} for row in rows]
        head = ("model", "job", "method", "state", "size", "commercial use", "license of the code", "of the weights")
        run_summary.table(head, [tuple(row.values()) for row in cells])
        print(f"weights are kept in {cache()}")
    return 0


def _verify_models(rows: "list[Model]", arguments: argparse.Namespace) -> int:
    """Check every file that is here; a model that was named must be here."""
    from mirkit.models import weights
    from mirkit.models.cache_paths import cache

    found = [(row, file, *weights.verify(row, file)) for row in rows for file in row.files]
    told = [(row.name, file.name, state, path or "") for row, file, state, path in found if path or arguments.name]
    bad = {weights.DAMAGED, weights.HALF, weights.ABSENT} if arguments.name else {weights.DAMAGED}
    if arguments.json:
        names = ("model", "file", "state", "path")
        print(json.dumps([dict(zip(names, map(str, line), strict=True)) for line in told], indent=2))
    elif not told and not arguments.quiet:
        print(f"no weights are here ({cache()} is empty); mirkit models lists what there is, mirkit models fetch NAME")
    elif not arguments.quiet:
        run_summary.table(("model", "file", "state", "path"), told)
        mend = {weights.DAMAGED, weights.HALF, weights.ABSENT}
        for name in dict.fromkeys(name for name, _, state, _ in told if state in mend):
            print(f"to mend: mirkit models fetch {name}")
    return 1 if any(state in bad for _, _, state, _ in told) else 0
