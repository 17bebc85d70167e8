"""Target ``sat``: flac files for stable-audio-tools' ``audio_dir``, with its metadata module and configs."""

import json
import struct
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np

from mirkit.errors import printable
from mirkit.export.bundle import clear_stale, finish_bundle, write_audio_files, write_json
from mirkit.export.conditioners import UNKNOWN
from mirkit.export.joined import DATASETS as DATASET
from mirkit.export.joined import INDEX
from mirkit.export.model_config import CONFIG, PATCH, config_faults, merged_base, write_model_config
from mirkit.export.parallel import Advance
from mirkit.export.plan import ExportPlan
from mirkit.export.readme import readme, shell
from mirkit.export.splits import SPLITS, TRAIN, VAL
from mirkit.export.targets import Target
from mirkit.export.validation import (
    CheckResult,
    audio_faults,
    folder_faults,
    load_json,
    number_faults,
    text_faults,
)
from mirkit.export.weights import WEIGHT_FOLDERS, weight_folder
from mirkit.features.types import ANALYSIS_RATE
from mirkit.store import atomic_write, remove_file

MODULE, WINDOWS = "mirkit_metadata.py", "mirkit_windows.f32"
#: Names of the data sets of a bundle itself; those of joined bundles have a number after them.
_FOLDERS = (*SPLITS, *WEIGHT_FOLDERS)
OWN_IDS = (*(f"mirkit-{split}" for split in SPLITS), *(f"mirkit-{TRAIN}-{folder}" for folder in WEIGHT_FOLDERS))


def write(plan: ExportPlan, advance: Advance) -> None:
    """Write the bundle.

    ``train/``, ``val/`` and ``test/`` hold one flac for each clip or track, and no stems, because the loader treats
    every audio file as a song.
    """
    out = plan.options.out
    config = merged_base(plan)
    lengths: dict[str, int] = {}
    for split in SPLITS:
        if plan.of(split) or split == TRAIN:
            for folder in dict.fromkeys((split, *sorted(sample.folder for sample in plan.of(split)))):
                samples = [sample for sample in plan.of(split) if sample.folder == folder]
                lengths |= write_audio_files(plan, samples, out / folder, ".flac", advance)
    clear_stale(out, {out / sample.folder / f"{sample.name}.flac" for sample in plan.samples})
    table, entries = _entries(plan, lengths)
    atomic_write(out / WINDOWS, table)
    names = {"names": plan.conditioners.names, "sample_rate": ANALYSIS_RATE, "sample_size": plan.sample_size}
    lists = {"options": plan.conditioners.options} if plan.conditioners.options else {}
    write_json(out / INDEX, {**names, **lists, "hop": plan.options.hop, "files": entries}, indent=None)
    atomic_write(out / MODULE, files("mirkit.export.targets").joinpath("sat_module.py").read_bytes())
    write_datasets(plan, {"dataset_type": "audio_dir", "random_crop": plan.options.random_crops}, module=MODULE)
    write_model_config(plan, config)
    finish_bundle(plan, sat_readme(plan))


def _entries(plan: ExportPlan, lengths: dict[str, int]) -> tuple[bytes, dict[str, Any]]:
    """Build the table of windows, and for each file its values, or its rows in that table."""
    rows: list[list[float]] = []
    entries: dict[str, Any] = {}
    options = plan.conditioners.options
    for sample in plan.samples:
        entry: dict[str, Any] = {"prompts": list(sample.prompts)}
        if sample.windows is None:
            values = plan.conditioners.values(sample.values)
            assert values is not None  # samples without values have been dropped
            entry["numbers"] = list(values.values())
        else:
            windows = [plan.conditioners.values(features) for features in sample.windows.rows()]
            entry |= {"samples": lengths[sample.name], "row": len(rows), "windows": len(windows)}
            unknown = [float("nan")] * len(plan.conditioners.names)
            rows += [unknown if values is None else codes(values, options) for values in windows]
        entries[f"{sample.name}.flac"] = entry
    return np.array(rows, "<f4").tobytes(), entries


