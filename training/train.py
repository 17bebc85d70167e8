"""Train the network on examples, from where it was stopped.

    python -m training.train FOLDER [--output FOLDER] [--epochs 7] [--channels 16] [--seed 0] [--threads 2]

FOLDER is that of `training.examples`. After each epoch, the output folder (default: FOLDER/run) gets ``checkpoint.pt``,
``curves.csv`` and, if the mean SDR on the songs of validation, mixed anew, is the best so far, ``weights.npz``. The
same command continues after an interruption, with the same result as without it; with other settings, it refuses to.
"""

import argparse
import csv
import json
import math
import os
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from training.examples import NAMES, Example, example, load
from training.material import STEMS, add_data_argument, songs
from training.network import Network, augmented, loss, scores, weights_of

Batch = dict[str, Tensor]


@dataclass(frozen=True)
class Settings:
    """What a run depends on, beside its examples."""

    epochs: int = 7
    channels: int = 16
    batch: int = 8
    rate: float = 2e-3
    decay: float = 0.05
    warmup: int = 50
    seed: int = 0


def batch_of(arrays: dict[str, Any], rows: Any = slice(None)) -> Batch:
    """Return examples as tensors of single precision."""
    return {name: torch.from_numpy(np.asarray(arrays[name][rows], np.float32)) for name in NAMES}


def song_batches(data: Path, validation: bool = True) -> dict[str, Batch]:
    """Return the songs of validation, or those of training, by name, one in each batch."""
    found = {}
    for name, stems in songs(data, validation).items():
        stacked = np.stack([stems[stem] for stem in STEMS])
        found[name] = one(example(stacked.sum(axis=0), stacked))
    return found


def one(made: Example) -> Batch:
    """Return a batch of one example."""
    return batch_of({name: getattr(made, name)[None] for name in NAMES})


def evaluate(network: Network, batches: list[Batch]) -> dict[str, float]:
    """Return mean SDR and leak of each stem in dB, and the mean SDR, as mirkit uses the network; NaN: there is none."""
    network.eval()
    sdr, leak = [], []
    with torch.no_grad():
        for batch in batches:
            found, leaked, there = scores(network.gains(network(batch["features"])[0], bass=0.0), batch)
            sdr.append(torch.where(there, found, torch.nan))
            leak.append(torch.where(there, torch.nan, leaked))
    row = {}
    for kind, values in (("sdr", torch.cat(sdr)), ("leak", torch.cat(leak))):
        for i, stem in enumerate(STEMS):
            own = values[:, i][~values[:, i].isnan()]
            row[f"{kind}_{stem}"] = float(own.mean()) if len(own) else math.nan
    known = [row[f"sdr_{stem}"] for stem in STEMS if not math.isnan(row[f"sdr_{stem}"])]
    row["sdr_mean"] = sum(known) / len(known) if known else math.nan
    return row


def learning_rate(settings: Settings, step: int, steps: int) -> float:
    """Return the rate of a step: it rises linearly, then falls along half a cosine."""
    falling = 0.5 * (1 + math.cos(math.pi * step / steps)) + 0.01
    return settings.rate * min(1.0, (step + 1) / settings.warmup) * falling


