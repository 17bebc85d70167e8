"""Values and prompts of a bundle for stable-audio-tools: its ``custom_metadata_module``. Needs nothing but Python.

The trainer calls ``get_custom_metadata`` for every sample. The answers are in the files beside this one; a file that
they do not list, or a stretch whose values are unknown where the bundle wants them known, is rejected. Written by
mirkit; ``mirkit export sat`` writes it anew.
"""

import json
import os
import random
import struct
import sys
import types

_HERE = os.path.dirname(os.path.abspath(__file__))
_INDEX = os.path.join(_HERE, "mirkit_index.json")
_WINDOWS = os.path.join(_HERE, "mirkit_windows.f32")
#: Holds the indexes that a process has read. stable-audio-tools 0.0.20 pickles the function below with its globals and
#: unpickles it for every sample, so neither the index nor anything that refers to it may be among them.
_CACHE = "_mirkit_bundle_indexes"

os.stat(_INDEX)  # raises where the index is missing: later, the trainer would only take another sample, again and again


def get_custom_metadata(info, audio):  # type: ignore[no-untyped-def]
    """Give the values and a prompt of a sample: of the very stretch that was cut out of the file."""
    index = _index()  # type: ignore[no-untyped-call]
    entry = index["files"].get(str(info.get("relpath", "")).replace("\\", "/"))
    if entry is None:
        return {"__reject__": True}
    values = entry["numbers"] if "numbers" in entry else _of_window(index, entry, info)  # type: ignore[no-untyped-call]
    if values is None:
        return {"__reject__": True}
    found = dict(zip(index["names"], values, strict=True))
    found["prompt"] = random.choice(entry["prompts"])
    # A training step takes the first item of a list. 0.0.20 makes that list itself, 0.0.19 does not.
    if "padding_mask" in info and not isinstance(info["padding_mask"], list):
        found["padding_mask"] = [info["padding_mask"]]
    return found


def _index():  # type: ignore[no-untyped-def]
    """Give the index of this bundle, read once in each process, and again when the file has been replaced."""
    loaded = sys.modules.setdefault(_CACHE, types.ModuleType(_CACHE)).__dict__
    status = os.stat(_INDEX)
    stamp = (status.st_mtime_ns, status.st_size, status.st_ino)
    if loaded.get(_INDEX, (None, None))[0] != stamp:
        with open(_INDEX, encoding="ascii") as file:
            loaded[_INDEX] = stamp, json.load(file)
    return loaded[_INDEX][1]


def _of_window(index, entry, info):  # type: ignore[no-untyped-def]
    """Values of the window nearest to the stretch that the trainer has cut; None where one is unknown."""
    try:
        samples = max(entry["samples"], index["sample_size"])
        start = info["timestamps"][0] * samples / index["sample_rate"]
        final = (samples - index["sample_size"]) / index["sample_rate"]  # where the last window begins
        near = min(entry["windows"] - 1, max(0, round(start / index["hop"])))
        if abs(final - start) < abs(near * index["hop"] - start):
            near = entry["windows"] - 1
        row = entry["row"] + near
        width = 4 * len(index["names"])
        with open(_WINDOWS, "rb") as file:
            file.seek(row * width)
            numbers = struct.unpack(f"<{len(index['names'])}f", file.read(width))
        options = index.get("options", {})
    except (KeyError, OSError, TypeError, ValueError, struct.error):
        return None
    if any(number != number for number in numbers):
        return None
    return [
        # A category is stored as its place in the list of options; 0 is an unknown one.
        ["unknown", *options[name]][int(number)] if name in options else number
        for name, number in zip(index["names"], numbers, strict=True)
    ]
