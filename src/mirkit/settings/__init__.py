"""The settings: each is declared once, with its default, check, help text and option.

``SETTINGS`` lists them by ``section.key``. The options of the command line, the names of environment variables, the
checks of ``mirkit.toml`` and the table of the manual are derived from it.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, fields, is_dataclass, replace
from enum import Enum
from typing import Any

from mirkit.captions.prompts import FIELD, placeholders
from mirkit.settings import validators as v
from mirkit.settings.validators import Check, optional


class Kind(Enum):
    """The kind of thing that a setting can name. A data set may contain only values, words and names of models."""

    VALUE = "a number, a switch, one of a closed set of names, or a plain name that becomes part of a file's"
    WORDS = "words that are printed or sent, and never opened"
    MODEL = "a model: a data set may hold its name, but not a path"
    ADDRESS = "a program, a file or a server: never in a data set"


@dataclass(frozen=True)
class Setting:
    """One setting, as ``--help``, ``mirkit.toml``, the environment and the manual use it.

    Attributes
    ----------
    check : Check
    help : str
        Description of the setting: a phrase for ``--help`` and for the manual.
    default : object
    option : str
        Option on the command line, e.g. ``"--shifts"``; "" if there is none.
    short : str
        Its form with one hyphen, e.g. ``"-j"``; "" if there is none.
    aliases : tuple of str
        Other spellings of the option, which are accepted and not listed.
    units : mapping
        Options that replace ``option``: option -> unit of its number, e.g. ``{"--bars": "bars"}``.
    kind : Kind
    names : str
        The thing that the value of a model or an address names, e.g. ``"a program"``.
    restricts : bool
        For a switch, whether a data set cannot switch it off if it is on in the user's own settings.
    name : str
        ``section.key``; filled in by :func:`declared`.
    """

    check: Check
    help: str
    default: Any = None
    option: str = ""
    short: str = ""
    aliases: tuple[str, ...] = ()
    units: Mapping[str, str] = field(default_factory=dict)
    kind: Kind = Kind.VALUE
    names: str = ""
    restricts: bool = False
    name: str = ""

    @property
    def is_switch(self) -> bool:
        """Whether the option takes no value."""
        return isinstance(self.default, bool)

    @property
    def variable(self) -> str:
        """Environment variable, e.g. ``MIRKIT_TEXTS_URL``; "" unless the setting names a model or an address."""
        named = self.option and self.kind in (Kind.MODEL, Kind.ADDRESS)
        return f"MIRKIT_{self.name.replace('.', '_').upper()}" if named else ""

    @property
    def default_text(self) -> str:
        """The default as a user writes it; "" if there is none."""
        if self.is_switch:
            return "true" if self.default else ""
        return "" if self.default in (None, "", (), {}) else self.check.write(self.default)


def setting(default: Any, check: Check, help: str, option: str = "", **declared: Any) -> Any:
    """Declare a field of a dataclass as a setting; None is allowed if it is the default.

    ``declared`` contains further attributes of ``Setting``.
    """
    metadata = {"setting": Setting(optional(check) if default is None else check, help, default, option, **declared)}
    if isinstance(default, dict):
        return field(default_factory=dict, metadata=metadata)
    return field(default=default, metadata=metadata)


def declared(schema: type, prefix: str = "") -> dict[str, Setting]:
    """Return all settings that a dataclass and the dataclasses in its fields declare, as ``section.key`` -> setting."""
    settings: dict[str, Setting] = {}
    for row in fields(schema):
        name = f"{prefix}{row.name}"
        if "setting" in row.metadata:
            settings[name] = replace(row.metadata["setting"], name=name)
        elif isinstance(row.type, type) and is_dataclass(row.type):
            settings |= declared(row.type, f"{name}.")
    return settings


__all__ = [
    "SETTINGS",
    "BackendSettings",
    "CaptionSettings",
    "ClipSettings",
    "DrumSettings",
    "Kind",
    "RhythmSettings",
    "RunSettings",
    "SeparationSettings",
    "Setting",
    "Settings",
]


def _method(task: str) -> Any:
    # Which backends exist depends on the installed packages: mirkit.models.check_names looks that up.
    return setting("auto", v.backend_name(), f"method for {task}")


def _prompt(value: Any) -> str:
    if not isinstance(value, str):
        raise ValueError('a table of name = "text"')
    placeholders(value)
    return value


@dataclass(frozen=True)
class BackendSettings:
    """``[backends]``: the method for each task, ``auto`` or the name of a backend."""

    stems: str = _method("stems")
    beats: str = _method("beats")
    drums: str = _method("drums")
    classification: str = _method("classification")
    aesthetics: str = _method("aesthetics")
    f0: str = _method("f0")
    notes: str = _method("notes")
    tags: str = _method("tags")
    texts: str = _method("texts")


@dataclass(frozen=True)
class SeparationSettings:
    """``[separation]``: how stems are made and stored. None means the backend's own default."""

    model: str | None = setting(
        None,
        v.text("MODEL"),
        "model that separates: embedded, the name of a method or of a model (htdemucs_ft, htdemucs, ...), or a file or "
        "folder with one",
        "--model",
        short="-n",
        aliases=("-m",),
        kind=Kind.MODEL,
        names="a file or folder",
    )
    two_stems: str | None = setting(
        None,
        v.one_of("drums", "bass", "other", "vocals"),
        "write only this stem and the rest of the mix (no_STEM), instead of four stems",
        "--two-stems",
    )
    format: str = setting("flac", v.one_of("flac", "wav", "mp3", "ogg"), "file format of the stems", "--format")
    bits: int | None = setting(
        None,
        v.bits(),
        "bits per sample of flac and wav stems: 16, 24, or 32 (floating point, wav only); by default those of the "
        "source, 16 for lossy sources, and 32 for wav stems of neural models",
    )
    bitrate: int = setting(320, v.whole(32, 512, "KBPS"), "bit rate of mp3 and ogg stems in kbit/s", "--bitrate")
    shifts: int | None = setting(
        None,
        v.whole(0, 100),
        "number of random time shifts to average over, 0 for none (default: the model's, for Demucs 1)",
        "--shifts",
    )
    overlap: float | None = setting(
        None,
        v.number(0, 0.99, "SHARE"),
        "share of a segment that overlaps with the next one (default: the model's, for Demucs 0.25)",
        "--overlap",
    )
    segment: float | None = setting(
        None, v.number(0.1, 3600, "S"), "length of a segment in seconds (default: the model's)", "--segment"
    )

    @property
    def problem(self) -> str:
        """Why format and bits do not go together; "" if they do."""
        if self.format == "flac" and self.bits == 32:
            return "separation.bits: flac holds at most 24 bits per sample; 32 bits need the format wav"
        return ""


