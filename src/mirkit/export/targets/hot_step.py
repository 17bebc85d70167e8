"""Target ``hot-step``: flac files with ``key: value`` texts, which HOT-Step's Training Studio and Side-Step read.

HOT-Step's Training Studio takes tempo, key, meter and words of a song from the ``x.txt`` beside it, and not from a
``dataset.json``. The engine of HOT-Step, ``ace-train``, reads the bundles of ``acestep``.
"""

import re
from collections.abc import Iterator
from pathlib import Path

from mirkit.errors import printable
from mirkit.export import song
from mirkit.export.bundle import clear_stale, finish_bundle, write_audio_files
from mirkit.export.parallel import Advance
from mirkit.export.plan import ExportPlan, Sample
from mirkit.export.readme import readme, shell
from mirkit.export.song import SongFields, song_fields
from mirkit.export.splits import SPLITS, TRAIN
from mirkit.export.targets import Target
from mirkit.export.validation import CheckResult, audio_faults, folder_faults, text_faults
from mirkit.store import FileBatch

#: Fields that begin a line; ``lyrics`` is the last one, and all lines after it belong to it.
_FIELDS = ("caption", "genre", "bpm", "key", "signature", "is_instrumental", "language", "custom_tag", "lyrics")
#: Other names that the trainers know; as the first word of a line, they end the field before.
_KNOWN = frozenset(
    (*_FIELDS, "tags", "trigger", "tag_position", "repeat", "repeats", "prompt_override", "duration", "keyscale")
) | {"scale", "timesignature", "time_signature", "sig", "lang", "tempo"}


def write(plan: ExportPlan, advance: Advance) -> None:
    """Write the bundle."""
    out = plan.options.out
    for split in plan.splits:
        write_audio_files(plan, plan.of(split), out / split, ".flac", advance)
    songs = {sample.name: song_fields(sample) for sample in plan.samples}
    files = set()
    with FileBatch() as batch:
        for sample in plan.samples:
            path = out / sample.split / f"{sample.name}.txt"
            batch.write(path, _text(sample, songs[sample.name], plan.options.trigger).encode("utf-8"))
            files |= {path, path.with_suffix(".flac")}
    clear_stale(out, files)
    plan.notes += song.lyrics_note(list(songs.values()))
    finish_bundle(plan, _readme(plan))


def _text(sample: Sample, fields: SongFields, trigger: str) -> str:
    """Write the fields of a song; what is unknown stays empty."""
    values = {
        "caption": " ".join(sample.prompts[0].split()),
        "genre": fields.genre,
        "bpm": "" if fields.bpm is None else str(fields.bpm),
        "key": fields.keyscale,
        "signature": fields.timesignature,
        "is_instrumental": str(fields.is_instrumental).lower(),
        "language": "" if fields.language == song.UNKNOWN_LANGUAGE else fields.language,
        "custom_tag": trigger,
        "lyrics": f"\n{fields.lyrics}" if "\n" in fields.lyrics else fields.lyrics,
    }
    return "".join(f"{name}: {values[name]}".rstrip(" ") + "\n" for name in _FIELDS)


def parsed(text: str) -> dict[str, str]:
    """Read a text as the trainers do: field -> its content."""
    found: dict[str, list[str]] = {}
    current = ""
    for line in text.removeprefix("\ufeff").strip().splitlines():
        name, colon, rest = line.lstrip().partition(":")
        name = name.strip().lower()
        if current != "lyrics" and colon and name in _KNOWN:
            current = name
            found[current] = [rest.strip()] if rest.strip() else []
        elif current:
            found[current].append(line.rstrip())
    return {name: "\n".join(lines).strip() for name, lines in found.items()}


