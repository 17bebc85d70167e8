"""Music Flamingo in Transformers, in the architecture that its checkpoint states.

The audio of a track is encoded once, and all questions about it are answered as one batch.
"""

import copy
import hashlib
import importlib.util
import inspect
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from mirkit.captions.excerpt import RATE
from mirkit.errors import MissingExtra, ModelError, SettingsError, WeightsError, printable
from mirkit.features.types import FloatArray
from mirkit.models.caches import hub_snapshots
from mirkit.models.captioners import Answer, Prompt, Requirements
from mirkit.models.captioners.backends import is_flamingo
from mirkit.models.device import pick
from mirkit.models.safe_load import LOAD_ERRORS, load_json
from mirkit.store import Settings


class SharedPrefix:
    """One track in a Transformers model.

    Every prompt is ``[system, start of turn, audio] [question, end of turn]``: the first part, the prefix, is the same
    for all. It is computed once, at the first question. The questions are then rows of one batch, ``[prefix] [padding]
    [question]``, in which the padding is masked.

    Parameters
    ----------
    processor, network
        Processor and network of the checkpoint.
    samples : array, shape=(n,)
        Mono, 16 kHz.
    """

    def __init__(self, processor: Any, network: Any, samples: FloatArray) -> None:
        if not len(samples):
            raise ModelError("the track has no audio to describe")  # the processor would silently omit empty audio
        self._processor, self._network, self._samples = processor, network, samples
        self._first: list[int] = []
        self._cache: Any = None

    def generate(self, prompts: Sequence[Prompt]) -> Iterator[tuple[int, Answer]]:
        """Yield the answers, all of them computed as one batch."""
        import torch

        try:
            with torch.inference_mode():
                rows = self._rows([prompt.prompt for prompt in prompts])
                written = self._write(rows, prompts)
        except torch.OutOfMemoryError as error:
            raise ModelError("the GPU has too little memory for this much audio; use --audio-seconds 60") from error
        for index, (prompt, row, tokens) in enumerate(zip(prompts, rows, written, strict=True)):
            yield index, self._answer(prompt, len(self._first) + len(row), tokens)

    def _rows(self, prompts: Sequence[str]) -> list[list[int]]:
        """Return the tokens of each question after the shared prefix."""
        asked = [self._tokens(prompt) for prompt in prompts]
        if self._cache is None:
            self._encode(prompts[0], asked[0])
        return [tokens[tokens.index(self._audio) + 1 :] for tokens in asked]

    @property
    def _audio(self) -> int:
        return int(self._network.config.audio_token_id)

    def _tokens(self, prompt: str) -> list[int]:
        """Return the tokens of a prompt, with one placeholder token for the audio."""
        text = self._processor.apply_chat_template(_turn(prompt, None), tokenize=False, add_generation_prompt=True)
        tokens: list[int] = self._processor.tokenizer(text)["input_ids"]
        return tokens

    def _encode(self, prompt: str, bare: list[int]) -> None:
        """Encode the audio and compute the keys and values of the prefix."""
        import torch
        from transformers import DynamicCache

        network, device = self._network, self._network.device
        inputs = self._processor.apply_chat_template(
            _turn(prompt, self._samples),
            tokenize=True,
            add_generation_prompt=True,
            return_dict=True,
            sampling_rate=RATE,
        )
        whole = torch.as_tensor(inputs["input_ids"])
        question = len(bare) - bare.index(self._audio) - 1
        first = whole[:, : whole.shape[1] - question].to(device)
        if whole[0, first.shape[1] :].tolist() != bare[len(bare) - question :]:
            raise ModelError("the chat template of this checkpoint does not put the audio before the question")
        features = torch.as_tensor(inputs["input_features"]).to(device, network.dtype)
        mask = torch.as_tensor(inputs["input_features_mask"]).to(device)
        # The newer architecture derives time stamps from the position of the audio.
        takes_ids = "input_ids" in inspect.signature(network.get_audio_features).parameters
        more = {"input_ids": whole.to(device)} if takes_ids else {}
        encoded = network.get_audio_features(features, mask, return_dict=True, **more).pooler_output
        embedded = network.get_input_embeddings()(first)
        embedded = embedded.masked_scatter((first == self._audio).unsqueeze(-1), encoded.to(embedded.dtype))
        cache = DynamicCache(config=network.config.get_text_config())
        network.model.language_model(inputs_embeds=embedded, past_key_values=cache, use_cache=True)
        self._first, self._cache = first[0].tolist(), cache

    def _write(self, rows: list[list[int]], prompts: Sequence[Prompt]) -> list[list[int]]:
        import torch

        longest = len(self._first) + max(map(len, rows))
        ids = torch.full((len(rows), longest), self._padding, device=self._network.device)
        mask = torch.zeros_like(ids)
        for at, row in enumerate(rows):
            ids[at, : len(self._first)] = torch.tensor(self._first)
            ids[at, longest - len(row) :] = torch.tensor(row)
            mask[at, : len(self._first)] = mask[at, longest - len(row) :] = 1
        cache = copy.deepcopy(self._cache)
        cache.batch_repeat_interleave(len(rows))
        warm = prompts[0].temperature
        torch.manual_seed(prompts[0].seed)
        # All generation settings are passed explicitly, because the defaults of the checkpoints differ.
        out = self._network.generate(
            input_ids=ids,
            attention_mask=mask,
            past_key_values=cache,
            max_new_tokens=max(prompt.tokens for prompt in prompts),
            do_sample=warm > 0,
            temperature=warm if warm > 0 else None,
            top_p=None,
            top_k=None,
            repetition_penalty=1.0,
        )
        return [row[longest:].tolist() for row in out]

    @property
    def _ends(self) -> set[int]:
        ends = self._network.generation_config.eos_token_id
        return set(ends) if isinstance(ends, list) else {ends}

    @property
    def _padding(self) -> int:
        padding = self._network.generation_config.pad_token_id
        return int(min(self._ends) if padding is None else padding)

    def _answer(self, prompt: Prompt, prompt_tokens: int, tokens: list[int]) -> Answer:
        tokens = tokens[: prompt.tokens]
        end = next((i for i, token in enumerate(tokens) if token in self._ends), None)
        text = self._processor.tokenizer.decode(tokens[:end])
        return Answer(
            text,
            "length" if end is None else "stop",
            prompt_tokens,
            cached_tokens=len(self._first),
            completion_tokens=len(tokens[:end]),
        )


