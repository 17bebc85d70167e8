"""Faults planted into a bundle: what spoils it, and what our check reports.

``benchmarks/planted_faults.py`` asks the trainer what it makes of them.
"""

import io
import json
import shutil
import tarfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from mirkit.audio import encode


@dataclass(frozen=True)
class Planted:
    """A fault.

    Attributes
    ----------
    name : str
    target : str
        Of the bundle that it is planted into.
    spoil : callable
        Plants it.
    message : str
        Part of a line of our check.
    """

    name: str
    target: str
    spoil: Callable[[Path], None]
    message: str


def change(path: Path, how: Callable[[Any], None]) -> None:
    """Change a JSON file."""
    content = json.loads(path.read_text())
    how(content)
    path.write_text(json.dumps(content))


def first(out: Path) -> Path:
    return sorted((out / "train").glob("*.flac"))[0]


def number(value: Any) -> Callable[[Path], None]:
    def spoil(out: Path) -> None:
        def put(index: Any) -> None:
            index["files"][first(out).name]["numbers"][0] = value

        change(out / "mirkit_index.json", put)

    return spoil


def without_key(out: Path) -> None:
    change(out / "mirkit_index.json", lambda index: index["names"].pop())


def conditioner(**config: Any) -> Callable[[Path], None]:
    def spoil(out: Path) -> None:
        def put(model: Any) -> None:
            entry = model["model"]["conditioning"]["configs"][0]
            entry["type"] = config.pop("type", entry["type"])
            entry["config"] |= config

        change(out / "model_config_patch.json", put)

    return spoil


def stems(out: Path) -> None:
    folder = out / "train" / "Song"
    folder.mkdir()
    for name in ("full_mix", "drums", "vocals"):
        shutil.copy(first(out), folder / f"{name}.flac")


def m4a(out: Path) -> None:
    path = first(out)
    path.rename(path.with_suffix(".m4a"))


def other_rate(out: Path) -> None:
    noise = 0.1 * np.random.default_rng(0).standard_normal((2, 16384))
    encode(first(out), [noise.astype(np.float32)], rate=48000, channels=2, bits=16)


def longer(out: Path) -> None:
    noise = 0.1 * np.random.default_rng(0).standard_normal((2, 40000))
    encode(first(out), [noise.astype(np.float32)], rate=44100, channels=2, bits=16)


def damaged(out: Path) -> None:
    first(out).write_bytes(b"fLaC" + bytes(1000))


def demo(out: Path) -> None:
    def put(model: Any) -> None:
        del model["training"]["demo"]["demo_cond"][0]["lufs"]

    change(out / "model_config_patch.json", put)


def module(out: Path) -> None:
    path = out / "mirkit_metadata.py"
    path.write_text(path.read_text().replace('index["files"].get(', 'index["songs"].get('))


def no_module(out: Path) -> None:
    change(out / "dataset.json", lambda dataset: dataset["datasets"][0].pop("custom_metadata_module"))


def random_crop(out: Path) -> None:
    change(out / "dataset.json", lambda dataset: dataset.update(random_crop=True))


def prompt(out: Path) -> None:
    def put(index: Any) -> None:
        index["files"][first(out).name]["prompts"] = [None]

    change(out / "mirkit_index.json", put)


def leak(out: Path) -> None:
    shutil.copy(first(out), out / "val" / first(out).name)


def in_tar(how: Callable[[dict[str, bytes]], None]) -> Callable[[Path], None]:
    """Change what the first tar for training holds."""

    def spoil(out: Path) -> None:
        path = out / "train" / "00000.tar"
        with tarfile.open(path) as tar:
            content = {entry.name: tar.extractfile(entry).read() for entry in tar}  # type: ignore[union-attr]
        how(content)
        with tarfile.open(path, "w") as tar:
            for name, data in content.items():
                entry = tarfile.TarInfo(name)
                entry.size = len(data)
                tar.addfile(entry, io.BytesIO(data))

    return spoil


def with_values(**values: Any) -> Callable[[dict[str, bytes]], None]:
    """Put values into the json of the first sample; None of ``...`` takes a key out."""

    def how(content: dict[str, bytes]) -> None:
        name = next(name for name in content if name.endswith(".json"))
        found = json.loads(content[name]) | values
        content[name] = json.dumps({key: value for key, value in found.items() if value is not ...}).encode()

    return how


def dotted(content: dict[str, bytes]) -> None:
    for name in list(content)[:2]:
        content[f"feat. {name}"] = content.pop(name)


def undecoded(content: dict[str, bytes]) -> None:
    name = next(iter(content))
    content[name.replace(".flac", ".aif")] = content.pop(name)


def alone(content: dict[str, bytes]) -> None:
    del content[next(name for name in content if name.endswith(".json"))]


PLANTED = (
    Planted("missing key", "sat", without_key, "the training stops at the first batch"),
    Planted("NaN", "sat", number(float("nan")), "NaN; a single such value"),
    Planted("null", "sat", number(None), "is null"),
    Planted("text for a number", "sat", number("fast"), "is of the type str and not a number"),
    Planted("prompt is null", "sat", prompt, "the prompt is of the type NoneType"),
    Planted("stems in the tree", "sat", stems, "this file is a stem, which the trainer would take for a song"),
    Planted("m4a", "sat", m4a, "skips .m4a files without a message"),
    Planted("damaged file", "sat", damaged, "cannot be read"),
    Planted("another rate", "sat", other_rate, "48000 Hz"),
    Planted("longer than sample_size", "sat", longer, "longer than sample_size"),
    Planted("min = max", "sat", conditioner(min_val=100.0, max_val=100.0), "divides by the difference of these bounds"),
    Planted(
        "int from 60", "sat", conditioner(type="int", min_val=60, max_val=200), "the table of this type begins at 0"
    ),
    Planted("demo without a key", "sat", demo, "demo_cond 1: the number lufs is missing"),
    Planted("module raises", "sat", module, "(KeyError: 'songs')"),
    Planted("no module", "sat", no_module, "no numbers and no prompts"),
    Planted("random crops of clips", "sat", random_crop, "random_crop must be false"),
    Planted("clip on both sides", "sat", leak, "in both train/ and val/"),
    Planted("dot in the name", "sat-wds", in_tar(dotted), "the loader loses the sample"),
    Planted("null in an unused key", "sat-wds", in_tar(with_values(lyrics=None)), "even if no conditioner uses"),
    Planted("NaN in the json", "sat-wds", in_tar(with_values(lufs=float("nan"))), "NaN; a single such value"),
    Planted(
        "key missing in the json",
        "sat-wds",
        in_tar(with_values(lufs=...)),
        "the number lufs is missing, so the training stops",
    ),
    Planted("five captions", "sat-wds", in_tar(with_values(text=["a", "b"])), "is of the type list and not a text"),
    Planted("aif in the tar", "sat-wds", in_tar(undecoded), "not exactly one audio file"),
    Planted("no json", "sat-wds", in_tar(alone), "the json file of the sample is missing, so the loader fails"),
)
