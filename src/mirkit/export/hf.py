"""Target ``hf``: an audiofolder with metadata in Parquet and a data set card, for Hugging Face datasets."""

from hashlib import sha256
from pathlib import Path
from typing import Any

from mirkit.catalog import BACKENDS
from mirkit.export.bundle import SUMMARY, Advance, clear_stale, index, read_summary, summary, write_json, write_sounds
from mirkit.export.facts import known
from mirkit.export.plan import ExportPlan
from mirkit.export.split import TRAIN, VAL
from mirkit.export.tables import write_parquet
from mirkit.store import as_error, atomic_file, atomic_write, printable

#: The data set card.
CARD = "README.md"
#: Names of splits, as the Hub knows them.
_SPLITS = {TRAIN: "train", VAL: "validation"}


def write(plan: ExportPlan, advance: Advance) -> None:
    """Write the bundle: ``data/<split>/*.flac``, ``metadata.parquet`` beside them, ``README.md``."""
    out = plan.options.out
    files = set()
    for split, name in _SPLITS.items():
        folder = out / "data" / name
        if not plan.of(split):
            continue
        write_sounds(plan, plan.of(split), folder, ".flac", advance)
        rows = []
        for sample in plan.of(split):
            rows.append({"file_name": f"{sample.name}.flac", "prompt": sample.prompts[0]} | known(sample))
            files.add(folder / f"{sample.name}.flac")
        with atomic_file(folder / "metadata.parquet") as temp:
            write_parquet(temp, rows, ("file_name", "prompt"))
        clear_stale(folder, files)
    told = summary(plan)
    content = card(plan, told).encode("utf-8", "backslashreplace")
    kept = _is_edited(out, content) and not plan.options.overwrite
    if kept:
        plan.notes.append(
            f"{printable(out / CARD)}: edited since the last export, so it was kept; --overwrite writes it anew"
        )
    else:
        atomic_write(out / CARD, content)
    told["card"] = {"sha256": sha256(content).hexdigest(), "kept": kept}
    write_json(out / "mirkit_files.json", index(plan))
    write_json(out / SUMMARY, told)


def _is_edited(out: Path, content: bytes) -> bool:
    """Whether the card was changed since the last export: it asks for the rights to be written into it."""
    try:
        found = (out / CARD).read_bytes()
    except FileNotFoundError:
        return False
    except OSError as error:
        raise as_error(error, out / CARD, "read") from error
    before = read_summary(out) or {}
    if found == content or before.get("state") == "unfinished":
        return False
    written = before.get("card")
    return (
        not isinstance(written, dict) or bool(written.get("kept")) or written.get("sha256") != sha256(found).hexdigest()
    )


def card(plan: ExportPlan, told: dict[str, Any]) -> str:
    """The data set card: what it holds, how each number came about, and under which licenses."""
    splits = {split: told["splits"][split] for split in _SPLITS if told["splits"][split]["files"]}
    size = sum(split["files"] for split in splits.values())
    lines = ["---", "task_categories:", "- text-to-audio", "tags:", "- music", f"size_categories:\n- {_size(size)}"]
    lines += ["configs:", "- config_name: default", "  data_files:"]
    lines += [f'  - split: {_SPLITS[split]}\n    path: "data/{_SPLITS[split]}/**"' for split in splits]
    lines += ["---", "", "# Music with measured features", ""]
    lines += [
        f"{_SPLITS[s]}: {c['files']} files, {c['hours']} h, of {c['sources']} tracks. " for s, c in splits.items()
    ]
    lines += ["", "No recording, and no artist or album, is on both sides of the split. What is not known is null.", ""]
    lines += ["Columns: file_name, prompt, where the clip is from, 78 features, key, mode, meter, tags, texts.", ""]
    lines += ["## How the numbers came about", "", "| stage | method | files | license of code | of weights |"]
    lines += ["|---|---|---|---|---|"]
    licenses = {(row.job, row.name): row for row in BACKENDS}
    by_name = {name: row for (_, name), row in licenses.items()}
    for stage, methods in told["methods"].items():
        for method, count in methods.items():
            row = by_name.get(method)
            code, weights = (row.code_license, row.weights_license) if row else ("", "")
            lines.append(f"| {stage} | {method} | {count} | {code} | {weights} |")
    lines += ["", f"Made with mirkit {told['mirkit']}, seed {plan.options.seed}.", ""]
    lines += ["The rights in the recordings are not known to mirkit: say here what they are.", ""]
    return "\n".join(lines)


def _size(files: int) -> str:
    steps = ((1000, "n<1K"), (10_000, "1K<n<10K"), (100_000, "10K<n<100K"))
    return next((name for most, name in steps if files < most), "100K<n<1M")
