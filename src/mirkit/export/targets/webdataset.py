"""Targets ``webdataset`` and ``sat-wds``: tars of samples, shuffled by the seed because readers keep their order.

``webdataset`` is for any reader of WebDataset; ``sat-wds`` is for the ``wds`` of stable-audio-tools, whose loader reads
the JSON itself.
"""

import io
import json
import shutil
import tarfile
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from mirkit.errors import printable
from mirkit.export.bundle import clear_stale, finish_bundle, write_audio_files, write_json
from mirkit.export.model_config import TRAINER_CONDITIONERS, config_faults, load_config, merged_base, write_model_config
from mirkit.export.parallel import Advance
from mirkit.export.plan import ExportPlan, Sample
from mirkit.export.readme import readme
from mirkit.export.splits import SPLITS, TRAIN
from mirkit.export.targets import Target
from mirkit.export.targets.sat import dataset_faults, sat_readme, write_datasets
from mirkit.export.targets.tables import table_row
from mirkit.export.validation import CheckResult, audio_faults, flat_faults, number_faults, parse_json, text_faults
from mirkit.staleness import is_mark_current, mark_of
from mirkit.store import atomic_file, make_folder, remove_file

#: Name of the file that describes the shards, so that the next run writes only those that have changed.
SHARDS = "mirkit_shards.json"
_WORK = ".sounds"
#: Suffixes of audio files that the trainer decodes in a tar.
_DECODED = ("flac", "wav", "mp3", "ogg", "opus", "m4a")

#: Makes the files beside a sample's audio: suffix -> content.
MakeFiles = Callable[[Sample], Mapping[str, bytes]]


def json_bytes(content: Mapping[str, Any]) -> bytes:
    """Encode the JSON of a sample in ASCII; NaN is an error."""
    return json.dumps(content, ensure_ascii=True, allow_nan=False).encode("ascii")


def write_shards(plan: ExportPlan, make_files: MakeFiles, advance: Advance) -> None:
    """Write ``train/00000.tar`` and so on: for each sample a flac and the files beside it, without dots in names.

    A sample that fails is left out and reported in the plan's problems. The same samples give the same bytes.

    Parameters
    ----------
    plan : ExportPlan
    make_files : callable
        Makes the files beside a sample's audio.
    advance : callable
        Called with the name of each item that is done.
    """
    out = plan.options.out
    before = _read_shards(out / SHARDS)
    shards: dict[str, Any] = {}
    for split in SPLITS:
        for number, samples in enumerate(_shards(plan, split)):
            path = out / split / f"{number:05d}.tar"
            make_folder(path.parent)
            name = path.relative_to(out).as_posix()
            mark = _mark(samples, make_files)
            if is_mark_current(path, before.get(name, {}).get("mark"), mark):
                shards[name] = before[name]
                for sample in samples:
                    advance(sample.item.name)
                continue
            written = _write_shard(plan, samples, path, make_files, advance)
            shards[name] = {
                "mark": _mark(written, make_files),
                "samples": len(written),
                "bytes": path.stat().st_size,
            }
    write_json(out / SHARDS, shards)
    clear_stale(out, {out / name for name in shards})
    shutil.rmtree(out / _WORK, ignore_errors=True)


def _shards(plan: ExportPlan, split: str) -> Iterator[list[Sample]]:
    """Yield the samples of each shard, whose size is estimated from the sizes of the source files."""
    shard: list[Sample] = []
    size = 0
    for sample in plan.shuffled(split):
        if shard and size + sample.item.digest.size > plan.options.shard_bytes:
            yield shard
            shard, size = [], 0
        shard.append(sample)
        size += sample.item.digest.size
    if shard:
        yield shard


def _mark(samples: Sequence[Sample], make_files: MakeFiles) -> str:
    """Hash of everything that a shard holds; a sample's name contains the hash of its audio."""

    def parts() -> Iterator[bytes]:
        for sample in samples:
            yield sample.name.encode()
            for suffix, content in make_files(sample).items():
                yield suffix.encode() + content

    return mark_of(parts(), 16)