@dataclass(frozen=True)
class RhythmSettings:
    """``[rhythm]``: how beats are tracked."""

    stems: bool = setting(True, v.flag(), "use the drums stem, where there is one, to find the beats")
    bpm_range: tuple[float, float] | None = setting(
        None, v.tempo_range(), "range of tempos to search, in beats per minute (default: the tracker's)", "--bpm-range"
    )
    bpm: float | None = setting(
        None,
        v.number(20, 400, "BPM"),
        "known tempo in beats per minute; it decides between octaves of the measured tempo",
        "--bpm",
    )
    model: str | None = setting(
        None,
        v.text("MODEL"),
        "model of the beat tracker: beat_this, beat_this_small, or a checkpoint file",
        "--beat-model",
        kind=Kind.MODEL,
        names="a file",
    )


@dataclass(frozen=True)
class DrumSettings:
    """``[drums]``: how drums are transcribed to MIDI."""

    source: str = setting(
        "stem",
        v.one_of("stem", "mix"),
        "audio to transcribe: the drums stem (the mix where there is none) or the mix",
        "--drum-source",
    )
    quantize: int = setting(
        0,
        v.whole(0, 48),
        "move drum hits to a grid of N steps per beat: 4 for sixteenths, 3 for triplets, 12 for both, 0 for none",
        "--quantize",
        aliases=("--quantise",),
    )
    model: str | None = setting(
        None,
        v.text("FILE"),
        "model of the drum transcriber: a name or a checkpoint file",
        "--drum-model",
        kind=Kind.MODEL,
        names="a file",
    )


@dataclass(frozen=True)
class ClipSettings:
    """``[crop]``: how training clips are cut."""

    length: str = setting(
        "2097152 samples",
        v.clip_length(),
        "length of a clip, such as 30 s, 2097152 samples (at 44.1 kHz, the model's sample_size) or 8 bars",
        units={"--seconds": "s", "--samples": "samples", "--bars": "bars"},
    )
    align: str = setting(
        "downbeat",
        v.one_of("section", "downbeat", "beat", "free"),
        "where a clip begins: where a section begins, on a downbeat, on a beat, or where the previous one ended",
        "--align",
    )
    overlap: float = setting(0.0, v.number(0, 0.99, "SHARE"), "share of a clip that the next one repeats", "--overlap")
    tail: str = setting(
        "drop",
        v.one_of("drop", "pad", "keep"),
        "what to do with a remainder that is shorter than a clip: drop it, pad it with silence, or keep it as it is",
        "--tail",
    )
    name: str = setting(
        "",
        v.set_name(),
        "name of the set of clips, so that several sets can exist side by side",
        "--set",
        aliases=("--name",),
    )


