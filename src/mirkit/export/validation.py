"""Checks that the validators of all targets share: numbers, prompts, JSON, audio files, folders.

They find files and values that a trainer would silently skip, would clamp, or would fail on. Functions whose names end
in ``_faults`` yield one line per fault, with its location.
"""

import json
import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from mirkit.audio import probe
from mirkit.catalog import CATEGORIES, STEMS
from mirkit.errors import AudioError, counted, printable
from mirkit.features.types import ANALYSIS_RATE
from mirkit.store import as_number

#: Suffixes of the audio files that the trainer's loader reads; it treats each file as a song.
LOADED_SUFFIXES = frozenset({".wav", ".mp3", ".flac", ".ogg", ".aif", ".opus"})
#: Suffixes of audio files that the loader silently skips.
SKIPPED_SUFFIXES = frozenset({".m4a", ".aac", ".aiff", ".wma", ".mp4", ".webm", ".ape", ".wv"})
#: Conditioner that is a category -> its values, and the one where it is unknown.
_OPTIONS = {row.name: (*row.categories, "unknown") for row in CATEGORIES}


@dataclass
class CheckResult:
    """Result of checking a bundle.

    Attributes
    ----------
    target : str
        Name of the target.
    files : int
        Number of audio files, latents or rows that were checked.
    faults : list of str
        One line per fault, with its location.
    notes : list of str
        Notes that are not faults.
    trainer : str
        Result of the check with the trainer's code, or why it did not run; "" if the target has no such check.
    """

    target: str
    files: int = 0
    faults: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    trainer: str = ""

    def as_json(self) -> dict[str, Any]:
        """The same as a JSON object."""
        return asdict(self)


def load_json(path: Path, faults: list[str]) -> Any:
    """Read a JSON file that must be ASCII without NaN; where it is not, ``faults`` gets a line.

    Returns
    -------
    object or None
        None where it cannot be read.
    """
    try:
        data = path.read_bytes()
    except OSError:
        faults.append(f"{printable(path.name)}: the file is missing")
        return None
    return parse_json(data, printable(path.name), faults)


def parse_json(data: bytes, where: str, faults: list[str]) -> Any:
    """Parse JSON that must be ASCII without NaN; where it is not, ``faults`` gets a line.

    Returns
    -------
    object or None
        None where it cannot be parsed.
    """
    constants: list[str] = []
    if not data.isascii():
        faults.append(
            f"{where}: the JSON is not ASCII, and the trainer reads it in the default encoding of the machine"
        )
    try:
        content = json.loads(data, parse_constant=constants.append)
    except (ValueError, RecursionError) as error:
        faults.append(f"{where}: the JSON cannot be read ({error})")
        return None
    if constants:
        faults.append(
            f"{where}: the JSON holds {constants[0]}; a single such value makes every weight of the model NaN"
        )
    return content


def number_faults(where: str, values: Mapping[str, Any], names: Iterable[str]) -> Iterator[str]:
    """Yield what is wrong with the conditioners of one sample.

    Parameters
    ----------
    where : str
        The sample, for the messages.
    values : mapping
        Conditioner's name -> value.
    names : iterable of str
        Conditioners that it must have.
    """
    for name in names:
        if name not in values:
            yield f"{where}: the number {name} is missing, so the training stops at the first batch with this sample"
            return
        value = values[name]
        if value is None:
            yield f"{where}: {name} is null, so the trainer cannot put the sample into a batch"
        elif name in _OPTIONS:
            if value not in _OPTIONS[name]:
                yield f"{where}: {name} is {value!r}, which is not one of {', '.join(_OPTIONS[name])}"
        elif as_number(value) is None:
            yield f"{where}: {name} is of the type {type(value).__name__} and not a number"
        elif not math.isfinite(value):
            yield f"{where}: {name} is {value}; a single such value makes every weight of the model NaN"


