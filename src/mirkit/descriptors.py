"""The descriptors: numbers, categories and texts of an ``.INFO`` beside the 78 features."""

from typing import Any

from mirkit.feature_spec import FeatureSpec

PITCH_CLASSES = ("C", "C#", "D", "D#", "E", "F", "F#", "G", "G#", "A", "A#", "B")
MODES = ("major", "minor")
#: What a section may be for. mirkit names ``intro``, ``instrumental`` and ``outro``; the others are for users.
SECTION_FUNCTIONS = (
    *("intro", "verse", "pre-chorus", "chorus", "post-chorus", "bridge", "instrumental", "solo", "break", "build-up"),
    *("drop", "outro"),
)
VOCALS, INSTRUMENTAL = VOICES = ("vocals", "instrumental")
TIME_SIGNATURES = ("4/4", "3/4", "6/8", "2/4", "12/8", "5/4", "5/8", "7/8", "7/4", "9/8", "other")


def _number(
    name: str, stage: str, unit: str, low: float | None, high: float | None, description: str, **more: Any
) -> FeatureSpec:
    return FeatureSpec(name, stage, unit, low, high, description, **more)


def _category(name: str, stage: str, categories: tuple[str, ...], description: str) -> FeatureSpec:
    return FeatureSpec(name, stage, "", None, None, description, kind="category", categories=categories)


def _text(name: str, stage: str, description: str) -> FeatureSpec:
    return FeatureSpec(name, stage, "", None, None, description, kind="text")


#: What an ``.INFO`` holds beside the features. A row here and a stage that returns its value are all that it takes for
#: a value to be in the ``.INFO`` of tracks and clips, in windows, tables, conditioners, ``verify``, ``stats`` and the
#: report. Numbers and categories are reductions over a window, as features are.
DESCRIPTORS: tuple[FeatureSpec, ...] = (
    _category("key", "chroma", PITCH_CLASSES, "tonic of the key; null where nothing pitched sounds"),
    _category("mode", "chroma", MODES, "mode of the key"),
    _number(
        *("key_confidence", "chroma", "ratio", 0, 1),
        "share of such keys that are right; 1 where the user has set the key",
        by_name=True,
    ),
    _category("time_signature", "beats", TIME_SIGNATURES, "meter; null without a pulse, other when none explains it"),
    _number(
        *("time_signature_confidence", "beats", "ratio", 0, 1),
        "probability of the meter; 1 where the user has set it",
        by_name=True,
    ),
    _number(*("bpm_confidence", "beats", "ratio", 0, 1), "probability of the tempo among its candidates", by_name=True),
    _number(
        *("swing", "syncopation", "ratio", 0.5, 0.75),
        "first eighth of a beat / beat: 0.5 straight, 0.67 triplets; null where eighths are few",
    ),
    _number("duration_seconds", "source", "s", 0, None, "length of the audio", by_name=True),
    _number(
        *("vocal_presence", "voice", "ratio", 0, 1),
        "share of the sounding time with a voice; null where it is known only that there is one, or not even that",
    ),
    _category(
        "voice",
        "voice",
        VOICES,
        "whether somebody sings or speaks; null where neither is sure (docs/how_good/voice.md)",
    ),
    _number(
        *("voice_confidence", "voice", "ratio", 0, 1),
        "share of such answers that are right; null where a stem decides; 1 where the user has set it",
        by_name=True,
    ),
    *(
        _number(
            *(f"{stem}_presence", "loudness", "ratio", 0, 1),
            f"share of the 400 ms blocks in which {what}: the stem is at most 20 LU below the mix",
            by_name=True,
        )
        for stem, what in (("drums", "drums play"), ("bass", "a bass plays"), ("other", "other instruments play"))
    ),
    _number(
        *("true_peak", "level", "dBTP", -120, 20),
        "highest level between the samples, ITU-R BS.1770-4 annex 2; null in silence",
    ),
    _number("plr", "level", "LU", -10, 60, "peak to loudness ratio: true_peak - lufs"),
    _number(
        *("stereo_width", "level", "ratio", 0, 1),
        "RMS of (left - right) / 2 over the sum of it and that of (left + right) / 2: 0 mono, 1 opposite phases",
    ),
    _number(
        *("section_count", "sections", "count", 1, None),
        "sections that the track or clip touches; null without a form",
        kind="int",
        by_name=True,
    ),
    _text("section", "sections", "letter of the section that covers most of it, and at least half"),
    _category("section_function", "sections", SECTION_FUNCTIONS, "what that section is for, where a rule names it"),
    _number(
        *("pitch_median_bass", "pitch", "MIDI note", 0, 127),
        "median pitch of the bass, weighted by the notes' lengths",
    ),
    _number(
        *("pitch_range_bass", "pitch", "semitones", 0, 127),
        "lowest to highest pitch of the bass, without 2 % of the sounding time at each end",
    ),
    _number("note_density_bass", "pitch", "1/s", 0, 50, "notes of the bass that begin, per second"),
    _number("chord_change_rate", "chords", "1/min", 0, None, "changes from one chord to another / length"),
    _number("chord_major_share", "chords", "ratio", 0, 1, "time with chords that have a major third / length"),
    _number("chord_minor_share", "chords", "ratio", 0, 1, "time with chords that have a minor third / length"),
    _number("chord_seventh_share", "chords", "ratio", 0, 1, "time with seventh chords / length"),
    _number("chord_none_share", "chords", "ratio", 0, 1, "time without a chord / length"),
    _number("chord_confidence", "chords", "ratio", 0, 1, "mean probability of the chords, by time", by_name=True),
    _text("chords", "chords", "chords bar by bar, with bar lines; one after the other where the bars are not known"),
    _text(
        "music_facts",
        "music_facts",
        "two to four sentences from the values above, by rules (docs/how_good/vocabulary.md)",
    ),
)


