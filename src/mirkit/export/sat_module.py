"""Numbers and prompts of a bundle for stable-audio-tools: its ``custom_metadata_module``. Needs nothing but Python.

The trainer calls ``get_custom_metadata`` for every sample. What it gives stands in the files beside this one; a file
that they do not know, or a stretch whose numbers are unknown where the bundle wants them known, is rejected. Written by
mirkit; ``mirkit export sat`` writes it anew.
"""

import json
import os
import random
import struct

_HERE = os.path.dirname(os.path.abspath(__file__))
_WINDOWS = os.path.join(_HERE, "mirkit_windows.f32")

with open(os.path.join(_HERE, "mirkit_index.json"), encoding="ascii") as _file:
    INDEX = json.load(_file)


def get_custom_metadata(info, audio):  # type: ignore[no-untyped-def]
    """Give the numbers and a prompt of a sample: of the very stretch that was cut out of the file."""
    entry = INDEX["files"].get(str(info.get("relpath", "")).replace("\\", "/"))
    if entry is None:
        return {"__reject__": True}
    numbers = entry["numbers"] if "numbers" in entry else _of_window(entry, info)  # type: ignore[no-untyped-call]
    if numbers is None:
        return {"__reject__": True}
    found = dict(zip(INDEX["names"], numbers, strict=True))
    found["prompt"] = random.choice(entry["prompts"])
    if "padding_mask" in info:  # as a training step takes it: the first item of a list
        found["padding_mask"] = [info["padding_mask"]]
    return found


def _of_window(entry, info):  # type: ignore[no-untyped-def]
    """Numbers of the window nearest to the stretch that the trainer has cut; None where one is unknown."""
    try:
        samples = max(entry["samples"], INDEX["sample_size"])
        start = info["timestamps"][0] * samples / INDEX["sample_rate"]
        final = (samples - INDEX["sample_size"]) / INDEX["sample_rate"]  # where the last window begins
        near = min(entry["windows"] - 1, max(0, round(start / INDEX["hop"])))
        if abs(final - start) < abs(near * INDEX["hop"] - start):
            near = entry["windows"] - 1
        row = entry["row"] + near
        width = 4 * len(INDEX["names"])
        with open(_WINDOWS, "rb") as file:
            file.seek(row * width)
            numbers = struct.unpack(f"<{len(INDEX['names'])}f", file.read(width))
    except (KeyError, OSError, TypeError, ValueError, struct.error):
        return None
    return None if any(number != number for number in numbers) else numbers
