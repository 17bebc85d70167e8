"""The backends that describe a track in words: llama.cpp, Transformers, or a server."""

import re
import unicodedata
from collections.abc import Iterable

from mirkit.models.backend import Backend, File, Model

_HUB = "https://huggingface.co"
_FLAMINGO = f"{_HUB}/mradermacher/music-flamingo-hf-GGUF/resolve/main"
_FLAMINGO_I1 = f"{_HUB}/mradermacher/music-flamingo-hf-i1-GGUF/resolve/main"
_FLAMINGO_LICENSE = "NVIDIA non-commercial"
_PROJECTOR = File("music-flamingo-hf.mmproj-f16.gguf", f"{_FLAMINGO}/music-flamingo-hf.mmproj-f16.gguf", 1_400_000_000)
_CITATION = """\
@article{ghosh2025music,
  title = {Music Flamingo: Scaling Music Understanding in Audio Language Models},
  author = {Ghosh, Sreyan and others},
  journal = {arXiv preprint arXiv:2511.10289},
  year = {2025}
}"""


def _flamingo(name: str, quantization: str, url: str, size: int) -> Model:
    file = File(url.rpartition("/")[2], url, size)
    return Model(name, "llama", f"Music Flamingo, {quantization}", (file, _PROJECTOR), _FLAMINGO_LICENSE, False)


def plain(text: str) -> str:
    """Return a text in lower case, with the plain form of letters such as full-width or ligature ones."""
    return unicodedata.normalize("NFKC", text).lower()


def is_flamingo(names: Iterable[object]) -> bool:
    """Return whether one of the names that a checkpoint states, or that its file has, is that of Music Flamingo."""
    return any(re.search("(music|audio)flamingo", re.sub("[^a-z0-9]", "", plain(str(name)))) for name in names)


LLAMA = Backend(
    "texts",
    "llama",
    "Music Flamingo, llama.cpp",
    "captioner",
    package="xllamacpp",
    extra="describe",
    code_license="MIT",
    weights_license=_FLAMINGO_LICENSE,
    commercial=False,
    weights=(
        _flamingo("music_flamingo_q6_k", "Q6_K", f"{_FLAMINGO_I1}/music-flamingo-hf.i1-Q6_K.gguf", 6_300_000_000),
        _flamingo("music_flamingo_iq3_m", "IQ3_M", f"{_FLAMINGO_I1}/music-flamingo-hf.i1-IQ3_M.gguf", 3_600_000_000),
        _flamingo("music_flamingo_q8_0", "Q8_0", f"{_FLAMINGO}/music-flamingo-hf.Q8_0.gguf", 8_100_000_000),
    ),
    citation=_CITATION,
)
TRANSFORMERS = Backend(
    "texts",
    "transformers",
    "Flamingo",
    "captioner",
    package="transformers",
    extra="describe",
    weights_license=_FLAMINGO_LICENSE,
    commercial=False,
    explicit_only=True,
    needs="a checkpoint of yours",
    citation=_CITATION,
)
HTTP = Backend(
    "texts",
    "http",
    "your server",
    "captioner",
    extra="describe",
    weights_license="the server's",
    explicit_only=True,
    needs="a server of yours",
)
