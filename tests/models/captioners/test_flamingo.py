"""Transformers, both architectures: what is shared between questions changes no token."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mirkit.captions.excerpt import RATE
from mirkit.errors import ModelError, SettingsError, WeightsError
from mirkit.models.captioners import Prompt, Requirements
from mirkit.models.captioners.flamingo import Checkpoint, SharedPrefix
from mirkit.settings import CaptionSettings, RunSettings
from mirkit.store import Settings
from tiny_flamingo import SENTENCE, write_checkpoint

torch = pytest.importorskip("torch")
pytest.importorskip("transformers", minversion="5.8")

ARCHITECTURES = ("MusicFlamingo", "AudioFlamingo3")
PROMPTS = ("Describe it.", "What genre is it, and what mood does it have?", "Which instruments?", "Structure?", "BPM?")
ASKS = [Prompt(prompt, 20, (20, 400), 0.0, 1) for prompt in PROMPTS]


@pytest.fixture(scope="module", params=ARCHITECTURES)
def gibberish(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_checkpoint(tmp_path_factory.mktemp("random"), request.param, fixed_answer=False)


@pytest.fixture(autouse=True)
def one_thread() -> None:
    torch.set_num_threads(1)


def checkpoint(folder: Path, **texts: Any) -> Checkpoint:
    return Checkpoint(
        replace(Settings(), texts=CaptionSettings(model=str(folder), **texts), run=RunSettings(device="cpu"))
    )


def sound(seconds: float) -> np.ndarray:
    return (0.1 * np.random.default_rng(0).standard_normal(round(seconds * RATE))).astype(np.float32)


def unshared(processor: Any, network: Any, samples: np.ndarray, ask: Prompt) -> list[int]:
    """One question, on its own, as the model's page shows it."""
    content = [{"type": "text", "text": ask.prompt}, {"type": "audio", "audio": samples}]
    inputs = processor.apply_chat_template(
        [{"role": "user", "content": content}], tokenize=True, add_generation_prompt=True, return_dict=True
    )
    with torch.inference_mode():
        out = network.generate(**inputs, max_new_tokens=ask.tokens, do_sample=False)
    tokens: list[int] = out[0, inputs["input_ids"].shape[1] :].tolist()
    return tokens


@pytest.mark.parametrize("seconds", [2.0, pytest.param(31.0, marks=pytest.mark.slow)])
def test_shared_is_unshared(gibberish: Path, seconds: float) -> None:
    model = checkpoint(gibberish)
    with model.loaded(Requirements(seconds, 0)) as notes:
        assert "sdpa" in notes[0]
        assert model._loaded is not None
        processor, network = model._loaded
        alone = [unshared(processor, network, sound(seconds), ask) for ask in ASKS]
        shared = SharedPrefix(processor, network, sound(seconds))
        with torch.inference_mode():
            rows = shared._rows(PROMPTS)
            together = shared._write(rows, ASKS)
            again = shared._write(shared._rows(PROMPTS[1:2]), ASKS[1:2])
    ends = shared._ends
    cut = [row[: next((i for i, token in enumerate(row) if token in ends), len(row))] for row in together]
    assert cut == [[token for token in row if token not in ends] for row in alone]
    assert len({tuple(row) for row in alone}) > 1, "or the test would see nothing"
    assert again[0][: len(cut[1])] == cut[1], "asked again, on its own"


def test_the_sound_is_encoded_once(gibberish: Path) -> None:
    model = checkpoint(gibberish)
    with model.loaded(Requirements(1.0, 0)):
        assert model._loaded is not None
        _, network = model._loaded
        calls = []
        encode = network.get_audio_features
        network.get_audio_features = lambda *a, **k: (calls.append(1), encode(*a, **k))[1]
        network.get_audio_features.__signature__ = __import__("inspect").signature(encode)
        hearing = model.session(sound(1.0), 0)
        first = list(hearing.generate(ASKS))
        second = list(hearing.generate(ASKS[2:3]))
    assert calls == [1]
    assert [index for index, _ in first] == [0, 1, 2, 3, 4]
    assert second[0][1].text == first[2][1].text
    assert all(answer.cached_tokens >= 25 for _, answer in first)


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_it_speaks(architecture: str, tmp_path: Path) -> None:
    model = checkpoint(write_checkpoint(tmp_path, architecture), attention="flash_attention_2")
    assert model.max_seconds == {"MusicFlamingo": 1200.0, "AudioFlamingo3": 600.0}[architecture]
    with model.loaded(Requirements(1.0, 0)) as notes:
        assert "FlashAttention 2" in notes[0], "it says why it takes the other one"
        answers = [answer for _, answer in model.session(sound(1.0), 0).generate(ASKS)]
    assert {(answer.text, answer.finish) for answer in answers} == {(SENTENCE, "stop")}


def test_no_sound_is_no_description(gibberish: Path) -> None:
    model = checkpoint(gibberish)
    with model.loaded(Requirements(1.0, 0)), pytest.raises(ModelError, match="no audio to describe"):
        model.session(sound(0.0), 0)


def test_what_is_missing_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text('{"architectures": ["LlamaForCausalLM"]}')
    for texts, says in (
        (CaptionSettings(), r"nvidia/music-flamingo-2601-hf \(16.5 GB\).*hf download.*non-commercial"),
        (CaptionSettings(model="absent"), "no such folder"),
        (CaptionSettings(model=str(tmp_path)), "LlamaForCausalLM is not a Music Flamingo model"),
        (CaptionSettings(model=str(tmp_path / "config.json")), "no such folder"),
    ):
        with pytest.raises(WeightsError, match=says):
            Checkpoint(replace(Settings(), texts=texts))
    with pytest.raises(WeightsError, match="commercial"):
        Checkpoint(replace(Settings(), run=RunSettings(commercial_safe=True)))
    with pytest.raises(SettingsError, match="one-call"):
        Checkpoint(replace(Settings(), texts=CaptionSettings(one_call=True)))