def _notes_of(stem: str) -> list[FeatureSpec]:
    return [
        _number(
            *(f"pitch_median_{stem}", "notes", "MIDI note", 0, 127),
            f"median pitch of the notes, weighted by their lengths, {stem} stem",
        ),
        _number(
            *(f"pitch_range_{stem}", "notes", "semitones", 0, 127),
            f"lowest to highest pitch, without 2 % of the sounding time at each end, {stem} stem",
        ),
        _number(f"note_density_{stem}", "notes", "1/s", 0, 100, f"notes that begin, per second, {stem} stem"),
    ]


#: Descriptors of stages that run only on request: an ``.INFO`` holds them once the stage has run.
REQUESTED: tuple[FeatureSpec, ...] = (
    *_notes_of("other"),
    _number(
        *("polyphony_other", "notes", "count", 1, 88),
        "mean number of notes that sound at a time, while any does, other stem",
    ),
    *_notes_of("vocals"),
    *(
        _number(f"instrument_{name}", "tags", "ratio", 0, 1, f"probability that {what} can be heard", by_name=True)
        for name, what in (
            *(("drums", "drums"), ("bass", "a bass"), ("vocals", "a voice"), ("guitar", "a guitar")),
            *(("piano", "a piano"), ("strings", "strings"), ("flute", "a flute"), ("synthesizer", "a synthesizer")),
            ("choir", "a choir"),
        )
    ),
    _text("instruments", "tags", "the instruments whose probability reaches their threshold (docs/how_good/tags.md)"),
    _text("genre", "tags", "genre: that of the file's tags, else the most probable one of a model"),
    _number(
        "genre_confidence", "tags", "ratio", 0, 1, "probability of the genre; 1 where the user names it", by_name=True
    ),
    _text("mood", "tags", "the most probable mood of a model"),
    _number(
        "mood_confidence", "tags", "ratio", 0, 1, "probability of the mood; 1 where the user names it", by_name=True
    ),
    _text("music_tags", "tags", "the most probable tags of a model, each with its probability"),
)
