"""What mirkit measures: four tables of data. Read this file first.

``FEATURES`` are the 78 numbers of an ``.INFO`` file, ``DESCRIPTORS`` (in ``descriptors.py``) the numbers, categories
and texts beside them, ``STAGES`` the steps that write both, ``GROUPS`` the commands that run several stages. The
parser, ``verify``, the statistics, the export and ``docs/reference/feature_list.md`` are derived from these rows. The
backends that a stage can choose from are listed in ``mirkit.models.registry``.
"""

from dataclasses import dataclass
from functools import cached_property

from mirkit.descriptors import DESCRIPTORS as DESCRIPTORS
from mirkit.descriptors import INSTRUMENTAL as INSTRUMENTAL
from mirkit.descriptors import MODES as MODES
from mirkit.descriptors import PITCH_CLASSES as PITCH_CLASSES
from mirkit.descriptors import REQUESTED as REQUESTED
from mirkit.descriptors import SECTION_FUNCTIONS as SECTION_FUNCTIONS
from mirkit.descriptors import TIME_SIGNATURES as TIME_SIGNATURES
from mirkit.descriptors import VOCALS as VOCALS
from mirkit.descriptors import VOICES as VOICES
from mirkit.feature_spec import FeatureSpec as FeatureSpec

STEMS = ("drums", "bass", "other", "vocals")
#: Separation that is part of mirkit: hand-made rules that a network corrects, and the rules alone. Their stems are
#: estimates, from which not every feature can be measured.
EMBEDDED_STEMS = ("embedded", "embedded-dsp")
#: The pitched stems, whose sum is the source ``tonal``.
TONAL = ("bass", "other", "vocals")


def _per_stem(
    stage: str, name: str, stems: tuple[str, ...], unit: str, low: float, high: float, description: str
) -> list[FeatureSpec]:
    return [FeatureSpec(f"{name}_{stem}", stage, unit, low, high, f"{description}, {stem} stem") for stem in stems]


#: Stems whose rhythm, and whose harmony, is measured.
RHYTHM_STEMS = ("bass", "drums", "other")
HARMONY_STEMS = ("bass", "other")

