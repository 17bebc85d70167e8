"""RoFormer separators: BS-RoFormer and Mel-Band RoFormer, from community checkpoints."""

from mirkit.models.backend import Backend

BACKEND = Backend(
    "stems",
    "roformer",
    "RoFormer",
    "separator",
    loader="mirkit.models.roformer.load:load",
    gather="mirkit.models.roformer.load:gather",
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
