"""What five questions about a track cost when the sound is shared, against five separate runs.

``python benchmarks/describe.py [--seconds 180] [--tokens 40] [--json FILE]``; with ``--card`` also a random model of
the real size on a CUDA card, in bfloat16.

Weights are random and made here, sizes that decide the number of tokens are the real ones. CPU seconds, one thread.
Each answer has ``--tokens`` tokens, whatever it contains, and the tokens of both ways are compared.
"""

import argparse
import json
import os
import platform
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

os.environ["OMP_NUM_THREADS"] = "1"
sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests"))

import numpy as np

from mirkit.captions.excerpt import RATE, context_tokens, excerpt_seconds
from mirkit.captions.prompts import QUESTIONS
from mirkit.models.captioners import Prompt, Requirements
from mirkit.settings import CaptionSettings, RunSettings
from mirkit.store import Settings
from tiny_flamingo import write_checkpoint, write_gguf

ARCHITECTURES = ("MusicFlamingo", "AudioFlamingo3")
SIZES = {"tiny": 1, "mid-size": 4}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=180.0, help="length of the track")
    parser.add_argument("--tokens", type=int, default=40, help="length of an answer")
    parser.add_argument("--card", action="store_true", help="a random model of 8 billion parameters on a CUDA card too")
    parser.add_argument("--json", type=Path, help="write the numbers there")
    options = parser.parse_args()
    asks = [Prompt(row.prompt, options.tokens, (20, 12 * row.words), 0.0, 1) for row in QUESTIONS]
    samples = (0.1 * np.random.default_rng(0).standard_normal(round(options.seconds * RATE))).astype(np.float32)
    rows = []
    with tempfile.TemporaryDirectory() as temp:
        for name, size in SIZES.items():
            for architecture in ARCHITECTURES:
                folder = write_checkpoint(Path(temp, name, architecture), architecture, fixed_answer=False, size=size)
                rows.append(
                    {"backend": f"transformers, {architecture}", "model": name, **checkpoint(folder, samples, asks)}
                )
        model = write_gguf(Path(temp, "gguf"), fixed_answer=False)
        rows.append({"backend": "llama", "model": "tiny", **llama(model, samples, asks)})
        if options.card:
            rows.append({"backend": "transformers, card", "model": "8B", **card(samples, asks)})
    machine = f"{platform.processor() or platform.machine()}, Python {platform.python_version()}"
    print(f"{machine}, one thread; {options.seconds:g} s of noise, five questions, {options.tokens} tokens each\n")
    print("| backend | model | five separate runs | shared | ratio | same tokens |\n|---|---|---|---|---|---|")
    for row in rows:
        same = {True: "yes", False: "NO", None: "-"}[row["same"]]
        cost = f"{row['separate']:.2f} s | {row['shared']:.2f} s | {row['separate'] / row['shared']:.1f} x"
        print(f"| {row['backend']} | {row['model']} | {cost} | {same} |")
    if options.json:
        options.json.write_text(json.dumps({"machine": machine, "rows": rows}, indent=1))


def timed(work: Callable[[], Any]) -> tuple[Any, float]:
    start = time.process_time()
    return work(), time.process_time() - start


def checkpoint(folder: Path, samples: np.ndarray, asks: list[Prompt]) -> dict[str, Any]:
    """Transformers: one encoding, one first part, one batch, against a whole ``generate`` for each question."""
    import torch

    from mirkit.models.captioners.flamingo import Checkpoint

    torch.set_num_threads(1)
    model = Checkpoint(replace(Settings(), texts=CaptionSettings(model=str(folder)), run=RunSettings(device="cpu")))
    with model.loaded(Requirements(0.0, 0)):
        processor, network = model._loaded or (None, None)
        network.generation_config.eos_token_id = -1  # each answer as long as it may be
        alone, separate = timed(lambda: [generate(processor, network, samples, ask) for ask in asks])
        hearing = model.session(samples, 0)
        answers, shared = timed(lambda: [answer.text for _, answer in hearing.generate(asks)])
    return {"separate": separate, "shared": shared, "same": answers == alone}


