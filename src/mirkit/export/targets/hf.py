"""Target ``hf``: an audiofolder with metadata in Parquet and a data set card, for Hugging Face datasets."""

import re
from collections import Counter
from pathlib import Path
from typing import Any

from mirkit.captions.normalize import normalize
from mirkit.catalog import FEATURES
from mirkit.errors import counted
from mirkit.export.bundle import README, clear_stale, finish_bundle, summary, write_audio_files
from mirkit.export.options import ALL_KEYS
from mirkit.export.parallel import Advance
from mirkit.export.plan import ExportPlan
from mirkit.export.readme import leak_rule
from mirkit.export.rights import licenses, rights_lines, rights_table
from mirkit.export.splits import TEST, TRAIN, VAL
from mirkit.export.targets import Target
from mirkit.export.targets.tables import column_names, load_pyarrow, table_row, write_parquet
from mirkit.export.validation import CheckResult, audio_faults, folder_faults, text_faults
from mirkit.models import registry
from mirkit.store import atomic_file, remove_file

#: Name of a split -> its name on the Hugging Face Hub.
_SPLITS = {TRAIN: "train", VAL: "validation", TEST: "test"}
#: Largest number of genres among the tags of the card.
_GENRES = 10
_ON_HUB = re.compile(r"unknown|cc0-1\.0|cc-by(-nc)?(-sa|-nd)?-[1-4]\.[05]")


def write(plan: ExportPlan, advance: Advance) -> None:
    """Write the bundle: ``data/<split>/*.flac``, ``metadata.parquet`` beside them, ``README.md``."""
    out, keys = plan.options.out, plan.options.keys
    files = set()
    for split, name in _SPLITS.items():
        folder = out / "data" / name
        if not plan.of(split):  # of an earlier export
            clear_stale(folder, set())
            remove_file(folder / "metadata.parquet")
            continue
        write_audio_files(plan, plan.of(split), folder, ".flac", advance)
        rows = []
        for sample in plan.of(split):
            rows.append({"file_name": f"{sample.name}.flac", "prompt": sample.prompts[0]} | table_row(sample, keys))
            files.add(folder / f"{sample.name}.flac")
        with atomic_file(folder / "metadata.parquet") as temp:
            write_parquet(temp, rows, ("file_name", "prompt"), keys=keys)
        clear_stale(folder, files)
    finish_bundle(plan, card(plan, summary(plan)))


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
    lines = ["---", *_license(plan), f"pretty_name: {_title(plan)}"]
    lines += ["task_categories:", "- text-to-audio", "tags:", *(f"- {tag}" for tag in _tags(plan))]
    lines += ["annotations_creators:", "- machine-generated", f"size_categories:\n- {_size(size)}", "configs:"]
    lines += ["- config_name: default", "  data_files:"]
    lines += [f'  - split: {_SPLITS[split]}\n    path: "data/{_SPLITS[split]}/**"' for split in splits]
    lines += ["---", "", f"# {_title(plan)}", "", "Music with measured features.", ""]
    lines += [
        f"{_SPLITS[s]}: {counted(c['files'], 'file')}, {c['hours']:.3g} h, from {counted(c['sources'], 'track')}. "
        for s, c in splits.items()
    ]
    lines += ["", *([leak_rule(plan)] if len(splits) > 1 else []), "Unknown values are null.", ""]
    features = f"{len(FEATURES)} features, key, mode, time signature and the other descriptors"
    if plan.options.keys != ALL_KEYS:
        features = ", ".join(sorted(set(column_names(plan.options.keys)) - set(column_names(()))))
    lines += [f"Columns: file_name, prompt, where the clip is from, {features}, tags, texts.", ""]
    lines += [*_example(next(iter(splits), TRAIN)), ""]
    lines += ["## How the features were computed", "", "| stage | method | files | license of code | of weights |"]
    lines += ["|---|---|---|---|---|"]
    by_name = {row.name: row for row in registry.backends()}
    for stage, methods in content["methods"].items():
        for method, count in methods.items():
            row = by_name.get(method)
            code, weights = (row.code_license, row.weights_license) if row else ("", "")
            lines.append(f"| {stage} | {method} | {count} | {code} | {weights} |")
    lines += ["", f"Made with mirkit {content['mirkit']}, seed {plan.options.seed}.", ""]
    lines += ["## Rights", "", *rights_lines(plan), "", *rights_table(plan), ""]
    return "\n".join(lines)


def _license(plan: ExportPlan) -> list[str]:
    """The licenses of the tracks, as the Hub names them; it calls licenses that it does not know ``other``."""
    names = list(dict.fromkeys(name if _ON_HUB.fullmatch(name) else "other" for name in licenses(plan)))
    return [f"license: {names[0]}"] if len(names) == 1 else ["license:", *(f"- {name}" for name in names)]


def _title(plan: ExportPlan) -> str:
    name = normalize(plan.options.out.resolve().name.replace("_", " ").replace("-", " "))
    return re.sub(r"[^A-Za-z0-9 ]", "", name).strip().title() or "Music"


def _tags(plan: ExportPlan) -> list[str]:
    """Tags of the card: what the data set is, and its most frequent genres."""
    genres = Counter(
        re.sub(r"[^a-z0-9]+", "-", normalize(str(genre)).lower()).strip("-")
        for sample in plan.samples
        if (genre := (sample.item.metadata.get("tags") or {}).get("genre"))
    )
    found = [genre for genre, _ in genres.most_common(_GENRES) if genre]
    return list(dict.fromkeys(["music", "audio", "music-generation", "mir", *found]))


def _example(split: str) -> list[str]:
    """Code that loads the data set."""
    return [
        "## How to load it",
        "",
        "```python",
        "from datasets import load_dataset",
        "",
        'dataset = load_dataset("THIS_FOLDER")  # or the name of the repository on the Hub',
        f'row = dataset["{_SPLITS[split]}"][0]',
        'print(row["prompt"], row["bpm"], row["key"], row["audio"])',
        "```",
    ]


def _size(files: int) -> str:
    steps = ((1000, "n<1K"), (10_000, "1K<n<10K"), (100_000, "10K<n<100K"))
    return next((name for most, name in steps if files < most), "100K<n<1M")


def validate(out: Path, result: CheckResult) -> None:
    """Check a bundle: every file has its row, every row its file."""
    parquet = load_pyarrow().parquet
    if not (out / README).exists():
        result.faults.append(f"{README}: the file is missing")
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


def numbers(out: Path) -> dict[str, dict[str, Any]]:
    """Read the numbers of all files of a bundle."""
    parquet = load_pyarrow().parquet
    tables = (parquet.read_table(path).to_pylist() for path in sorted((out / "data").glob("*/metadata.parquet")))
    return {Path(row["file_name"]).stem: row for rows in tables for row in rows}


TARGETS = (Target("hf", write, validate, numbers, has_columns=True),)
