"""The folder of a bundle: its sound files, its JSON, what was there before, and the summary of what it holds."""

import json
import re
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from mirkit import __version__, engines
from mirkit.audio import probe
from mirkit.errors import AudioError, InfoError, MissingInput
from mirkit.export.audio import AudioJob, copy, make
from mirkit.export.conditioners import POLICIES, clamped
from mirkit.export.plan import ExportPlan, Sample
from mirkit.export.split import TRAIN, VAL
from mirkit.features.types import ANALYSIS_RATE
from mirkit.store import atomic_write, make_folder, printable, remove_file, remove_orphans, round6
from mirkit.store.atomic import TEMP_PREFIX

SUMMARY = "mirkit_export.json"
_OURS = re.compile(r"[A-Za-z0-9-]+-[0-9a-f]{10}\.(flac|wav|txt|json)|\d{5}\.tar")

#: Called with the name of what was just finished.
Advance = Callable[[str], None]


@dataclass
class Written:
    """What was written.

    Attributes
    ----------
    samples : dict
        Name -> samples a channel, of every sound file that is there.
    files : set of Path
        All files of the bundle.
    """

    samples: dict[str, int] = field(default_factory=dict)
    files: set[Path] = field(default_factory=set)


def open_bundle(out: Path, target: str) -> None:
    """Make the folder of a bundle, or take up one that an earlier run has begun.

    Raises
    ------
    MissingInput
        There is something else.
    """
    before = read_summary(out)
    if before is None and out.exists() and (not out.is_dir() or any(_foreign(path.name) for path in out.iterdir())):
        raise MissingInput(f"{printable(out)}: holds something else already; name an empty folder, or a new one")
    if before is not None and before.get("target") != target:
        raise MissingInput(f"{printable(out)}: a bundle for {before.get('target')}; name another folder for {target}")
    make_folder(out)
    # Said beforehand: what a kill leaves here is known as ours.
    if before is None:
        write_json(out / SUMMARY, {"target": target, "state": "unfinished"})


def _foreign(name: str) -> bool:
    return not name.startswith(TEMP_PREFIX)


def read_summary(out: Path) -> dict[str, Any] | None:
    """Read the summary of a bundle; None where there is none."""
    try:
        found = json.loads((out / SUMMARY).read_bytes())
    except FileNotFoundError:
        return None
    except (OSError, ValueError) as error:
        raise InfoError(f"{printable(out / SUMMARY)}: cannot be read; remove it, or the bundle") from error
    return found if isinstance(found, dict) else None


def write_json(path: Path, content: Any, *, indent: int | None = 1) -> None:
    """Write JSON in ASCII, whole or not at all; NaN is an error."""
    text = json.dumps(content, indent=indent, ensure_ascii=True, allow_nan=False)
    atomic_write(path, text.encode("ascii") + b"\n")


def write_sounds(
    plan: ExportPlan, samples: list[Sample], folder: Path, suffix: str, advance: Advance
) -> dict[str, int]:
    """Make the sound files of samples in a folder; one that is there already stays.

    Gives name -> samples a channel. A sample that fails costs only itself: the plan gets a line, and loses it.
    """
    remove_orphans(make_folder(folder))
    lengths: dict[str, int] = {}
    todo: dict[Path, Sample] = {}
    orders = []

    def done(sample: Sample, result: int | str | None) -> None:
        if isinstance(result, int):
            lengths[sample.name] = result
        else:
            plan.problems.append(f"{sample.item.name}: {result}")
            plan.samples.remove(sample)
        advance(sample.item.name)

    for sample in samples:
        target = folder / f"{sample.name}{suffix}"
        order = AudioJob(sample.item.mix, target, sample.item.seconds, sample.gain_db, plan.options.link)
        simple = _try(_there_or_copied, order)
        if simple is None:
            todo[target] = sample
            orders.append(order)
        else:
            done(sample, simple)
    for made in engines.run(partial(_try, make), orders, jobs=plan.options.jobs or engines.cores()) if orders else ():
        done(todo[made.item.target], made.error or made.result)
    return lengths


