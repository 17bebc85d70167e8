"""What stable-audio-tools makes of faults in a bundle, beside the result of our check: a table.

    python benchmarks/planted_faults.py

Needs the trainer, as tests/export/trainer.txt installs it; each fault is planted into a copy of a small bundle, which
is loaded file by file and trained on for two steps by the trainer's own code.
"""

import contextlib
import io
import json
import sys
import tempfile
import warnings
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT / "tests"), str(ROOT / "src")]

from export.measured import make_clips, moved, stand_in  # noqa: E402
from export.planted import PLANTED  # noqa: E402
from mirkit.cli import main as mirkit  # noqa: E402
from mirkit.export.run import check  # noqa: E402


def main() -> None:
    stand_in()
    rows = []
    with tempfile.TemporaryDirectory() as temp:
        clips = make_clips(Path(temp) / "music")
        bundles = {}
        for target in dict.fromkeys(row.target for row in PLANTED):
            bundles[target] = Path(temp) / target
            words = ["export", target, str(bundles[target]), str(clips), "--val", "0.3", "--jobs", "1", "--quiet"]
            assert mirkit(words) == 0
            rows.append(("(none)", target, trained(bundles[target]), said(target, bundles[target])))
        for number, fault in enumerate(PLANTED):
            out = moved(bundles[fault.target], Path(temp) / f"{number}")
            fault.spoil(out)
            rows.append((fault.name, fault.target, trained(out), said(fault.target, out)))
            print(f"{len(rows)}: {rows[-1]}", file=sys.stderr, flush=True)
    print("| fault | target | the trainer | our check |\n|---|---|---|---|")
    for row in rows:
        print("| " + " | ".join(row) + " |")
    path = ROOT / "benchmarks" / "results" / "planted_faults.json"
    path.parent.mkdir(exist_ok=True)
    path.write_text(json.dumps([dict(zip(("fault", "target", "trainer", "check"), row, strict=True)) for row in rows]))


def said(target: str, out: Path) -> str:
    """The first message of our check, and the number of messages."""
    faults = check(target, out, trainer=False).faults
    more = f" (and {len(faults) - 1} more)" if len(faults) > 1 else ""
    return (faults[0] + more if faults else "well").replace(str(out), "")


def trained(out: Path) -> str:
    """What the trainer does with a bundle, faults or not."""
    import pytorch_lightning  # noqa: F401 (before its log is silenced)

    from mirkit.models import stable_audio_script as trainer

    dataset = json.loads((out / "dataset.json").read_text())
    config = json.loads((out / "model_config_patch.json").read_text())
    conditioners = config["model"]["conditioning"]["configs"]
    printed, found, losses = io.StringIO(), trainer.Answer(), list[float]()
    with warnings.catch_warnings(), contextlib.redirect_stdout(printed), trainer.silent("pytorch_lightning"):
        warnings.simplefilter("ignore")
        try:
            from stable_audio_tools.data.dataset import create_dataloader_from_config

            def loader(batch: int, **changes: Any) -> Any:
                sizes = {"sample_size": config["sample_size"], "sample_rate": 44100, "audio_channels": 2}
                return create_dataloader_from_config(dataset | changes, batch_size=batch, num_workers=1, **sizes)

            infos = trainer.load_all(loader, found, dataset["dataset_type"], ["prompt"], 0) or [{"prompt": "music"}]
            model = trainer.tiny_model(conditioners, infos, config["sample_size"])
            trainer.demo(model, config["training"]["demo"], found)
            losses = trainer.train(model, loader(found.files), 2)  # all files in each batch
        except Exception as error:  # noqa: BLE001 (what it is, is what is asked)
            cause = " ".join(str(error).split())
            return f"stops: {type(error).__name__}: {cause[:90]}"
    results = [f"finds {found.files} files"]
    if swapped := sum("another one" in line for line in found.faults):
        results.append(f"takes another in place of {swapped}")
    results.append("loss " + ", ".join(f"{loss:.3f}" for loss in losses) if losses else "no batch")
    return "; ".join(results)


if __name__ == "__main__":
    main()
