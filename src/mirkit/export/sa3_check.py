"""Check of an ``sa3`` bundle: every wav has its txt, every txt its wav."""

from pathlib import Path

from mirkit.export.split import TRAIN, VAL
from mirkit.export.validation import HEARD, UNHEARD, CheckResult, sound_faults, text_faults
from mirkit.store import printable


def look(out: Path, checked: CheckResult) -> None:
    """Find what is wrong with a bundle."""
    for split in (TRAIN, VAL):
        paths = sorted((out / split).rglob("*")) if (out / split).is_dir() else []
        for path in paths:
            where = f"{split}/{printable(path.name)}"
            if path.suffix.lower() in HEARD | UNHEARD:
                checked.files += 1
                checked.faults += sound_faults(path, where, None)
                beside = path.with_suffix(".txt")
                if not beside.exists():
                    checked.faults.append(f"{where}: no txt; the trainer takes a random other clip in its place")
                else:
                    text = beside.read_bytes().decode("utf-8", "replace").strip()
                    checked.faults += text_faults(where, text)
            elif path.suffix == ".txt" and not path.with_suffix(".wav").exists():
                checked.faults.append(f"{where}: no wav beside it")
    if not checked.files:
        checked.faults.append(f"{TRAIN}: no sound in it")