FEATURES: tuple[FeatureSpec, ...] = (
    FeatureSpec(
        "bpm", "beats", "1/min", 40, 300, "tempo of the stable part of the beat grid; null when bpm_is_defined is 0"
    ),
    FeatureSpec(
        "bpm_is_defined", "beats", "flag", 0, 1, "1 when bpm is known: a steady pulse with one tempo", kind="flag"
    ),
    FeatureSpec("beat_count", "beats", "count", 0, None, "number of beats in the grid", kind="int", repeats="bpm"),
    FeatureSpec(
        "beat_regularity", "beats", "s", 0, 0.5, "standard deviation of the beat intervals; 0 is perfectly regular"
    ),
    FeatureSpec(
        "syncopation",
        "syncopation",
        "events/beat",
        0,
        1,
        "accents per beat that anticipate a position left empty, by layers",
    ),
    FeatureSpec("on_beat_ratio", "syncopation", "ratio", 0, 1, "share of onsets within min(70 ms, 1/8 beat) of a beat"),
    FeatureSpec("onset_count", "onsets", "count", 0, None, "number of onsets", kind="int", repeats="onset_density"),
    FeatureSpec("onset_density", "onsets", "1/s", 0, 50, "onsets per second"),
    FeatureSpec("onset_strength_mean", "onsets", "dB", 0, 40, "mean of the onset envelope at the onset peaks"),
    FeatureSpec(
        "onset_strength_std", "onsets", "dB", 0, 40, "standard deviation of the onset envelope at the onset peaks"
    ),
    FeatureSpec("rhythmic_complexity", "complexity", "ratio", 0, 1, "normalized entropy of the inter-onset intervals"),
    FeatureSpec("rhythmic_evenness", "complexity", "ratio", 0, 1, "1 - nPVI/200: 1 is perfectly even"),
    FeatureSpec("ioi_mean", "onsets", "s", 0, 10, "mean inter-onset interval"),
    FeatureSpec("ioi_std", "onsets", "s", 0, 10, "standard deviation of the inter-onset intervals"),
    *_per_stem("stem_rhythm", "onset_density_average", RHYTHM_STEMS, "1/s", 0, 50, "mean onset rate of 4 s windows"),
    *_per_stem("stem_rhythm", "onset_density_variance", RHYTHM_STEMS, "1/s^2", 0, 100, "variance of the onset rate"),
    *_per_stem("stem_rhythm", "syncopation", RHYTHM_STEMS, "events/beat", 0, 1, "syncopation"),
    *_per_stem("stem_rhythm", "rhythmic_complexity", RHYTHM_STEMS, "ratio", 0, 1, "entropy of inter-onset intervals"),
    *_per_stem("stem_rhythm", "rhythmic_evenness", RHYTHM_STEMS, "ratio", 0, 1, "1 - nPVI/200"),
    FeatureSpec("lufs", "loudness", "LUFS", -70, 0, "integrated loudness, ITU-R BS.1770-4"),
    FeatureSpec("lra", "loudness", "LU", 0, 40, "loudness range, EBU Tech 3342"),
    *_per_stem("loudness", "lufs", STEMS, "LUFS", -70, 0, "integrated loudness"),
    *_per_stem("loudness", "lra", STEMS, "LU", 0, 40, "loudness range"),
    FeatureSpec(
        "spectral_flatness", "spectral_shape", "ratio", 0, 1, "noise (0.56) against tone (0), 50 Hz-10 kHz", scale="log"
    ),
    FeatureSpec(
        "spectral_flux", "spectral_shape", "dB", 0, 3, "mean rise of 40 mel bands per hop; 0 for a steady tone"
    ),
    FeatureSpec(
        "spectral_skewness", "spectral_shape", "1", -20, 20, "third moment over log2 frequency: negative is bright"
    ),
    FeatureSpec(
        "spectral_kurtosis",
        "spectral_shape",
        "1",
        1,
        1000,
        "fourth moment over log2 frequency (Gaussian 3)",
        scale="log",
    ),
    FeatureSpec("rms_energy_bass", "bands", "dB", -120, 0, "RMS in 20-120 Hz"),
    FeatureSpec("rms_energy_body", "bands", "dB", -120, 0, "RMS in 120-600 Hz"),
    FeatureSpec("rms_energy_mid", "bands", "dB", -120, 0, "RMS in 600-2500 Hz"),
    FeatureSpec("rms_energy_air", "bands", "dB", -120, 0, "RMS in 2500-22000 Hz"),
    *(
        FeatureSpec(f"chroma_{i}", "chroma", "ratio", 0, 1, f"weight of pitch class {c}")
        for i, c in enumerate(PITCH_CLASSES)
    ),
    *_per_stem("stem_harmonic", "harmonic_movement", HARMONY_STEMS, "ratio", 0, 1, "chroma distance of eighth notes"),
    *_per_stem("stem_harmonic", "harmonic_variance", HARMONY_STEMS, "ratio", 0, 1, "0 one harmony, 1 all classes"),
    FeatureSpec("brightness", "timbral", "0-100", 0, 100, "high-frequency content (Audio Commons)"),
    FeatureSpec("roughness", "timbral", "0-100", 0, 100, "beating and modulation (Audio Commons)"),
    FeatureSpec("hardness", "timbral", "0-100", 0, 100, "sharpness of attacks (Audio Commons)"),
    FeatureSpec("depth", "timbral", "0-100", 0, 100, "low-frequency weight (Audio Commons)"),
    FeatureSpec("booming", "timbral", "0-100", 0, 100, "booming index after Hatano (Audio Commons)"),
    FeatureSpec(
        "reverberation",
        "timbral",
        "0-100",
        0,
        100,
        "probability of being reverberant; reaches 30-86 (Audio Commons)",
        scale="logit",
    ),
    FeatureSpec("sharpness", "timbral", "0-100", 0, 100, "high-frequency harshness after Fastl (Audio Commons)"),
    FeatureSpec("warmth", "timbral", "0-100", 0, 100, "low-mid richness (Audio Commons)"),
    FeatureSpec("content_enjoyment", "aesthetics", "1-10", 1, 10, "aesthetic appeal (Audiobox Aesthetics CE)"),
    FeatureSpec("content_usefulness", "aesthetics", "1-10", 1, 10, "usefulness as material (Audiobox Aesthetics CU)"),
    FeatureSpec("production_complexity", "aesthetics", "1-10", 1, 10, "number of components (Audiobox Aesthetics PC)"),
    FeatureSpec("production_quality", "aesthetics", "1-10", 1, 10, "technical quality (Audiobox Aesthetics PQ)"),
    FeatureSpec(
        "danceability",
        "danceability",
        "ratio",
        0,
        1,
        "rhythmic strength; the provenance names the method",
        scale="logit",
    ),
    FeatureSpec("atonality", "danceability", "ratio", 0, 1, "departure from a key; the provenance names the method"),
    FeatureSpec("position", "crop", "ratio", 0, 1, "clips only: start of the clip / duration of its source"),
)