@dataclass(frozen=True)
class RunSettings:
    """``[run]``: device, workers and downloads; the computed values do not depend on these settings."""

    device: str = setting(
        "auto",
        v.device(),
        "device for neural models: auto, cpu, cuda, cuda:1, ... (also for ROCm cards) or mps",
        "--device",
        short="-d",
    )
    jobs: int = setting(0, v.whole(0, 4096), "number of worker processes, 0 for one per core", "--jobs", short="-j")
    offline: bool = setting(
        False, v.flag(), "download nothing, and use only models that are on this machine", "--offline", restricts=True
    )
    commercial_safe: bool = setting(
        False,
        v.flag(),
        "refuse models whose license excludes commercial use or is not stated",
        "--commercial-safe",
        restricts=True,
    )


@dataclass(frozen=True)
class CaptionSettings:
    """``[texts]``: the model that writes captions, its prompts, and the processing of its answers."""

    model: str | None = setting(
        None,
        v.text("MODEL"),
        "model that writes the captions: IQ3_M, Q6_K, Q8_0, a GGUF file, a folder of Transformers, or the name that a "
        "server gives it (default: the method's)",
        "--model",
        short="-n",
        aliases=("-m",),
        kind=Kind.MODEL,
        names="a file or folder",
    )
    projector: str | None = setting(
        None,
        v.text("FILE"),
        "GGUF file of the audio encoder (default: the one beside the model)",
        "--projector",
        kind=Kind.ADDRESS,
        names="a file",
    )
    url: str | None = setting(
        None,
        v.url(),
        "address of a server with the OpenAI chat API; the key is read from MIRKIT_TEXTS_KEY",
        "--url",
        kind=Kind.ADDRESS,
        names="a server",
    )
    allow_http: tuple[str, ...] = setting(
        (),
        v.hosts(),
        "hosts other than this machine that may be reached by plain http, where the network can read audio and key",
        kind=Kind.ADDRESS,
        names="a server",
    )
    profile: str = setting(
        "auto",
        v.one_of("auto", "llama", "vllm", "openai"),
        "kind of server, which decides what requests may contain",
        "--profile",
    )
    program: str | None = setting(
        None,
        v.text("FILE"),
        "llama-server program (default: the one on the PATH)",
        "--program",
        kind=Kind.ADDRESS,
        names="a program",
    )
    parallel: int = setting(1, v.whole(1, 256), "number of tracks to describe at the same time", "--slots")
    audio_seconds: float | None = setting(
        None,
        v.number(1, 3600, "S"),
        "longest excerpt of a track that the model receives, in seconds (default: the longest that it accepts)",
        "--audio-seconds",
    )
    excerpt: str = setting(
        "middle",
        v.one_of("middle", "loudest", "spread"),
        "part of a longer track that the model receives",
        "--excerpt",
    )
    temperature: float = setting(
        0.0,
        v.number(0, 2, "T"),
        "sampling temperature of the first attempt; 0 always takes the likeliest word",
        "--temperature",
    )
    seed: int = setting(1, v.whole(0, 2**31 - 1), "seed of the sampling", "--seed")
    attempts: int = setting(
        3,
        v.whole(1, 10),
        "how many times a question is asked before its answer is given up; from the second on at a temperature of 0.7",
        "--attempts",
    )
    one_call: bool = setting(
        False, v.flag(), "ask for all captions in one JSON answer, then one by one for those it lacks", "--one-call"
    )
    fix_facts: bool = setting(False, v.flag(), "correct statements that contradict the measurements", "--fix-facts")
    timeout: float = setting(900.0, v.number(1, 86_400, "S"), "time limit of one answer in seconds", "--timeout")
    attention: str = setting(
        "auto",
        v.one_of("auto", "flash_attention_2", "sdpa"),
        "attention implementation of Transformers; auto takes the first of the others that is installed",
    )
    prompts: Mapping[str, str] = setting(
        {},
        v.by_field(_prompt, 'a table of name = "text"', FIELD.pattern),
        'field = "prompt": prompts of your own, or replacements of the five; "" removes one',
        kind=Kind.WORDS,
    )
    words: Mapping[str, int] = setting(
        {},
        v.by_field(v.whole(5, 1000).accept, "a table of field = words", FIELD.pattern),
        "field = number: the largest number of words of a caption",
    )


@dataclass(frozen=True)
class Settings:
    """All settings of a data set, by section of ``mirkit.toml``."""

    backends: BackendSettings = BackendSettings()
    separation: SeparationSettings = SeparationSettings()
    rhythm: RhythmSettings = RhythmSettings()
    drums: DrumSettings = DrumSettings()
    crop: ClipSettings = ClipSettings()
    run: RunSettings = RunSettings()
    texts: CaptionSettings = CaptionSettings()
    exclude: Mapping[str, str] = setting(
        {}, v.texts(), 'track = "reason": tracks and clips that every command leaves out', kind=Kind.WORDS
    )


#: Every setting, by ``section.key``.
SETTINGS: dict[str, Setting] = declared(Settings)
