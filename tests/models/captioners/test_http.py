"""What servers do that are busy, slow, broken or wrong, and what is made of it."""

import json
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

from mirkit.errors import ModelError, SettingsError
from mirkit.models.captioners import CaptionerUnavailable, Prompt
from mirkit.models.captioners.http import KEY, TRIES, ChatSession, HttpClient, Server, TooLongError, grammar
from mirkit.settings import CaptionSettings
from text_server import CAPTION, Response, TextServer, audio_and_prompt, completion, error_response, text_server

ASK = Prompt("What is it?", 50, (20, 300), 0.0, 1)
SOUND = np.sin(np.arange(16000) / 20).astype(np.float32)
SECRET = "sk-very-secret"


@pytest.fixture
def server() -> Iterator[TextServer]:
    with text_server() as server:
        yield server


class Clock:
    """Waits without waiting."""

    def __init__(self) -> None:
        self.waited: list[float] = []

    def __call__(self, seconds: float) -> None:
        self.waited.append(seconds)


def talk(server: TextServer, clock: Clock, timeout: float = 5.0, profile: str = "openai") -> ChatSession:
    return ChatSession(HttpClient(server.url, SECRET, timeout, clock), "stub", profile, SOUND, slot=1)


def answer(talk: ChatSession) -> str:
    ((index, answer),) = talk.generate([ASK])
    assert index == 0
    return answer.text


def test_the_question_has_the_sound_first(server: TextServer) -> None:
    assert answer(talk(server, Clock())) == CAPTION
    (body,) = server.asked
    assert audio_and_prompt(body)[1] == "What is it?"
    assert (body["max_tokens"], body["temperature"], body["seed"], body["model"]) == (50, 0.0, 1, "stub")
    assert "grammar" not in body


def test_profiles_add_what_they_can(server: TextServer) -> None:
    answer(talk(server, Clock(), profile="llama"))
    answer(talk(server, Clock(), profile="vllm"))
    llama, vllm = server.asked
    assert (llama["cache_prompt"], llama["id_slot"]) == (True, 1)
    assert llama["grammar"] == grammar((20, 300))
    assert "{18,298}" in vllm["structured_outputs"]["regex"]


@pytest.mark.parametrize(
    "play",
    [
        error_response(429),
        error_response(500),
        error_response(503),
        Response(body=b"<html>busy</html>"),
        Response(body=b'{"choices": [', missing=100),
        Response(502, b"bad gateway"),
    ],
    ids=["429", "500", "503", "garbage", "truncated", "502"],
)
def test_what_passes_is_tried_again(server: TextServer, play: Response) -> None:
    clock = Clock()
    server.script = [play, play]
    assert answer(talk(server, clock)) == CAPTION
    assert clock.waited == [1.0, 2.0]
    assert len(server.asked) == 3


def test_a_slow_answer_is_tried_again(server: TextServer) -> None:
    slow = completion()
    slow.wait = 1.0
    server.script = [slow]
    assert answer(talk(server, Clock(), timeout=0.3)) == CAPTION


def test_the_server_says_when_to_come_again(server: TextServer) -> None:
    clock = Clock()
    busy = error_response(429)
    busy.headers["Retry-After"] = "7"
    server.script = [busy]
    answer(talk(server, clock))
    assert clock.waited == [7.0]


@pytest.mark.parametrize(
    ("play", "says"),
    [
        (error_response(500, "Invalid base64 value"), "answers 500: Invalid base64 value"),
        (Response(body=b"[1, 2"), "did not answer with JSON"),
        (Response(body=b"[1, 2]"), "holds no text"),
        (Response(body=b'{"choices": []}'), "holds no text"),
        (error_response(400, "unsupported content[].type"), "answers 400: unsupported"),
        (Response(422, b"\xff\x00"), "answers 422"),
    ],
)
def test_what_stays_wrong_is_this_tracks_failure(server: TextServer, play: Response, says: str) -> None:
    server.script = [play] * TRIES
    with pytest.raises(ModelError, match=says.replace("[", r"\[")) as failure:
        answer(talk(server, Clock()))
    assert not isinstance(failure.value, CaptionerUnavailable)
    assert "\n" not in str(failure.value)


