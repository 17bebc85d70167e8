"""ADTOF, a neural drum transcriber: the ``Frame_RNN`` of its authors."""

from mirkit.models.backend import Backend, File, Model

_ADTOF = "https://raw.githubusercontent.com/xavriley/ADTOF-pytorch/85c192e78f716ea0b111cc8a5ee4a8f6a3a4f8a9"

BACKEND = Backend(
    "drums",
    "adtof",
    "ADTOF Frame_RNN",
    "stream",
    loader="mirkit.models.adtof.transcriber:load",
    package="torch",
    extra="drums",
    weights_license="CC BY-NC-SA 4.0",
    commercial=False,
    weights=(
        Model(
            "adtof",
            "adtof",
            "ADTOF Frame_RNN",
            (
                File(
                    "adtof_frame_rnn_pytorch_weights.pth",
                    f"{_ADTOF}/src/adtof_pytorch/data/adtof_frame_rnn_pytorch_weights.pth",
                    3_617_805,
                    "1bc986e596ec47ba0b44916f87cd4a39f0b2bec23596df3fb5d0e87749217320",
                ),
            ),
            "CC BY-NC-SA 4.0",
            commercial=False,
            sources=(
                "crashsantapotato/TrackScribe: LICENSE_AUDIT.md",
                "prakhar267/drumscribe: docs/legal/COMMERCIAL_MODEL_RIGHTS_APPROVAL.md",
            ),
        ),
    ),
    gain="more drum hits are found: F 0.92 instead of 0.82 on six recordings",
    memory=450 * 2**20,
    seconds_per_minute=2.0,
    batch_size=8,
    source="drums",
    feature_kind="drum_hits",
    result_name="adtof",  # the user manual gives its MIDI a file name of its own
    citation="""\
@article{zehren2023high,
  title = {High-Quality and Reproducible Automatic Drum Transcription from Crowdsourced Data},
  author = {Zehren, Mickael and Alunno, Marco and Bientinesi, Paolo},
  journal = {Signals},
  volume = {4},
  number = {4},
  pages = {768--787},
  year = {2023}
}""",
)
