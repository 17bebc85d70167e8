"""Score weights on renderings with held-out sounds and on the songs of validation.

    python -m training.evaluate FOLDER [--weights FILE] [--data FOLDER]

prints SDR in dB of each stem, and the leak in dB of the mix where a stem is absent, for the mix itself, the masks of
the signal processing and the network (default: FOLDER/run/weights.npz), in Markdown. The renderings are those of
`training.examples` in FOLDER.
"""

import argparse
import math
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from training.material import STEMS, add_data_argument
from training.network import Network, network_of, scores
from training.train import Batch, batches_of, evaluate, song_batches


def network_from(path: Path) -> Network:
    """Return the network of a file of weights."""
    with np.load(path) as arrays:
        return network_of({name: arrays[name] for name in arrays.files})


def of_mix(batches: list[Batch]) -> dict[str, float]:
    """Return the SDR of the mix as the estimate of each stem."""
    found: list[Tensor] = []
    for batch in batches:
        sdr, _, there = scores(torch.ones_like(batch["correlations"]), batch)
        found.append(torch.where(there, sdr, torch.nan))
    means = torch.nanmean(torch.cat(found), dim=0).tolist()
    row = {f"sdr_{stem}": value for stem, value in zip(STEMS, means, strict=True)}
    row["sdr_mean"] = float(np.nanmean(means))
    return row


def line(what: str, estimate: str, row: dict[str, float]) -> str:
    """Return a row of the table."""
    keys = (*(f"sdr_{stem}" for stem in STEMS), "sdr_mean", *(f"leak_{stem}" for stem in STEMS))
    cells = [f"{row[key]:.2f}" if key in row and not math.isnan(row[key]) else "-" for key in keys]
    return f"| {what} | {estimate} | " + " | ".join(cells) + " |"


def table(network: Network, sets: dict[str, list[Batch]]) -> str:
    """Return the table."""
    head = ("music", "estimate", *STEMS, "mean", *(f"leak of {stem}" for stem in STEMS))
    lines = ["| " + " | ".join(head) + " |", "|---" * len(head) + "|"]
    for name, batches in sets.items():
        lines.append(line(name, "mix", of_mix(batches)))
        lines.append(line(name, "signal processing", evaluate(Network(4), batches)))
        lines.append(line(name, "network", evaluate(network, batches)))
    return "\n".join(lines)


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--weights", type=Path)
    add_data_argument(parser)
    arguments = parser.parse_args()
    weights = arguments.weights or arguments.folder / "run" / "weights.npz"
    if not weights.exists():
        raise SystemExit(f"training.evaluate: there is no {weights}; run python -m training.train first")
    by_song = song_batches(arguments.data)
    sets = {
        "renderings, held-out sounds": batches_of(arguments.folder, "validation"),
        "songs, mixed anew": batches_of(arguments.folder, "remixed"),
        "songs": list(by_song.values()),
    }
    sets |= {name: [batch] for name, batch in by_song.items()}
    print(table(network_from(weights), {name: batches for name, batches in sets.items() if batches}))


if __name__ == "__main__":
    main()
