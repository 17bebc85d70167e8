"""musicnn: a hundred tags of genre, mood, era and instruments, by two networks of the user's package of that name."""

from mirkit.models.backend import Backend, File, Model


def _file(name: str, suffix: str, size: int, sha256: str) -> File:
    return File(f"{name}{suffix}", "", size, sha256, installed=f"musicnn/{name}/{suffix}")


_LICENSE = "ISC or CC BY-NC-SA 4.0"

BACKEND = Backend(
    "tags",
    "musicnn",
    "musicnn",
    "stream",
    loader="mirkit.models.musicnn.tagger:load",
    weights_license=_LICENSE,
    commercial=False,
    weights=(
        Model(
            "musicnn",
            "musicnn",
            "musicnn",
            (
                _file(
                    "MTT_musicnn", ".index", 4_948, "da2d7bb670b2b31e9bc441bb1bd75eca31b5b061f963cc1f9630c1aff3238f57"
                ),
                _file(
                    *("MTT_musicnn", ".data-00000-of-00001", 9_465_596),
                    "041f3935e981a65cea739842d30c188d3a7d2adf4410955c8668eb3de4a5acab",
                ),
                _file(
                    "MSD_musicnn", ".index", 4_948, "87f3e0f3550c8d3bafc840374003e5c8af5eeb5ecf6add61af09a7822d3282c8"
                ),
                _file(
                    *("MSD_musicnn", ".data-00000-of-00001", 9_465_596),
                    "8579734ee6388f799ed0def4bbd0d1fdcbeaf213ef2a9dc860917bd76a303de6",
                ),
            ),
            f"{_LICENSE} (the package musicnn says ISC; its authors publish the same networks as Essentia models under "
            "CC BY-NC-SA 4.0)",
            commercial=False,
            # The index holds the sums of all arrays.
            sources=("PyPI: musicnn 0.1.0", "jordipons/musicnn: .index of both networks at 516acb2"),
            install="pip install --no-deps musicnn==0.1.0",
        ),
    ),
    explicit_only=True,
    gain="genre, mood and more instruments, with probabilities",
    memory=150 * 2**20,
    seconds_per_minute=2.1,
    feature_kind="music_tags",
    citation="""\
@inproceedings{pons2019musicnn,
  title = {musicnn: pre-trained convolutional neural networks for music audio tagging},
  author = {Pons, Jordi and Serra, Xavier},
  booktitle = {Late-breaking/demo session of the International Society for Music Information Retrieval Conference},
  year = {2019}
}""",
)
