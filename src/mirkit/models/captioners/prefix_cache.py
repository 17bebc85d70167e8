"""A prefix cache: the audio is encoded once, and all questions about it are answered as one batch."""

import copy
import inspect
from collections.abc import Iterator, Sequence
from typing import Any

from mirkit.captions.excerpt import RATE
from mirkit.errors import ModelError
from mirkit.features.types import FloatArray
from mirkit.models.captioners import Answer, Prompt


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
            raise ModelError("there is no sound to describe")  # the processor would silently omit empty audio
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
            raise ModelError("the card has too little memory for this much sound; say --audio-seconds 60") from error
        for index, (prompt, row, tokens) in enumerate(zip(prompts, rows, written, strict=True)):
            yield index, self._answer(prompt, len(self._first) + len(row), tokens)

    def _rows(self, prompts: Sequence[str]) -> list[list[int]]:
        """Return the tokens of each question after the shared prefix."""
        asked = [self._tokens(prompt) for prompt in prompts]
        if self._cache is None:
            self._listen(prompts[0], asked[0])
        return [tokens[tokens.index(self._sound) + 1 :] for tokens in asked]

    @property
    def _sound(self) -> int:
        return int(self._network.config.audio_token_id)

    def _tokens(self, prompt: str) -> list[int]:
        """Return the tokens of a prompt, with one placeholder token for the audio."""
        text = self._processor.apply_chat_template(_turn(prompt, None), tokenize=False, add_generation_prompt=True)
        tokens: list[int] = self._processor.tokenizer(text)["input_ids"]
        return tokens

    def _listen(self, prompt: str, bare: list[int]) -> None:
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
        question = len(bare) - bare.index(self._sound) - 1
        first = whole[:, : whole.shape[1] - question].to(device)
        if whole[0, first.shape[1] :].tolist() != bare[len(bare) - question :]:
            raise ModelError("this checkpoint's template does not put the sound before the question")
        features = torch.as_tensor(inputs["input_features"]).to(device, network.dtype)
        mask = torch.as_tensor(inputs["input_features_mask"]).to(device)
        # The newer architecture derives time stamps from the position of the audio.
        takes_ids = "input_ids" in inspect.signature(network.get_audio_features).parameters
        more = {"input_ids": whole.to(device)} if takes_ids else {}
        encoded = network.get_audio_features(features, mask, return_dict=True, **more).pooler_output
        embedded = network.get_input_embeddings()(first)
        embedded = embedded.masked_scatter((first == self._sound).unsqueeze(-1), encoded.to(embedded.dtype))
        cache = DynamicCache(config=network.config.get_text_config())
        network.model.language_model(inputs_embeds=embedded, past_key_values=cache, use_cache=True)
        self._first, self._cache = first[0].tolist(), cache

    def _write(self, rows: list[list[int]], prompts: Sequence[Prompt]) -> list[list[int]]:
        import torch

        longest = len(self._first) + max(map(len, rows))
        ids = torch.full((len(rows), longest), self._filler, device=self._network.device)
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
    def _filler(self) -> int:
        filler = self._network.generation_config.pad_token_id
        return int(min(self._ends) if filler is None else filler)

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
    sound = {"type": "audio", "path": "sound"} if samples is None else {"type": "audio", "audio": samples}
    return [{"role": "user", "content": [{"type": "text", "text": prompt}, sound]}]
