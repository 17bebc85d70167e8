"""The folder of a bundle: its audio and JSON files, its summary, and how an earlier export in it is updated."""

import json
import re
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from hashlib import sha256
from pathlib import Path
from typing import Any

from mirkit import __version__, engines
from mirkit.audio import to_dbfs
from mirkit.catalog import LEVEL_KEYS
from mirkit.errors import InfoError, MissingInput, as_error, printable
from mirkit.export.audio import CHANNELS, AudioJob, SummedFiles, write_converted, write_unconverted
from mirkit.export.conditioners import POLICIES, clamped
from mirkit.export.item import CAPTION, Item, Pair
from mirkit.export.levels import MONO_TO_STEREO_LU, Level
from mirkit.export.parallel import Advance
from mirkit.export.plan import FILES, ExportPlan, Sample
from mirkit.export.rights import RIGHTS, digests, licenses, rights_by_source, rights_csv
from mirkit.export.splits import SPLITS, TRAIN
from mirkit.export.weights import WEIGHT_FOLDERS
from mirkit.store import TEMP_PREFIX, atomic_write, make_folder, remove_file, remove_orphans, round6
from mirkit.track import EXPORT_SUMMARY, MIX

SUMMARY, README = EXPORT_SUMMARY, "README.md"
#: Folder of the mixes that are exported beside stems.
MIXES = "mix"
#: Files that are converted together, at most, and their duration (s); and into how many shares the files of a process
#: are divided, at least.
_MOST_TOGETHER, _SECONDS_TOGETHER, _SHARES = 32, 300.0, 4
_OURS = re.compile(
    r"[A-Za-z0-9-]+-[0-9a-f]{10}\.(flac|wav|txt|json|lyrics|(caption|lyrics)\.txt|TIMESERIES\.npz)|\d{5}\.tar"
)


def open_bundle(out: Path, target: str) -> None:
    """Create the folder of a bundle, or continue one that an earlier run started.

    Parameters
    ----------
    out : Path
    target : str
        Name of the target.

    Raises
    ------
    MissingInput
        The folder holds other files, or a bundle of another target.
    """
    before = read_summary(out)
    if before is None and out.exists() and (not out.is_dir() or any(_is_foreign(path.name) for path in out.iterdir())):
        raise MissingInput(
            f"{printable(out)}: the folder is not empty and holds no earlier export; name an empty or a new folder"
        )
    if before is not None and before.get("target") != target:
        raise MissingInput(
            f"{printable(out)}: the folder holds a bundle for {before.get('target')}; name another folder for {target}"
        )
    make_folder(out)
    # Written first, so that after a kill the next run recognizes these files as those of an export.
    if before is None:
        write_json(out / SUMMARY, {"target": target, "state": "unfinished"})


def _is_foreign(name: str) -> bool:
    return not name.startswith(TEMP_PREFIX)


def read_summary(out: Path) -> dict[str, Any] | None:
    """Read the summary of a bundle; None where there is none.

    Raises
    ------
    InfoError
        The summary exists but cannot be read.
    """
    try:
        content = json.loads((out / SUMMARY).read_bytes())
    except FileNotFoundError:
        return None
    except (OSError, ValueError) as error:
        raise InfoError(
            f"{printable(out / SUMMARY)}: the summary of the bundle cannot be read; remove this file, or the bundle"
        ) from error
    return content if isinstance(content, dict) else None


def write_json(path: Path, content: Any, *, indent: int | None = 1) -> None:
    """Write JSON in ASCII, atomically; NaN is an error."""
    atomic_write(path, encode_json(content, indent=indent))


def encode_json(content: Any, *, indent: int | None = 1) -> bytes:
    """Encode JSON in ASCII; NaN is an error."""
    return json.dumps(content, indent=indent, ensure_ascii=True, allow_nan=False).encode("ascii") + b"\n"


