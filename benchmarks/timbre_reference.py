"""The timbre models beside upstream's values: clip x model, ours, upstream, difference, as a Markdown table.

``python benchmarks/timbre_reference.py [--data FOLDER]``. FOLDER holds ``timbral_reference_dev.json`` (values that
upstream's own code gave) and the clips it names; see ``tests/conftest.py`` for where it is looked for.
"""

import argparse
import json
from pathlib import Path
from typing import Any

from tracks import shared_data

from mirkit.audio import open_audio
from mirkit.features.timbre import timbre
from mirkit.features.types import ANALYSIS_RATE, Unknown


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=shared_data(), help="folder of the reference clips")
    data = parser.parse_args().data
    if data is None:
        parser.error("no reference clips here; name their folder with --data")
    clips = json.loads((data / "timbral_reference_dev.json").read_text(encoding="utf-8"))["clips"]
    print("| clip | model | ours | upstream | difference |\n|---|---|---:|---:|---:|")
    worst: dict[str, float] = {}
    for path, clip in clips.items():
        audio = open_audio(data / path)
        if audio.rate != ANALYSIS_RATE:
            continue
        for model, ours in vars(timbre(audio.samples())).items():
            theirs = upstream(clip, model)
            if isinstance(ours, Unknown) or theirs is None:
                shown = f"null ({ours.reason})" if isinstance(ours, Unknown) else f"{ours:.4f}"
                print(f"| {path} | {model} | {shown} | {'raises' if theirs is None else f'{theirs:.4f}'} | |")
                continue
            print(f"| {path} | {model} | {ours:.4f} | {theirs:.4f} | {ours - theirs:+.5f} |")
            worst[model] = max(worst.get(model, 0.0), abs(ours - theirs))
    print("\nLargest difference: " + ", ".join(f"{model} {difference:.5f}" for model, difference in worst.items()))


def upstream(clip: dict[str, Any], model: str) -> float | None:
    """Upstream's value clipped to 0-100; None where it raises."""
    value = clip["upstream_path"]["reverb" if model == "reverberation" else model]
    if isinstance(value, dict):
        return None
    if model == "reverberation":  # its probability, not the decision made from it
        value = 100 * clip["upstream_dev"]["reverb"]["probability"]
    return min(100.0, max(0.0, float(value)))


if __name__ == "__main__":
    main()
