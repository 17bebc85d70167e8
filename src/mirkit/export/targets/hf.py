"""Target ``hf``: an audiofolder with metadata in Parquet and a data set card, for Hugging Face datasets."""

from hashlib import sha256
from pathlib import Path
from typing import Any

from mirkit.catalog import FEATURES
from mirkit.errors import as_error, printable
from mirkit.export.bundle import (
    Advance,
    clear_stale,
    finish_bundle,
    read_summary,
    summary,
    write_audio_files,
)
from mirkit.export.plan import TRAIN, VAL, ExportPlan
from mirkit.export.targets import Target
from mirkit.export.targets.tables import load_pyarrow, table_row, write_parquet
from mirkit.export.validation import CheckResult, audio_faults, folder_faults, text_faults
from mirkit.models import registry
from mirkit.store import atomic_file, atomic_write

#: The data set card.
CARD = "README.md"
#: Name of a split -> its name on the Hugging Face Hub.
_SPLITS = {TRAIN: "train", VAL: "validation"}


def write(plan: ExportPlan, advance: Advance) -> None:
    """Write the bundle: ``data/<split>/*.flac``, ``metadata.parquet`` beside them, ``README.md``."""
    out = plan.options.out
    files = set()
    for split, name in _SPLITS.items():
        folder = out / "data" / name
        if not plan.of(split):
            continue
        write_audio_files(plan, plan.of(split), folder, ".flac", advance)
        rows = []
        for sample in plan.of(split):
            rows.append({"file_name": f"{sample.name}.flac", "prompt": sample.prompts[0]} | table_row(sample))
            files.add(folder / f"{sample.name}.flac")
        with atomic_file(folder / "metadata.parquet") as temp:
            write_parquet(temp, rows, ("file_name", "prompt"))
        clear_stale(folder, files)
    text = card(plan, summary(plan)).encode("utf-8", "backslashreplace")
    kept = _is_edited(out, text) and not plan.options.overwrite
    if kept:
        plan.notes.append(
            f"{printable(out / CARD)}: the file was edited after the last export, so it was kept; "
            "--overwrite replaces it"
        )
    else:
        atomic_write(out / CARD, text)
    finish_bundle(plan, card={"sha256": sha256(text).hexdigest(), "kept": kept})


def _is_edited(out: Path, text: bytes) -> bool:
    """Whether the card was edited after the last export; users add the rights to the recordings there."""
    try:
        existing = (out / CARD).read_bytes()
    except FileNotFoundError:
        return False
    except OSError as error:
        raise as_error(error, out / CARD, "read") from error
    before = read_summary(out) or {}
    if existing == text or before.get("state") == "unfinished":
        return False
    written = before.get("card")
    if not isinstance(written, dict) or written.get("kept"):
        return True
    return bool(written.get("sha256") != sha256(existing).hexdigest())


def card(plan: ExportPlan, content: dict[str, Any]) -> str:
    """Write the data set card: what the bundle holds, how its features were computed, and under which licenses.

    Parameters
    ----------
    plan : ExportPlan
    content : dict
        The summary of the bundle.
    """
    splits = {split: content["splits"][split] for split in _SPLITS if content["splits"][split]["files"]}
    size = sum(split["files"] for split in splits.values())
    lines = ["---", "task_categories:", "- text-to-audio", "tags:", "- music", f"size_categories:\n- {_size(size)}"]
    lines += ["configs:", "- config_name: default", "  data_files:"]
    lines += [f'  - split: {_SPLITS[split]}\n    path: "data/{_SPLITS[split]}/**"' for split in splits]
    lines += ["---", "", "# Music with measured features", ""]
    lines += [
        f"{_SPLITS[s]}: {c['files']} files, {c['hours']} h, of {c['sources']} tracks. " for s, c in splits.items()
    ]
    lines += ["", "No recording, and no artist or album, is on both sides of the split. Unknown values are null.", ""]
    lines += [
        f"Columns: file_name, prompt, where the clip is from, {len(FEATURES)} features, key, mode, meter, tags, texts.",
        "",
    ]
    lines += ["## How the features were computed", "", "| stage | method | files | license of code | of weights |"]
    lines += ["|---|---|---|---|---|"]
    by_name = {row.name: row for row in registry.backends()}
    for stage, methods in content["methods"].items():
        for method, count in methods.items():
            row = by_name.get(method)
            code, weights = (row.code_license, row.weights_license) if row else ("", "")
            lines.append(f"| {stage} | {method} | {count} | {code} | {weights} |")
    lines += ["", f"Made with mirkit {content['mirkit']}, seed {plan.options.seed}.", ""]
    lines += ["mirkit does not know the rights in the recordings: write them here.", ""]
    return "\n".join(lines)


def _size(files: int) -> str:
    steps = ((1000, "n<1K"), (10_000, "1K<n<10K"), (100_000, "10K<n<100K"))
    return next((name for most, name in steps if files < most), "100K<n<1M")


def validate(out: Path, result: CheckResult) -> None:
    """Check a bundle: every file has its row, every row its file."""
    parquet = load_pyarrow().parquet
    if not (out / CARD).exists():
        result.faults.append(f"{CARD}: the file is missing")
    for table in sorted((out / "data").glob("*/metadata.parquet")):
        rows = parquet.read_table(table).to_pylist()
        result.faults += folder_faults(table.parent, [row["file_name"] for row in rows])
        for row in rows:
            result.files += 1
            where = f"{table.parent.name}/{row['file_name']}"
            result.faults += text_faults(where, row["prompt"])
            if (table.parent / row["file_name"]).exists():
                result.faults += audio_faults(table.parent / row["file_name"], where, None)
    if not result.files:
        result.faults.append("data: no folder in it holds a metadata.parquet")


TARGETS = (Target("hf", write, validate),)
