"""What ``mirkit run`` does with loose files: the question on a terminal, the option, and no terminal at all."""

import json
import os
import select
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from library import make_track, write
from mirkit.cli import main
from mirkit.store import update_info

pytestmark = pytest.mark.usefixtures("in_process")

#: A command whose terminal this is. Measuring is left out: what is asked, and what is then worked on, is looked at.
_CHILD = """
import fcntl, json, sys, termios
fcntl.ioctl(0, termios.TIOCSCTTY, 0)
from mirkit.cli import main
from mirkit.cli.commands import track
def listed(request, arguments, *rest):
    from mirkit.pipeline import plan
    with plan.library_of(request) as library:
        tracks = library.find_tracks()
    print(json.dumps([str(track.path.relative_to(arguments.path)) for track in tracks]))
    return 0, 1
track._execute = listed
sys.exit(main(sys.argv[1:]))
"""
QUESTION = "or [l]eave them where they are? [leave] "


@dataclass(frozen=True)
class Session:
    """A command on a terminal: what it printed there, what it works on, and how it ended."""

    shown: str
    tracks: list[str]
    status: int

    @property
    def asked(self) -> int:
        return self.shown.count(QUESTION)


def on_terminal(root: Path, *options: str, answers: tuple[str, ...] = ()) -> Session:
    """Run ``mirkit run`` with a terminal as standard input and standard error; type an answer at each question."""
    pty = pytest.importorskip("pty")
    keys, terminal = pty.openpty()
    child = subprocess.Popen(
        [sys.executable, "-c", _CHILD, "run", str(root), *options],
        stdin=terminal,
        stdout=subprocess.PIPE,
        stderr=terminal,
        start_new_session=True,
        # A shell ignores SIGINT for what it starts in the background, and that would be passed on.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    )
    os.close(terminal)
    shown, typed, end = b"", 0, time.monotonic() + 60
    while time.monotonic() < end:
        if not select.select([keys], [], [], 1)[0]:
            continue
        try:
            block = os.read(keys, 4096)
        except OSError:  # the other end is closed
            break
        if not block:
            break
        shown += block
        while typed < len(answers) and shown.count(QUESTION.encode()) > typed:
            os.write(keys, answers[typed].encode())
            typed += 1
    else:
        child.kill()
        pytest.fail(f"the command did not end within 60 s: {shown!r}")
    assert child.stdout
    out = child.stdout.read()
    status = child.wait(30)
    child.stdout.close()
    os.close(keys)
    assert typed == len(answers), shown
    return Session(shown.decode().replace("\r\n", "\n"), _listed(out), status)


def _listed(out: bytes) -> list[str]:
    return next((json.loads(line) for line in out.splitlines() if line.startswith(b"[")), [])


def noise(seed: int = 0) -> np.ndarray:
    return 0.1 * np.random.default_rng(seed).standard_normal((1, 4410)).astype(np.float32)


@pytest.fixture
def songs(tmp_path: Path) -> Path:
    root = tmp_path / "my music"
    write(root / "a.wav", noise(1))
    write(root / "sub" / "b.flac", noise(2))
    return root


def sounds(root: Path) -> list[str]:
    return sorted(p.relative_to(root).as_posix() for p in root.rglob("*") if p.suffix in (".wav", ".flac"))


LOOSE = ["a.wav", "sub/b.flac"]
FOLDERS = ["a/full_mix.wav", "sub/b/full_mix.flac"]


@pytest.mark.parametrize("answer", ["move\n", "m\n", " MOVE \n"])
def test_move(songs: Path, answer: str) -> None:
    session = on_terminal(songs, answers=(answer,))
    assert (session.asked, session.status) == (1, 0)
    assert "2 loose files in " in session.shown
    assert f"a.wav -> {Path('a') / 'full_mix.wav'}" in session.shown, "an example"
    assert (sounds(songs), session.tracks) == (FOLDERS, ["a", "sub/b"])
    again = on_terminal(songs)
    assert (again.asked, again.tracks) == (0, ["a", "sub/b"]), "what is organized is not asked about"


@pytest.mark.parametrize("answer", ["copy\n", "C\n"])
def test_copy_and_the_originals_are_not_worked_on_as_well(songs: Path, answer: str) -> None:
    session = on_terminal(songs, answers=(answer,))
    assert (session.asked, session.status) == (1, 0)
    assert (sounds(songs), session.tracks) == (sorted(LOOSE + FOLDERS), ["a", "sub/b"])
    again = on_terminal(songs)
    assert (again.asked, again.tracks) == (0, ["a", "sub/b"])
    write(songs / "a.wav", noise(3))
    assert on_terminal(songs, "--organize", "off").tracks == ["a", "sub/b", "a.wav"], "a song of its own by now"


@pytest.mark.parametrize(
    ("answers", "misread"),
    [
        (("leave\n",), 0),
        (("l\n",), 0),
        (("\n",), 0),
        (("\x04",), 0),
        (("what?\n", "leave\n"), 1),
        (("yes\n", "y\n", "mv\n"), 3),
    ],
    ids=["leave", "l", "empty", "end of input", "garbage, then leave", "garbage three times"],
)
def test_leave(songs: Path, answers: tuple[str, ...], misread: int) -> None:
    session = on_terminal(songs, answers=answers)
    assert (session.asked, session.status) == (len(answers), 0)
    assert (sounds(songs), sorted(session.tracks)) == (LOOSE, LOOSE)
    assert session.shown.count("Please answer move, copy or leave.") == misread
    assert not list(songs.glob(".mirkit*")), "nothing is stored"


def test_garbage_and_then_an_answer(songs: Path) -> None:
    session = on_terminal(songs, answers=("what?\n", "move\n"))
    assert (session.asked, sounds(songs)) == (2, FOLDERS)


def test_ctrl_c_moves_nothing_and_ends_the_command(songs: Path) -> None:
    session = on_terminal(songs, answers=("\x03",))
    assert (session.asked, session.status, session.tracks) == (1, 130, [])
    assert "interrupted" in session.shown
    assert sounds(songs) == LOOSE


def test_only_the_loose_files_of_a_mixed_set_are_asked_about(songs: Path) -> None:
    assert main(["organize", str(songs), "--quiet"]) == 0
    write(songs / "new.wav", noise(4))
    session = on_terminal(songs, answers=("move\n",))
    assert "1 loose file in " in session.shown
    assert sounds(songs) == sorted([*FOLDERS, "new/full_mix.wav"])


@pytest.mark.parametrize(("choice", "there"), [("move", FOLDERS), ("copy", sorted(LOOSE + FOLDERS)), ("off", LOOSE)])
def test_the_option_answers_beforehand(songs: Path, choice: str, there: list[str]) -> None:
    session = on_terminal(songs, "--organize", choice)
    assert (session.asked, sounds(songs)) == (0, there)


def test_a_dry_run_asks_nothing(songs: Path) -> None:
    session = on_terminal(songs, "--dry-run")
    assert session.asked == 0
    assert "2 loose files; this plan leaves them where they are" in session.shown


@pytest.mark.parametrize("option", ["--quiet", "--json"])
def test_a_run_that_is_to_print_little_asks_nothing(songs: Path, option: str) -> None:
    session = on_terminal(songs, option)
    assert (session.asked, sounds(songs)) == (0, LOOSE)


def test_one_loose_file_is_not_asked_about_and_moves_by_the_option(songs: Path) -> None:
    assert on_terminal(songs / "a.wav").asked == 0
    assert sounds(songs) == LOOSE
    assert main(["run", str(songs / "a.wav"), "--organize", "move", "--jobs", "1", "-q"]) == 0
    assert (songs / "a" / "a.INFO").exists()
    assert sounds(songs)[0].startswith("a/")


def test_without_a_terminal_they_are_worked_on_where_they_lie(songs: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["run", str(songs), "--jobs", "1"]) == 0
    line = next(line for line in capsys.readouterr().err.splitlines() if "loose" in line)
    assert line.startswith("note   2 loose files stay where they are, with results beside them;")
    assert "mirkit organize" in line
    assert (songs / "a.INFO").exists()
    assert (songs / "sub" / "b_drums.flac").exists()
    assert {"a.wav", "sub/b.flac"} <= set(sounds(songs))
    assert main(["verify", str(songs)]) == 0
    assert "2 tracks: 2 complete" in capsys.readouterr().out


def test_a_file_that_cannot_be_moved_fails_the_run(songs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from mirkit import organize
    from mirkit.cli.commands import track

    failed = organize.MoveReport(failures=["a.wav: no"])
    monkeypatch.setattr(organize, "apply", lambda *_, **__: failed)
    monkeypatch.setattr(track, "_execute", lambda *_: (0, 0))
    assert main(["run", str(songs), "--organize", "move"]) == 1


def test_object_storage_is_not_organized(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["run", "memory://set", "--organize", "move"]) == 2
    assert "--organize move: files on object storage stay where they are" in capsys.readouterr().err


def test_a_data_set_cannot_ask_for_moves(songs: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (songs / "mirkit.toml").write_text('[run]\norganize = "move"\n')
    main(["run", str(songs), "--jobs", "1"])
    assert "organize" in capsys.readouterr().err
    assert {"a.wav", "sub/b.flac"} <= set(sounds(songs))


# What an undo leaves


def test_undo_reports_what_it_leaves_and_how_to_remove_it(songs: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["run", str(songs), "--organize", "move", "--jobs", "1", "-q"]) == 0
    make_track(songs / "other", seconds=1)
    write(songs / "mine_bass.flac", noise(5))
    capsys.readouterr()
    assert main(["organize", str(songs), "--undo"]) == 0
    out = capsys.readouterr().out
    assert {"a.wav", "sub/b.flac"} <= set(sounds(songs))
    assert not (songs / "a").exists()
    assert not (songs / "sub" / "b").exists()
    made = [
        p
        for p in songs.rglob("*")
        if p.is_file() and p.parent.name != "other" and p.name[:2] in ("a.", "a_", "b.", "b_")
    ]
    count = len(made) - 2
    assert f"{count} result files of mirkit now lie beside the originals" in out
    sidecars = [".BEATS_GRID", ".CHORDS", ".CURVES.npz", ".INFO", ".ONSETS", ".PROVENANCE", ".SECTIONS"]
    assert f"  {songs}: {', '.join(f'1 {suffix}' for suffix in sidecars)}, 1 MIDI, 4 stems\n" in out
    assert "still holds these files and folders of mirkit" in out
    assert "mirkit.toml" in out
    if os.name == "posix":
        for line in (line for line in out.splitlines() if line.startswith("  rm -- ")):
            subprocess.run(["sh", "-c", line], check=True)
        left = sounds(songs)
        assert left == ["a.wav", "mine_bass.flac", "other/full_mix.flac", "sub/b.flac"], "and nothing of the user's"
        assert not [path for suffix in sidecars for path in songs.rglob(f"*{suffix}")]


def test_undo_tells_apart_what_the_user_brought(songs: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["organize", str(songs), "-q"]) == 0
    write(songs / "a" / "vocals.flac", noise(6))
    update_info(songs / "a" / "a.INFO", {"bpm": 120.0})
    assert main(["organize", str(songs), "--undo", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert [Path(p).name for p in told["brought"]] == ["a_vocals.flac"]
    assert [Path(p).name for p in told["results"]] == ["a.INFO"]


def test_undo_says_what_keeps_a_folder(songs: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["organize", str(songs), "-q"]) == 0
    (songs / "a" / "crops").mkdir()
    (songs / "sub" / "b" / "crops" / "b_001").mkdir(parents=True)
    (songs / "sub" / "b" / "notes.txt").write_text("mine")
    assert main(["organize", str(songs), "--undo"]) == 0
    assert f"{songs / 'sub' / 'b'}: kept, because it holds notes.txt, crops (1 clip)" in capsys.readouterr().err
    assert not (songs / "a").exists(), "an empty folder of clips does not keep it"


def test_undo_keeps_the_results_of_files_that_differ_in_the_suffix_apart(tmp_path: Path) -> None:
    for name in ("x.wav", "x.flac"):
        write(tmp_path / name, noise(len(name)))
    update_info(tmp_path / "x.wav.INFO", {"bpm": 100.0})
    assert main(["organize", str(tmp_path), "-q"]) == 0
    infos = {p.parent.name: json.loads(p.read_text())["bpm"] for p in tmp_path.rglob("*.INFO")}
    assert infos == {"x (2)": 100.0}
    update_info(tmp_path / "x" / "x.INFO", {"bpm": 90.0})
    assert main(["organize", str(tmp_path), "--undo", "-q"]) == 0
    infos = {p.name: json.loads(p.read_text())["bpm"] for p in tmp_path.glob("*.INFO")}
    assert infos == {"x.wav.INFO": 100.0, "x.flac.INFO": 90.0}


def test_undo_fails_where_a_song_has_to_stay(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "a.mp3").write_text("a song")
    assert main(["organize", str(tmp_path), "-q"]) == 0
    (tmp_path / "a.mp3").symlink_to("a/full_mix.mp3")
    capsys.readouterr()
    assert main(["organize", str(tmp_path), "--undo", "-q"]) == 1
    assert "a.mp3 is only a link to it; remove the link and undo again" in capsys.readouterr().err
    assert main(["organize", str(tmp_path), "--undo"]) == 1
    assert "0 files moved back, 1 failed" in capsys.readouterr().out


def test_a_folder_without_tracks_says_what_was_left_out(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "x.amr").write_bytes(b"x")
    assert main(["run", str(tmp_path)]) == 1
    line = capsys.readouterr().err
    assert line.endswith("holds no track and no audio file; left out files that mirkit does not read: 1 .amr\n")