#: Everything that every ``.INFO`` holds besides captions, in the order of the file.
INFO_SPECS = (*FEATURES, *DESCRIPTORS)
#: The same with the values of stages on request, which an ``.INFO`` holds once they have run; by their kinds.
ALL_SPECS = (*INFO_SPECS, *REQUESTED)
NUMBERS = tuple(row for row in ALL_SPECS if row.is_number)
CATEGORIES = tuple(row for row in ALL_SPECS if row.kind == "category")
TEXTS = tuple(row for row in ALL_SPECS if row.kind == "text")

#: Features that change by the gain (dB) when a track is amplified; the others do not depend on the level.
LEVEL_KEYS = (*(row.name for row in FEATURES if row.name.startswith(("lufs", "rms_energy_"))), "true_peak")


def level_shift(name: str, gain_db: float, lufs_db: float = 0.0) -> float:
    """Return by how much a feature or descriptor changes when its audio is amplified.

    Parameters
    ----------
    name : str
    gain_db : float
        Gain (dB).
    lufs_db : float
        What the loudness gains besides (LU), as when mono is written on two channels.
    """
    if name == "plr":
        return -lufs_db
    return gain_db + (lufs_db if name.startswith("lufs") else 0.0) if name in LEVEL_KEYS else 0.0


TEXT_KEYS = tuple(
    f"music_flamingo_{field}" for field in ("full", "technical", "genre_mood", "instrumentation", "structure")
)


@dataclass(frozen=True)
class Stage:
    """One step on a track.

    Attributes
    ----------
    name : str
    section : str
        Heading under which a report shows its features.
    version : int
        Increased when a formula changes, so that values of the old formula become stale.
    description : str
    series : tuple of (str, str)
        The ``(source, kind)`` of the feature series that it reads; those of absent stems are left out.
    needs : tuple of str
        Stages that come before it.
    files : tuple of str
        Suffixes of the sidecars that it writes.
    task : str
        Task of the backend that the stage uses, "" if it uses none.
    editable : tuple of str
        Descriptors that the user may correct in the ``.INFO``; if one is, all of them are kept as they are.
    editable_files : tuple of str
        Those of ``files`` that the user may correct, and that are then kept.
    """

    name: str
    section: str
    version: int
    description: str
    series: tuple[tuple[str, str], ...] = ()
    needs: tuple[str, ...] = ()
    files: tuple[str, ...] = ()
    task: str = ""
    editable: tuple[str, ...] = ()
    editable_files: tuple[str, ...] = ()

    @cached_property
    def keys(self) -> tuple[str, ...]:
        """Names of the features and descriptors that this stage writes."""
        return tuple(key.name for key in ALL_SPECS if key.stage == self.name)


