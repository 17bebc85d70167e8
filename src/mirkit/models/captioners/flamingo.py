"""Music Flamingo in Transformers, in the architecture that its checkpoint states."""

import hashlib
import importlib.util
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from mirkit.errors import MissingExtra, SettingsError, WeightsError, printable
from mirkit.features.types import FloatArray
from mirkit.models.cache_paths import hub_snapshots
from mirkit.models.captioners import Requirements
from mirkit.models.captioners.prefix_cache import SharedPrefix
from mirkit.models.device import pick
from mirkit.models.safe_load import load_json
from mirkit.models.state_dict import LOAD_ERRORS
from mirkit.store import Settings

#: Repositories of the model, the newer one first; they differ in architecture and in the longest audio.
REPOSITORIES = ("nvidia/music-flamingo-2601-hf", "nvidia/music-flamingo-hf")
_SIZE = "16.5 GB"
_LICENSE = "NVIDIA non-commercial"
#: Architecture in ``config.json`` -> longest audio in seconds.
_MAX_SECONDS = {"MusicFlamingoForConditionalGeneration": 1200.0, "AudioFlamingo3ForConditionalGeneration": 600.0}


class Checkpoint:
    """Music Flamingo in a folder in the layout of Transformers.

    Raises
    ------
    WeightsError
        The folder does not exist, or contains no model of these architectures.
    MissingExtra
        Transformers is not installed.
    """

    backend = "transformers"
    address = ""
    sha256: str | None
    license = _LICENSE
    batched = True
    whole_windows = False
    #: One track at a time, because its questions already fill a batch.
    parallel = 1

    def __init__(self, settings: Settings) -> None:
        if settings.texts.one_call:
            raise SettingsError("--one-call: Transformers cannot hold a model to JSON; leave it out")
        if importlib.util.find_spec("transformers") is None:
            raise MissingExtra("transformers is not installed; pip install 'mirkit[describe]'")
        self._settings = settings
        self._folder = find(settings)
        self.model, self.sha256, self.size = _identity(self._folder)
        self.architecture = _architecture(self._folder)
        self.max_seconds = _MAX_SECONDS[self.architecture]
        self.on_gpu: bool | None = pick(settings.run.device) != "cpu"
        self._loaded: tuple[Any, Any] | None = None

    @contextmanager
    def loaded(self, need: Requirements) -> Iterator[list[str]]:
        """Implement :class:`~mirkit.models.captioners.Captioner`."""
        import torch
        import transformers
        from safetensors import SafetensorError

        # Otherwise Transformers warns for every track about a field of the newer checkpoint.
        transformers.logging.set_verbosity_error()
        transformers.logging.disable_progress_bar()
        device = pick(self._settings.run.device)
        attention, why = _attention(self._settings.texts.attention, device)
        kind = torch.float32 if device == "cpu" else torch.bfloat16
        where = {"local_files_only": True}
        try:
            processor = transformers.AutoProcessor.from_pretrained(self._folder, **where)
            network = getattr(transformers, self.architecture).from_pretrained(
                self._folder, dtype=kind, attn_implementation=attention, **where
            )
        except (*LOAD_ERRORS, OSError, SafetensorError) as error:
            what = "Transformers cannot load it; is it whole, and is there memory enough? Get it anew, or name another"
            raise WeightsError(f"{printable(self._folder)}: {what}") from error
        self._loaded = processor, network.to(device).eval()
        try:
            yield [f"{self.architecture} on {device}, attention: {attention}{why}"]
        finally:
            self._loaded = None

    def session(self, samples: FloatArray, slot: int) -> SharedPrefix:
        """Implement :class:`~mirkit.models.captioners.Captioner`."""
        assert self._loaded is not None, "not started"
        return SharedPrefix(*self._loaded, samples)


def find(settings: Settings) -> Path:
    """Find the checkpoint that the settings name: a folder, or the model in Hugging Face's cache.

    Raises
    ------
    WeightsError
        There is none. The message has its source, size and license.
    """
    refused = f"Music Flamingo: license {_LICENSE}, which --commercial-safe refuses"
    named = settings.texts.model
    if named and os.path.isdir(os.path.expanduser(named)):
        folder = Path(named).expanduser()
        if settings.run.commercial_safe and _is_flamingo(folder):
            raise WeightsError(f"{printable(folder)} is {refused}")
        return folder
    if settings.run.commercial_safe:
        raise WeightsError(refused)
    wanted = REPOSITORIES if named is None else (named,)
    for repository in wanted:
        for snapshot in hub_snapshots(repository):
            if (snapshot / "config.json").is_file():
                return snapshot
    if named is not None and named not in REPOSITORIES:
        raise WeightsError(f"{printable(named)}: no such folder; --model takes the folder of a Transformers checkpoint")
    raise WeightsError(
        f"Music Flamingo by Transformers needs {wanted[0]} ({_SIZE}): not here; hf download {wanted[0]}, "
        f"or --model FOLDER (license: {_LICENSE})"
    )


def _is_flamingo(folder: Path) -> bool:
    """Whether a folder holds Music Flamingo, by the architecture or the name in its ``config.json``."""
    path = folder / "config.json"
    if not path.is_file():
        return False  # a folder without config.json cannot be loaded
    config = load_json(path)
    names = config.get("architectures")
    stated = [*(names if isinstance(names, list) else []), config.get("_name_or_path"), config.get("model_type")]
    return any(re.search("(music|audio)flamingo", re.sub("[^a-z0-9]", "", str(name).lower())) for name in stated)


def _architecture(folder: Path) -> str:
    path = folder / "config.json"
    if not path.is_file():
        raise WeightsError(
            f"{printable(folder)}: no checkpoint of Transformers: it has no config.json; name another folder"
        )
    try:
        names = load_json(path).get("architectures")
    except WeightsError as error:
        raise WeightsError(f"{error}; name another folder") from error
    name = printable(str(names[0]))[:60] if isinstance(names, list) and names else "what it describes"
    if name not in _MAX_SECONDS:
        raise WeightsError(
            f"{printable(path)}: {name} is no Music Flamingo ({', '.join(_MAX_SECONDS)}); name another folder"
        )
    return name


def _identity(folder: Path) -> tuple[str, str, int]:
    """Name, hash and size of a checkpoint; weights are hashed by name and size only, because they are 16 GB."""
    # In Hugging Face's cache, the folder has the name of the revision; that of the repository is two levels up.
    repository = folder.parent.parent.name
    name = repository.rpartition("--")[2] if repository.startswith("models--") else folder.name
    digest, total = hashlib.sha256(), 0
    for path in sorted(folder.iterdir()):
        if path.suffix in (".safetensors", ".bin"):
            total += path.stat().st_size
            digest.update(f"{path.name} {path.stat().st_size}\n".encode())
        elif path.suffix in (".json", ".jinja", ".txt") and path.is_file():
            digest.update(path.name.encode() + hashlib.sha256(path.read_bytes()).digest())
    return name, digest.hexdigest(), total


def _attention(wanted: str, device: str) -> tuple[str, str]:
    """Choose the implementation of attention; the second value is the reason why the other one is not used."""
    if wanted == "sdpa":
        return "sdpa", ""
    if importlib.util.find_spec("flash_attn") is None:
        return "sdpa", " (FlashAttention 2 is not installed)"
    if not device.startswith("cuda"):
        return "sdpa", " (FlashAttention 2 needs a card)"
    return "flash_attention_2", ""