def _turn(prompt: str, samples: FloatArray | None) -> list[dict[str, Any]]:
    audio = {"type": "audio", "path": "sound"} if samples is None else {"type": "audio", "audio": samples}
    return [{"role": "user", "content": [{"type": "text", "text": prompt}, audio]}]


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
            raise SettingsError("--one-call: Transformers cannot restrict an answer to JSON; leave the option out")
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
            remedy = "check that it is complete and that there is enough memory; download it again, or name another"
            raise WeightsError(f"Transformers cannot load {printable(self._folder)}; {remedy}") from error
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
        raise WeightsError(
            f"{printable(named)}: there is no such folder; --model takes the folder of a Transformers checkpoint"
        )
    raise WeightsError(
        f"Music Flamingo by Transformers needs {wanted[0]} ({_SIZE}), which is not downloaded; "
        f"hf download {wanted[0]}, or --model FOLDER (license: {_LICENSE})"
    )


def _is_flamingo(folder: Path) -> bool:
    """Whether a folder holds Music Flamingo, by the architecture or the name in its ``config.json``."""
    path = folder / "config.json"
    if not path.is_file():
        return False  # a folder without config.json cannot be loaded
    config = load_json(path)
    names = config.get("architectures")
    stated = [*(names if isinstance(names, list) else []), config.get("_name_or_path"), config.get("model_type")]
    return is_flamingo(stated)


def _architecture(folder: Path) -> str:
    path = folder / "config.json"
    if not path.is_file():
        raise WeightsError(
            f"{printable(folder)}: this is not a Transformers checkpoint, because it has no config.json; "
            "name another folder"
        )
    try:
        names = load_json(path).get("architectures")
    except WeightsError as error:
        raise WeightsError(f"{error}; name another folder") from error
    name = printable(str(names[0]))[:60] if isinstance(names, list) and names else "what it describes"
    if name not in _MAX_SECONDS:
        raise WeightsError(
            f"{printable(path)}: {name} is not a Music Flamingo model ({', '.join(_MAX_SECONDS)}); name another folder"
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
        return "sdpa", " (FlashAttention 2 needs a GPU)"
    return "flash_attention_2", ""
