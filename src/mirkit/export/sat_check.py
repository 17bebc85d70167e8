"""Check of a ``sat`` bundle: its tree, its index, its module, its configs."""

import json
import struct
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from mirkit.export.sat import DATASET, INDEX, MODULE, WINDOWS
from mirkit.export.split import TRAIN, VAL
from mirkit.export.validation import (
    CheckResult,
    config_faults,
    load_json,
    number_faults,
    sound_faults,
    text_faults,
    tree_faults,
)
from mirkit.store import printable


def look(out: Path, checked: CheckResult) -> None:
    """Find what is wrong with a bundle."""
    faults = checked.faults
    index = load_json(out / INDEX, faults)
    if not isinstance(index, dict) or not {"files", "names", "sample_size"} <= index.keys():
        faults.append(f"{INDEX}: not what mirkit wrote")
        return
    files, names = index["files"], index["names"]
    faults += _placed(out, files)
    for split in (TRAIN, VAL):
        for path in sorted((out / split).glob("*.flac")) if (out / split).is_dir() else []:
            checked.files += 1
            entry = files.get(path.name)
            windows = entry is not None and "windows" in entry
            faults += sound_faults(path, f"{split}/{path.name}", None if windows else index["sample_size"])
    faults += _numbers(out, files, names)
    faults += dataset_faults(out, checked, "audio_dir", index)
    for name in ("model_config_patch.json", "model_config.json"):
        if (out / name).exists() or name == "model_config_patch.json":
            config = load_json(out / name, faults)
            if config is not None:
                faults += config_faults(config, [*names, "prompt"], name)
                if config.get("sample_size") != index["sample_size"]:
                    faults.append(
                        f"{name}: sample_size is {config.get('sample_size')}, the bundle's {index['sample_size']}"
                    )
    faults += _module(out, files, names)


def _placed(out: Path, files: Mapping[str, Any]) -> Iterator[str]:
    """Every file of the index lies in one of the two trees, and nothing else does."""
    lying = {split: {path.name for path in (out / split).glob("*")} for split in (TRAIN, VAL)}
    for split in (TRAIN, VAL):
        if (out / split).is_dir():
            other = lying[VAL if split == TRAIN else TRAIN]
            known = [name for name in files if name in lying[split] or (split == TRAIN and name not in other)]
            yield from tree_faults(out / split, known)
    for name in sorted(lying[TRAIN] & lying[VAL] & files.keys()):
        yield f"{name}: in train and in val"


def dataset_faults(out: Path, checked: CheckResult, kind: str, index: Mapping[str, Any]) -> Iterator[str]:
    """What is wrong with ``dataset.json`` and ``val_dataset.json``."""
    for split, name in DATASET.items():
        if not (out / name).exists() and split == VAL:
            continue
        lines: list[str] = []
        dataset = load_json(out / name, lines)
        yield from lines
        if dataset is None:
            continue
        try:
            rows = dataset["datasets"]
            whole = any("windows" in entry for entry in index.get("files", {}).values())
            known = "windows" if whole else "clips"
            if dataset["dataset_type"] != kind:
                yield f"{name}: dataset_type is {dataset['dataset_type']}, not {kind}"
            if kind == "audio_dir" and bool(dataset.get("random_crop", True)) != whole:
                yield f"{name}: random_crop must be {str(whole).lower()}: numbers are known of {known}"
            for row in rows:
                if Path(row["path"]).name != split:
                    yield f"{name}: path {row['path']} is not its folder {split}"
                if kind == "audio_dir" and Path(row.get("custom_metadata_module", "")).name != MODULE:
                    yield f"{name}: without custom_metadata_module the trainer gets no numbers and no prompts"
            paths = [row["path"] for row in rows]
            if any(a != b and b.startswith(a) for a in paths for b in paths):
                yield f"{name}: one path begins with another; the trainer would run both modules on the second"
            if len(rows) and not Path(rows[0]["path"]).exists():
                checked.notes.append(f"{name}: {rows[0]['path']} is not on this machine")
        except (KeyError, TypeError, AttributeError) as error:
            yield f"{name}: not what the trainer reads ({error})"


def _numbers(out: Path, files: Mapping[str, Any], names: list[str]) -> Iterator[str]:
    rows = 0
    for name, entry in files.items():
        if not entry.get("prompts"):
            yield f"{name}: no prompt"
        for text in entry.get("prompts", []):
            yield from text_faults(name, text)
        if "numbers" in entry:
            given = dict(zip(names, entry["numbers"], strict=False))
            yield from number_faults(name, given, names)
        else:
            rows = max(rows, entry.get("row", 0) + entry.get("windows", 0))
    size = (out / WINDOWS).stat().st_size if (out / WINDOWS).exists() else 0
    if size != 4 * rows * len(names):
        yield f"{WINDOWS}: {size} bytes, not {4 * rows * len(names)}: its numbers are of other windows"
    elif rows:
        numbers = struct.unpack(f"<{rows * len(names)}f", (out / WINDOWS).read_bytes())
        lost = sum(any(n != n for n in numbers[i : i + len(names)]) for i in range(0, len(numbers), len(names)))
        if lost == rows:
            yield f"{WINDOWS}: every window has an unknown number, so every sample is rejected"


#: Asks the module in a process of its own, as the trainer would: one JSON line a file in, one out. Release 0.0.20 gives
#: the mask as a list, 0.0.19 does not.
_ASK = """
import importlib.util, json, sys
spec = importlib.util.spec_from_file_location("metadata_module", sys.argv[1])
module = importlib.util.module_from_spec(spec)
spec.loader.exec_module(module)
for name in json.load(sys.stdin):
    try:
        given = {"relpath": name, "timestamps": (0.0, 1.0), "padding_mask": 0}
        listed = module.get_custom_metadata({**given, "padding_mask": [0]}, None).get("padding_mask", [0])
        print(json.dumps({**module.get_custom_metadata(given, None), "__listed__": listed}))
    except Exception as error:
        print(json.dumps({"__error__": type(error).__name__ + ": " + str(error)}))
"""


def _module(out: Path, files: Mapping[str, Any], names: list[str]) -> Iterator[str]:
    """Ask the module for every file, as the trainer would."""
    command = [sys.executable, "-IB", "-c", _ASK, str(out / MODULE)]
    asked = subprocess.run(command, input=json.dumps(list(files)), capture_output=True, text=True, check=False)
    if asked.returncode:
        why = asked.stderr.strip().splitlines()[-1:] or [f"exit status {asked.returncode}"]
        yield f"{MODULE}: cannot be run ({printable(why[0])})"
        return
    masks = []
    for name, line in zip(files, asked.stdout.splitlines(), strict=True):
        given = json.loads(line)
        if "__error__" in given:
            yield f"{MODULE}: {name}: raises {printable(given['__error__'])}; the trainer takes a random other one"
        elif given.get("__reject__"):
            yield f"{MODULE}: rejects {name}: the trainer takes a random other one"
        else:
            masks.append(given["__listed__"] == given.get("padding_mask") == [0])
            yield from number_faults(f"{MODULE}: {name}", given, names)
    if not all(masks):
        yield (
            f"{MODULE}: does not give the padding mask in one list, so stable-audio-tools 0.0.20 stops at the first "
            "training step; an earlier mirkit wrote it: export the bundle anew"
        )