def codes(values: Mapping[str, float | str], options: Mapping[str, Sequence[str]]) -> list[float]:
    """Encode the values of a window as numbers: a category as 1 for the first option, an unknown one as 0."""
    return [
        value if isinstance(value, int | float) else float(1 + options[name].index(value) if value != UNKNOWN else 0)
        for name, value in values.items()
    ]


def write_datasets(plan: ExportPlan, common: dict[str, Any], *, module: str = "") -> None:
    """Write ``dataset.json``, and ``val_dataset.json`` and ``test_dataset.json`` where there are samples for them.

    Parameters
    ----------
    plan : ExportPlan
    common : dict
        Entries of both files.
    module : str
        Name of the metadata module, or "".
    """
    out = plan.options.out
    folder = plan.options.at.rstrip("/") or out.resolve().as_posix()
    for split, name in DATASET.items():
        if not plan.of(split):
            remove_file(out / name)
            continue
        entries = []
        for weight in sorted({sample.weight for sample in plan.of(split)}):
            name_of = f"mirkit-{split}" if weight == 1 else f"mirkit-{split}-weight{weight}"
            entry: dict[str, Any] = {"id": name_of, "path": f"{folder}/{weight_folder(split, weight)}"}
            if module:
                entry["custom_metadata_module"] = f"{folder}/{module}"
            if plan.options.weight * weight != 1:
                entry["weight"] = plan.options.weight * weight
            entries.append(entry)
        others = [bundle.entries[split] for bundle in plan.joined if split in bundle.entries]
        joined = [dict(other) | {"id": f"mirkit-{split}-{number}"} for number, other in enumerate(others, 2)]
        # With drop_last, a set that is smaller than the batch size would give no batch.
        last = {} if split == TRAIN else {"drop_last": False}
        write_json(out / name, common | last | {"datasets": [*entries, *joined]})


def sat_readme(plan: ExportPlan) -> str:
    """Write the README of a bundle for stable-audio-tools."""
    folder = plan.options.at.rstrip("/") or plan.options.out.resolve().as_posix()
    config = CONFIG if plan.options.model_config else "MODEL_CONFIG.json"
    validation = f' --val-dataset-config "{folder}/{DATASET[VAL]}"' if plan.of(VAL) else ""
    start = [
        "In a clone of stable-audio-tools (0.0.19 or 0.0.20):",
        shell(
            f'python train.py --dataset-config "{folder}/{DATASET[TRAIN]}"{validation} \\',
            f"    --model-config {config} --pretrained-ckpt-path MODEL.ckpt --name mirkit --batch-size 4",
        ),
    ]
    if not plan.options.model_config:
        start.append(
            f"`MODEL_CONFIG.json` is the configuration of your model with the conditioners of `{PATCH}`: the entries "
            "of `configs` go to `model.conditioning.configs`, the names to `cross_attention_cond_ids`. "
            "`mirkit export --model-config BASE.json` writes the complete file."
        )
    know = [
        "The paths are absolute. For another machine, export with `--at FOLDER_ON_THAT_MACHINE`.",
        "The trainer skips audio that it cannot read, and takes another file at random: check the bundle before.",
        "Nothing else may be in the folders of audio: the trainer takes every audio file for a song.",
    ]
    if plan.joined or plan.options.weight != 1 or plan.options.weights:
        know.append(
            "`dataset.json` holds several data sets, or a weight. Release 0.0.20 draws files by the weights; 0.0.19 "
            "ignores them, and draws every file equally often."
        )
    return readme(plan, "stable-audio-tools", start, know)


