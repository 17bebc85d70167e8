"""Essentia's classifiers: danceability and atonality by VGGish and two small heads on its embedding."""

from mirkit.models.backend import Backend, File, Model

_ESSENTIA = "https://essentia.upf.edu/models"


def _head(name: str) -> tuple[File, File]:
    root = f"{_ESSENTIA}/classification-heads/{name}/{name}-audioset-vggish-1"
    return (
        File(f"{name}-audioset-vggish-1.onnx", f"{root}.onnx", 53_302),
        File(f"{name}-audioset-vggish-1.json", f"{root}.json", 1_957),
    )


BACKEND = Backend(
    "classification",
    "essentia",
    "Essentia VGGish heads (ONNX)",
    "stream",
    loader="mirkit.models.essentia.classifier:load",
    package="onnxruntime",
    extra="heads",
    weights_license="CC BY-NC-SA 4.0",
    commercial=False,
    weights=(
        Model(
            "essentia",
            "essentia",
            "Essentia VGGish",
            (
                File(
                    "audioset-vggish-3.onnx",
                    f"{_ESSENTIA}/feature-extractors/vggish/audioset-vggish-3.onnx",
                    288_570_178,
                ),
                *_head("danceability"),
                *_head("tonal_atonal"),
            ),
            "CC BY-NC-SA 4.0",
            commercial=False,
        ),
    ),
    gain="danceability and atonality by trained networks instead of formulas",
    memory=500 * 2**20,
    seconds_per_minute=1.5,
    batch_size=32,
    feature_kind="classes",
    reads_features=False,
    citation="""\
@inproceedings{alonso2020tensorflow,
  title = {{TensorFlow} Audio Models in {Essentia}},
  author = {Alonso-Jim{\\'e}nez, Pablo and Bogdanov, Dmitry and Pons, Jordi and Serra, Xavier},
  booktitle = {IEEE International Conference on Acoustics, Speech and Signal Processing (ICASSP)},
  year = {2020}
}""",
)