def _readme(plan: ExportPlan) -> str:
    folder = plan.options.at.rstrip("/") or plan.options.out.resolve().as_posix()
    start = [
        f"**HOT-Step.** Open *Training Studio*, create a data set of the folder `{folder}/{TRAIN}`, leave out *Label* "
        "and *Enhance*, which would measure and describe the songs anew, press *Build*, and go on to *Preprocess*.",
        "**Side-Step:**",
        shell(f'sidestep dataset --input "{folder}/{TRAIN}"'),
        "It writes `dataset.json` into that folder; go on with *preprocess*.",
    ]
    know = [
        "Do not point ACE-Step itself at this folder: it would sing the texts. For ACE-Step, export the target "
        "`acestep`, whose `dataset.json` HOT-Step's command line (`ace-train preprocess --dataset`) reads, too.",
        "`val/` and `test/`, if there are any, are for listening and comparing: these trainers compute no loss on a "
        "second data set.",
        f"Songs have {song.SHORTEST:g} to {song.LONGEST:g} s, because the trainers cut off what is longer.",
        "The trigger word is `custom_tag`; the trainers put it before the caption, so the captions do not contain it. "
        "HOT-Step takes the name of the data set for the trigger word of songs that have none: empty that field if you "
        "want none.",
        "Side-Step writes the language as unknown, also where the text names it.",
    ]
    return readme(plan, "HOT-Step and Side-Step", start, know)


def validate(out: Path, result: CheckResult) -> None:
    """Check the audio files and the texts of a bundle."""
    for split in SPLITS:
        folder = out / split
        if not folder.is_dir():
            continue
        songs = sorted(folder.glob("*.flac"))
        result.faults += folder_faults(folder, [path.name for path in songs])
        for path in songs:
            result.files += 1
            where = f"{split}/{printable(path.name)}"
            result.faults += audio_faults(path, where, round(song.LONGEST * song.RATE), song.RATE)
            result.faults += _text_faults(path.with_suffix(".txt"), where)
        for path in sorted(folder.glob("*.txt")):
            if not path.with_suffix(".flac").exists():
                result.faults.append(f"{split}/{printable(path.name)}: the flac file beside it is missing")
    if not result.files:
        result.faults.append(f"{TRAIN}: the folder holds no audio file")


def _text_faults(path: Path, where: str) -> Iterator[str]:
    try:
        fields = parsed(path.read_bytes().decode("utf-8", "replace"))
    except FileNotFoundError:
        yield f"{where}: the txt file beside it is missing, so the trainer takes the name of the file for the caption"
        return
    if "caption" not in fields:
        yield (
            f"{where}: the text has no line that begins with caption:, so the trainer "
            + ("takes the name of the file for the caption" if fields else "sings all of it")
        )
        return
    yield from text_faults(where, fields["caption"])
    if "\n" in fields["caption"]:
        yield f"{where}: the caption has several lines; a line that begins with a field such as key: would end it"
    bpm, tag = fields.get("bpm", ""), fields.get("custom_tag", "")
    if bpm and not re.fullmatch(r"\d+", bpm):
        yield f"{where}: bpm is {bpm!r}; the trainer cuts off what is not a whole number, or takes it for unknown"
        return
    key, meter = fields.get("key", ""), fields.get("signature", "")
    language = fields.get("language") or song.UNKNOWN_LANGUAGE
    yield from song.song_faults(where, int(bpm) if bpm else None, key, meter, language)
    yield from song.lyrics_faults(where, fields.get("lyrics", ""))
    if tag and fields["caption"].startswith(f"{tag},"):
        yield f"{where}: the caption begins with the custom_tag {tag!r}, which the trainer adds a second time"
    if (tokens := song.text_tokens(f"{tag}, {fields['caption']}", bpm, key, meter, 240)) > song.TEXT_TOKENS:
        yield (
            f"{where}: the caption with the metadata may have {tokens} tokens; the trainer cuts off all but "
            f"{song.TEXT_TOKENS}, and the metadata come last"
        )


TARGETS = (
    Target(
        "hot-step",
        write,
        validate,
        sample_rate=song.RATE,
        shortest=song.SHORTEST,
        longest=song.LONGEST,
        trigger_apart=True,
        token_budget=song.CAPTION_TOKENS,
        bytes_per_second=190_000,
    ),
)