def _write_shard(
    plan: ExportPlan, samples: list[Sample], path: Path, make_files: MakeFiles, advance: Advance
) -> list[Sample]:
    """Write a tar, and return the samples that are in it."""
    work = plan.options.out / _WORK
    lengths = write_audio_files(plan, samples, work, ".flac", advance)
    written = [sample for sample in samples if sample.name in lengths]
    with atomic_file(path) as temp, tarfile.open(temp, "w", format=tarfile.USTAR_FORMAT) as tar:
        for sample in written:
            audio = work / f"{sample.name}.flac"
            with open(audio, "rb") as file:
                tar.addfile(_entry(audio.name, audio.stat().st_size), file)
            for suffix, content in make_files(sample).items():
                tar.addfile(_entry(f"{sample.name}{suffix}", len(content)), io.BytesIO(content))
            remove_file(audio)
    return written


def _entry(name: str, size: int) -> tarfile.TarInfo:
    entry = tarfile.TarInfo(name)
    entry.size = size
    return entry


def _read_shards(path: Path) -> dict[str, Any]:
    """Read the description of the existing shards; empty if it cannot be read, so that all shards are written again."""
    try:
        content = json.loads(path.read_bytes())
    except (OSError, ValueError):
        return {}
    return content if isinstance(content, dict) else {}


def shards_of(folder: Path) -> list[Path]:
    """The tars in a folder."""
    return sorted(folder.glob("*.tar"))


def validate_shards(
    out: Path, result: CheckResult, max_samples: int | None, *, flat: bool = True
) -> Iterator[tuple[str, dict[str, Any]]]:
    """Check every sample of every tar; yield the location and the JSON of each sample that has a JSON.

    Parameters
    ----------
    out : Path
        Folder of the bundle.
    result : CheckResult
        Gets files and faults.
    max_samples : int or None
        Samples that a trainer takes; None for any number.
    flat : bool
        Whether every value of the JSON must be a text or a number.
    """
    if not shards_of(out / TRAIN):
        result.faults.append(f"{TRAIN}: the folder holds no tar file")
    shard_of: dict[str, str] = {}
    for split in SPLITS:
        for path in shards_of(out / split):
            where = f"{split}/{path.name}"
            try:
                yield from _validate_shard(path, where, result, max_samples, shard_of, flat=flat)
            except (tarfile.TarError, OSError, EOFError) as error:
                result.faults.append(f"{where}: the tar cannot be read ({error}); the trainer skips the rest of it")


def _validate_shard(
    path: Path, where: str, result: CheckResult, max_samples: int | None, shard_of: dict[str, str], *, flat: bool
) -> Iterator[tuple[str, dict[str, Any]]]:
    sample, members = "", dict[str, bytes]()
    with tarfile.open(path) as tar:
        for entry in tar:
            name, _, suffix = entry.name.partition(".")
            if name != sample:
                if sample:
                    yield from _validate_sample(
                        f"{where}: {printable(sample)}", members, result, max_samples, flat=flat
                    )
                sample, members = name, {}
                if name in shard_of:
                    result.faults.append(f"{where}: the sample {printable(name)} is also in {shard_of[name]}")
                shard_of[name] = where
            file = tar.extractfile(entry)
            if file is not None:
                members[suffix] = file.read()
    if sample:
        yield from _validate_sample(f"{where}: {printable(sample)}", members, result, max_samples, flat=flat)