#: All stages, in the order in which they run.
STAGES: tuple[Stage, ...] = (
    Stage("separate", "separation", 1, "four stems: drums, bass, other, vocals", task="stems"),
    Stage("source", "source", 3, "metadata of the file: duration, rate, bandwidth, tags", (("full_mix", "bandwidth"),)),
    Stage("audit", "source", 2, "faults of the source: lossy origin, channels, dropouts", (("full_mix", "audit"),)),
    Stage(
        "beats",
        "rhythm",
        3,
        "beat grid and tempo",
        (("full_mix", "onset"), ("drums", "onset")),
        files=("BEATS_GRID",),
        task="beats",
        editable=("time_signature",),
    ),
    Stage("onsets", "rhythm", 3, "onset times and strengths", (("full_mix", "onsets"),), files=("ONSETS",)),
    Stage(
        "syncopation",
        "rhythm",
        4,
        "syncopation by layers, swing",
        (
            *(("full_mix", "onsets"), ("full_mix", "layers"), ("drums", "layers")),
            *(("bass", "onsets"), ("other", "onsets"), ("vocals", "onsets")),
        ),
        needs=("beats", "onsets"),
    ),
    Stage(
        "complexity", "rhythm", 3, "variety and evenness of intervals", (("full_mix", "onsets"),), ("beats", "onsets")
    ),
    Stage(
        "stem_rhythm",
        "rhythm",
        5,
        "rhythm of bass, drums and other",
        (
            *((part, "loudness") for part in ("full_mix", *RHYTHM_STEMS)),
            *(("bass", "onsets"), ("drums", "onsets"), ("drums", "layers"), ("other", "onsets")),
            *(("full_mix", "layers"), ("full_mix", "stem_onsets")),
        ),
        needs=("beats",),
    ),
    Stage(
        "loudness",
        "loudness",
        2,
        "integrated loudness and loudness range of mix and stems",
        tuple((part, "loudness") for part in ("full_mix", *STEMS)),
    ),
    Stage(
        "voice",
        "voice",
        2,
        "whether there are vocals",
        (("full_mix", "voice"), ("full_mix", "loudness"), ("vocals", "loudness")),
        editable=("voice",),
    ),
    Stage(
        "level",
        "loudness",
        1,
        "true peak, peak to loudness ratio, stereo width",
        (("full_mix", "level"), ("full_mix", "loudness")),
    ),
    Stage("spectral_shape", "spectral", 1, "flatness, flux, skewness, kurtosis", (("full_mix", "spectral"),)),
    Stage("bands", "spectral", 1, "RMS energy of four bands", (("full_mix", "bands"),)),
    Stage(
        "chroma",
        "harmony",
        4,
        "pitch-class weights, key and mode",
        (("tonal", "chroma"), ("bass", "chroma"), ("other", "chroma")),
        editable=("key", "mode"),
    ),
    Stage(
        "stem_harmonic",
        "harmony",
        1,
        "harmonic movement and variance of bass and other",
        (("bass", "chroma"), ("other", "chroma")),
        needs=("beats",),
    ),
    Stage(
        *("chords", "harmony", 2, "chords: major, minor, sevenths, none"),
        (("tonal", "chroma"), ("bass", "chroma"), ("full_mix", "loudness")),
        *(("beats",), ("CHORDS",)),
        editable_files=("CHORDS",),
    ),
    Stage(
        "sections",
        "structure",
        2,
        "sections: boundaries, letters of the form, functions",
        (
            *(("tonal", "chroma"), ("full_mix", "bands"), ("full_mix", "spectral"), ("full_mix", "layers")),
            *(("full_mix", "onsets"), ("drums", "layers")),
            *((part, "loudness") for part in ("full_mix", *STEMS)),
        ),
        needs=("beats",),
        files=("SECTIONS",),
        editable_files=("SECTIONS",),
    ),
    Stage("pitch", "pitch", 1, "pitches and note density of the bass", (("bass", "f0"), ("bass", "onsets"))),
    Stage("timbral", "timbre", 1, "eight Audio Commons timbre models", (("full_mix", "timbre"),)),
    Stage(
        "danceability",
        "classification",
        1,
        "danceability and atonality",
        (("full_mix", "envelope"), ("tonal", "chroma")),
        task="classification",
    ),
    Stage("aesthetics", "classification", 1, "four Audiobox Aesthetics scores", task="aesthetics"),
    Stage(
        "music_facts",
        "description",
        3,
        "plain sentences from the measured values",
        needs=(
            *("source", "beats", "syncopation", "stem_rhythm", "loudness", "voice", "level", "spectral_shape", "bands"),
            *("chroma", "timbral", "danceability"),
        ),
    ),
    Stage(
        "crop",
        "cropping",
        2,
        "training clips of the mix and its stems, each with its own features",
        tuple((part, "loudness") for part in ("full_mix", *STEMS)),
        needs=(
            *("source", "beats", "onsets", "syncopation", "complexity", "stem_rhythm", "loudness", "voice", "level"),
            *("spectral_shape", "bands", "chroma", "stem_harmonic", "chords", "sections", "pitch", "timbral"),
            *("danceability", "aesthetics", "music_facts"),
        ),
    ),
    Stage("drums", "transcription", 2, "drums to MIDI", needs=("beats",), task="drums"),
    Stage(
        "notes",
        "transcription",
        1,
        "notes of bass, other and vocals to MIDI",
        (("bass", "f0"), ("bass", "onsets"), ("other", "notes"), ("vocals", "f0"), ("vocals", "onsets")),
        needs=("beats",),
        task="f0",
        files=("bass.mid", "other.mid", "vocals.mid"),
        editable_files=("bass.mid", "other.mid", "vocals.mid"),
    ),
    Stage(
        "tags",
        "classification",
        2,
        "instruments, genre and mood, with probabilities",
        (
            *((part, "loudness") for part in ("full_mix", *STEMS)),
            ("full_mix", "stem_onsets"),
            ("bass", "f0"),
            ("full_mix", "voice"),
        ),
        task="tags",
        editable=("instruments", "genre", "mood"),
    ),
    Stage("describe", "description", 1, "five captions by Music Flamingo", task="texts"),
)

