"""Target ``ai-toolkit``: flac files with tagged texts, which ai-toolkit reads for ACE-Step 1.5."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from mirkit.errors import printable
from mirkit.export import song
from mirkit.export.bundle import clear_stale, finish_bundle, write_audio_files, write_json
from mirkit.export.parallel import Advance
from mirkit.export.plan import ExportPlan
from mirkit.export.readme import readme, shell
from mirkit.export.song import SongFields, song_fields
from mirkit.export.splits import SPLITS, TRAIN
from mirkit.export.targets import Target
from mirkit.export.validation import CheckResult, audio_faults, folder_faults, load_json, text_faults
from mirkit.store import FileBatch

CONFIG = "ai_toolkit_config.json"
_TAGS = ("CAPTION", "LYRICS", "BPM", "KEYSCALE", "TIMESIGNATURE", "DURATION", "LANGUAGE")
#: A fault of the trainer, of which every export tells.
UPSTREAM = (
    "ai-toolkit (as of August 2026, issue 874 of ostris/ai-toolkit) reads the key and the meter of these files under "
    "other names than its own parser writes, so it trains every song as key C and meter 4/4; the captions name key and "
    "meter, too. Check whether your version is repaired"
)
#: What the trainer takes for a tempo that is not known.
_DEFAULT_BPM = 120


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
            batch.write(path, tagged(sample.prompts[0], songs[sample.name]).encode("utf-8"))
            files |= {path, path.with_suffix(".flac")}
    clear_stale(out, files)
    write_json(out / CONFIG, _config(plan))
    plan.notes.append(UPSTREAM)
    if unknown := sum(fields.bpm is None for fields in songs.values()):
        plan.notes.append(
            f"{unknown} of {len(songs)} songs have no tempo; the trainer trains them with {_DEFAULT_BPM} BPM. Leave "
            "them out, if that is wrong for them"
        )
    plan.notes += song.lyrics_note(list(songs.values()))
    finish_bundle(plan, _readme(plan))


def tagged(caption: str, fields: SongFields) -> str:
    """Write a caption and the fields of a song with the tags of the trainer; what is unknown stays empty."""
    values = {
        "CAPTION": f"\n{caption}\n",
        "LYRICS": f"\n{fields.lyrics}\n",
        "BPM": "" if fields.bpm is None else str(fields.bpm),
        "KEYSCALE": fields.keyscale,
        "TIMESIGNATURE": fields.timesignature,
        "DURATION": str(fields.duration),
        "LANGUAGE": fields.language,
    }
    return "".join(f"<{name}>{values[name]}</{name}>\n" for name in _TAGS)


def parsed(text: str) -> dict[str, str | None]:
    """Read a tagged text: tag -> its content, or None where the tag is missing."""
    found = {name: re.search(rf"<{name}>(.*?)</{name}>", text, re.DOTALL) for name in _TAGS}
    return {name: match.group(1).strip() if match else None for name, match in found.items()}


def _config(plan: ExportPlan) -> dict[str, Any]:
    """Build a configuration for a LoRA; the trigger word is in the captions, because the trainer puts it before them.

    The trainer would put ``trigger_word`` before the first tag, where its parser does not look.
    """
    folder = plan.options.at.rstrip("/") or plan.options.out.resolve().as_posix()
    process = {
        "type": "diffusion_trainer",
        "training_folder": "output",
        "device": "cuda",
        "network": {"type": "lora", "linear": 32, "linear_alpha": 32},
        "save": {"dtype": "bf16", "save_every": 250, "max_step_saves_to_keep": 4},
        "datasets": [{"folder_path": f"{folder}/{TRAIN}", "caption_ext": "txt", "cache_latents_to_disk": True}],
        "train": {
            "batch_size": 1,
            "steps": 3000,
            "gradient_checkpointing": True,
            "noise_scheduler": "flowmatch",
            "timestep_type": "linear",
            "optimizer": "adamw8bit",
            "lr": 0.0001,
            "dtype": "bf16",
            "train_unet": True,
            "train_text_encoder": False,
        },
        "model": {
            "name_or_path": "ostris/ace_step_1.5_ComfyUI_files/ace_step_1.5_base_aio.safetensors",
            "arch": "ace_step_15",
            "quantize": True,
            "quantize_te": True,
            "qtype": "qfloat8",
            "low_vram": True,
        },
    }
    name = plan.options.trigger or "mirkit"
    return {"job": "extension", "config": {"name": name, "process": [process]}, "meta": {"name": "[name]"}}


def _readme(plan: ExportPlan) -> str:
    folder = plan.options.at.rstrip("/") or plan.options.out.resolve().as_posix()
    start = [
        "In the folder of ai-toolkit:",
        shell(f'python run.py "{folder}/{CONFIG}"'),
        "Or make a new job in its web page with the model *ACE-Step 1.5* and the data set folder "
        f"`{folder}/{TRAIN}`, without a trigger word.",
    ]
    know = [
        UPSTREAM + ".",
        f"A song without a tempo is trained with {_DEFAULT_BPM} BPM, and one without lyrics as one without words.",
        "The trigger word is in the captions. ai-toolkit's own `trigger_word` goes before the first tag, and is lost.",
        "The paths are absolute. For another machine, export with `--at FOLDER_ON_THAT_MACHINE`.",
        "`val/` and `test/`, if there are any, are for listening and comparing; the configuration uses `train/` only.",
    ]
    return readme(plan, "ai-toolkit (ACE-Step 1.5)", start, know)


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
            where = f"{split}/{printable(path.name)}"
            result.faults += audio_faults(path, where, round(song.LONGEST * song.RATE), song.RATE)
            result.faults += _text_faults(path.with_suffix(".txt"), where)
        for path in sorted(folder.glob("*.txt")):
            if not path.with_suffix(".flac").exists():
                result.faults.append(f"{split}/{printable(path.name)}: the flac file beside it is missing")
    if not result.files:
        result.faults.append(f"{TRAIN}: the folder holds no audio file")
    config = load_json(out / CONFIG, result.faults)
    if config is not None:
        try:
            process = config["config"]["process"][0]
            for row in (process, *process["datasets"]):
                if row.get("trigger_word"):
                    result.faults.append(
                        f"{CONFIG}: trigger_word goes before the first tag of a text, where the trainer does not read "
                        "it; remove it, and export with --trigger"
                    )
        except (KeyError, IndexError, TypeError, AttributeError) as error:
            result.faults.append(f"{CONFIG}: the trainer cannot read this file (it has no {error})")


def _text_faults(path: Path, where: str) -> Iterator[str]:
    try:
        fields = parsed(path.read_bytes().decode("utf-8", "replace"))
    except FileNotFoundError:
        yield f"{where}: the txt file beside it is missing, so the trainer trains the song without a caption"
        return
    if missing := [name for name, text in fields.items() if text is None]:
        yield f"{where}: the text has no tag {missing[0]}, so the trainer takes a default for it"
        return
    texts = {name: text or "" for name, text in fields.items()}
    yield from text_faults(where, texts["CAPTION"])
    for name in ("BPM", "DURATION"):
        if texts[name] and not texts[name].isdecimal():
            yield f"{where}: {name} is {texts[name]!r}; the trainer stops at what is not a number: leave it empty"
            return
    bpm = int(texts["BPM"]) if texts["BPM"] else None
    yield from song.song_faults(where, bpm, texts["KEYSCALE"], texts["TIMESIGNATURE"], texts["LANGUAGE"])
    yield from song.lyrics_faults(where, texts["LYRICS"])
    if not texts["DURATION"] or int(texts["DURATION"]) < 1:
        yield f"{where}: DURATION is {texts['DURATION']!r}; the trainer makes its conditions for this many seconds"
    metas = (texts[name] for name in ("BPM", "KEYSCALE", "TIMESIGNATURE", "DURATION"))
    if (tokens := song.text_tokens(texts["CAPTION"], *metas)) > song.TEXT_TOKENS:
        yield (
            f"{where}: the caption with the metadata may have {tokens} tokens; the trainer cuts off all but "
            f"{song.TEXT_TOKENS}"
        )


TARGETS = (
    Target(
        "ai-toolkit",
        write,
        validate,
        sample_rate=song.RATE,
        shortest=1.0,
        longest=song.LONGEST,
        token_budget=song.CAPTION_TOKENS,
        bytes_per_second=190_000,
    ),
)
