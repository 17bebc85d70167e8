"""Texts for a folder of tracks: what is asked, what is stored, what is not asked again."""

import json
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from library import beat_music, write
from mirkit.captions.prompts import QUESTIONS
from mirkit.catalog import TEXT_KEYS
from mirkit.cli import main
from mirkit.store import ProvenanceRecord, read_info, read_provenance, update_info, update_provenance
from text_server import CAPTION, Response, TextServer, audio_and_prompt, completion, error_response, text_server

MIX = sum(beat_music(2.0).values())
FIELDS = [row.field for row in QUESTIONS]


@pytest.fixture
def server() -> Iterator[TextServer]:
    with text_server() as server:
        yield server


@pytest.fixture
def library(tmp_path: Path) -> Path:
    """Three loose tracks, that sound differently."""
    for i in range(3):
        write(tmp_path / f"song {i}.flac", MIX * (0.5 + 0.1 * i))
    return tmp_path


def run(server: TextServer, path: Path, *words: str) -> int:
    return main(["describe", str(path), "--url", server.url, *words])


def info(library: Path, i: int = 0) -> dict[str, Any]:
    return read_info(library / f"song {i}.INFO")


def entries(library: Path, i: int = 0) -> dict[str, ProvenanceRecord]:
    return dict(read_provenance(library / f"song {i}.PROVENANCE").stages)


def details(entry: ProvenanceRecord) -> dict[str, Any]:
    return dict(entry.details)


