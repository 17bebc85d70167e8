"""Target ``acestep``: songs for ACE-Step 1.5, Side-Step and HOT-Step's engine, which read the same ``dataset.json``.

A song has ``x.flac``, ``x.caption.txt`` and ``x.lyrics.txt``, and never ``x.txt``: ACE-Step sings the text of such a
file, and Side-Step reads it as ``key: value`` lines.
"""

from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from mirkit.audio import probe
from mirkit.captions.lyrics import INSTRUMENTAL
from mirkit.errors import AudioError, counted, printable
from mirkit.export import song
from mirkit.export.bundle import clear_stale, finish_bundle, write_audio_files, write_json
from mirkit.export.joined import DATASETS
from mirkit.export.parallel import Advance
from mirkit.export.plan import ExportPlan, Sample
from mirkit.export.readme import readme, shell
from mirkit.export.song import SongFields, song_fields
from mirkit.export.splits import TRAIN
from mirkit.export.targets import Target
from mirkit.export.validation import CheckResult, audio_faults, folder_faults, load_json, text_faults
from mirkit.store import FileBatch, remove_file

CAPTION, LYRICS = ".caption.txt", ".lyrics.txt"


def write(plan: ExportPlan, advance: Advance) -> None:
    """Write the bundle."""
    out = plan.options.out
    for split in plan.splits:
        write_audio_files(plan, plan.of(split), out / split, ".flac", advance)
    songs = {sample.name: song_fields(sample) for sample in plan.samples}
    files = set()
    with FileBatch() as batch:
        for sample in plan.samples:
            path = out / sample.split / sample.name
            texts = {CAPTION: sample.prompts[0], LYRICS: songs[sample.name].lyrics}
            for suffix, text in texts.items():
                if text:
                    batch.write(path.with_name(path.name + suffix), text.encode("utf-8") + b"\n")
                    files.add(path.with_name(path.name + suffix))
            files.add(path.with_name(f"{path.name}.flac"))
    clear_stale(out, files)
    for split, name in DATASETS.items():
        if plan.of(split):
            write_json(out / name, _dataset(plan, split, songs))
        else:
            remove_file(out / name)
    plan.notes += song.lyrics_note(list(songs.values()))
    finish_bundle(plan, _readme(plan))


def _dataset(plan: ExportPlan, split: str, songs: Mapping[str, SongFields]) -> dict[str, Any]:
    """Build ``dataset.json``; paths are absolute, because ACE-Step does not look beside the file."""
    options, samples = plan.options, plan.of(split)
    folder = options.at.rstrip("/") or options.out.resolve().as_posix()
    return {
        "metadata": {
            "name": options.out.resolve().name,
            "custom_tag": options.trigger,
            "tag_position": "prepend",
            "num_samples": len(samples),
            "all_instrumental": all(songs[sample.name].is_instrumental for sample in samples),
            "genre_ratio": 0,
        },
        "samples": [_entry(plan, sample, songs[sample.name], folder) for sample in samples],
    }


def _entry(plan: ExportPlan, sample: Sample, fields: SongFields, folder: str) -> dict[str, Any]:
    place = f"{sample.split}/{sample.name}.flac"
    return {
        "id": sample.name,
        "audio_path": f"{folder}/{place}",
        "filename": place,  # Side-Step looks for it beside dataset.json if the bundle was moved
        "caption": sample.prompts[0],
        "genre": fields.genre,
        "lyrics": fields.lyrics,
        "raw_lyrics": "",
        "formatted_lyrics": "",
        "bpm": fields.bpm,
        "keyscale": fields.keyscale,
        "timesignature": fields.timesignature,
        "duration": fields.duration,
        "language": fields.language,
        "is_instrumental": fields.is_instrumental,
        "custom_tag": plan.options.trigger,
        "labeled": True,
        "prompt_override": None,
        **({"repeat": sample.weight} if plan.options.weights else {}),
    }


def _readme(plan: ExportPlan) -> str:
    folder = plan.options.at.rstrip("/") or plan.options.out.resolve().as_posix()
    start = [
        "**ACE-Step 1.5.** Start its web page, open *LoRA Training* and *Dataset Builder*, enter "
        f"`{folder}/dataset.json` under *Load Existing Dataset* and press *Load*. All songs have labels, so leave out "
        "*Auto-Label*, press *Preprocess*, and go on to *Train LoRA*.",
        "**Side-Step:**",
        shell(
            f'sidestep preprocess --dataset-json "{folder}/dataset.json" --audio-dir "{folder}/train" --output tensors'
        ),
        "Then train on the folder `tensors`, as `sidestep train --help` explains.",
        "**HOT-Step.** Its command line reads the same file:",
        shell(f'ace-train preprocess --dataset "{folder}/dataset.json" --out tensors'),
        "Its Training Studio takes tempo, key and meter from texts beside the songs only: export the target `hot-step` "
        "for it.",
    ]
    know = [
        "The paths in `dataset.json` are absolute. For another machine, export with `--at FOLDER_ON_THAT_MACHINE`.",
        "`val_dataset.json` and `test_dataset.json`, if there are any, are for listening and comparing: these trainers "
        "compute no loss on a second data set.",
        "Do not put a `.txt` with the name of a song beside it: ACE-Step would sing its text.",
        f"Songs have {song.SHORTEST:g} to {song.LONGEST:g} s, because the trainers cut off what is longer.",
        "The trigger word is `custom_tag`; the trainers put it before the caption, so the captions do not contain it.",
    ]
    return readme(plan, "ACE-Step 1.5", start, know)


