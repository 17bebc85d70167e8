"""``--commercial-safe`` knows Music Flamingo again, whatever its files are called."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from mirkit.errors import WeightsError
from mirkit.models.captioners import flamingo
from mirkit.models.captioners.llama import find
from mirkit.settings import CaptionSettings, RunSettings
from mirkit.store import Settings

gguf = pytest.importorskip("gguf")


def write(path: Path, architecture: str = "qwen2", **texts: str) -> Path:
    """Write a GGUF file of a header only; ``__`` in a name stands for a dot."""
    path.parent.mkdir(parents=True, exist_ok=True)
    writer = gguf.GGUFWriter(str(path), architecture)
    writer.add_token_list(["a", "b"])
    for key, value in texts.items():
        writer.add_string(key.replace("__", "."), value)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.close()
    return path


def settings(model: Path, *, safe: bool, projector: Path | None = None) -> Settings:
    texts = CaptionSettings(model=str(model), projector=str(projector) if projector else None)
    return replace(Settings(), texts=texts, run=RunSettings(commercial_safe=safe))


@pytest.mark.parametrize(
    "texts",
    [
        {"general__name": "Music Flamingo Hf"},
        {"general__basename": "music-flamingo"},
        {
            "general__name": "A tune",
            "general__base_model__0__repo_url": "https://huggingface.co/nvidia/music-flamingo-hf",
        },
        {"general__name": "A tune", "general__base_model__3__name": "Music Flamingo 2601 Hf"},
        {"general__name": "Ｍｕｓｉｃ Ｆｌａｍｉｎｇｏ"},
        {"general__basename": "𝐦𝐮𝐬𝐢𝐜-ﬂamingo"},
        {"general__license__link": "https://huggingface.co/nvidia/audio-flamingo-3/blob/main/LICENSE"},
    ],
)
def test_the_model_by_its_header(texts: dict[str, str], tmp_path: Path) -> None:
    model = write(tmp_path / "innocent.gguf", **texts)
    write(tmp_path / "mmproj.gguf", "clip")
    why = r"innocent.gguf is Music Flamingo: license NVIDIA non-commercial, which --commercial-safe refuses$"
    with pytest.raises(WeightsError, match=why):
        find(settings(model, safe=True))
    assert find(settings(model, safe=False)).license == "NVIDIA non-commercial", "and the plan says so"


@pytest.mark.parametrize("key", ["clip__projector_type", "clip__audio__projector_type"])
def test_the_projector_by_its_header(key: str, tmp_path: Path) -> None:
    model = write(tmp_path / "other.gguf", general__name="Other", general__license="apache-2.0")
    projector = write(tmp_path / "elsewhere" / "encoder.gguf", "clip", **{key: "musicflamingo"})
    with pytest.raises(WeightsError, match=r"encoder.gguf is Music Flamingo: .* --commercial-safe refuses$"):
        find(settings(model, safe=True, projector=projector))


def test_a_file_by_its_name(tmp_path: Path) -> None:
    model = write(tmp_path / "music-flamingo-hf.i1-Q6_K.gguf")
    write(tmp_path / "mmproj.gguf", "clip")
    with pytest.raises(WeightsError, match="is Music Flamingo"):
        find(settings(model, safe=True))


@pytest.mark.parametrize(
    ("texts", "refused"),
    [
        ({"general__license": "cc-by-nc-sa-4.0"}, "cc-by-nc-sa-4.0"),
        ({"general__license": "other", "general__license__name": "acme-noncommercial"}, "acme-noncommercial"),
        ({"general__license": "apache-2.0"}, ""),
        ({"general__license": "cc-by-4.0", "general__description": "better than Music Flamingo"}, ""),
        ({"general__license": "ＣＣ－ＢＹ－ＮＣ－４．０"}, "ＣＣ－ＢＹ－ＮＣ－４．０"),
        ({"general__license": "cc-by-4.0", "general__name": "Ｍｕｓｉｃology ﬂamingo"}, ""),
    ],
)
def test_other_models_by_the_license_that_they_state(texts: dict[str, str], refused: str, tmp_path: Path) -> None:
    model = write(tmp_path / "own.gguf", **texts)
    write(tmp_path / "mmproj.gguf", "clip")
    if refused:
        with pytest.raises(WeightsError, match=rf"own.gguf: license {refused}, which --commercial-safe refuses"):
            find(settings(model, safe=True))
    else:
        assert find(settings(model, safe=True)).license == texts.get("general__license", "its own")


@pytest.mark.parametrize("texts", [{}, {"general__license": "other"}, {"general__name": "Own", "general__license": ""}])
def test_a_model_that_states_no_license(texts: dict[str, str], tmp_path: Path) -> None:
    """``--commercial-safe`` refuses it, as its help says; the license of the encoder does not stand in for it."""
    model = write(tmp_path / "own.gguf", **texts)
    write(tmp_path / "mmproj.gguf", "clip", general__license="apache-2.0")
    with pytest.raises(WeightsError, match=r"own.gguf states no license, and --commercial-safe refuses that"):
        find(settings(model, safe=True))
    assert find(settings(model, safe=False)).license in ("its own", "apache-2.0")


def test_a_header_that_cannot_be_read_is_not_taken_on_trust(tmp_path: Path) -> None:
    model = tmp_path / "cut.gguf"
    model.write_bytes(b"GGUF\x03\x00\x00\x00 and no more")
    write(tmp_path / "mmproj.gguf", "clip")
    with pytest.raises(WeightsError, match="the header of this GGUF file cannot be read"):
        find(settings(model, safe=True))
    assert find(settings(model, safe=False)).license == "its own"


@pytest.mark.parametrize(
    ("config", "refused"),
    [
        ({"architectures": ["MusicFlamingoForConditionalGeneration"]}, True),
        ({"architectures": ["AudioFlamingo3ForConditionalGeneration"]}, True),
        ({"architectures": ["Qwen2ForCausalLM"], "_name_or_path": "nvidia/music-flamingo-hf"}, True),
        ({"model_type": "musicflamingo"}, True),
        ({"architectures": ["Qwen2ForCausalLM"]}, False),
        ({"architectures": "none", "_name_or_path": 5}, False),
    ],
)
def test_a_folder_of_transformers_by_its_configuration(
    config: dict[str, object], refused: bool, tmp_path: Path
) -> None:
    (tmp_path / "config.json").write_text(json.dumps(config))
    if refused:
        with pytest.raises(WeightsError, match=r"is Music Flamingo: license NVIDIA non-commercial, which --comm"):
            flamingo.find(settings(tmp_path, safe=True))
    else:
        assert flamingo.find(settings(tmp_path, safe=True)) == tmp_path
    assert flamingo.find(settings(tmp_path, safe=False)) == tmp_path


def test_the_command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    from library import make_track
    from mirkit.cli import main

    track = make_track(tmp_path / "Track", seconds=1)
    pytest.importorskip("xllamacpp")
    model = write(tmp_path / "g" / "renamed.gguf", general__name="Music Flamingo Hf")
    write(tmp_path / "g" / "mmproj.gguf", "clip")
    assert main(["music_flamingo", str(track), "--model", str(model), "--commercial-safe"]) == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith(f"mirkit: {model} is Music Flamingo: license NVIDIA non-commercial, which --commercial-safe")
