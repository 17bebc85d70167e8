"""Audiobox Aesthetics: four scores of a piece of audio, from 1 to 10."""

from mirkit.models.backend import Backend, File, Model

_HUB = "https://huggingface.co"
_AUDIOBOX = f"{_HUB}/facebook/audiobox-aesthetics/resolve/9b1dd8e5df9af7216e836a98974fe3b82c56ded6"

BACKEND = Backend(
    "aesthetics",
    "audiobox",
    "Audiobox Aesthetics",
    "stream",
    loader="mirkit.models.audiobox.scorer:load",
    package="torch",
    extra="aesthetics",
    weights_license="CC BY 4.0",
    weights=(
        Model(
            "audiobox",
            "audiobox",
            "Audiobox Aesthetics",
            (
                File("config.json", f"{_AUDIOBOX}/config.json", 492),
                File(
                    "model.safetensors",
                    f"{_AUDIOBOX}/model.safetensors",
                    415_472_992,
                    "a5a3c2412649cc2384ec525ffd5180ce6c4778f43bed6108e0a1303de04d014e",
                ),
            ),
            "CC BY 4.0",
        ),
    ),
    memory=900 * 2**20,
    seconds_per_minute=12.0,
    batch_size=16,
    feature_kind="aesthetics",
    reads_features=False,
    citation="""\
@article{tjandra2025aes,
  title = {Meta Audiobox Aesthetics: Unified Automatic Quality Assessment for Speech, Music, and Sound},
  author = {Andros Tjandra and others},
  journal = {arXiv preprint arXiv:2502.05139},
  year = {2025}
}""",
)
