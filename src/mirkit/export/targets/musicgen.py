"""Target ``musicgen``: flac and json files at 32 kHz, and manifests, for MusicGen in audiocraft."""

import gzip
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from mirkit.audio import probe
from mirkit.captions.normalize import normalize_name
from mirkit.errors import AudioError, printable
from mirkit.export.bundle import clear_stale, encode_json, finish_bundle, write_audio_files
from mirkit.export.parallel import Advance
from mirkit.export.plan import ExportPlan, Sample
from mirkit.export.readme import readme, shell
from mirkit.export.song import sure_key
from mirkit.export.splits import TEST, TRAIN, VAL
from mirkit.export.targets import Target
from mirkit.export.validation import CheckResult, audio_faults, folder_faults, load_json, text_faults
from mirkit.store import FileBatch, atomic_write, make_folder, remove_file, round6

RATE = 32000
#: Length of the segments that the trainer cuts (s): longer files would get the text of other segments.
SEGMENT = 30.0
#: Split -> its folder below ``egs``: audiocraft's names.
MANIFESTS = {TRAIN: "train", VAL: "valid", TEST: "evaluate"}
MANIFEST, DATASOURCE = "data.jsonl.gz", "mirkit.yaml"
#: Fields that a json file must have: the trainer stops where one is missing, except for ``keywords``.
FIELDS = ("title", "artist", "key", "bpm", "genre", "moods", "keywords", "description", "name", "instrument")
_META = ("path", "duration", "sample_rate")


def write(plan: ExportPlan, advance: Advance) -> None:
    """Write the bundle."""
    out = plan.options.out
    lengths: dict[str, int] = {}
    for split in plan.splits:
        lengths |= write_audio_files(plan, plan.of(split), out / split, ".flac", advance)
    files = set()
    with FileBatch() as batch:
        for sample in plan.samples:
            path = out / sample.split / f"{sample.name}.json"
            batch.write(path, encode_json(_fields(plan, sample)))
            files |= {path, path.with_suffix(".flac")}
    clear_stale(out, files)
    folder = plan.options.at.rstrip("/") or out.resolve().as_posix()
    for split, name in MANIFESTS.items():
        path = out / "egs" / name / MANIFEST
        if not plan.of(split):
            remove_file(path)
            continue
        make_folder(path.parent)
        rows = [
            {
                "path": f"{folder}/{split}/{sample.name}.flac",
                "duration": round6(lengths[sample.name] / RATE),
                "sample_rate": RATE,
                "amplitude": None,
                "weight": None,
                "info_path": None,
            }
            for sample in plan.of(split)
        ]
        lines = "".join(json.dumps(row, allow_nan=False) + "\n" for row in rows)
        atomic_write(path, gzip.compress(lines.encode("ascii"), mtime=0))
    atomic_write(out / DATASOURCE, _datasource(plan, folder).encode("utf-8"))
    finish_bundle(plan, _readme(plan, folder))


def _fields(plan: ExportPlan, sample: Sample) -> dict[str, Any]:
    """Build the json of a sample; what is unknown is empty, because the trainer stops at a field that is missing."""
    metadata, features = sample.item.metadata, sample.features
    tags = metadata.get("tags") or {}
    return {
        "title": normalize_name(str(tags.get("title") or "")),
        "artist": normalize_name(str(tags.get("artist") or "")),
        "key": sure_key(sample.item),
        "bpm": round(features["bpm"], 1) if "bpm" in features else "",
        "genre": normalize_name(str(tags.get("genre") or "")),
        "moods": [],
        "keywords": "",
        "description": sample.prompts[0],
        "name": sample.name,
        "instrument": "",
    }


def _datasource(plan: ExportPlan, folder: str) -> str:
    valid = MANIFESTS[VAL] if plan.of(VAL) else MANIFESTS[TRAIN]
    test = MANIFESTS[TEST] if plan.of(TEST) else valid
    egs = {"train": MANIFESTS[TRAIN], "valid": valid, "evaluate": test, "generate": test}
    lines = ["# @package __global__", "", "datasource:", f"  max_sample_rate: {RATE}", "  max_channels: 2"]
    lines += [f"  {stage}: {json.dumps(f'{folder}/egs/{name}')}" for stage, name in egs.items()]
    return "\n".join([*lines, ""])