def test_five_texts_a_track_and_nothing_twice(
    server: TextServer, library: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(server, library, "--batch") == 0
    out = capsys.readouterr().out
    assert "15 captions for 3 tracks" in out
    assert "15 captions: new" in out
    assert Counter(audio_and_prompt(body)[1] for body in server.asked) == Counter({row.prompt: 3 for row in QUESTIONS})
    assert len({audio_and_prompt(body)[0] for body in server.asked}) == 3
    for i in range(3):
        assert info(library, i) == dict.fromkeys(TEXT_KEYS, CAPTION)
    entry = entries(library)["describe/full"]
    assert (entry.backend, entry.model) == ("http", "stub.gguf")
    assert details(entry)["attempts"] == 1
    before = (library / "song 0.PROVENANCE").read_bytes()
    assert run(server, library, "--batch") == 0
    assert len(server.asked) == 15, "nothing is asked again"
    assert (library / "song 0.PROVENANCE").read_bytes() == before
    assert not list(library.glob(".mirkit-*"))


def test_one_track_is_stored_too(server: TextServer, library: Path) -> None:
    assert run(server, library / "song 1.flac", "--only", "full,structure") == 0
    assert list(info(library, 1)) == ["music_flamingo_full", "music_flamingo_structure"]
    assert len(server.asked) == 2
    assert run(server, library / "song 1.flac", "--only", "rhyme") == 2


@pytest.mark.parametrize(
    ("change", "asked"),
    [
        (["--seed", "9"], 5),
        (["--temperature", "0.5"], 5),
        (["--audio-seconds", "1"], 5),
        (["--excerpt", "loudest"], 5),
        (["--attempts", "5"], 0),
        (["--fix-facts"], 0),
        (["--overwrite"], 5),
    ],
    ids=lambda change: str(change),
)
def test_what_decides_the_answer_is_asked_again(
    server: TextServer, library: Path, change: list[str], asked: int
) -> None:
    track = library / "song 0.flac"
    run(server, track)
    assert run(server, track, *change) == 0
    assert len(server.asked) == 5 + asked
    assert run(server, track, *(word for word in change if word != "--overwrite")) == 0
    assert len(server.asked) == 5 + asked


def test_another_sound_is_asked_about_again(server: TextServer, library: Path) -> None:
    run(server, library / "song 0.flac")
    (library / "song 0.flac").unlink()
    write(library / "song 0.flac", MIX * 0.2)
    run(server, library / "song 0.flac")
    assert len(server.asked) == 10


def test_the_users_own_texts_stay(server: TextServer, library: Path, capsys: pytest.CaptureFixture[str]) -> None:
    update_info(library / "song 0.INFO", {"music_flamingo_full": "Mine."})
    run(server, library / "song 0.flac")
    assert "adopted" in capsys.readouterr().err
    assert info(library)["music_flamingo_full"] == "Mine."
    assert entries(library)["describe/full"].backend == "external"
    update_info(library / "song 0.INFO", {"music_flamingo_structure": "Mine too."})
    run(server, library / "song 0.flac")
    assert info(library)["music_flamingo_structure"] == "Mine too."
    assert len(server.asked) == 4, "adoption costs no question"
    run(server, library / "song 0.flac", "--overwrite")
    assert info(library) == dict.fromkeys(TEXT_KEYS, CAPTION)


def test_texts_without_provenance_survive_a_deleted_info(server: TextServer, library: Path) -> None:
    run(server, library / "song 0.flac")
    (library / "song 0.INFO").unlink()
    run(server, library / "song 0.flac")
    assert info(library) == dict.fromkeys(TEXT_KEYS, CAPTION)
    assert len(server.asked) == 5, "the provenance knows the answers"


def test_no_usable_answer_is_absent_with_a_reason(
    server: TextServer, library: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    server.answer = lambda body: completion(
        "I'm sorry, I cannot listen." if "genre and mood" in body_text(body) else CAPTION
    )
    assert run(server, library / "song 0.flac") == 0
    assert "music_flamingo_genre_mood" not in info(library)
    entry = entries(library)["describe/genre_mood"]
    assert "3 attempts: the model talks about itself" in entry.reasons["music_flamingo_genre_mood"]
    assert "the model talks about itself" in capsys.readouterr().err
    assert len(server.asked) == 4 + 3
    assert [(body["temperature"], body["seed"]) for body in server.asked if "genre and mood" in body_text(body)] == [
        (0.0, 1),
        (0.7, 2),
        (0.7, 3),
    ]
    run(server, library / "song 0.flac")
    assert len(server.asked) == 7, "the same question would get the same answer"
    run(server, library / "song 0.flac", "--attempts", "4")
    assert len(server.asked) == 8, "one attempt more"
    main(["verify", str(library / "song 0.flac")])
    assert "no caption for 1 prompt: no usable answer in 4 attempts" in capsys.readouterr().out


def body_text(body: dict[str, Any]) -> str:
    return str(body["messages"][0]["content"][1]["text"])


def test_one_bad_track_costs_itself_only(server: TextServer, library: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (library / "song 1.flac").write_bytes(b"no sound at all")
    (library / "song 2.flac").unlink()
    write(library / "song 2.flac", MIX * 0)
    assert run(server, library, "--batch") == 1
    error = capsys.readouterr().err
    assert error.count("FAILED song 1.flac") == 1
    assert error.count("FAILED song 2.flac: ") == 1
    assert "the track is silent" in error
    assert len(server.asked) == 5
    assert not (library / "song 1.INFO").exists()


def test_a_refused_track_costs_itself_only(server: TextServer, library: Path) -> None:
    server.script = [error_response(400, "bad sound")]
    assert run(server, library, "--batch") == 1
    assert len(server.asked) == 11
    assert run(server, library, "--batch") == 0
    assert len(server.asked) == 16


def test_a_server_that_refuses_ends_the_run_at_once(
    server: TextServer, library: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    server.script = [completion(), completion(), error_response(401)]
    assert run(server, library, "--batch") == 1
    assert "MIRKIT_TEXTS_KEY" in capsys.readouterr().err
    assert len(server.asked) == 3
    assert len(info(library)) == 2, "what was there is kept"
    assert run(server, library, "--batch") == 0
    assert len(server.asked) == 3 + 13


def test_own_prompts_budgets_and_placeholders(server: TextServer, library: Path) -> None:
    (library / "mirkit.toml").write_text(
        "[texts.prompts]\n"
        'rhyme = "Its tempo is {bpm} BPM. Its key is {key}. Make a rhyme."\n'
        'lost = "Its genre is {genre}."\n'
        'full = ""\n'
        "[texts.words]\nrhyme = 6\n"
    )
    update_info(library / "song 0.INFO", {"bpm": 119.7})
    run(server, library / "song 0.flac", "--only", "rhyme,lost")
    assert [body_text(body) for body in server.asked] == ["Its tempo is 120 BPM. Make a rhyme."]
    assert info(library)["music_flamingo_rhyme"] == "Warm pads drift over slow drums."
    assert details(entries(library)["describe/rhyme"])["notes"] == ["trimmed"]
    assert run(server, library / "song 0.flac", "--only", "full") == 2, "an empty prompt takes a question out"


FACTS = {"duration": {"value": 2.0}}
KNOWN = {
    "key": "A",
    "mode": "minor",
    "key_confidence": 0.9,
    "time_signature": "4/4",
    "time_signature_confidence": 0.9,
    "vocal_presence": 0.6,
}
PLANTED = "A slow piece at 70 BPM in E major. It is in 4/4 time. It is a purely instrumental piece. Pads shine."


def test_contradictions_are_flagged_and_mended(
    server: TextServer, library: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Planted facts against planted claims."""
    for i in range(3):
        update_info(library / f"song {i}.INFO", {"bpm": 120.0} | KNOWN)
        update_provenance(
            library / f"song {i}.PROVENANCE", [ProvenanceRecord("separate", "0", 1, backend="demucs")], FACTS
        )
    server.answer = lambda body: completion(PLANTED if "full detail" in body_text(body) else CAPTION)
    assert run(server, library, "--batch") == 0
    assert info(library)["music_flamingo_full"] == PLANTED, "told, not changed"
    how = details(entries(library)["describe/full"])
    assert how["claims"] == 4
    assert [line.partition(":")[0] for line in how["conflicts"]] == ["tempo", "key", "vocals"]
    capsys.readouterr()
    main(["verify", str(library)])
    out = capsys.readouterr().out
    assert 'full contradicts the measurements: "70 BPM", measured 120 BPM' in out
    assert "15 captions: 9 of 12 checked claims contradict the measurements, 75 % (tempo 3, key 3, vocals 3" in out
    main(["verify", str(library), "--json"])
    assert json.loads(capsys.readouterr().out)["contradictions"]["rate"] == 0.75
    assert run(server, library, "--batch", "--fix-facts") == 0
    assert len(server.asked) == 15, "mending needs no question"
    assert info(library)["music_flamingo_full"] == "A slow piece at 120 BPM in A minor. It is in 4/4 time. Pads shine."
    caption = entries(library)["describe/full"].caption
    assert caption
    assert caption.raw == PLANTED
    main(["verify", str(library)])
    assert "0 of 9 checked claims contradict the measurements, 0 %" in capsys.readouterr().out


def test_run_writes_captions_after_the_measurements(
    server: TextServer, library: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("MIRKIT_TEXTS_URL", server.url)
    monkeypatch.setenv("MIRKIT_RUN_JOBS", "1")
    # A question that can be asked only once the track has been measured.
    (library / "mirkit.toml").write_text('[texts.prompts]\nlength = "What happens in {duration}?"\n')
    (library / "song 2.flac").write_bytes(b"no audio")
    words = ["run", str(library), "--captions", "--organize", "off", "--json"]
    assert main([*words, "--dry-run"]) == 0
    plan = json.loads(capsys.readouterr().out)
    assert plan["captions"]["prompts"] == 2 * len(QUESTIONS)
    assert not server.asked
    assert main(words) == 1
    result = json.loads(capsys.readouterr().out)
    assert result["summary"] | {"seconds": 0} == {"done": 2, "skipped": 0, "failed": 1, "seconds": 0}
    assert [row["track"] for row in result["tracks"] if not row["ok"]] == ["song 2.flac"]
    for i in range(2):
        assert info(library, i).keys() >= {*TEXT_KEYS, "music_flamingo_length", "lufs"}
        (row,) = (row for row in result["tracks"] if row["track"] == f"song {i}.flac")
        assert {"separate", "loudness", "describe/full", "describe/length"} <= set(row["done"])
    assert len(server.asked) == 2 * (len(QUESTIONS) + 1)
    prompts = [audio_and_prompt(body)[1] for body in server.asked]
    assert [prompt for prompt in prompts if "happens" in prompt] == ["What happens in 0:02?"] * 2
    (library / "song 2.flac").unlink()
    assert main(words) == 0
    assert json.loads(capsys.readouterr().out)["summary"]["skipped"] == 2
    assert len(server.asked) == 2 * (len(QUESTIONS) + 1), "nothing is asked again"
    main(["status", str(library), "--json"])
    status = json.loads(capsys.readouterr().out)
    assert "describe/full" in json.dumps(status)


def test_run_with_captions_but_no_model_is_refused_before_any_work(
    library: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("MIRKIT_CACHE", str(tmp_path / "empty"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "empty"))
    monkeypatch.setenv("HF_HOME", str(tmp_path / "empty"))
    assert main(["run", str(library), "--captions", "--organize", "off", "--quiet"]) == 1
    assert "no model that describes music is installed" in capsys.readouterr().err
    assert not list(library.glob("*.INFO"))
    assert main(["run", "s3://bucket/music", "--captions"]) == 2


def test_captions_of_a_newer_version_are_left_as_found_and_reported(
    server: TextServer, library: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(server, library, "--batch") == 0
    newer = replace(entries(library)["describe/full"], stage_version=99)
    update_provenance(library / "song 0.PROVENANCE", [newer])
    before = (library / "song 0.PROVENANCE").read_bytes()
    asked = len(server.asked)
    capsys.readouterr()
    assert run(server, library, "--batch") == 0
    assert "captions of 1 track: computed by a newer version of mirkit, and kept as it is" in capsys.readouterr().out
    assert len(server.asked) == asked
    assert (library / "song 0.PROVENANCE").read_bytes() == before
    assert run(server, library, "--batch", "--overwrite") == 0
    assert entries(library)["describe/full"].stage_version == 1


def test_a_cache_that_misses_is_told_once(
    server: TextServer, library: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    server.answer = lambda body: completion(timings={"cache_n": 3}, usage={"prompt_tokens": 790})
    run(server, library, "--batch")
    assert capsys.readouterr().err.count("3 of 790 tokens were cached") == 1
    assert details(entries(library)["describe/structure"])["cached"] == 3
    server.answer = lambda body: completion(timings={"cache_n": 780}, usage={"prompt_tokens": 790})
    run(server, library, "--batch", "--overwrite")
    assert "tokens were cached" not in capsys.readouterr().err


def test_tracks_in_parallel_each_in_its_slot(library: Path) -> None:
    with text_server(owner="llamacpp") as server:
        server.answer = lambda body: Response(**(vars(completion()) | {"wait": 0.05}))
        assert run(server, library, "--batch", "--slots", "2") == 0
    slots: dict[str, set[int]] = {}
    for body in server.asked:
        slots.setdefault(audio_and_prompt(body)[0], set()).add(body["id_slot"])
    assert len(slots) == 3
    assert all(len(used) == 1 for used in slots.values()), "a track stays in its slot"
    assert {slot for used in slots.values() for slot in used} == {0, 1}


def test_dry_run_and_json(server: TextServer, library: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(server, library, "--batch", "--dry-run") == 0
    assert "tokens to read" in capsys.readouterr().out
    assert server.asked == []
    assert run(server, library, "--batch", "--json") == 0
    told = json.loads(capsys.readouterr().out)
    assert told["summary"]["done"] == 3
    assert set(told["tracks"][0]["done"]) == {f"describe/{field}" for field in FIELDS}
    assert set(told["tracks"][0]["values"]) == {f"music_flamingo_{field}" for field in FIELDS}
    assert main(["describe", told["tracks"][0]["path"], "--url", server.url]) == 0
    assert f"\n  music_flamingo_{FIELDS[0]}\n    " in capsys.readouterr().out


def test_two_runs_share_the_tracks(server: TextServer, library: Path) -> None:
    slow = completion()
    slow.wait = 0.1
    server.answer = lambda body: slow
    command = [sys.executable, "-m", "mirkit", "describe", str(library), "--batch", "--url", server.url]
    runs = [subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) for _ in range(2)]
    for process in runs:
        process.wait(60)
    assert run(server, library, "--batch") == 0
    assert Counter(audio_and_prompt(body) for body in server.asked).most_common(1)[0][1] == 1


@pytest.mark.skipif(os.name == "nt", reason="an interrupt for one process")
def test_an_interrupt_keeps_what_is_there(tmp_path: Path, library: Path) -> None:
    with text_server(answer=lambda body: Response(**(vars(completion()) | {"wait": 0.3}))) as server:
        command = [sys.executable, "-m", "mirkit", "describe", str(library), "--batch", "--url", server.url]
        process = subprocess.Popen(
            command,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
            # Started by a shell in the background, we would hand on that interrupts are ignored.
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
        )
        while len(server.asked) < 4:
            time.sleep(0.02)
        process.send_signal(signal.SIGINT)
        _, error = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "interrupted. Results so far are kept" in error
    assert "Traceback" not in error
    assert len(info(library)) >= 3


@pytest.mark.slow
@pytest.mark.skipif(os.name == "nt", reason="kill -9")
@pytest.mark.parametrize("slots", [1, 2])
def test_killed_again_and_again_no_text_is_asked_for_twice(tmp_path: Path, slots: int) -> None:
    """Each kill costs at most the question that each slot was at."""
    library, tracks, kills = tmp_path / "music", 4, 3
    for i in range(tracks):
        write(library / f"song {i}.flac", MIX * (0.5 + 0.1 * i))
    log = tmp_path / "asked"
    log.touch()
    script = Path(__file__).resolve().parents[2] / "text_server.py"
    server = subprocess.Popen([sys.executable, str(script), str(log)], stdout=subprocess.PIPE, text=True)
    assert server.stdout is not None
    url = server.stdout.readline().strip()
    command = [sys.executable, "-m", "mirkit", "describe", str(library), "--batch", "--url", url, "--slots", str(slots)]
    try:
        for kill in range(kills):
            seen = count(log)
            process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            until = time.monotonic() + 60
            while count(log) < seen + 3 + kill and process.poll() is None and time.monotonic() < until:
                time.sleep(0.01)
            process.send_signal(signal.SIGKILL)
            process.wait()
        done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
        assert done.returncode == 0, done.stderr
    finally:
        server.kill()
        server.wait()
    asked = Counter(log.read_text().splitlines())
    assert len(asked) == tracks * len(QUESTIONS)
    assert asked.total() - len(asked) <= kills * slots
    for i in range(tracks):
        assert info(library, i) == dict.fromkeys(TEXT_KEYS, CAPTION)
        told = entries(library, i)
        assert all(details(told[f"describe/{field}"])["attempts"] == 1 for field in FIELDS)


def count(log: Path) -> int:
    return len(log.read_text().splitlines())
