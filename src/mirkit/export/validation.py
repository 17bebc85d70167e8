"""What a trainer would swallow, clamp or die of, found beforehand: numbers, texts, JSON, sound files, conditioners."""

import json
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from mirkit.audio import probe
from mirkit.errors import AudioError
from mirkit.features.types import ANALYSIS_RATE
from mirkit.store import printable

#: Suffixes of which the trainer's loader takes every file for a song; others it passes over without a word.
HEARD = frozenset({".wav", ".mp3", ".flac", ".ogg", ".aif", ".opus"})
#: Sound that it passes over.
UNHEARD = frozenset({".m4a", ".aac", ".aiff", ".wma", ".mp4", ".webm", ".ape", ".wv"})
_STEMS = frozenset({"drums", "bass", "other", "vocals"})


@dataclass
class CheckResult:
    """What a check found.

    Attributes
    ----------
    target : str
    files : int
        Sound files, or latents, that were looked at.
    faults : list of str
        What has to be mended: a line each, what and where.
    notes : list of str
        What is well, but worth to be known.
    trainer : str
        How the trainer's own code got on with it, or why it was not asked; "" where the target has none.
    """

    target: str
    files: int = 0
    faults: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    trainer: str = ""

    def as_json(self) -> dict[str, Any]:
        """The same for machines."""
        return asdict(self)


def load_json(path: Path, faults: list[str]) -> Any:
    """Read a JSON file that must be ASCII without NaN; None, and a fault, where it is not."""
    try:
        data = path.read_bytes()
    except OSError:
        faults.append(f"{printable(path.name)}: is missing")
        return None
    return parse_json(data, printable(path.name), faults)


def parse_json(data: bytes, where: str, faults: list[str]) -> Any:
    """Read JSON that must be ASCII without NaN; None, and a fault, where it is not."""
    strange: list[str] = []
    if not data.isascii():
        faults.append(f"{where}: not ASCII; the trainer reads it in the machine's own encoding")
    try:
        found = json.loads(data, parse_constant=strange.append)
    except (ValueError, RecursionError) as error:
        faults.append(f"{where}: not readable as JSON ({error})")
        return None
    if strange:
        faults.append(f"{where}: {strange[0]} in it; one is enough to make every weight of the model NaN")
    return found


def number_faults(where: str, found: Mapping[str, Any], wanted: Iterable[str]) -> Iterator[str]:
    """What is wrong with the numbers of one sample."""
    for name in wanted:
        if name not in found:
            yield f"{where}: no {name}; training ends at the first batch with it"
            return
        value = found[name]
        if value is None:
            yield f"{where}: {name} is null; the trainer cannot make a batch of it"
        elif isinstance(value, bool) or not isinstance(value, int | float):
            yield f"{where}: {name} is {type(value).__name__}, not a number"
        elif not math.isfinite(value):
            yield f"{where}: {name} is {value}; one is enough to make every weight of the model NaN"


def flat_faults(where: str, found: Mapping[str, Any]) -> Iterator[str]:
    """What is wrong with the metadata of one sample as a whole, whatever a conditioner takes of it."""
    for name, value in found.items():
        if value is None:
            yield f"{where}: {name} is null; the trainer cannot make a batch of it, even if nothing uses it"
        elif isinstance(value, float) and not math.isfinite(value):
            yield f"{where}: {name} is {value}; one is enough to make every weight of the model NaN"
        elif not isinstance(value, str | int | float):
            yield f"{where}: {name} is a {type(value).__name__}; the trainer takes flat texts and numbers"


def text_faults(where: str, text: Any) -> Iterator[str]:
    """What is wrong with a prompt."""
    if not isinstance(text, str):
        yield f"{where}: the prompt is {type(text).__name__}, not a text"
    elif not text.strip():
        yield f"{where}: the prompt is empty"
    elif not text.isascii():
        yield f"{where}: the prompt is not ASCII; T5 knows few other signs"