def generate(processor: Any, network: Any, samples: np.ndarray, ask: Prompt) -> str:
    import torch

    content = [{"type": "text", "text": ask.prompt}, {"type": "audio", "audio": samples}]
    turn = [{"role": "user", "content": content}]
    inputs = processor.apply_chat_template(turn, tokenize=True, add_generation_prompt=True, return_dict=True)
    inputs = {name: torch.as_tensor(value).to(network.device) for name, value in inputs.items()}
    inputs["input_features"] = inputs["input_features"].to(network.dtype)
    with torch.inference_mode():
        out = network.generate(**inputs, max_new_tokens=ask.tokens, do_sample=False)
    return str(processor.tokenizer.decode(out[0, inputs["input_ids"].shape[1] :]))


def llama(model: Path, samples: np.ndarray, asks: list[Prompt]) -> dict[str, Any]:
    """llama.cpp: one server and slot, against a load and a hearing for each question, as the command-line tool does."""
    from mirkit.models.captioners.llama import LlamaServer

    server = LlamaServer(replace(Settings(), texts=CaptionSettings(model=str(model)), run=RunSettings(device="cpu")))
    seconds = excerpt_seconds(len(samples) / RATE, server.max_seconds, whole_windows=True)
    excerpt = samples[: round(seconds * RATE)]
    need = Requirements(seconds, max(context_tokens(seconds, ask.prompt, ask.tokens) for ask in asks))

    def run(some: list[Prompt]) -> list[str]:
        with server.loaded(need):
            return [answer.text for _, answer in server.session(excerpt, 0).generate(some)]

    alone, separate = timed(lambda: [text for ask in asks for text in run([ask])])
    together, shared = timed(lambda: run(asks))
    return {"separate": separate, "shared": shared, "same": together == alone}


def card(samples: np.ndarray, asks: list[Prompt]) -> dict[str, Any]:
    """The real sizes on a card: wall seconds a track, one after the other. Not run where these tables were made."""
    import torch
    import transformers as tf

    from mirkit.models.captioners.flamingo import SharedPrefix

    with tempfile.TemporaryDirectory() as temp:
        folder = write_checkpoint(Path(temp), "MusicFlamingo", fixed_answer=False)
        processor = tf.AutoProcessor.from_pretrained(folder)
        config = tf.AutoConfig.from_pretrained(folder)
    for name, value in {"hidden_size": 1280, "num_hidden_layers": 32, "num_attention_heads": 20}.items():
        setattr(config.audio_config, name, value)
    config.audio_config.intermediate_size = 5120
    text = {"hidden_size": 3584, "num_hidden_layers": 28, "num_attention_heads": 28, "num_key_value_heads": 4}
    for name, value in (text | {"intermediate_size": 18944}).items():
        setattr(config.text_config, name, value)
    with torch.device("cuda"):
        network = tf.MusicFlamingoForConditionalGeneration._from_config(config, dtype=torch.bfloat16).eval()
    network.generation_config = tf.GenerationConfig(eos_token_id=-1, pad_token_id=0)
    list(SharedPrefix(processor, network, samples[:RATE]).generate(asks))
    start = time.perf_counter()
    alone = [generate(processor, network, samples, ask) for ask in asks]
    middle = time.perf_counter()
    together = [answer.text for _, answer in SharedPrefix(processor, network, samples).generate(asks)]
    end = time.perf_counter()
    peak = torch.cuda.max_memory_allocated() / 2**30
    print(f"card: {5 * asks[0].tokens / (end - middle):.0f} tokens/s, {peak:.1f} GiB at most\n")
    return {"separate": middle - start, "shared": end - middle, "same": together == alone}


if __name__ == "__main__":
    main()
