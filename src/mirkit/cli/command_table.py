"""The commands: what the help prints about each, and for commands on tracks the stages that they run.

``mirkit --help``, the help of each command, the completion of shells and the reference of the documentation are made
from these rows.
"""

from dataclasses import dataclass

from mirkit.catalog import GROUPS, MEASURED, STAGES

#: Headings of ``mirkit --help``, and the commands below each.
HEADINGS: dict[str, tuple[str, ...]] = {
    "Start": ("run", "demo", "init", "organize", "doctor"),
    "Measure": ("measure", "separate", "extract", "tags", "describe", "drums", "notes"),
    "Look": ("ls", "show", "stats", "report", "status", "window"),
    "Clean": ("verify", "duplicates", "exclude", "include", "rights"),
    "Train": ("crop", "select", "split", "export"),
    "Models": ("models",),
    "Advanced": ("features", "completion", "help"),
}
#: Other words for a command: they are accepted and not listed.
ALIASES: dict[str, tuple[str, ...]] = {
    "env": ("doctor",),
    "list": ("ls",),
    "download": ("models", "fetch"),
    "__list_models": ("models",),
}
#: Stages of the commands that write captions, which have options of their own.
CAPTION_STAGES = ("describe",)


@dataclass(frozen=True)
class Command:
    """One command.

    Attributes
    ----------
    name : str
        As in the user manual, with underscores; hyphens are accepted too.
    description : str
        One sentence.
    examples : tuple of str
        Three command lines.
    stages : tuple of str
        Stages that it runs on tracks; empty for commands that run none.
    fixed : tuple of (str, str)
        Task and backend that its name fixes.
    """

    name: str
    description: str
    examples: tuple[str, ...]
    stages: tuple[str, ...] = ()
    fixed: tuple[tuple[str, str], ...] = ()

    @property
    def title(self) -> str:
        """The words that a user types after ``mirkit``."""
        name = self.name.replace("_", "-")
        return f"measure {name}" if self.name in MEASURE_GROUPS else name


#: Groups and stages of ``mirkit measure``, in the order of its help, with a sentence for each.
_MEASURE = {
    "rhythm": "Measure beats, tempo, onsets, syncopation and the complexity of the rhythm of the mix.",
    "tempo": "Measure the tempo from the beat grid.",
    "beats": "Find beats and downbeats, and measure tempo and time signature.",
    "onsets": "Find the onsets of notes and hits, and measure how many and how strong they are.",
    "syncopation": "Measure syncopation, the share of onsets on the beat, and swing.",
    "complexity": "Measure how varied and how even the intervals between onsets are.",
    "stem_rhythm": "Measure the rhythm of the stems bass, drums and other.",
    "loudness": "Measure loudness and loudness range of the mix and of each stem.",
    "level": "Measure true peak, peak to loudness ratio and stereo width.",
    "voice": "Decide whether a track has vocals or is instrumental.",
    "spectral": "Measure the shape of the spectrum and the energy of four bands.",
    "spectral_shape": "Measure flatness, flux, skewness and kurtosis of the spectrum.",
    "bands": "Measure the energy of four frequency bands.",
    "harmony": "Measure pitch-class weights, key, harmonic movement and chords.",
    "chroma": "Measure the weights of the twelve pitch classes, and find the key.",
    "stem_harmonic": "Measure how much the harmony of bass and other moves and varies.",
    "chords": "Find the chords: major, minor, sevenths or none.",
    "sections": "Find the sections of the form, with the same letter for sections that are alike.",
    "pitch": "Measure the pitches and the note density of the bass.",
    "timbral": "Measure timbre by the eight models of Audio Commons, such as brightness and warmth.",
    "classification": "Measure danceability, atonality and aesthetics.",
    "danceability": "Measure danceability and atonality.",
    "aesthetics": "Predict the four scores of Audiobox Aesthetics.",
    "audit": "Look for faults of each file: lossy origin, silent or inverted channels, dropouts and others.",
    "source": "Read duration, sample rate, bandwidth and tags of each file.",
    "music_facts": "Write two to four plain sentences from the measured values.",
}
_TRACK = '"my_music/Artist - Track"'
#: Last example of a group that has options of its own.
_OWN_EXAMPLES = {
    "rhythm": "measure rhythm my_music --bpm-range 120-160",
    "tempo": f"measure tempo {_TRACK} --bpm 142",
    "beats": "measure beats my_music --beat-model beat_this",
    "chords": "measure chords my_music --jams chords",
    "classification": "measure classification my_music --backend classification=embedded",
}


