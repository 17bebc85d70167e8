"""``[texts]`` of ``mirkit.toml``: who describes the music, what is asked, and what becomes of the answers."""

import re
import urllib.parse
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from mirkit.captions.prompts import FIELD, placeholders
from mirkit.store import validators
from mirkit.store.validators import Kind, Setting

PROFILES = ("auto", "llama", "vllm", "openai")
EXCERPTS = ("middle", "loudest", "spread")
ATTENTIONS = ("auto", "flash_attention_2", "sdpa")


@dataclass(frozen=True)
class CaptionSettings:
    """How texts are made.

    Attributes
    ----------
    model : str or None
        ``IQ3_M``, ``Q6_K``, ``Q8_0``, a GGUF file, a folder of Transformers, or what a server calls its model; None is
        the backend's default.
    projector : str or None
        GGUF file of the audio encoder, where it does not lie beside the model.
    url : str or None
        Server for the backend ``http``. Its key, if it wants one, is read from ``MIRKIT_TEXTS_KEY``.
    allow_http : tuple of str
        Hosts beside this machine that may be reached by plain ``http``, where the network can read sound and key.
    profile : str
        What that server understands beyond the common request: ``llama``, ``vllm``, ``openai``, or ``auto``.
    program : str or None
        ``llama-server``, where it is not on the PATH.
    parallel : int
        Tracks at a time.
    audio_seconds : float or None
        Most that is heard of a track, in seconds; None is what the model can take.
    excerpt : str
        Which part that is: ``middle``, ``loudest`` or ``spread``.
    temperature : float
        Of the first attempt; 0 takes the likeliest word each time.
    seed : int
    attempts : int
        How often a question is asked until its answer is usable; from the second on at a temperature of 0.7.
    one_call : bool
        Ask all questions at once for a JSON object, and one by one only what that leaves open.
    fix_facts : bool
        Mend what measurements contradict.
    timeout : float
        Seconds that one answer may take.
    attention : str
        Of Transformers: ``flash_attention_2``, ``sdpa``, or ``auto``, the first of them that is there.
    prompts : mapping
        Field -> prompt: the user's own questions, and replacements of the five. "" takes one out.
    words : mapping
        Field -> words that its text may have.
    """

    model: str | None = None
    projector: str | None = None
    url: str | None = None
    allow_http: tuple[str, ...] = ()
    profile: str = "auto"
    program: str | None = None
    parallel: int = 1
    audio_seconds: float | None = None
    excerpt: str = "middle"
    temperature: float = 0.0
    seed: int = 1
    attempts: int = 3
    one_call: bool = False
    fix_facts: bool = False
    timeout: float = 900.0
    attention: str = "auto"
    prompts: Mapping[str, str] = field(default_factory=dict)
    words: Mapping[str, int] = field(default_factory=dict)


def url(value: Any) -> str:
    """Accept the address of a server, without a key in it."""
    mend = "an address such as http://127.0.0.1:8080, without user, key or query"
    try:
        parts = urllib.parse.urlsplit(value) if isinstance(value, str) else urllib.parse.urlsplit("")
        well = parts.scheme in ("http", "https") and parts.hostname and (parts.port is None or parts.port > 0)
    except ValueError as error:  # of the port, or of brackets
        raise ValueError(mend) from error
    if not well or "@" in parts.netloc or parts.query or parts.fragment or not str(value).isprintable():
        raise ValueError(mend)
    return str(value).rstrip("/").removesuffix("/v1")


def prompts(value: Any) -> dict[str, str]:
    """Accept prompts by field: names that become part of a key, placeholders that are known."""
    for name, prompt in validators.texts(value).items():
        _field(name)
        placeholders(prompt)
    return dict(value)


def budgets(value: Any) -> dict[str, int]:
    """Accept words by field."""
    if not isinstance(value, dict):
        raise ValueError("a table of field = words")
    for name in value:
        _field(name)
    return {name: validators.whole(5, 1000)(words) for name, words in value.items()}


def _field(name: str) -> None:
    if not re.fullmatch(FIELD, name):
        raise ValueError(f"named by up to 32 small letters, digits and _ (not {name[:40]!r})")


CHECKS: dict[str, Setting] = {
    "texts.model": Setting(validators.optional(validators.text), Kind.MODEL, "a file or folder", "--model"),
    "texts.projector": Setting(validators.optional(validators.text), Kind.ADDRESS, "a file", "--projector"),
    "texts.url": Setting(validators.optional(url), Kind.ADDRESS, "a server", "--url"),
    "texts.allow_http": Setting(validators.hosts, Kind.ADDRESS, "a server"),
    "texts.profile": Setting(validators.one_of(*PROFILES), Kind.VALUE),
    "texts.program": Setting(validators.optional(validators.text), Kind.ADDRESS, "a program", "--program"),
    "texts.parallel": Setting(validators.whole(1, 256), Kind.VALUE),
    "texts.audio_seconds": Setting(validators.optional(validators.number(1, 3600)), Kind.VALUE),
    "texts.excerpt": Setting(validators.one_of(*EXCERPTS), Kind.VALUE),
    "texts.temperature": Setting(validators.number(0, 2), Kind.VALUE),
    "texts.seed": Setting(validators.whole(0, 2**31 - 1), Kind.VALUE),
    "texts.attempts": Setting(validators.whole(1, 10), Kind.VALUE),
    "texts.one_call": Setting(validators.flag, Kind.VALUE),
    "texts.fix_facts": Setting(validators.flag, Kind.VALUE),
    "texts.timeout": Setting(validators.number(1, 86_400), Kind.VALUE),
    "texts.attention": Setting(validators.one_of(*ATTENTIONS), Kind.VALUE),
    "texts.prompts": Setting(prompts, Kind.WORDS),
    "texts.words": Setting(budgets, Kind.VALUE),
}
