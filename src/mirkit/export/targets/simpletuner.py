"""Target ``simpletuner``: flac, caption and lyrics side by side, and ``multidatabackend.json`` of SimpleTuner."""

import math
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from mirkit.audio import probe
from mirkit.captions.lyrics import INSTRUMENTAL
from mirkit.errors import AudioError, printable
from mirkit.export import song
from mirkit.export.bundle import clear_stale, finish_bundle, write_audio_files, write_json
from mirkit.export.parallel import Advance
from mirkit.export.plan import ExportPlan
from mirkit.export.readme import readme, shell
from mirkit.export.song import song_fields
from mirkit.export.splits import SPLITS, TRAIN
from mirkit.export.targets import Target
from mirkit.export.validation import CheckResult, audio_faults, folder_faults, load_json, text_faults
from mirkit.store import FileBatch

CONFIG = "multidatabackend.json"
#: Form of the names of lyrics files, which the trainer must be told.
LYRICS_FORMAT = "{filename}.lyrics"
#: The trainer cuts every file down to a multiple of this length (s) where the files differ in length.
_INTERVAL = 1.0


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
            batch.write(path, sample.prompts[0].encode("ascii") + b"\n")
            files |= {path, path.with_suffix(".flac")}
            if lyrics := songs[sample.name].lyrics:
                batch.write(path.with_suffix(".lyrics"), lyrics.encode("utf-8") + b"\n")
                files.add(path.with_suffix(".lyrics"))
    clear_stale(out, files)
    write_json(out / CONFIG, _config(plan))
    plan.notes += song.lyrics_note(list(songs.values()))
    finish_bundle(plan, _readme(plan))


def _config(plan: ExportPlan) -> list[dict[str, Any]]:
    lengths = [sample.item.seconds for sample in plan.of(TRAIN)]
    same = max(lengths, default=0) - min(lengths, default=0) < 0.001
    folder = plan.options.at.rstrip("/") or plan.options.out.resolve().as_posix()
    return [
        {
            "id": "mirkit-train",
            "type": "local",
            "dataset_type": "audio",
            "instance_data_dir": f"{folder}/{TRAIN}",
            "caption_strategy": "textfile",
            "metadata_backend": "discovery",
            "audio": {
                "lyrics_filename_format": LYRICS_FORMAT,
                "bucket_strategy": "duration",
                "duration_interval": math.floor(min(lengths) * 1000) / 1000 if same and lengths else _INTERVAL,
                "max_duration_seconds": math.ceil(max(lengths, default=1)),
                "truncation_mode": "beginning",
            },
            "cache_dir_vae": "cache/vae/{model_family}/mirkit-train",
        },
        {
            "id": "text-embeds",
            "type": "local",
            "dataset_type": "text_embeds",
            "default": True,
            "cache_dir": "cache/text/{model_family}",
        },
    ]


def _readme(plan: ExportPlan) -> str:
    folder = plan.options.at.rstrip("/") or plan.options.out.resolve().as_posix()
    start = [
        "SimpleTuner needs Python 3.12 or newer. In its configuration set `data_backend_config` to the file of this "
        "bundle, `model_family` to `ace_step` (with `model_flavour` `v15-base`), `heartmula` or `minimaxmusic`, and "
        "`model_type` to `lora`; its `examples/ace_step-v1-5.peft-lora` is a complete configuration. Then:",
        shell("simpletuner train"),
        "with a `config.json` in the working folder that holds at least "
        f'`{{"data_backend_config": "{folder}/{CONFIG}", "model_family": "ace_step", "model_flavour": "v15-base", '
        '"model_type": "lora", "output_dir": "output"}`.',
    ]
    know = [
        "The paths are absolute. For another machine, export with `--at FOLDER_ON_THAT_MACHINE`.",
        "SimpleTuner reads tempo, key and meter from the caption only, so the captions contain them.",
        "A song without a `.lyrics` file is trained as one without words.",
        "The trainer cuts every file down to a multiple of `duration_interval`; it is the length of the files where "
        "all have the same one.",
        "HeartMuLa also needs audio tokens (`audio_tokens_path`), which its own tools compute. MiniMax Music expects "
        "captions of 250 to 450 words in three sections, which mirkit does not write.",
        "`val/` and `test/`, if there are any, are for listening and comparing; the configuration uses `train/` only.",
    ]
    return readme(plan, "SimpleTuner", start, know)