def _there_or_copied(order: AudioJob) -> int | None:
    """Samples of a sound file that is there already (its name tells its content), or that a copy is enough for."""
    if order.target.exists() and (seconds := probe(order.target).duration):
        return round(seconds * ANALYSIS_RATE)
    return copy(order)


def _try(work: Callable[[AudioJob], int | None], order: AudioJob) -> int | str | None:
    """Do something with a sound file, or say why not."""
    try:
        return work(order)
    except (AudioError, InfoError) as error:
        return str(error)


def clear_stale(out: Path, files: set[Path]) -> None:
    """Remove files of ours that an earlier run wrote and this one did not; other files stay."""
    for folder in (out, out / TRAIN, out / VAL):
        if folder.is_dir():
            for path in sorted(folder.iterdir()):
                if _OURS.fullmatch(path.name) and path not in files:
                    remove_file(path)


def summary(plan: ExportPlan, **more: Any) -> dict[str, Any]:
    """What a bundle holds, and how it came about: the content of ``mirkit_export.json``."""
    options, conditions = plan.options, plan.conditions
    told: dict[str, Any] = {
        "target": options.target,
        "state": "complete" if not plan.problems else "incomplete",
        "mirkit": __version__,
        "from": "tracks" if options.whole else "clips",
        "seed": options.seed,
        "sample_rate": 44100,
        "sample_size": plan.sample_size,
        "splits": {
            split: {
                "files": len(plan.of(split)),
                "hours": round6(sum(sample.item.seconds for sample in plan.of(split)) / 3600),
                "sources": len({sample.item.source for sample in plan.of(split)}),
            }
            for split in (TRAIN, VAL)
        },
        "methods": _methods(plan),
        "dropped": plan.dropped,
        "excluded": dict(plan.excluded),
        "failed": plan.problems,
    }
    if conditions.rows:
        told["numbers"] = _numbers(plan)
    if any(sample.windows for sample in plan.samples):
        told["windows"] = {
            "seconds": round6(plan.sample_size / 44100),
            "hop": options.hop,
            "says": "a random crop gets the numbers of the nearest window; timbre is measured on windows half of their "
            "length apart, of which it gets the nearest",
        }
    if options.loudness is not None:
        gains = [sample.gain_db for sample in plan.samples]
        told["loudness"] = {
            "lufs": options.loudness,
            "gain_db": [min(gains), max(gains)],
            "limited by true peak": sum(sample.limited for sample in plan.samples),
        }
    return told | more


def _numbers(plan: ExportPlan) -> dict[str, Any]:
    """Which conditioners there are, what is unknown, and what the trainer will clamp."""
    conditions = plan.conditions
    rows = [numbers for sample in plan.of(TRAIN) for numbers in sample.rows]
    return {
        "conditioners": {name: list(low_high) for name, low_high in conditions.ranges.items()},
        "unknown": {
            "policy": f"{conditions.policy}: {POLICIES[conditions.policy]}",
            "samples": dict(conditions.unknown),
            "of": sum(len(sample.rows) for sample in plan.samples),
        },
        "clamped": clamped(rows, conditions),
        "left out": conditions.left_out,
    }


def _methods(plan: ExportPlan) -> dict[str, dict[str, int]]:
    """Stage -> method -> files, so that a mix of methods shows."""
    found: dict[str, Counter[str]] = {}
    for sample in plan.samples:
        for stage, method in sample.item.methods.items():
            found.setdefault(stage, Counter())[method] += 1
    return {stage: dict(counts) for stage, counts in sorted(found.items())}


def index(plan: ExportPlan) -> dict[str, dict[str, Any]]:
    """File's name -> where it comes from and what was done to it: the content of ``mirkit_files.json``."""
    return {
        sample.name: {
            "from": sample.item.name,
            "source": sample.item.source,
            "start": round6(sample.item.start),
            "seconds": round6(sample.item.seconds),
            "split": sample.split,
            **({"gain_db": sample.gain_db} if plan.options.loudness is not None else {}),
        }
        for sample in plan.samples
    }
