"""Requests about audio in the OpenAI chat format, with the extensions of llama-server and vLLM."""

import base64
import io
import wave
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from mirkit.captions.excerpt import RATE
from mirkit.errors import ModelError
from mirkit.features.types import FloatArray
from mirkit.models.captioners import Answer, Prompt
from mirkit.models.captioners.http_client import HttpClient

#: Characters that a model may write: ASCII characters known to T5, without quotes, which would end a JSON string.
_CHARACTERS = "A-Za-z0-9 .,;:'()%/+&#!?-"


def wav(samples: FloatArray) -> bytes:
    """Encode mono audio at 16 kHz as a WAV file with 16 bits."""
    file = io.BytesIO()
    with wave.open(file, "wb") as writer:
        writer.setnchannels(1)
        writer.setsampwidth(2)
        writer.setframerate(RATE)
        writer.writeframes(np.round(np.clip(samples, -1.0, 1.0) * 32767).astype("<i2").tobytes())
    return file.getvalue()


def grammar(letters: tuple[int, int]) -> str:
    """Return a GBNF grammar: ASCII of limited length that begins with a capital or digit and ends with a period."""
    least, most = letters
    return f"root ::= [A-Z0-9] [{_CHARACTERS}]{{{least - 2},{most - 2}}} [.!?]"


def schema(prompt: Prompt) -> dict[str, Any]:
    """JSON schema of an object with the requested texts."""
    text = {"type": "string", "minLength": prompt.characters[0], "maxLength": prompt.characters[1]}
    return {
        "type": "object",
        "properties": dict.fromkeys(prompt.fields, text),
        "required": list(prompt.fields),
        "additionalProperties": False,
    }


class ChatSession:
    """One track on a server: the audio first and the question last, so that all questions share the encoded audio.

    Parameters
    ----------
    wire : HttpClient
    model : str
        Name of the model on the server.
    profile : str
        ``llama``, ``vllm`` or ``openai``.
    samples : array, shape=(n,)
    slot : int
        Slot of a llama server. All questions about a track use one slot, which caches the encoded audio.
    """

    def __init__(self, wire: HttpClient, model: str, profile: str, samples: FloatArray, slot: int) -> None:
        self._wire, self._model, self._profile, self._slot = wire, model, profile, slot
        data = base64.b64encode(wav(samples)).decode()
        self._sound = {"type": "input_audio", "input_audio": {"data": data, "format": "wav"}}

    def generate(self, prompts: Sequence[Prompt]) -> Iterator[tuple[int, Answer]]:
        """Yield the answers, one request after the other."""
        for index, prompt in enumerate(prompts):
            yield index, _answer(self._wire.post("/v1/chat/completions", self._body(prompt)), prompt)

    def _body(self, prompt: Prompt) -> dict[str, Any]:
        body: dict[str, Any] = {
            "model": self._model,
            "messages": [{"role": "user", "content": [self._sound, {"type": "text", "text": prompt.prompt}]}],
            "max_tokens": prompt.tokens,
            "temperature": prompt.temperature,
            "seed": prompt.seed,
        }
        if prompt.fields:
            shape = {"name": "texts", "strict": True, "schema": schema(prompt)}
            body["response_format"] = {"type": "json_schema", "json_schema": shape}
        if self._profile == "llama":
            body |= {"cache_prompt": True, "id_slot": self._slot}
            if not prompt.fields:
                body["grammar"] = grammar(prompt.characters)
        elif self._profile == "vllm" and not prompt.fields:
            least, most = prompt.characters
            body["structured_outputs"] = {"regex": f"[A-Z0-9][{_CHARACTERS}]{{{least - 2},{most - 2}}}[.!?]"}
        return body


def _answer(reply: Any, prompt: Prompt) -> Answer:
    try:
        choice = reply["choices"][0]
        text = choice["message"]["content"] or ""
        usage = reply.get("usage") or {}
        timings = reply.get("timings") or {}
        cached = timings.get("cache_n", (usage.get("prompt_tokens_details") or {}).get("cached_tokens"))
        finish = "length" if choice.get("finish_reason") == "length" else "stop"
        if not prompt.fields and len(text) >= prompt.characters[1]:
            finish, text = "length", text[:-1]  # the grammar forced a period in the middle of a sentence
        return Answer(
            str(text), finish, int(usage.get("prompt_tokens") or 0), cached, int(usage.get("completion_tokens") or 0)
        )
    except (KeyError, IndexError, TypeError, AttributeError) as error:
        raise ModelError("the server answered with JSON that holds no text") from error