def validate(out: Path, result: CheckResult) -> None:
    """Check the audio files, the index, the module and the configs of a bundle."""
    faults = result.faults
    index = load_json(out / INDEX, faults)
    if not isinstance(index, dict) or not {"files", "names", "sample_size"} <= index.keys():
        faults.append(f"{INDEX}: the file is damaged or was changed; export the bundle again")
        return
    entries, names = index["files"], index["names"]
    faults += _split_faults(out, entries)
    for folder in _FOLDERS:
        for path in sorted((out / folder).glob("*.flac")) if (out / folder).is_dir() else []:
            result.files += 1
            entry = entries.get(path.name)
            windows = entry is not None and "windows" in entry
            faults += audio_faults(path, f"{folder}/{path.name}", None if windows else index["sample_size"])
    faults += _index_faults(out, entries, names)
    faults += dataset_faults(out, result, "audio_dir", index)
    for name in (PATCH, CONFIG):
        if (out / name).exists() or name == PATCH:
            config = load_json(out / name, faults)
            if config is not None:
                faults += config_faults(config, [*names, "prompt"], name)
                if config.get("sample_size") != index["sample_size"]:
                    faults.append(
                        f"{name}: sample_size is {config.get('sample_size')}, the bundle's is {index['sample_size']}"
                    )
    faults += _module_faults(out, entries, names)


def numbers(out: Path) -> dict[str, dict[str, Any]]:
    """Read the numbers of the clips of a bundle; whole tracks have theirs in the table of windows."""
    index = load_json(out / INDEX, [])
    if not isinstance(index, dict) or not {"files", "names"} <= index.keys():
        return {}
    return {
        Path(name).stem: dict(zip(index["names"], entry["numbers"], strict=False))
        for name, entry in index["files"].items()
        if "numbers" in entry
    }


def _split_faults(out: Path, entries: Mapping[str, Any]) -> Iterator[str]:
    """Yield files of the index that are in none of the folders, and files there that are not in the index."""
    existing = {folder: {path.name for path in (out / folder).glob("*")} for folder in _FOLDERS}
    missing = entries.keys() - set().union(*existing.values())
    for folder in _FOLDERS:
        if (out / folder).is_dir():
            expected = [name for name in entries if name in existing[folder] or (folder == TRAIN and name in missing)]
            yield from folder_faults(out / folder, expected)


def dataset_faults(out: Path, result: CheckResult, kind: str, index: Mapping[str, Any]) -> Iterator[str]:
    """Yield what is wrong with ``dataset.json``, ``val_dataset.json`` and ``test_dataset.json``.

    Parameters
    ----------
    out : Path
    result : CheckResult
        Gets notes.
    kind : str
        The ``dataset_type`` that they must have.
    index : mapping
        The index of a ``sat`` bundle, or an empty one.
    """
    for split, name in DATASET.items():
        if not (out / name).exists() and split != TRAIN:
            continue
        lines: list[str] = []
        dataset = load_json(out / name, lines)
        yield from lines
        if dataset is None:
            continue
        try:
            rows = dataset["datasets"]
            whole = any("windows" in entry for entry in index.get("files", {}).values())
            if dataset["dataset_type"] != kind:
                yield f"{name}: dataset_type is {dataset['dataset_type']}, not {kind}"
            if kind == "audio_dir" and bool(dataset.get("random_crop", True)) != whole:
                yield (
                    f"{name}: random_crop must be {str(whole).lower()}, because the bundle has the numbers of "
                    f"{'windows' if whole else 'clips'}"
                )
            for row in rows:
                own = weight_folder(split, int(row.get("weight", 1))) if "-weight" in str(row.get("id")) else split
                if Path(row["path"]).name != own:
                    yield f"{name}: its path is {row['path']}, but its audio is in the folder {own}"
                if kind == "audio_dir" and Path(row.get("custom_metadata_module", "")).name != MODULE:
                    yield (
                        f"{name}: custom_metadata_module is not {MODULE}, so the trainer gets no numbers and no prompts"
                    )
            paths = [row["path"] for row in rows]
            if any(i != j and a in f"{b}/" for i, a in enumerate(paths) for j, b in enumerate(paths)):
                yield (
                    f"{name}: the path of one data set is part of that of another, so the trainer would "
                    "use both modules for the second"
                )
            if any(row.get("weight", 1) != 1 for row in rows):
                result.notes.append(
                    f"{name}: stable-audio-tools 0.0.20 draws by the weights of the data sets; 0.0.19 ignores them"
                )
            for path in paths:
                if not Path(path).exists():
                    result.notes.append(f"{name}: the folder {path} does not exist on this machine")
        except (KeyError, TypeError, AttributeError) as error:
            yield f"{name}: the trainer cannot read this file ({type(error).__name__}: {error})"


