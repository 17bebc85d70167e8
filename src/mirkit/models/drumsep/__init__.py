"""DrumSep: drum transcription with a Demucs network that separates the parts of a drum kit (inagoy/drumsep)."""

from mirkit.models.backend import Backend, File, Model

_DRUMSEP = "https://github.com/ZFTurbo/Music-Source-Separation-Training/releases/download/v1.0.5"

BACKEND = Backend(
    "drums",
    "drumsep",
    "DrumSep, onsets",
    "separator",
    loader="mirkit.models.drumsep.load:load",
    gather="mirkit.models.demucs.bag:gather",
    package="demucs",
    extra="stems",
    code_license="MIT",
    weights_license="none stated",
    commercial=False,
    weights=(
        Model(
            "drumsep",
            "drumsep",
            "DrumSep",
            (
                File(
                    "49469ca8.th",
                    f"{_DRUMSEP}/model_drumsep.th",
                    167_400_043,
                    "aefaa8543c9b9c75e22f5f32b53ab86dfe416457849af1383ff1aef83401423f",
                ),
            ),
            "none stated (its repository, which holds no weights: MIT)",
            commercial=False,
        ),
    ),
    memory=1500 * 2**20,  # as for Demucs, because it is a Demucs network
    seconds_per_minute=85.0,
    batch_size=8,
    source="drums",
    reads_features=False,
    citation="""\
@misc{drumsep,
  title = {{DrumSep}: separation of drum kits with a model of {Demucs}},
  author = {{inagoy}},
  howpublished = {\\url{https://github.com/inagoy/drumsep}}
}""",
)