def sound_faults(path: Path, where: str, most: int | None) -> Iterator[str]:
    """What is wrong with a sound file, by its header. ``most``: samples that the trainer takes, None for any."""
    try:
        info = probe(path)
    except AudioError as error:
        yield f"{where}: cannot be read, so the trainer takes a random other one ({error})"
        return
    if info.sample_rate != ANALYSIS_RATE:
        yield f"{where}: {info.sample_rate} Hz; the trainer would resample it anew for every batch"
    if info.channels != 2:
        yield f"{where}: {info.channels} channel(s), not 2"
    if info.duration is not None and most is not None and round(info.duration * info.sample_rate) > most:
        yield f"{where}: longer than sample_size; the trainer takes its beginning and is told the numbers of all"


def tree_faults(folder: Path, known: Iterable[str]) -> Iterator[str]:
    """What a trainer would find in a tree beside what belongs there, and what it would not find."""
    known = set(known)
    there = {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}
    for name in sorted(there - known):
        suffix, stem = Path(name).suffix.lower(), Path(name).stem.lower()
        hidden = Path(name).name.startswith(".")
        if suffix in HEARD and not hidden:
            what = "a stem: the trainer would take it for a song" if stem in _STEMS else "nothing is known of it"
            yield f"{folder.name}/{printable(name)}: {what}"
        elif suffix in UNHEARD:
            yield f"{folder.name}/{printable(name)}: the trainer passes over {suffix} files without a word"
    for name in sorted(known - there):
        yield f"{folder.name}/{printable(name)}: is missing"
    for name in sorted(known & there):
        if Path(name).suffix.lower() not in HEARD:
            yield f"{folder.name}/{printable(name)}: the trainer passes over {Path(name).suffix} files without a word"


def config_faults(config: Mapping[str, Any], given: Sequence[str], where: str) -> Iterator[str]:
    """What is wrong with a model's config, or a patch for one.

    Parameters
    ----------
    config : mapping
    given : sequence of str
        Names that every sample has.
    where : str
        The file.
    """
    try:
        entries = config["model"]["conditioning"]["configs"]
        taken = config["model"]["diffusion"]
        ids = [entry["id"] for entry in entries]
        for entry in entries:
            yield from _entry_faults(entry, given, where)
    except (KeyError, TypeError) as error:
        yield f"{where}: no config of a conditioned model ({error})"
        return
    placed = [name for kind in _PLACES for name in taken.get(kind, [])]
    for name in ids:
        if name in given and name not in placed:
            yield f"{where}: {name} goes nowhere into the model; put it into cross_attention_cond_ids"
    for name in taken.get("global_cond_ids", []):
        if name in given and name not in _OF_TRAINER:
            yield f"{where}: {name} as a global changes global_cond_dim, and a pretrained model loses its projection"
    demo = config.get("training", {}).get("demo", {})
    for i, conditions in enumerate(demo.get("demo_cond", []), 1):
        yield from number_faults(f"{where}: demo_cond {i}", conditions, [n for n in ids if n != "prompt"])
        yield from text_faults(f"{where}: demo_cond {i}", conditions.get("prompt"))
    if demo.get("demo_cond") and demo.get("num_demos") != len(demo["demo_cond"]):
        yield f"{where}: num_demos is {demo.get('num_demos')}, and there are conditions for {len(demo['demo_cond'])}"


_PLACES = ("cross_attention_cond_ids", "global_cond_ids", "prepend_cond_ids", "input_concat_ids")
_OF_TRAINER = ("seconds_start", "seconds_total")


def _entry_faults(entry: Mapping[str, Any], given: Sequence[str], where: str) -> Iterator[str]:
    name, kind, config = entry["id"], entry["type"], entry["config"]
    if name not in (*given, "prompt", *_OF_TRAINER):
        yield f"{where}: conditioner {name} is given by no sample; training ends at the first batch"
    low, high = config.get("min_val", 0), config.get("max_val", 512 if kind == "int" else 1)
    if kind == "number" and not (math.isfinite(low) and math.isfinite(high) and low < high):
        yield f"{where}: {name} goes from {low} to {high}; the trainer divides by their difference, and gets NaN"
    if kind == "int" and low:
        yield f"{where}: {name} is an int conditioner from {low}; its table begins at 0, so use number"