def _validate_sample(
    where: str, members: dict[str, bytes], result: CheckResult, max_samples: int | None, *, flat: bool
) -> Iterator[tuple[str, dict[str, Any]]]:
    dotted = [suffix for suffix in members if "." in suffix]
    audio = [suffix for suffix in members if suffix in _DECODED]
    if dotted:
        result.faults.append(
            f"{where}.{printable(dotted[0])}: the name of this file has a dot before its suffix, "
            "so the loader loses the sample"
        )
        return
    if len(audio) != 1:
        suffixes = ", ".join(f".{suffix}" for suffix in members)
        result.faults.append(
            f"{where}: the sample has {suffixes} and not exactly one audio file, so the loader "
            "skips it without a message"
        )
        return
    result.files += 1
    with tempfile.NamedTemporaryFile(suffix=f".{audio[0]}") as file:
        file.write(members[audio[0]])
        file.flush()
        result.faults += audio_faults(Path(file.name), where, max_samples)
    if "json" not in members:
        result.faults.append(f"{where}: the json file of the sample is missing, so the loader fails")
        return
    content = parse_json(members["json"], where, result.faults)
    if not isinstance(content, dict):
        result.faults.append(f"{where}: the json file does not hold an object")
        return
    if flat:
        result.faults += flat_faults(where, content)
    yield where, content


def write_webdataset(plan: ExportPlan, advance: Advance) -> None:
    """Write the bundle: the JSON holds all known values of a clip; unknown values are left out."""

    def make_files(sample: Sample) -> dict[str, bytes]:
        return {
            ".json": json_bytes({"prompts": list(sample.prompts)} | table_row(sample, plan.options.keys)),
            ".txt": sample.prompts[0].encode("ascii"),
        }

    write_shards(plan, make_files, advance)
    finish_bundle(plan, _readme(plan))


def _readme(plan: ExportPlan) -> str:
    code = [
        "```python",
        "import pathlib",
        "import webdataset",
        "",
        'shards = [str(path) for path in sorted(pathlib.Path("THIS_FOLDER/train").glob("*.tar"))]',
        "for sample in webdataset.WebDataset(shards, shardshuffle=len(shards)).shuffle(1000):",
        '    audio, prompt, values = sample["flac"], sample["txt"], sample["json"]  # bytes',
        "```",
    ]
    start = ["Any reader of WebDataset loads the tars, for example:", "\n".join(code)]
    know = ["The json of a sample holds all that is known, with all prompts; an unknown value is left out."]
    return readme(plan, "readers of WebDataset", start, know)


def validate_webdataset(out: Path, result: CheckResult) -> None:
    """Check the tars of a bundle."""
    for where, content in validate_shards(out, result, None, flat=False):
        for text in content.get("prompts") or [None]:
            result.faults += text_faults(where, text)
        for name, value in content.items():
            if value is None:
                result.faults.append(f"{where}: {name} is null; unknown values must be left out")


def write_sat_wds(plan: ExportPlan, advance: Advance) -> None:
    """Write the bundle: a flac and a flat JSON without nulls, with ``text`` and the number of every conditioner."""
    config = merged_base(plan)

    def make_files(sample: Sample) -> dict[str, bytes]:
        values = plan.conditioners.values(sample.values)
        assert values is not None  # samples without values have been dropped
        return {".json": json_bytes({"text": plan.prompt_of(sample)} | values)}

    write_shards(plan, make_files, advance)
    write_datasets(plan, {"dataset_type": "wds", "random_crop": False})
    write_model_config(plan, config)
    finish_bundle(plan, sat_readme(plan))


def validate_sat_wds(out: Path, result: CheckResult) -> None:
    """Check the tars and the configs of a bundle."""
    name, config = load_config(out, result)
    if config is None:
        return
    try:
        names = [entry["id"] for entry in config["model"]["conditioning"]["configs"]]
        names = [key for key in names if key not in ("prompt", *TRAINER_CONDITIONERS)]
        size = config["sample_size"]
    except (KeyError, TypeError) as error:
        result.faults.append(f"{name}: this is not the config of a conditioned model: it has no {error}")
        return
    result.faults += config_faults(config, [*names, "prompt"], name)
    result.faults += dataset_faults(out, result, "wds", {})
    for where, content in validate_shards(out, result, size):
        result.faults += number_faults(where, content, names)
        result.faults += text_faults(where, content.get("text"))


TARGETS = (
    Target("sat-wds", write_sat_wds, validate_sat_wds, has_conditioners=True, stable_audio_tools=True, suffix=""),
    Target("webdataset", write_webdataset, validate_webdataset, has_columns=True, suffix=""),
)