def validate(out: Path, result: CheckResult) -> None:
    """Check the audio files, the texts and the data sets of a bundle."""
    for split, name in DATASETS.items():
        if (out / name).exists() or split == TRAIN:
            content = load_json(out / name, result.faults)
            if isinstance(content, dict):
                _validate_dataset(out, split, name, content, result)
    if not result.files:
        result.faults.append(f"{DATASETS[TRAIN]}: the file lists no song")


def _validate_dataset(out: Path, split: str, name: str, content: Mapping[str, Any], result: CheckResult) -> None:
    samples = [row for row in content.get("samples") or [] if isinstance(row, dict)]
    names = [Path(str(row.get("audio_path"))).name for row in samples]
    if (out / split).is_dir():
        result.faults += folder_faults(out / split, names)
        result.faults += _stray_faults(out / split, names)
    repeated = [key for key, count in Counter(str(row.get("id")) for row in samples).items() if count > 1]
    if repeated:
        more = f", and {len(repeated) - 1} more do so too" if len(repeated) > 1 else ""
        result.faults.append(
            f"{name}: the id {printable(repeated[0])} appears more than once{more}; the trainer keeps one song of each"
        )
    for row in samples:
        result.files += 1
        result.faults += _sample_faults(out / split, f"{name}: {printable(Path(str(row.get('audio_path'))).name)}", row)
    without = [row for row in samples if not row.get("is_instrumental") and not row.get("lyrics")]
    if without:
        result.notes.append(
            f"{name}: {counted(len(without), 'song')} may have vocals and no lyrics; the trainer reads them as "
            f"{INSTRUMENTAL}"
        )
    if samples and not Path(str(samples[0].get("audio_path"))).exists():
        result.notes.append(
            f"{name}: {printable(str(samples[0].get('audio_path')))} does not exist on this machine; export with --at"
        )


def _stray_faults(folder: Path, names: list[str]) -> Iterator[str]:
    """Yield files that the trainers read although they are not part of a bundle."""
    songs = {Path(name).stem for name in names}
    for path in sorted(folder.iterdir()):
        if path.suffix == ".txt" and path.stem in songs:
            yield f"{folder.name}/{printable(path.name)}: ACE-Step would sing the text of this file; remove it"
        elif path.suffix.lower() == ".csv":
            yield (
                f"{folder.name}/{printable(path.name)}: ACE-Step takes tempo, key and captions from this table, and "
                "cuts off the digits of a tempo; remove the file"
            )


def _sample_faults(folder: Path, where: str, row: Mapping[str, Any]) -> Iterator[str]:
    caption, lyrics, tag = row.get("caption"), row.get("lyrics"), str(row.get("custom_tag") or "")
    yield from text_faults(where, caption)
    yield from song.song_faults(
        where, row.get("bpm"), row.get("keyscale"), row.get("timesignature"), row.get("language")
    )
    if row.get("labeled") is not True:
        yield f"{where}: labeled is not true, so the trainer leaves out the song without a message"
    if not isinstance(lyrics, str):
        yield f"{where}: lyrics is of the type {type(lyrics).__name__} and not a text"
    else:
        yield from song.lyrics_faults(where, lyrics)
    if row.get("prompt_override") not in (None, "caption", "genre"):
        yield f"{where}: prompt_override is {row['prompt_override']!r}; it must be null, caption or genre"
    if row.get("prompt_override") == "genre" and not row.get("genre"):
        yield f"{where}: prompt_override is genre, but the song has no genre, so its prompt is empty"
    if tag and isinstance(caption, str) and caption.startswith(f"{tag},"):
        yield f"{where}: the caption begins with the custom_tag {tag!r}, which the trainer adds a second time"
    fields = (row.get(name) for name in ("bpm", "keyscale", "timesignature", "duration"))
    if (tokens := song.text_tokens(f"{tag}, {caption}", *fields)) > song.TEXT_TOKENS:
        yield (
            f"{where}: the caption with the metadata may have {tokens} tokens; the trainer cuts off all but "
            f"{song.TEXT_TOKENS}, and the metadata come last"
        )
    path = folder / Path(str(row.get("audio_path"))).name
    if path.exists():
        yield from audio_faults(path, where, round(song.LONGEST * song.RATE), song.RATE)
        yield from _duration_faults(path, where, row.get("duration"))


def _duration_faults(path: Path, where: str, duration: Any) -> Iterator[str]:
    try:
        seconds = probe(path).duration
    except AudioError:
        return  # audio_faults has reported it
    if seconds is not None and seconds < song.SHORTEST:
        yield f"{where}: the song has {seconds:.2f} s; the trainer needs at least {song.SHORTEST:g} s"
    if not isinstance(duration, int) or (seconds is not None and not -1 < duration - seconds <= 0.001):
        yield f"{where}: duration is {duration!r}; the audio has {seconds} s, and the trainer expects whole seconds"


TARGETS = (
    Target(
        "acestep",
        write,
        validate,
        sample_rate=song.RATE,
        shortest=song.SHORTEST,
        longest=song.LONGEST,
        takes_weights=True,
        trigger_apart=True,
        token_budget=song.CAPTION_TOKENS,
        bytes_per_second=190_000,
    ),
)