def write_audio_files(
    plan: ExportPlan, samples: list[Sample], folder: Path, suffix: str, advance: Advance
) -> dict[str, int]:
    """Write the audio files of samples into a folder; existing files are kept.

    Parameters
    ----------
    plan : ExportPlan
        A sample that fails is removed from its samples, and its problems get a line.
    samples : list of Sample
    folder : Path
    suffix : str
        ``.flac`` or ``.wav``.
    advance : callable
        Called with the name of each item that is done.

    Returns
    -------
    dict
        Sample's name -> samples per channel.
    """
    remove_orphans(make_folder(folder))
    files = {folder / f"{sample.name}{suffix}": sample for sample in samples}
    jobs = [_job(plan, sample, sample.item.sound, target) for target, sample in files.items()]
    written = _write(plan, jobs, lambda target: advance(files[target].item.name))
    lengths = _drop_failed(plan, samples, {files[target].name: result for target, result in written.items()})
    _write_pairs(plan, [sample for sample in samples if sample.name in lengths], suffix, lengths)
    return lengths


def _write(plan: ExportPlan, jobs: Sequence[AudioJob], done: Callable[[Path], None]) -> dict[Path, int | str]:
    """Write audio files in all processes: file -> samples per channel, or why it could not be written."""
    workers = plan.options.jobs or engines.cores()
    results: dict[Path, int | str] = {}
    unwritten = []
    for quick in engines.run_batches(write_unconverted, jobs, jobs=workers):
        if quick.result is None and not quick.error:
            unwritten.append(quick.item)
        else:
            results[quick.item.target] = quick.error or quick.result or 0
            done(quick.item.target)
    for slow in engines.run_batches(
        write_converted, unwritten, jobs=workers, few=0, together=_together(unwritten, workers)
    ):
        results[slow.item.target] = slow.error or slow.result or 0
        done(slow.item.target)
    for folder in {job.target.parent for job in jobs}:
        remove_orphans(folder)  # of a worker that was lost
    return results


def _together(jobs: Sequence[AudioJob], workers: int) -> int:
    """Number of files that a process converts before it waits for the disk: few enough to keep all processes busy."""
    seconds = sum(job.seconds for job in jobs) / max(1, len(jobs))
    share = len(jobs) // (_SHARES * workers)
    return max(1, min(_MOST_TOGETHER, share, int(_SECONDS_TOGETHER / max(seconds, 1e-3))))


def _drop_failed(plan: ExportPlan, samples: Sequence[Sample], results: Mapping[str, int | str]) -> dict[str, int]:
    """Remove samples that failed from the plan, with a line for each: name -> length of the others."""
    failed = {name: result for name, result in results.items() if isinstance(result, str)}
    plan.problems += [f"{each.item.name}: {failed[each.name]}" for each in samples if each.name in failed]
    plan.samples = [sample for sample in plan.samples if sample.name not in failed]
    return {name: result for name, result in results.items() if isinstance(result, int)}


def _job(plan: ExportPlan, sample: Sample, source: SummedFiles, target: Path) -> AudioJob:
    item = sample.item
    return AudioJob(
        source,
        target,
        item.seconds,
        item.offset,
        plan.rate,
        gain_db=sample.gain_db,
        link=plan.options.link,
        exact=item.audio is not None,
        provenance=(item.files or item.track).provenance,
    )


def _write_pairs(plan: ExportPlan, samples: list[Sample], suffix: str, lengths: dict[str, int]) -> None:
    """Write the mix beside each stem into ``mix/<split>``, aligned with it; a stem whose mix fails is removed too."""
    plan.pair_suffix = suffix
    jobs = []
    for sample in samples:
        if sample.item.pair is not None:
            target = make_folder(plan.options.out / MIXES / sample.split) / f"{sample.name}{suffix}"
            jobs.append(_job(plan, sample, sample.item.pair.audio, target))
    written = {path.stem: result for path, result in _write(plan, jobs, lambda _: None).items()}
    for name in written.keys() - _drop_failed(plan, samples, written).keys():
        del lengths[name]
    files = {plan.options.out / MIXES / sample.split / f"{sample.name}{suffix}" for sample in plan.samples}
    for split in SPLITS:
        _clear(plan.options.out / MIXES / split, files)


def clear_stale(out: Path, files: set[Path]) -> None:
    """Remove files that an earlier export wrote and this one did not; files of the user stay."""
    for folder in (out, *(out / name for name in (*SPLITS, *WEIGHT_FOLDERS))):
        _clear(folder, files)


