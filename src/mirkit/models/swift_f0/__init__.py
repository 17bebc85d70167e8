"""SwiftF0: the f0 of a voice, by a network that is part of mirkit."""

from mirkit.models.backend import EMBEDDED, Backend

BACKEND = Backend(
    "f0",
    "swift_f0",
    "SwiftF0 0.3.0, part of mirkit",
    EMBEDDED,
    loader="mirkit.models.swift_f0.extractor:SwiftF0Extractor",
    weights_license="MIT",
    seconds_per_minute=1.0,
    source="vocals",
    feature_kind="swift_f0",
    replaces="f0",
    citation="""\
@misc{nieradzik2025swiftf0,
  title = {{SwiftF0}: Fast and Accurate Monophonic Pitch Detection},
  author = {Nieradzik, Lars},
  year = {2025},
  howpublished = {https://github.com/lars76/swift-f0}
}""",
)