def flat_faults(where: str, metadata: Mapping[str, Any]) -> Iterator[str]:
    """Yield what is wrong with the metadata of one sample, whether a conditioner uses it or not."""
    for name, value in metadata.items():
        if value is None:
            yield (
                f"{where}: {name} is null, so the trainer cannot put the sample into a batch, even if "
                f"no conditioner uses {name}"
            )
        elif isinstance(value, float) and not math.isfinite(value):
            yield f"{where}: {name} is {value}; a single such value makes every weight of the model NaN"
        elif not isinstance(value, str | int | float):
            yield f"{where}: {name} is of the type {type(value).__name__}; the trainer accepts only texts and numbers"


def text_faults(where: str, text: Any) -> Iterator[str]:
    """Yield what is wrong with a prompt."""
    if not isinstance(text, str):
        yield f"{where}: the prompt is of the type {type(text).__name__} and not a text"
    elif not text.strip():
        yield f"{where}: the prompt is empty"
    elif not text.isascii():
        yield f"{where}: the prompt holds characters that are not ASCII; T5 has few of these"


def audio_faults(path: Path, where: str, max_samples: int | None, rate: int = ANALYSIS_RATE) -> Iterator[str]:
    """Yield the faults of an audio file that its header shows.

    Parameters
    ----------
    path : Path
    where : str
        The file, for the messages.
    max_samples : int or None
        Largest number of samples that the trainer uses; None for no limit.
    rate : int
        Sample rate of the trainer (Hz).
    """
    try:
        info = probe(path)
    except AudioError as error:
        yield f"{where}: the audio cannot be read, so the trainer replaces it by another file at random ({error})"
        return
    if info.sample_rate != rate:
        yield f"{where}: the sample rate is {info.sample_rate} Hz; the trainer would resample it for every batch"
    if info.channels != 2:
        yield f"{where}: the audio has {counted(info.channels, 'channel')}, not 2"
    if info.duration is not None and max_samples is not None and round(info.duration * info.sample_rate) > max_samples:
        yield (
            f"{where}: the audio is longer than sample_size; the trainer takes its beginning with the numbers of the "
            "whole file"
        )


def leak_faults(out: Path) -> Iterator[str]:
    """Yield audio files that are in two splits of a bundle, so that a model is judged by what it was trained on."""
    for folder in (out, out / "data"):
        found: dict[str, str] = {}
        for split in ("train", "val", "validation", "test"):
            for path in sorted((folder / split).glob("*")) if (folder / split).is_dir() else ():
                first = found.setdefault(path.name, split)
                if path.suffix.lower() in LOADED_SUFFIXES and first != split:
                    yield f"{printable(path.name)}: the file is in both {first}/ and {split}/; remove one of them"


def folder_faults(folder: Path, names: Iterable[str]) -> Iterator[str]:
    """Yield the files of a folder that do not belong to the bundle, that are missing, or that the trainer skips.

    Parameters
    ----------
    folder : Path
    names : iterable of str
        Files of the bundle, as paths from the folder.
    """
    known = set(names)
    existing = {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}
    for name in sorted(existing - known):
        suffix, stem = Path(name).suffix.lower(), Path(name).stem.lower()
        if suffix in LOADED_SUFFIXES and not Path(name).name.startswith("."):
            fault = (
                "this file is a stem, which the trainer would take for a song; remove it"
                if stem in STEMS
                else "this file does not belong to the bundle; remove it"
            )
            yield f"{folder.name}/{printable(name)}: {fault}"
        elif suffix in SKIPPED_SUFFIXES:
            yield (
                f"{folder.name}/{printable(name)}: the trainer skips {suffix} files without a message; remove the file"
            )
    for name in sorted(known - existing):
        yield f"{folder.name}/{printable(name)}: the file is missing"
    for name in sorted(known & existing):
        if Path(name).suffix.lower() not in LOADED_SUFFIXES:
            yield f"{folder.name}/{printable(name)}: the trainer skips {Path(name).suffix} files without a message"
