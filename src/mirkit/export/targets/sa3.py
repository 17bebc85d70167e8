"""Target ``sa3``: ``clip.wav`` and ``clip.txt`` for Stable Audio 3, whose only conditioning is text."""

import math
from pathlib import Path

from mirkit.errors import printable
from mirkit.export.bundle import clear_stale, finish_bundle, write_audio_files
from mirkit.export.parallel import Advance
from mirkit.export.plan import ExportPlan
from mirkit.export.readme import readme, shell
from mirkit.export.splits import SPLITS, TRAIN
from mirkit.export.targets import Target
from mirkit.export.validation import LOADED_SUFFIXES, SKIPPED_SUFFIXES, CheckResult, audio_faults, text_faults
from mirkit.store import FileBatch


def write(plan: ExportPlan, advance: Advance) -> None:
    """Write the bundle: every wav has its txt, because the loader replaces a clip without one by another clip."""
    out = plan.options.out
    for split in plan.splits:
        write_audio_files(plan, plan.of(split), out / split, ".wav", advance)
    files = set()
    with FileBatch() as batch:
        for sample in plan.samples:
            path = out / sample.split / f"{sample.name}.txt"
            batch.write(path, plan.prompt_of(sample).encode("ascii") + b"\n")
            files |= {path, path.with_suffix(".wav")}
    clear_stale(out, files)
    encode = f"pre-encode with --sample_size {plan.sample_size}: longer clips are cut at random"
    finish_bundle(plan, _readme(plan), encode=encode)


def _readme(plan: ExportPlan) -> str:
    folder = plan.options.at.rstrip("/") or plan.options.out.resolve().as_posix()
    seconds = math.ceil(plan.sample_size / plan.rate)
    start = [
        "In the folder of Stable Audio 3, encode the audio once, and train a LoRA on the latents:",
        shell(
            f'python scripts/pre_encode_dataset.py --data_dir "{folder}/{TRAIN}" --output_path latents \\',
            f"    --sample_size {plan.sample_size}",
            f'python scripts/train_lora.py --data_dir "{folder}/{TRAIN}" --encoded_dir latents \\',
            f"    --duration {seconds} --output_dir lora",
        ),
        "`underfit` reads the same folder of wav and txt files.",
    ]
    know = [
        f"Keep the sample size {plan.sample_size} and the duration {seconds}, which cover the longest file: with "
        "smaller ones (the default is 30 s), the trainer cuts a part at random, and the text describes the whole.",
        "The trainer replaces a wav file without a txt file by another one at random.",
    ]
    return readme(plan, "Stable Audio 3", start, know)


def validate(out: Path, result: CheckResult) -> None:
    """Check the audio files and the prompts of a bundle: every wav has its txt, every txt its wav."""
    for split in SPLITS:
        for path in sorted((out / split).rglob("*")) if (out / split).is_dir() else []:
            where = f"{split}/{printable(path.name)}"
            if path.suffix.lower() in LOADED_SUFFIXES | SKIPPED_SUFFIXES:
                result.files += 1
                result.faults += audio_faults(path, where, None)
                prompt = path.with_suffix(".txt")
                if prompt.exists():
                    text = prompt.read_bytes().decode("utf-8", "replace").strip()
                    result.faults += text_faults(where, text)
                else:
                    result.faults.append(
                        f"{where}: the txt file beside it is missing, so the trainer replaces the clip by "
                        "another one at random"
                    )
            elif path.suffix == ".txt" and not path.with_suffix(".wav").exists():
                result.faults.append(f"{where}: the wav file beside it is missing")
    if not result.files:
        result.faults.append(f"{TRAIN}: the folder holds no audio file")


TARGETS = (
    Target(
        "sa3",
        write,
        validate,
        template="sa3",
        token_budget=256,
        suffix=".wav",
        bytes_per_second=264_600,
    ),
)