_NOT_MEASURED = ("separate", "crop", "drums", "notes", "tags", "describe")
#: Stages that measure features from audio; ``extract`` runs them.
MEASURED = tuple(stage.name for stage in STAGES if stage.name not in _NOT_MEASURED)


@dataclass(frozen=True)
class Group:
    """A command that runs several stages."""

    name: str
    stages: tuple[str, ...]
    description: str


GROUPS: tuple[Group, ...] = (
    Group("extract", MEASURED, "measure every feature"),
    Group(
        "rhythm",
        ("beats", "onsets", "syncopation", "complexity"),
        "beats, tempo, onsets, syncopation, complexity of the mix",
    ),
    Group("tempo", ("beats",), "tempo from the beat grid"),
    Group("spectral", ("spectral_shape", "bands"), "spectral shape and band energy"),
    Group("harmony", ("chroma", "stem_harmonic", "chords"), "chroma, key, harmonic movement, chords"),
    Group("classification", ("danceability", "aesthetics"), "danceability, atonality, aesthetics"),
)


#: Tasks that backends do (see ``mirkit.models.registry``).
TASKS = ("stems", "beats", "drums", "classification", "aesthetics", "f0", "notes", "tags", "texts")
_STAGE = {stage.name: stage for stage in STAGES}
_FEATURE = {spec.name: spec for spec in ALL_SPECS}
TRACK_KEYS = tuple(spec.name for spec in FEATURES if spec.stage != "crop")
#: Everything that the ``.INFO`` of a track holds besides captions; that of a clip also has ``position``.
INFO_KEYS = tuple(spec.name for spec in INFO_SPECS if spec.stage != "crop")


def stage(name: str) -> Stage:
    """Return the stage of this name."""
    return _STAGE[name]


def feature(name: str) -> FeatureSpec:
    """Return the feature or descriptor of this name."""
    return _FEATURE[name]


def with_needs(names: tuple[str, ...]) -> tuple[str, ...]:
    """Return the named stages and all stages that they need, in the order of STAGES."""
    wanted = set(names)
    for row in reversed(STAGES):
        if row.name in wanted:
            wanted.update(row.needs)
    return tuple(row.name for row in STAGES if row.name in wanted)
