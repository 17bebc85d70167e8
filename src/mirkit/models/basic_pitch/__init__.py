"""Basic Pitch: the notes of polyphonic stems, by a network that is part of mirkit."""

from mirkit.models.backend import EMBEDDED, Backend

BACKEND = Backend(
    "notes",
    "basic_pitch",
    "Basic Pitch 0.4.0, part of mirkit",
    EMBEDDED,
    loader="mirkit.models.basic_pitch.extractor:NoteExtractor",
    weights_license="Apache-2.0",
    seconds_per_minute=1.2,
    source="other",
    feature_kind="notes",
    citation="""\
@inproceedings{bittner2022lightweight,
  title = {A Lightweight Instrument-Agnostic Model for Polyphonic Note Transcription and Multipitch Estimation},
  author = {Bittner, Rachel M. and Bosch, Juan Jos{\\'e} and Rubinstein, David and Meseguer-Brocal, Gabriel and Ewert,
            Sebastian},
  booktitle = {IEEE International Conference on Acoustics, Speech and Signal Processing (ICASSP)},
  year = {2022}
}""",
)