def validate(out: Path, result: CheckResult) -> None:
    """Check the audio files, the texts and the configuration of a bundle."""
    for split in SPLITS:
        folder = out / split
        if not folder.is_dir():
            continue
        songs = sorted(folder.glob("*.flac"))
        result.faults += folder_faults(folder, [path.name for path in songs])
        for path in songs:
            result.files += 1
            result.faults += _song_faults(path, f"{split}/{printable(path.name)}")
        for path in sorted(folder.glob("*.txt")):
            if not path.with_suffix(".flac").exists():
                result.faults.append(f"{split}/{printable(path.name)}: the flac file beside it is missing")
    if not result.files:
        result.faults.append(f"{TRAIN}: the folder holds no audio file")
    config = load_json(out / CONFIG, result.faults)
    if config is not None:
        result.faults += _config_faults(out, config, result)


def _song_faults(path: Path, where: str) -> Iterator[str]:
    yield from audio_faults(path, where, round(song.LONGEST * song.RATE), song.RATE)
    caption = path.with_suffix(".txt")
    if caption.exists():
        text = caption.read_bytes().decode("utf-8", "replace").strip()
        yield from text_faults(where, text)
        if (tokens := song.text_tokens(text, None, None, None, None)) > song.TEXT_TOKENS:
            yield f"{where}: the caption may have {tokens} tokens; the trainer cuts off all but {song.TEXT_TOKENS}"
        if "\n" in text:
            yield f"{where}: the caption has several lines, of which the trainer draws one; join them"
        if text.startswith("<CAPTION>"):
            yield f"{where}: the caption has the tags of ai-toolkit, which this trainer reads as words"
    else:
        yield f"{where}: the txt file beside it is missing, so the trainer stops with an error"
    lyrics = path.with_suffix(".lyrics")
    if lyrics.exists():
        text = lyrics.read_bytes().decode("utf-8", "replace").strip()
        yield from song.lyrics_faults(where, text)
        if not text:
            yield f"{where}: the lyrics file is empty; write {INSTRUMENTAL} or the words into it"


def _config_faults(out: Path, config: Any, result: CheckResult) -> Iterator[str]:
    rows = [row for row in config if isinstance(row, dict)] if isinstance(config, list) else []
    audio = [row for row in rows if row.get("dataset_type") == "audio"]
    if not audio:
        yield f"{CONFIG}: it has no data set of the type audio"
    if not any(row.get("dataset_type") == "text_embeds" for row in rows):
        yield f"{CONFIG}: it has no data set of the type text_embeds, without which the trainer does not start"
    for row in audio:
        yield from _entry_faults(out, row)
        if not Path(str(row.get("instance_data_dir"))).exists():
            result.notes.append(
                f"{CONFIG}: the folder {printable(str(row.get('instance_data_dir')))} does not exist on this machine"
            )


def _entry_faults(out: Path, row: Mapping[str, Any]) -> Iterator[str]:
    settings = row.get("audio") or {}
    if row.get("caption_strategy") != "textfile":
        strategy = row.get("caption_strategy")
        yield f"{CONFIG}: caption_strategy is {strategy!r}, so the trainer does not read the txt files"
    if settings.get("lyrics_filename_format") != LYRICS_FORMAT:
        yield f"{CONFIG}: lyrics_filename_format must be {LYRICS_FORMAT!r}; else the trainer does not read the lyrics"
    if settings.get("truncation_mode", "beginning") != "beginning":
        yield f"{CONFIG}: truncation_mode must be 'beginning', because the captions describe the files from there"
    longest = settings.get("max_duration_seconds")
    if not isinstance(longest, int | float):
        return
    for path in sorted((out / TRAIN).glob("*.flac")):
        try:
            seconds = probe(path).duration or 0.0
        except AudioError:
            continue  # reported with the file
        if seconds > longest:
            yield f"{CONFIG}: max_duration_seconds is {longest}; the trainer leaves out {printable(path.name)}"
            return


TARGETS = (
    Target(
        "simpletuner",
        write,
        validate,
        sample_rate=song.RATE,
        longest=song.LONGEST,
        token_budget=song.CAPTION_TOKENS,
        bytes_per_second=190_000,
    ),
)