def _index_faults(out: Path, entries: Mapping[str, Any], names: list[str]) -> Iterator[str]:
    rows = 0
    for name, entry in entries.items():
        if not entry.get("prompts"):
            yield f"{name}: the file has no prompt in {INDEX}"
        for text in entry.get("prompts", []):
            yield from text_faults(name, text)
        if "numbers" in entry:
            values = dict(zip(names, entry["numbers"], strict=False))
            yield from number_faults(name, values, names)
        else:
            rows = max(rows, entry.get("row", 0) + entry.get("windows", 0))
    size = (out / WINDOWS).stat().st_size if (out / WINDOWS).exists() else 0
    if size != 4 * rows * len(names):
        yield (
            f"{WINDOWS}: the file has {size} bytes instead of {4 * rows * len(names)}, so its "
            f"windows are not those of {INDEX}; export the bundle again"
        )
    elif rows:
        numbers = struct.unpack(f"<{rows * len(names)}f", (out / WINDOWS).read_bytes())
        rejected = sum(any(n != n for n in numbers[i : i + len(names)]) for i in range(0, len(numbers), len(names)))
        if rejected == rows:
            yield f"{WINDOWS}: every window has an unknown number, so the trainer rejects every sample"


#: Script that calls the module in a separate process, as the trainer does, and prints one JSON line per file.
#: stable-audio-tools 0.0.20 passes the mask as a list, 0.0.19 does not.
_CALL_MODULE = """
import importlib.util, json, sys
spec = importlib.util.spec_from_file_location("metadata_module", sys.argv[1])
module = importlib.util.module_from_spec(spec)
spec.loader.exec_module(module)
for name in json.load(sys.stdin):
    try:
        info = {"relpath": name, "timestamps": (0.0, 1.0), "padding_mask": 0}
        listed = module.get_custom_metadata({**info, "padding_mask": [0]}, None).get("padding_mask", [0])
        print(json.dumps({**module.get_custom_metadata(info, None), "__listed__": listed}))
    except Exception as error:
        print(json.dumps({"__error__": type(error).__name__ + ": " + str(error)}))
"""


def _module_faults(out: Path, entries: Mapping[str, Any], names: list[str]) -> Iterator[str]:
    """Call the module for every file, as the trainer does, and yield the faults of its results."""
    command = [sys.executable, "-IB", "-c", _CALL_MODULE, str(out / MODULE)]
    called = subprocess.run(command, input=json.dumps(list(entries)), capture_output=True, text=True, check=False)
    if called.returncode:
        reason = called.stderr.strip().splitlines()[-1:] or [f"exit status {called.returncode}"]
        yield f"{MODULE}: the module cannot be run ({printable(reason[0])})"
        return
    masks = []
    for name, line in zip(entries, called.stdout.splitlines(), strict=True):
        metadata = json.loads(line)
        if "__error__" in metadata:
            error = printable(metadata["__error__"])
            yield (
                f"{MODULE}: the module fails for {name} ({error}), so the trainer replaces it by another file at random"
            )
        elif metadata.get("__reject__"):
            yield f"{MODULE}: the module rejects {name}, so the trainer replaces it by another file at random"
        else:
            masks.append(metadata["__listed__"] == metadata.get("padding_mask") == [0])
            yield from number_faults(f"{MODULE}: {name}", metadata, names)
    if not all(masks):
        yield (
            f"{MODULE}: the module does not give the padding mask in one list, so stable-audio-tools 0.0.20 stops at "
            "the first training step; an earlier mirkit wrote it: export the bundle again"
        )


TARGETS = (
    Target(
        "sat",
        write,
        validate,
        numbers,
        has_conditioners=True,
        takes_tracks=True,
        takes_several=True,
        takes_weights=True,
        stable_audio_tools=True,
    ),
)
