"""The real server of llama.cpp, from its wheel, on a tiny pair of files; and programs of llama.cpp."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from mirkit.captions.excerpt import RATE, context_tokens
from mirkit.captions.validation import validate
from mirkit.errors import ModelError, WeightsError
from mirkit.models.captioners import Answer, Prompt, Requirements
from mirkit.models.captioners.http import TooLongError
from mirkit.models.captioners.llama import LlamaServer, find
from mirkit.settings import CaptionSettings
from mirkit.store import Settings
from tiny_flamingo import SENTENCE, write_gguf

pytest.importorskip("gguf")
pytest.importorskip("xllamacpp")

PROMPTS = ("Describe it.", "What genre is it, and what mood?", "Which instruments?", "Its structure?", "Its tempo?")


@pytest.fixture(scope="module", autouse=True)
def one_thread() -> Iterator[None]:
    """Its threads wait for each other by turning in circles: on a busy machine one is the fastest."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("OMP_NUM_THREADS", "1")
        yield


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_gguf(tmp_path_factory.mktemp("speaking"))


@pytest.fixture(scope="module")
def gibberish(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_gguf(tmp_path_factory.mktemp("random"), fixed_answer=False)


def settings(model: Path, **texts: object) -> Settings:
    return replace(Settings(), texts=CaptionSettings(model=str(model), **texts))  # type: ignore[arg-type]


def sound(seconds: float, seed: int = 0) -> np.ndarray:
    return (0.1 * np.random.default_rng(seed).standard_normal(round(seconds * RATE))).astype(np.float32)


def ask(prompt: str, tokens: int = 40, **more: object) -> Prompt:
    return Prompt(prompt, tokens, (20, 400), 0.0, 1, **more)  # type: ignore[arg-type]


def need(seconds: float) -> Requirements:
    return Requirements(seconds, context_tokens(seconds, max(PROMPTS, key=len), 40))


@pytest.mark.slow
def test_five_questions_hear_the_sound_once(pair: Path) -> None:
    server = LlamaServer(settings(pair))
    with server.loaded(need(29.97)) as notes:
        assert "llama.cpp" in notes[0]
        answers = [
            answer for _, answer in server.session(sound(29.97), 0).generate([ask(prompt) for prompt in PROMPTS])
        ]
    assert [answer.text for answer in answers] == [SENTENCE] * 5
    assert [answer.finish for answer in answers] == ["stop"] * 5
    assert answers[0].cached_tokens == 0
    for answer in answers[1:]:
        assert 750 <= answer.cached_tokens < answer.prompt_tokens, "all of the sound was known, the question was not"
    assert validate(answers[0].text, "stop", 90).text == SENTENCE


@pytest.mark.slow
def test_a_whole_window_more_is_what_the_trim_avoids(pair: Path) -> None:
    server = LlamaServer(settings(pair))
    with server.loaded(need(60.0)):
        heard = [next(iter(server.session(sound(s), 0).generate([ask("?")])))[1].prompt_tokens for s in (29.97, 30.0)]
    assert heard[1] - heard[0] > 700, "30.00 s are two windows to llama.cpp, 29.97 s one"


def test_two_tracks_keep_two_slots(gibberish: Path) -> None:
    server = LlamaServer(settings(gibberish, parallel=2))
    with server.loaded(need(10.0)):
        hearings = [server.session(sound(10.0, seed), seed) for seed in (0, 1)]
        answers: dict[int, list[Answer]] = {0: [], 1: []}
        for prompt in PROMPTS[:3]:
            for slot, hearing in enumerate(hearings):
                answers[slot].append(next(iter(hearing.generate([ask(prompt, 8)])))[1])
    for slot in (0, 1):
        assert all(answer.cached_tokens >= 750 for answer in answers[slot][1:])


def test_the_grammar_holds_a_random_model_to_plain_ascii(gibberish: Path) -> None:
    server = LlamaServer(settings(gibberish))
    with server.loaded(need(1.0)):
        hearing = server.session(sound(1.0), 0)
        ((_, answer),) = hearing.generate([Prompt("?", 60, (20, 60), 0.0, 1)])
        ((_, again),) = hearing.generate([Prompt("?", 60, (20, 60), 0.0, 1)])
    assert answer.text.isascii()
    assert answer.text[0].isupper() or answer.text[0].isdigit()
    assert len(answer.text) <= 60
    assert answer.text == again.text


def test_json_mode(gibberish: Path) -> None:
    server = LlamaServer(settings(gibberish))
    with server.loaded(Requirements(1.0, 2048)):
        asked = Prompt("?", 400, (3, 6), 0.0, 1, ("full", "structure"))
        ((_, answer),) = server.session(sound(1.0), 0).generate([asked])
    assert set(json.loads(answer.text)) == {"full", "structure"}


def test_too_small_a_context_is_told(pair: Path) -> None:
    server = LlamaServer(settings(pair))
    with server.loaded(Requirements(1.0, 1024)), pytest.raises(TooLongError) as failure:
        list(server.session(sound(59.97), 0).generate([ask("?")]))
    assert failure.value.needed is not None
    assert failure.value.needed > 1500
    assert failure.value.there == 1024


def test_the_context_that_is_asked_for_is_enough(pair: Path) -> None:
    longest = "Describe " + "ÿ" * 200
    server = LlamaServer(settings(pair, parallel=2))
    with server.loaded(Requirements(59.97, context_tokens(59.97, longest, 40))):
        for slot in (0, 1):
            assert next(iter(server.session(sound(59.97), slot).generate([ask(longest)])))[1].text == SENTENCE


def test_nobody_else_may_ask(pair: Path) -> None:
    import urllib.error
    import urllib.request

    server = LlamaServer(settings(pair))
    with server.loaded(need(1.0)):
        assert server._client is not None
        assert server._client.url.startswith("http://127.0.0.1:")
        request = urllib.request.Request(f"{server._client.url}/v1/chat/completions", b"{}")
        with pytest.raises(urllib.error.HTTPError, match="401"):
            urllib.request.urlopen(request, timeout=10)


def test_a_server_that_is_stopped_at_once_ends(pair: Path) -> None:
    code = (
        "import sys\n"
        "from dataclasses import replace\n"
        "from mirkit.models.captioners import llama\n"
        "from mirkit.settings import CaptionSettings\n"
        "from mirkit.store import Settings\n"
        "server = llama.LlamaServer(replace(Settings(), texts=CaptionSettings(model=sys.argv[1])))\n"
        "for _ in range(5):\n"
        "    with llama._in_process(server, 2048, 'key'):\n"
        "        pass\n"
    )
    subprocess.run([sys.executable, "-c", code, str(pair)], check=True, timeout=120, capture_output=True)


def script(path: Path, code: str) -> Path:
    path.write_text(f"#!{sys.executable}\n{code}")
    path.chmod(0o755)
    return path


@pytest.mark.skipif(os.name == "nt", reason="a script stands for the program")
def test_llama_server_as_a_program(pair: Path, tmp_path: Path) -> None:
    """A stand-in with the program's options, around the same server; it ends when it is told to, and is gone."""
    program = script(
        tmp_path / "llama-server",
        "import os, sys, threading, xllamacpp\n"
        "a = dict(zip(sys.argv[1::2], sys.argv[2::2]))\n"
        "p = xllamacpp.CommonParams()\n"
        "p.model.path, p.mmproj.path = a['-m'], a['--mmproj']\n"
        "p.n_ctx, p.n_parallel, p.port = int(a['-c']), int(a['-np']), int(a['--port'])\n"
        "p.hostnames, p.api_keys = [a['--host']], [os.environ['LLAMA_API_KEY']]\n"
        "p.warmup, p.ui, p.verbosity = False, False, 0\n"
        "p.cpuparams.n_threads = p.cpuparams_batch.n_threads = int(a['-t'])\n"
        "server = xllamacpp.Server(p)\n"
        "threading.Event().wait()\n",
    )
    server = LlamaServer(settings(pair, program=str(program)))
    with server.loaded(need(1.0)):
        assert next(iter(server.session(sound(1.0), 0).generate([ask("?")])))[1].text == SENTENCE
        wire = server._client
    assert wire is not None
    with pytest.raises(ModelError, match="cannot be reached"):
        wire.get("/health", tries=1)
    broken = script(tmp_path / "broken", "import sys; sys.exit('no such option')")
    with (
        pytest.raises(ModelError, match="no such option"),
        LlamaServer(settings(pair, program=str(broken))).loaded(need(1.0)),
    ):
        pass


def test_what_is_missing_is_one_line(pair: Path, tmp_path: Path) -> None:
    for model, says in (
        ("Q6_K", r"i1-Q6_K.gguf \(6.3 GB\) from https://hugging.*i1-GGUF.*mmproj-f16.gguf \(1.4 GB\).*non-commercial"),
        ("IQ3_M", r"i1-IQ3_M.gguf \(3.6 GB\).*non-commercial"),
        ("Q8_0", r"hf.Q8_0.gguf \(8.1 GB\).*non-commercial"),
        (str(tmp_path / "none.gguf"), "no such file; --model takes one, or one of Q6_K"),
    ):
        with pytest.raises(WeightsError, match=says) as failure:
            find(replace(Settings(), texts=CaptionSettings(model=model)))
        assert "\n" not in str(failure.value)
    lone = tmp_path / "model.gguf"
    lone.write_bytes(pair.read_bytes())
    with pytest.raises(WeightsError, match="no mmproj file beside it"):
        find(settings(lone))
    projector = pair.with_name("mmproj.gguf")
    found = find(settings(lone, projector=str(projector)))
    assert found.sha256 == find(settings(pair)).sha256