def test_too_much_sound_for_the_context(server: TextServer) -> None:
    server.script = [
        error_response(400, "too long", type="exceed_context_size_error", n_prompt_tokens=5301, n_ctx=2048)
    ]
    with pytest.raises(TooLongError, match="5301 tokens into its 2048") as failure:
        answer(talk(server, Clock()))
    assert (failure.value.needed, failure.value.there) == (5301, 2048)
    assert len(server.asked) == 1, "asking again would not help"


@pytest.mark.parametrize("status", [401, 403, 404])
def test_a_server_that_refuses_ends_the_run(server: TextServer, status: int) -> None:
    server.script = [error_response(status, f"bad key {SECRET}")]
    with pytest.raises(CaptionerUnavailable) as failure:
        answer(talk(server, Clock()))
    assert SECRET not in str(failure.value)


def test_a_server_that_is_gone_ends_the_run(server: TextServer) -> None:
    here = talk(server, clock := Clock())
    server.close()
    with pytest.raises(CaptionerUnavailable, match="cannot be reached"):
        answer(here)
    assert len(clock.waited) == TRIES - 1


def test_the_key_goes_to_the_server_and_nowhere_else(server: TextServer) -> None:
    answer(talk(server, Clock()))
    assert server.headers[0]["Authorization"] == f"Bearer {SECRET}"
    with text_server() as elsewhere:
        moved = Response(307, headers={"Location": f"{elsewhere.url}/v1/chat/completions"})
        server.script = [moved]
        with pytest.raises(ModelError):
            answer(talk(server, Clock()))
        assert elsewhere.asked == []


def test_the_key_is_read_from_the_environment_only(server: TextServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(KEY, SECRET)
    found = Server(CaptionSettings(url=server.url))
    list(found.session(SOUND, 0).generate([ASK]))
    assert server.headers[-1]["Authorization"] == f"Bearer {SECRET}"
    monkeypatch.delenv(KEY)
    list(Server(CaptionSettings(url=server.url)).session(SOUND, 0).generate([ASK]))
    assert "Authorization" not in server.headers[-1]


def test_the_server_is_looked_at(server: TextServer) -> None:
    found = Server(CaptionSettings(url=server.url, parallel=8))
    assert (found.model, found.profile, found.parallel, found.whole_windows) == ("stub.gguf", "openai", 8, False)
    server.owner = "llamacpp"
    found = Server(CaptionSettings(url=server.url, parallel=8))
    assert (found.profile, found.parallel, found.whole_windows) == ("llama", 2, True)
    with pytest.raises(CaptionerUnavailable, match=r"has no model other; it has /models/stub.gguf"):
        Server(CaptionSettings(url=server.url, model="other"))
    with pytest.raises(SettingsError, match="--url"):
        Server(CaptionSettings())


def test_numbers_that_servers_tell(server: TextServer) -> None:
    usage: dict[str, Any] = {
        "prompt_tokens": 800,
        "completion_tokens": 12,
        "prompt_tokens_details": {"cached_tokens": 7},
    }
    server.script = [
        completion(usage=usage),
        completion(usage=usage, timings={"cache_n": 790}),
        completion(finish="length"),
    ]
    found = [next(iter(talk(server, Clock()).generate([ASK])))[1] for _ in range(3)]
    assert [(row.prompt_tokens, row.completion_tokens, row.cached_tokens, row.finish) for row in found] == [
        (800, 12, 7, "stop"),
        (800, 12, 790, "stop"),
        (0, 0, None, "length"),
    ]


def test_a_text_that_fills_the_grammar_counts_as_cut(server: TextServer) -> None:
    server.script = [completion("A" * 299 + ".")]
    ((_, found),) = talk(server, Clock(), profile="llama").generate([ASK])
    assert (found.finish, len(found.text)) == ("length", 299)


def test_one_call_asks_for_json(server: TextServer) -> None:
    server.script = [completion(json.dumps({"full": CAPTION}))]
    ask = Prompt("All?", 50, (20, 300), 0.0, 1, ("full",))
    ((_, found),) = talk(server, Clock(), profile="llama").generate([ask])
    assert json.loads(found.text) == {"full": CAPTION}
    shape = server.asked[0]["response_format"]["json_schema"]["schema"]
    assert shape["required"] == ["full"]
    assert "grammar" not in server.asked[0]
