"""RoFormer separators: BS-RoFormer and Mel-Band RoFormer, from community checkpoints."""

import re
from pathlib import Path

from mirkit.models.backend import Backend

#: More than the configuration of any model has.
_MOST_CHARACTERS = 2**17


def is_roformer(path: Path) -> bool:
    """Whether a file or folder is a checkpoint of the community's training code, with its configuration beside it."""
    if path.is_dir():
        return any(map(is_roformer, sorted(path.glob("*.yaml"))))
    if path.suffix in (".ckpt", ".pt", ".pth"):
        return True
    beside = path if path.suffix in (".yaml", ".yml") else path.with_suffix(".yaml")
    if not beside.is_file():
        return False
    with open(beside, encoding="utf-8", errors="replace") as file:
        text = file.read(_MOST_CHARACTERS)
    return re.search(r"^model:", text, re.MULTILINE) is not None  # a bag of Demucs has models:


BACKEND = Backend(
    "stems",
    "roformer",
    "RoFormer",
    "separator",
    loader="mirkit.models.roformer.load:load",
    gather="mirkit.models.roformer.load:gather",
    recognizes=is_roformer,
    package="torch",
    extra="stems",
    weights_license="of the checkpoint",
    commercial=False,
    explicit_only=True,
    needs="a checkpoint of yours",
    memory=3000 * 2**20,
    seconds_per_minute=2200.0,
    batch_size=8,
    citation="""\
@inproceedings{lu2024music,
  title = {Music Source Separation with Band-Split {RoPE} Transformer},
  author = {Lu, Wei-Tsung and Wang, Ju-Chiang and Kong, Qiuqiang and Hung, Yun-Ning},
  booktitle = {IEEE International Conference on Acoustics, Speech and Signal Processing (ICASSP)},
  year = {2024}
}""",
)
