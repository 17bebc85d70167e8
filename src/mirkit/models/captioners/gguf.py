"""The two files of Music Flamingo for llama.cpp: the language model and the audio encoder."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from mirkit.errors import WeightsError, printable
from mirkit.models import weights
from mirkit.models.backend import Model
from mirkit.models.cache_paths import cache, missing
from mirkit.models.captioners.backends import LLAMA
from mirkit.models.gguf_header import MAGIC, read_texts
from mirkit.models.messages import megabytes
from mirkit.models.safe_load import guess_content
from mirkit.store import Settings, digest_of_text

#: Names of the models in the user manual.
NAMES = {row.title.rpartition(" ")[2]: row for row in LLAMA.weights}
DEFAULT = "Q6_K"
#: Last parts of the keys of a GGUF header that name the model, its source or its base model.
_NAMES_IT = ("name", "basename", "finetune", "url", "repo_url", "repository", "doi", "link", "tags", "projector_type")


@dataclass(frozen=True)
class Pair:
    """The files of a model and of its audio encoder; both exist and can be read.

    Attributes
    ----------
    name : str
        Name of the model's file.
    sha256 : str
        SHA-256 of both files.
    size : int
        Size of both files in bytes.
    """

    model: Path
    projector: Path
    name: str
    sha256: str
    size: int
    license: str


def find(settings: Settings) -> Pair:
    """Find the pair that the settings name: one of the manual's models in the cache, or a file.

    Raises
    ------
    WeightsError
        A file is missing, damaged or refused. The message has its name, source and license.
    """
    named = settings.texts.model or DEFAULT
    row = NAMES.get(named) or next((row for row in NAMES.values() if row.name == named), None)
    if row:
        if why := lacking(row, settings):
            raise WeightsError(why)
        found = weights.load_checked(row, settings.run)
        model, projector = found.files
        license = row.license
    else:
        model = Path(named).expanduser()
        if not model.is_file():
            raise WeightsError(f"{printable(named)}: no such file; --model takes one, or one of {', '.join(NAMES)}")
        projector, license = _beside(model, settings.texts.projector), ""
    for path in (model, projector):
        with open(path, "rb") as file:
            if file.read(len(MAGIC)) != MAGIC:
                raise WeightsError(
                    f"{printable(path)}: not a GGUF file: {guess_content(path)}; get it anew, or name another"
                )
    if not row:
        license = _stated_license((model, projector), settings)
    sums = [weights.from_path(path).sha256 for path in (model, projector)]
    size = sum(path.stat().st_size for path in (model, projector))
    return Pair(model, projector, model.name, digest_of_text("\n".join(sums)).sha256, size, license)


def lacking(row: Model, settings: Settings) -> str:
    """Return the reason why a model of the user manual cannot be used, or ""."""
    if settings.run.commercial_safe:
        return weights.unavailable_reason(row, settings.run)
    files = missing(row)
    if not files:
        return ""
    # The model and its encoder come from two repositories.
    sources = ", ".join(f"{file.name} ({megabytes(file.size)}) from {file.url.rpartition('/')[0]}" for file in files)
    folder = printable(cache() / row.backend)
    return (
        f"{row.title} needs {sources}: not here; mirkit models fetch {row.name}, or put them into {folder}, "
        f"or say --model FILE (license: {row.license})"
    )


def _stated_license(paths: Sequence[Path], settings: Settings) -> str:
    """Return the license that the headers of the user's files state, or "its own".

    Raises
    ------
    WeightsError
        ``--commercial-safe`` refuses a file, or its header cannot be read.
    """
    stated = "its own"
    for path in paths:
        try:
            header = read_texts(path, ("general.", "clip."))
        except WeightsError:
            if settings.run.commercial_safe:
                raise
            continue  # a damaged header: llama.cpp decides whether the file can be loaded
        license_, flamingo = _license_of(path, header)
        if settings.run.commercial_safe and (flamingo or _excludes_commerce(license_)):
            what = f"{printable(path)} is Music Flamingo" if flamingo else printable(path)
            raise WeightsError(f"{what}: license {license_}, which --commercial-safe refuses")
        if license_ and stated == "its own":
            stated = license_
    return stated


def _license_of(path: Path, header: dict[str, str]) -> tuple[str, bool]:
    """Return the license in a GGUF header, and whether the file is Music Flamingo by its header or name."""
    names = [path.name, *(text for key, text in header.items() if key.rpartition(".")[2] in _NAMES_IT)]
    if any(re.search("(music|audio)flamingo", re.sub("[^a-z0-9]", "", name.lower())) for name in names):
        return next(iter(NAMES.values())).license, True
    keys = ("general.license", "general.license.name", "general.license.link")
    return printable(next((header[key] for key in keys if header.get(key) not in (None, "other")), ""))[:80], False


def _excludes_commerce(license_: str) -> bool:
    words = re.sub("[^a-z0-9]+", "-", license_.lower())
    return "noncommercial" in words.replace("-", "") or re.search(r"-nc(-|$)", words) is not None


def _beside(model: Path, named: str | None) -> Path:
    if named is not None:
        path = Path(named).expanduser()
        if not path.is_file():
            raise WeightsError(f"{printable(named)}: no such file; --projector takes the mmproj file of the model")
        return path
    found = sorted(path for path in model.parent.glob("*.gguf") if "mmproj" in path.name.lower())
    if len(found) != 1:
        what = "no mmproj file" if not found else f"{len(found)} mmproj files"
        raise WeightsError(f"{printable(model)}: {what} beside it; name the audio encoder with --projector FILE")
    return found[0]
