"""Whatever happens to a file's bytes: sound or an ``AudioError``, finite samples, a share between 0 and 1."""

import tempfile
from pathlib import Path

import numpy as np
import pytest
from audio_files import KINDS, id3, music, write
from hypothesis import given, settings
from hypothesis import strategies as st

from mirkit.audio import open_audio, probe, read_tags
from mirkit.errors import AudioError
from properties import tries


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    folder = tmp_path_factory.mktemp("whole")
    for name in KINDS:
        write(folder / name, music(0.3, 48000), 48000, tags={"title": "A title", "artist": "An artist"})
    found = {name: (folder / name).read_bytes() for name in KINDS}
    found["tagged.mp3"] = id3((b"TIT2", b"\3Hello"), (b"COMM", b"\3eng\0text")) + found["cbr.mp3"]
    return found


change = st.one_of(
    st.tuples(st.just("flip"), st.floats(0, 1), st.integers(0, 7)),
    st.tuples(st.just("byte"), st.floats(0, 0.1), st.integers(0, 255)),  # headers
    st.tuples(st.just("fill"), st.floats(0, 1), st.integers(0, 2000)),
    st.tuples(st.just("drop"), st.floats(0, 1), st.integers(1, 2000)),
    st.tuples(st.just("again"), st.floats(0, 1), st.integers(1, 2000)),
    st.tuples(st.just("cut"), st.floats(0, 1), st.just(0)),
)


def changed(data: bytes, changes: list[tuple[str, float, int]]) -> bytes:
    out = bytearray(data)
    for what, where, n in changes:
        at = int(where * max(0, len(out) - 1))
        if not out:
            break
        if what == "flip":
            out[at] ^= 1 << n
        elif what == "byte":
            out[at] = n
        elif what == "fill":
            out[at : at + n] = bytes(len(out[at : at + n]))
        elif what == "drop":
            del out[at : at + n]
        elif what == "again":
            out[at:at] = out[at : at + n]
        else:
            del out[at:]
    return bytes(out)


@pytest.mark.slow
@pytest.mark.hypothesis
@pytest.mark.parametrize("name", [*sorted(KINDS), "tagged.mp3"])
def test_any_damage(files: dict[str, bytes], name: str) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"x.{name.split('.')[1]}"

        @settings(max_examples=tries(40), deadline=None)
        @given(st.lists(change, min_size=1, max_size=6))
        def check(changes: list[tuple[str, float, int]]) -> None:
            path.write_bytes(changed(files[name], changes))
            read_tags(path)
            try:
                info = probe(path)
                audio = open_audio(path, rate=None, max_seconds=120)
                samples = audio.samples()
            except AudioError:
                return
            assert samples.shape == (min(info.channels, 2), audio.frames)
            assert audio.frames > 0
            assert np.isfinite(samples).all()
            assert 0 <= audio.damage.share <= 1

        check()