def _measure_group(name: str, stages: tuple[str, ...], description: str) -> Command:
    title = name.replace("_", "-")
    last = _OWN_EXAMPLES.get(name, f"measure {title} my_music --where 'artist:daft' --overwrite")
    examples = (f"measure {title} {_TRACK}", f"measure {title} my_music --json", last)
    sentence = _MEASURE.get(name, f"Measure {description}.")
    return Command(name, sentence, tuple(f"mirkit {line}" for line in examples), stages)


def _measure_groups() -> dict[str, Command]:
    rows = {group.name: (group.stages, group.description) for group in GROUPS if group.name != "extract"}
    rows |= {stage.name: ((stage.name,), stage.description) for stage in STAGES if stage.name in MEASURED}
    order = [*_MEASURE, *(name for name in rows if name not in _MEASURE)]
    return {name: _measure_group(name, *rows[name]) for name in order}


#: The groups of ``mirkit measure``.
MEASURE_GROUPS: dict[str, Command] = _measure_groups()

_LISTED = (
    Command(
        "run",
        "Separate, measure and transcribe a track or a folder of tracks.",
        (
            "mirkit run my_music",
            "mirkit run my_music --organize copy --tags --notes",
            "mirkit run song.flac --bpm 142 --dry-run",
        ),
        ("separate", *MEASURED, "drums"),
    ),
    Command(
        "demo",
        "Measure four synthesized pieces, and compare with the truth.",
        ("mirkit demo", "mirkit demo /tmp/mirkit-demo", "mirkit demo --quiet"),
    ),
    Command(
        "init",
        "Write the settings file mirkit.toml of a data set.",
        (
            "mirkit init my_music",
            "mirkit init my_music --backend beats=embedded --backend drums=embedded",
            "mirkit init my_music --backend stems=demucs --force",
        ),
    ),
    Command(
        "organize",
        "Move or copy loose audio files into track folders, or undo that.",
        ("mirkit organize my_music --dry-run", "mirkit organize my_music --copy", "mirkit organize my_music --undo"),
    ),
    Command(
        "doctor",
        "Show what is installed, and which methods would be used.",
        ("mirkit doctor", "mirkit doctor --json", "mirkit doctor --report my_music"),
    ),
    Command(
        "measure",
        "Measure one group of features, and print the values.",
        (
            f"mirkit measure tempo {_TRACK}",
            "mirkit measure loudness my_music --json",
            "mirkit measure rhythm song.flac --bpm-range 120-160",
        ),
    ),
    Command(
        "separate",
        "Separate the mix into drums, bass, other and vocals.",
        (
            "mirkit separate my_music",
            "mirkit separate -n htdemucs -d cuda --two-stems vocals --mp3 song.flac",
            "mirkit separate my_music -n embedded --float32 -o stems -j 4",
        ),
        ("separate",),
    ),
    Command(
        "extract",
        "Measure all features, and print the values.",
        (
            f"mirkit extract {_TRACK}",
            "mirkit extract my_music -j 4",
            "mirkit extract my_music --where 'bpm:null' --overwrite",
        ),
        MEASURED,
    ),
    Command(
        "tags",
        "Find instruments, genre and mood, with probabilities.",
        (
            "mirkit tags my_music",
            f"mirkit tags {_TRACK} --json",
            "mirkit tags my_music --backend tags=embedded",
        ),
        ("tags",),
    ),
    Command(
        "describe",
        "Write captions with a language model or a server.",
        (
            "mirkit describe my_music --url http://127.0.0.1:8080 --dry-run",
            "mirkit describe my_music --model Q6_K --only full,genre_mood",
            f"mirkit describe {_TRACK} --method transformers",
        ),
        CAPTION_STAGES,
    ),
    Command(
        "drums",
        "Transcribe drums to MIDI.",
        (
            "mirkit drums my_music",
            f"mirkit drums {_TRACK} -o drums.mid",
            "mirkit drums my_music --backend drums=embedded --quantize 4",
        ),
        ("drums",),
    ),
    Command(
        "notes",
        "Write the notes of bass, other and vocals as MIDI files.",
        ("mirkit notes my_music", f"mirkit notes {_TRACK}", "mirkit notes my_music --backend f0=swift_f0"),
        ("notes",),
    ),
    Command(
        "ls",
        "List tracks or clips that match a query, with their values.",
        (
            "mirkit ls my_music bpm:120..130 key:Am vocal_presence:0 sort:bpm-",
            "mirkit ls my_music artist:daft added:-7d --fields artist,title,bpm,key",
            "mirkit ls my_music 'lufs>-9 -genre:metal' -0 | xargs -0 -n 1 mirkit measure rhythm",
        ),
    ),
    Command(
        "show",
        "Show all that is known about a track or clip.",
        (
            'mirkit show "my_music/Artist - Album - Track"',
            "mirkit show my_music artist:daft title:around",
            "mirkit show my_music/song.flac --json",
        ),
    ),
    Command(
        "stats",
        "Show statistics of all features, and ranges for conditioners.",
        ("mirkit stats my_music", "mirkit stats my_music --crops -o stats.json", "mirkit stats --where 'genre:techno'"),
    ),
    Command(
        "report",
        "Write web pages about a data set, which open without a server.",
        (
            "mirkit report my_music",
            "mirkit report my_music -o /tmp/pages --with-audio",
            "mirkit report my_music --where 'artist:daft' --overwrite",
        ),
    ),
    Command(
        "status",
        "Show the runs of a data set: progress, failures, time left.",
        ("mirkit status my_music", "mirkit status my_music --verbose", "mirkit status s3://bucket/music --json"),
    ),
    Command(
        "window",
        "Show the features of one part of a track, or of many.",
        (
            f"mirkit window {_TRACK} --start 30 --end 42",
            f"mirkit window {_TRACK} --slices 16 --json",
            "mirkit window song.flac --end 20 --samples",
        ),
    ),
    Command(
        "verify",
        "Check every track for missing, outdated and out-of-range values.",
        ("mirkit verify my_music", "mirkit verify my_music --show-missing", "mirkit verify my_music --crops --deep"),
    ),
    Command(
        "duplicates",
        "Find tracks that are the same recording, also altered copies.",
        (
            "mirkit duplicates my_music",
            "mirkit duplicates my_music -o duplicates.json",
            "mirkit duplicates my_music --exclude",
        ),
    ),
    Command(
        "exclude",
        "Exclude tracks or clips from all commands, with a reason.",
        (
            f'mirkit exclude {_TRACK} --reason "clipped"',
            "mirkit exclude my_music --where 'duration:..0:30' --reason \"too short\"",
            "mirkit exclude my_music --audit faults --dry-run",
        ),
    ),
    Command(
        "include",
        "Include tracks or clips again that were excluded.",
        (
            f"mirkit include {_TRACK}",
            "mirkit include my_music --where 'artist:daft'",
            "mirkit include my_music --where 'excluded:~\"not selected\"'",
        ),
    ),
    Command(
        "rights",
        "Show the license of every track, from tags and rights.csv.",
        (
            "mirkit rights my_music",
            "mirkit rights my_music -o my_music/rights.csv",
            "mirkit rights my_music --json",
        ),
    ),
    Command(
        "crop",
        "Cut training clips, each with stems and features of its own.",
        (
            "mirkit crop my_music --seconds 30",
            "mirkit crop my_music --samples 2097152",
            "mirkit crop my_music --bars 8 --overlap 0.5 --set loops",
        ),
        ("crop",),
    ),
    Command(
        "select",
        "Choose few tracks or clips that cover a data set.",
        (
            "mirkit select 1000 my_music",
            "mirkit select 200 my_music --cap artist=3 -o weights.json",
            "mirkit select 500 my_music --crops --exclude",
        ),
    ),
    Command(
        "split",
        "Split tracks into training, validation and test sets.",
        (
            "mirkit split my_music",
            "mirkit split my_music --val 0.1 --test 0.1 -o split.json",
            "mirkit split my_music --together artist --seed 7",
        ),
    ),
    Command(
        "export",
        "Export a bundle for a trainer, or a table.",
        (
            "mirkit export sat my_music -o bundle --check",
            "mirkit export csv my_music -o features.csv --from tracks",
            "mirkit export acestep my_music -o bundle --dry-run",
        ),
    ),
    Command(
        "models",
        "List, download, check and remove neural models.",
        ("mirkit models", "mirkit models fetch beat_this", "mirkit models --cite beat_this"),
    ),
    Command(
        "features",
        "Print the list of all features as Markdown.",
        ("mirkit features", "mirkit features | less", "mirkit features > features.md"),
    ),
    Command(
        "completion",
        "Print the script that completes mirkit's words in your shell.",
        (
            'eval "$(mirkit completion bash)"',
            "mirkit completion zsh > ~/.zfunc/_mirkit",
            "mirkit completion fish > ~/.config/fish/completions/mirkit.fish",
        ),
    ),
    Command(
        "help",
        "Print the list of commands, or the help of a command.",
        ("mirkit help", "mirkit help run", "mirkit help measure tempo"),
    ),
)
#: Names of the user manual that stand for a command with a fixed method.
_MANUAL = (
    Command(
        "demucs_sep",
        "Separate the mix into four stems with Demucs, or with another model that -n names.",
        (
            "mirkit separate my_music -n demucs",
            "mirkit demucs_sep my_music -n embedded",
            "mirkit demucs_sep my_music -d cuda",
        ),
        ("separate",),
        (("stems", "demucs"),),
    ),
    Command(
        "adtof",
        "Transcribe drums to MIDI with ADTOF.",
        (
            "mirkit drums my_music --backend drums=adtof",
            "mirkit adtof song.flac -o drums.mid",
            "mirkit adtof my_music -d cpu",
        ),
        ("drums",),
        (("drums", "adtof"),),
    ),
    Command(
        "drumsep",
        "Transcribe drums to MIDI with DrumSep.",
        (
            "mirkit drums my_music --backend drums=drumsep",
            "mirkit drumsep my_music --verbose",
            "mirkit drumsep song.flac -o drums.mid",
        ),
        ("drums",),
        (("drums", "drumsep"),),
    ),
    Command(
        "music_flamingo",
        "Write five captions for each track with llama.cpp.",
        (
            "mirkit describe my_music --method llama",
            "mirkit music_flamingo my_music --model Q6_K",
            "mirkit music_flamingo song.flac --only full",
        ),
        CAPTION_STAGES,
        (("texts", "llama"),),
    ),
    Command(
        "music_flamingo_transformers",
        "Write five captions for each track with Transformers.",
        (
            "mirkit describe my_music --method transformers",
            "mirkit music_flamingo_transformers my_music --flash-attention",
            "mirkit music_flamingo_transformers song.flac --only full",
        ),
        CAPTION_STAGES,
        (("texts", "transformers"),),
    ),
)

#: All commands by name, also those that are not listed.
COMMANDS: dict[str, Command] = {row.name: row for row in (*_LISTED, *MEASURE_GROUPS.values(), *_MANUAL)}


def canonical(word: str) -> str:
    """Return the name of a command as the table has it: hyphens and underscores are the same."""
    return word.replace("-", "_")