def _clear(folder: Path, files: set[Path]) -> None:
    if folder.is_dir():
        for path in sorted(folder.iterdir()):
            if _OURS.fullmatch(path.name) and path not in files:
                remove_file(path)


def finish_bundle(plan: ExportPlan, readme: str, **more: Any) -> None:
    """Write ``README.md``, ``mirkit_rights.csv``, ``mirkit_files.json`` and, last, ``mirkit_export.json``.

    Parameters
    ----------
    plan : ExportPlan
    readme : str
        Content of ``README.md``: what the bundle holds, and how to start the training. A file that is not from an
        earlier export, or was edited after it, is kept.
    **more
        Further entries of ``mirkit_export.json``.
    """
    out, text = plan.options.out, readme.encode("utf-8", "backslashreplace")
    kept = _is_edited(out, text) and not plan.options.overwrite
    if kept:
        plan.notes.append(
            f"{printable(out / README)}: the file was edited after the last export, so it was kept; "
            "--overwrite replaces it"
        )
    else:
        atomic_write(out / README, text)
    atomic_write(out / RIGHTS, rights_csv(rights_by_source(plan), digests(plan)))
    write_json(out / FILES, file_index(plan))
    write_json(out / SUMMARY, summary(plan, **more, readme={"sha256": sha256(text).hexdigest(), "kept": kept}))


def _is_edited(out: Path, text: bytes) -> bool:
    """Whether the README was edited after the last export; users add the rights to the recordings there."""
    try:
        existing = (out / README).read_bytes()
    except FileNotFoundError:
        return False
    except OSError as error:
        raise as_error(error, out / README, "read") from error
    before = read_summary(out) or {}
    if existing == text or before.get("state") == "unfinished":
        return False
    written = before.get("readme", before.get("card"))  # "card" in bundles of earlier versions
    if not isinstance(written, dict) or written.get("kept"):
        return True
    return bool(written.get("sha256") != sha256(existing).hexdigest())


def summary(plan: ExportPlan, **more: Any) -> dict[str, Any]:
    """Describe what a bundle holds and how it was made: the content of ``mirkit_export.json``."""
    options = plan.options
    content: dict[str, Any] = {
        "target": options.target,
        "state": "complete" if not plan.problems else "incomplete",
        "mirkit": __version__,
        "from": "tracks" if options.whole else "clips",
        "seed": options.seed,
        "sample_rate": plan.rate,
        "sample_size": plan.sample_size,
        "splits": {
            split: {
                "files": len(plan.of(split)),
                "hours": round6(sum(sample.item.seconds for sample in plan.of(split)) / 3600),
                "sources": len({sample.item.source for sample in plan.of(split)}),
            }
            for split in SPLITS
        },
        "methods": _methods(plan),
        "duplicates": {"kept": plan.options.keep_duplicates, "left out": dict(plan.copies)},
        "rights": {
            "allowed": list(options.license),
            "strict": options.strict_rights,
            "tracks": licenses(plan),
            "left out": dict(plan.refused),
        },
        **({"audio": audio, "silent": dict(plan.silent)} if (audio := options.audio) else {}),
        "dropped": plan.dropped,
        "excluded": dict(plan.excluded),
        "unusable": dict(plan.unusable),
        "failed": plan.problems,
    }
    if plan.joined:
        content["joined"] = {bundle.folder: bundle.weight for bundle in plan.joined}
    if plan.conditioners.rows:
        content["numbers"] = _conditioner_summary(plan)
    if any(sample.windows for sample in plan.samples):
        content["windows"] = {
            "seconds": round6(plan.sample_size / plan.rate),
            "hop": options.hop,
            "description": "a random crop gets the numbers of the nearest window; timbre is measured on windows half "
            "of their length apart, of which it gets the nearest",
        }
    if options.loudness is not None:
        gains = [sample.gain_db for sample in plan.samples]
        content["loudness"] = {
            "lufs": options.loudness,
            "gain_db": [min(gains), max(gains)],
            "limited by true peak": sum(sample.level.limited for sample in plan.samples),
        }
    return content | more