class Run:
    """One training, with its state in a folder."""

    def __init__(self, output: Path, settings: Settings) -> None:
        self.output, self.settings = output, settings
        torch.manual_seed(settings.seed)
        self.network = Network(settings.channels)
        self.optimizer = torch.optim.AdamW(self.network.parameters(), lr=settings.rate, weight_decay=settings.decay)
        self.history: list[dict[str, float]] = []
        output.mkdir(parents=True, exist_ok=True)
        self._checkpoint = output / "checkpoint.pt"
        if self._checkpoint.exists():
            state = torch.load(self._checkpoint, weights_only=True)
            before = json.loads(state["settings"])
            if before != asdict(settings):
                changed = ", ".join(k for k, v in asdict(settings).items() if before.get(k) != v)
                raise SystemExit(
                    f"training.train: {output} holds a training with other settings ({changed}); "
                    "use the same ones, or another --output"
                )
            self.network.load_state_dict(state["network"])
            self.optimizer.load_state_dict(state["optimizer"])
            self.history = json.loads(state["history"])

    def train(self, arrays: dict[str, Any], sets: dict[str, list[Batch]]) -> None:
        """Train the epochs that are missing; choose weights by the last of the sets."""
        for epoch in range(len(self.history), self.settings.epochs):
            started = time.process_time()
            row: dict[str, float] = {"epoch": epoch + 1, "loss": self._epoch(epoch, arrays)}
            row["cpu_seconds"] = round(time.process_time() - started, 1)
            for name, batches in sets.items():
                row |= {f"{name}_{key}": round(value, 3) for key, value in evaluate(self.network, batches).items()}
            self.history.append(row)
            self._save(f"{list(sets)[-1]}_sdr_mean")
            shown = ", ".join(f"{name} {row[f'{name}_sdr_mean']:.2f} dB" for name in sets)
            print(f"epoch {epoch + 1}: loss {row['loss']:.3f}, SDR of {shown}, {row['cpu_seconds']} CPU s", flush=True)

    def _epoch(self, epoch: int, arrays: dict[str, Any]) -> float:
        settings = self.settings
        count = len(arrays["features"])
        per_epoch = max(1, count // settings.batch)
        steps = settings.epochs * per_epoch
        seed = 1000 * settings.seed + epoch  # of its own for each epoch: no state of generators has to be kept
        torch.manual_seed(seed)
        generator = torch.Generator().manual_seed(seed)
        order = torch.randperm(count, generator=generator).numpy()
        self.network.train()
        total = 0.0
        for i in range(per_epoch):
            batch = batch_of(arrays, np.sort(order[i * settings.batch : (i + 1) * settings.batch]))
            for group in self.optimizer.param_groups:
                group["lr"] = learning_rate(settings, epoch * per_epoch + i, steps)
            value = loss(self.network, augmented(batch["features"], generator), batch)
            self.optimizer.zero_grad()
            value.backward()
            nn.utils.clip_grad_norm_(self.network.parameters(), 1.0)
            self.optimizer.step()
            total += value.item()
        return round(total / per_epoch, 4)

    def _save(self, chosen_by: str) -> None:
        values = [row[chosen_by] for row in self.history]
        known = [value for value in values if not math.isnan(value)]
        if not known or values[-1] == max(known):
            part = self.output / "weights.part.npz"
            np.savez(part, **weights_of(self.network))
            os.replace(part, self.output / "weights.npz")
        curves = self.output / "curves.csv.part"
        with curves.open("w", newline="", encoding="utf-8") as file:
            table = csv.DictWriter(file, list(self.history[0]))
            table.writeheader()
            table.writerows(self.history)
        os.replace(curves, self.output / "curves.csv")
        part = self.output / "checkpoint.pt.part"
        state = {"network": self.network.state_dict(), "optimizer": self.optimizer.state_dict()}
        torch.save(state | {"settings": json.dumps(asdict(self.settings)), "history": json.dumps(self.history)}, part)
        os.replace(part, self._checkpoint)  # last: what is complete up to here is done again, or is the same


def batches_of(folder: Path, kind: str, size: int = 10) -> list[Batch]:
    """Return examples of a kind in batches: ``validation``, with held-out sounds, or ``remixed`` songs."""
    paths = sorted(folder.glob(f"{kind}_*[0-9].npz"))
    if not paths:
        return []
    arrays = load(paths)
    return [batch_of(arrays, slice(i, i + size)) for i in range(0, len(arrays["features"]), size)]


def main() -> None:
    """Train what is missing."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--output", type=Path)
    parser.add_argument("--epochs", type=int, default=Settings.epochs)
    parser.add_argument("--channels", type=int, default=Settings.channels)
    parser.add_argument("--seed", type=int, default=Settings.seed)
    parser.add_argument("--threads", type=int, default=2)
    add_data_argument(parser)
    arguments = parser.parse_args()
    paths = sorted(arguments.folder.glob("training_*[0-9].npz"))
    sets = {
        "renderings": batches_of(arguments.folder, "validation"),
        "songs": list(song_batches(arguments.data).values()),
        "remixed": batches_of(arguments.folder, "remixed"),
    }
    if not paths or not all(sets.values()):
        raise SystemExit(f"training.train: {arguments.folder} holds no examples; run python -m training.examples first")
    torch.set_num_threads(arguments.threads)
    settings = Settings(epochs=arguments.epochs, channels=arguments.channels, seed=arguments.seed)
    run = Run(arguments.output or arguments.folder / "run", settings)
    run.train(load(paths), sets)


if __name__ == "__main__":
    main()