def _readme(plan: ExportPlan, folder: str) -> str:
    start = [
        "Copy the data source into the folder of audiocraft, and start a training of the model that you want to "
        "fine-tune, for example:",
        shell(
            f'cp "{folder}/{DATASOURCE}" config/dset/audio/',
            "dora run solver=musicgen/musicgen_base_32khz model/lm/model_scale=small \\",
            "    continue_from=//pretrained/facebook/musicgen-small dset=audio/mirkit dataset.batch_size=4",
        ),
    ]
    know = [
        f"Files have at most {SEGMENT:g} s, the segment of the trainer: of a longer file it would take a part at "
        "random, with the text of the whole.",
        "Every json file has every field, because the trainer stops at a field that is missing; an empty text is an "
        "unknown value.",
        "Do not set `paraphrase_source`: the trainer calls a function that it does not have.",
        "The paths are absolute. For another machine, export with `--at FOLDER_ON_THAT_MACHINE`.",
        "The audio is stereo. The trainer mixes it down for a mono model.",
    ]
    return readme(plan, "MusicGen (audiocraft)", start, know)


def validate(out: Path, result: CheckResult) -> None:
    """Check the audio files, their json files and the manifests of a bundle."""
    for split, name in MANIFESTS.items():
        path = out / "egs" / name / MANIFEST
        if not path.exists() and split != TRAIN:
            continue
        rows = _manifest(path, f"egs/{name}/{MANIFEST}", result)
        names = [Path(str(row.get("path"))).name for row in rows]
        if (out / split).is_dir():
            result.faults += folder_faults(out / split, names)
        for row, file in zip(rows, names, strict=True):
            result.files += 1
            result.faults += _sample_faults(out / split / file, f"{split}/{printable(file)}", row, result)
        if rows and not Path(str(rows[0].get("path"))).exists():
            result.notes.append(f"egs/{name}: {printable(str(rows[0].get('path')))} does not exist on this machine")
    if not result.files:
        result.faults.append(f"egs/{MANIFESTS[TRAIN]}: the manifest lists no file")
    if not (out / DATASOURCE).exists():
        result.faults.append(f"{DATASOURCE}: the file is missing")


def _manifest(path: Path, where: str, result: CheckResult) -> list[dict[str, Any]]:
    try:
        rows = [json.loads(line) for line in gzip.decompress(path.read_bytes()).splitlines()]
    except (OSError, EOFError, ValueError) as error:
        result.faults.append(f"{where}: the manifest cannot be read ({error})")
        return []
    bad = [row for row in rows if not isinstance(row, dict) or not set(_META) <= row.keys()]
    if bad:
        result.faults.append(f"{where}: {len(bad)} lines lack one of {', '.join(_META)}")
    return [row for row in rows if isinstance(row, dict)]


def _sample_faults(path: Path, where: str, row: Mapping[str, Any], result: CheckResult) -> Iterator[str]:
    if path.exists():
        yield from audio_faults(path, where, round(SEGMENT * RATE), RATE)
        try:
            seconds = probe(path).duration
        except AudioError:
            seconds = None  # audio_faults has reported it
        if seconds is not None and abs(float(row.get("duration") or 0) - seconds) > 0.01:
            yield f"{where}: the manifest states {row.get('duration')} s, and the file has {seconds:.3f} s"
    if not path.with_suffix(".json").exists():
        yield f"{where}: the json file beside it is missing, so the trainer trains the file without a description"
        return
    fields = load_json(path.with_suffix(".json"), result.faults)
    if not isinstance(fields, dict):
        return
    for name in FIELDS:
        if name not in fields and name != "keywords":
            yield f"{where}: the json has no field {name}, at which the trainer stops; write an empty text"
    yield from text_faults(where, fields.get("description"))
    if "," in str(fields.get("key") or ""):
        yield f"{where}: key is {fields['key']!r}; the trainer drops a key with a comma"
    if fields.get("bpm") not in ("", None) and not isinstance(fields["bpm"], int | float):
        yield f"{where}: bpm is {fields['bpm']!r} and not a number; where it is unknown, write an empty text"


TARGETS = (
    Target(
        "musicgen",
        write,
        validate,
        sample_rate=RATE,
        longest=SEGMENT,
        bytes_per_second=130_000,
    ),
)