def _conditioner_summary(plan: ExportPlan) -> dict[str, Any]:
    """Ranges and options of the conditioners, number of unknown values, and share that the trainer will clamp."""
    conditioners = plan.conditioners
    rows = [features for sample in plan.of(TRAIN) for features in sample.rows]
    return {
        "conditioners": {name: list(low_high) for name, low_high in plan.ranges.items()},
        **({"options": conditioners.options} if conditioners.options else {}),
        "percentiles": {
            row.name: {
                "value": [round6(v) for v in row.percentiles.values],
                "share": [round6(v) for v in row.percentiles.shares],
            }
            for row in conditioners.rows
            if row.percentiles
        },
        "unknown": {
            "policy": f"{conditioners.policy}: {POLICIES[conditioners.policy]}",
            "samples": dict(conditioners.unknown),
            "of": sum(len(sample.rows) for sample in plan.samples),
        },
        "clamped": clamped(rows, conditioners),
        "left out": conditioners.left_out,
    }


def _methods(plan: ExportPlan) -> dict[str, dict[str, int]]:
    """Stage -> method -> number of files, which shows whether methods are mixed."""
    methods: dict[str, Counter[str]] = {}
    for sample in plan.samples:
        for stage, method in sample.item.methods.items():
            methods.setdefault(stage, Counter())[method] += 1
    return {stage: dict(counts) for stage, counts in sorted(methods.items())}


def file_index(plan: ExportPlan) -> dict[str, dict[str, Any]]:
    """File's name -> where it comes from and what was done to it: the content of ``mirkit_files.json``."""
    return {sample.name: _file_entry(sample, plan) for sample in plan.samples}


def _file_entry(sample: Sample, plan: ExportPlan) -> dict[str, Any]:
    item = sample.item
    cut = item.metadata.get("gain_db")  # when the clip was cut
    gain = sample.gain_db + (cut[MIX] if isinstance(cut, dict) else 0.0)
    peak = None if sample.level.peak is None else to_dbfs(sample.level.peak)
    return {
        "from": item.name,
        "source": item.source,
        "start": round6(item.start),
        "seconds": round6(item.seconds),
        "split": sample.split,
        **({"weight": sample.weight} if sample.weight != 1 else {}),
        **({"audio": item.label} if item.label else {}),
        "gain_db": round(gain, 3),
        **({"downmix": item.metadata["downmix"]} if "downmix" in item.metadata else {}),
        "sample_rate": plan.rate,
        "channels": CHANNELS,
        "peak_dbfs": None if peak is None else round(peak + sample.gain_db, 3),
        **({"texts": texts} if (texts := _texts(item)) else {}),
        "levels": {key: sample.features[key] for key in LEVEL_KEYS if key in sample.features},
        **({"pair": _pair_entry(sample, plan, item.pair)} if item.pair else {}),
    }


def _pair_entry(sample: Sample, plan: ExportPlan, pair: Pair) -> dict[str, Any]:
    """The mix beside a stem: with the same length and the same gain."""
    level = sample.level
    peak = None if level.pair_peak is None else to_dbfs(level.pair_peak)
    mono = pair.metadata.get("channels") == 1
    gained = Level(gain_db=level.gain_db, lufs_db=MONO_TO_STEREO_LU if mono else 0.0)
    levels = {key: gained.applied(key, pair.features[key]) for key in LEVEL_KEYS if key in pair.features}
    return {
        "file": f"{MIXES}/{sample.split}/{sample.name}{plan.pair_suffix}",
        "seconds": round6(sample.item.seconds),
        "channels": CHANNELS,
        "peak_dbfs": None if peak is None else round(peak + level.gain_db, 3),
        "levels": levels,
    }


def _texts(item: Item) -> dict[str, Any]:
    """Where the user's texts of a file are from."""
    origin, lyrics = item.user_texts.origin, item.lyrics
    texts: dict[str, Any] = {}
    if lyrics:
        timed = item.user_texts.lyrics is not None and item.user_texts.lyrics.timed
        texts["lyrics"] = {**origin["lyrics"], "timed": timed, "lines": len(lyrics.splitlines())}
        texts["language"] = {**origin.get("language", {"from": "py3langid"}), "code": item.language or "unknown"}
    if CAPTION in item.texts:
        texts[CAPTION] = dict(origin[CAPTION])
    return texts
