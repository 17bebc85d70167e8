"""Check of an ``sa3`` bundle: every wav has its txt, every txt its wav."""

from pathlib import Path

from mirkit.export.faults import HEARD, UNHEARD, Checked, sound_faults, text_faults
from mirkit.export.split import TRAIN, VAL
from mirkit.store import shown


def look(out: Path, checked: Checked) -> None:
    """Find what is wrong with a bundle."""
    for split in (TRAIN, VAL):
        paths = sorted((out / split).rglob("*")) if (out / split).is_dir() else []
        for path in paths:
            where = f"{split}/{shown(path.name)}"
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
