"""Run an export, or check a bundle."""

import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mirkit.catalog import stage
from mirkit.errors import MissingExtra, MissingInput, SettingsError, counted, printable
from mirkit.export.bundle import open_bundle, read_summary, summary
from mirkit.export.conditioners import check_keys
from mirkit.export.item import Item
from mirkit.export.joined import read_joined
from mirkit.export.levels import Level, estimated_levels, find_levels
from mirkit.export.model_config import config_of
from mirkit.export.options import ALL_KEYS, EXPORT_OPTIONS, Options
from mirkit.export.parallel import Progress, no_progress
from mirkit.export.plan import ExportPlan, make_plan
from mirkit.export.prompts import TEMPLATES, CountTokens, PromptTemplate, max_tokens
from mirkit.export.sound_check import check_sound
from mirkit.export.targets import Target, targets
from mirkit.export.targets.sat import OWN_IDS
from mirkit.export.targets.tables import output, packed
from mirkit.export.validation import CheckResult, leak_faults, load_json
from mirkit.features.types import ANALYSIS_RATE
from mirkit.store import remove_orphans_below

if TYPE_CHECKING:  # loads the analysis, which only whole tracks need
    from mirkit.window_tables import WindowTable

_NOT_RUN = "the check by the trainer's own code was not run"
_HOW = "name the Python interpreter where it is installed with --trainer-python PATH"


@dataclass(frozen=True)
class ExportResult:
    """Result of an export.

    Attributes
    ----------
    plan : ExportPlan
    summary : dict
        The content of ``mirkit_export.json``.
    bytes : int
        Size of what was written; for a dry run, an estimate of the audio.
    to_write, free : int
        For a dry run: how many of these bytes are not on the disk yet, and how many are free on the disk; else 0.
    """

    plan: ExportPlan
    summary: dict[str, Any]
    bytes: int
    to_write: int = 0
    free: int = 0


def export(options: Options, *, dry: bool = False, progress: Progress = no_progress) -> ExportResult:
    """Export a data set.

    Parameters
    ----------
    options : Options
    dry : bool
        Whether to compute only what would be written; true peaks are not measured then.
    progress : callable
        Reports progress.

    Returns
    -------
    ExportResult
        An item that fails is a line in its summary.

    Raises
    ------
    MirkitError
        Nothing can be exported.
    """
    target = targets()[options.target]
    _check_options(options, target)
    options = _with_limits(options, target)
    if not target.is_folder:
        output(options).check()

    def levels(items: Sequence[Item], problems: list[str]) -> Mapping[str, Level]:
        if dry:
            return estimated_levels(items, options.loudness)
        # A table has no audio, but its numbers must be those of audio that could be exported.
        measured = [item for item in items if target.is_folder or item.metadata.get("codec", "").startswith("pcm_f")]
        with progress(len(measured)) as advance:
            found = find_levels(
                measured,
                problems,
                rate=target.sample_rate,
                target_lufs=options.loudness,
                jobs=options.jobs,
                advance=advance,
            )
        if target.is_folder:
            return found
        names = {item.name for item in measured}
        return {item.name: Level() for item in items if item.name in found or item.name not in names}

    def windows(items: Sequence[Item], seconds: float, problems: list[str]) -> "Mapping[str, WindowTable]":
        from mirkit.export.measured_cache import CACHE, MeasuredCache
        from mirkit.window_tables import tables

        mixes = {item.name: item.mix for item in items}
        cache = MeasuredCache(options.out / CACHE if target.needs_bundle_folder else None)
        version = stage("timbral").version
        keys = {item.name: f"{item.digest.sha256} timbre {version} {seconds:.6f}" for item in items}
        known: dict[str, Any] = {name: cache.rows[key].get("timbre") for name, key in keys.items() if key in cache.rows}
        with progress(len(items)) as advance:
            found = tables(
                mixes,
                seconds,
                problems,
                advance,
                hop=options.hop,
                jobs=options.jobs,
                known=known,
                keep=lambda name, timbre: cache.append(keys[name], {"timbre": timbre}),
            )
        cache.finish(list(keys.values()))
        return found

    def pieces(items: Sequence[Item], longest: float, problems: list[str]) -> Sequence[Item]:
        from mirkit.export.pieces import cut_tracks

        with progress(sum(item.seconds > longest for item in items)) as advance:
            return cut_tracks(items, longest, problems, advance, dry=dry or bool(what), jobs=options.jobs)

    what = options.audio
    windowed = options.random_crops and target.has_conditioners
    if (what or windowed) and not dry and target.needs_bundle_folder:
        open_bundle(options.out, target.name)  # for what is measured, which takes long

    def stems(items: list[Item], problems: list[str], silent: dict[str, str], notes: list[str]) -> list[Item]:
        from mirkit.export.measured_cache import CACHE
        from mirkit.export.stem_features import measure_stems
        from mirkit.export.stems import choose_stems

        chosen = choose_stems(items, what, problems, notes, pairs=options.pairs)
        if dry:
            return chosen
        cache = options.out / CACHE if target.needs_bundle_folder else None
        with progress(len(chosen)) as advance:
            return measure_stems(chosen, problems, silent, advance, cache=cache, jobs=options.jobs)

    prompt_template = _prompt_template(options, target)  # also for a table, whose options may be wrong too
    plan = make_plan(
        options,
        levels=levels,
        windows=None if dry or not target.has_conditioners else windows,
        pieces=pieces,
        stems=stems if what else None,
        prompt_template=prompt_template if target.is_folder else None,  # a table has no prompts
        has_conditioners=target.has_conditioners,
        has_words=target.is_folder or dry,  # a table has none, but --explain shows them
        rate=target.sample_rate,
        shortest=target.shortest,
        progress=progress,
        pack=packed if not (target.is_folder or dry or what or options.max_seconds) else None,
    )
    if options.keys != ALL_KEYS and not (target.has_conditioners or target.has_columns):
        plan.notes.append(f"{target.name} has fields of its own and no other features, so --keys changes nothing")
    if options.join:
        names = plan.conditioners.names
        plan.joined += read_joined(options.join, names, plan.sample_size, random_crops=options.random_crops)
    if dry:
        return ExportResult(plan, summary(plan), *_disk_need(plan, target))
    if target.needs_bundle_folder:
        open_bundle(options.out, target.name)
    if target.is_folder and options.out.is_dir():
        remove_orphans_below(options.out)  # temporary files of exports that were killed
    with progress(len(plan.samples)) as advance:
        target.write(plan, advance)
    if options.link and options.whole and target.suffix:
        plan.notes += _link_notes(options.out, target.suffix)
    if options.series and target.suffix:
        from mirkit.export.series import write_series

        paths = {path.stem: path for path in options.out.rglob(f"*{target.suffix}")}
        with progress(len(plan.samples)) as advance:
            write_series(plan, {sample.name: (paths[sample.name], None) for sample in plan.samples}, advance)
    files = options.out.rglob("*") if target.is_folder else [options.out]
    return ExportResult(plan, summary(plan), sum(path.stat().st_size for path in files))


def _link_notes(out: Path, suffix: str) -> list[str]:
    """A note on files of a bundle that are hard links to recordings of the user's, as clips are not."""
    linked = sum(path.stat().st_nlink > 1 for path in out.rglob(f"*{suffix}"))
    if not linked:
        return []
    return [
        f"{counted(linked, 'file')} of the bundle {'is a hard link' if linked == 1 else 'are hard links'} to your own "
        "recordings: a program that edits one in place changes both; without --link they are copies"
    ]


def _prompt_template(options: Options, target: Target) -> PromptTemplate:
    """Return the prompt template of the target, changed by the options."""
    count: CountTokens = max_tokens
    apart = options.trigger if target.trigger_apart else ""
    if options.tokenizer:
        from mirkit.models.tokenizer import TokenCounter

        count = TokenCounter(options.tokenizer)
    return PromptTemplate(
        TEMPLATES[target.template] if options.template is None else options.template,
        (options.tokens or target.token_budget) - (count(f"{apart},") if apart else 0),
        options.variants,
        "" if apart else options.trigger,
        options.seed,
        count,
    )


def _disk_need(plan: ExportPlan, target: Target) -> tuple[int, int, int]:
    """Estimate the bytes of a bundle's audio, those that are not on the disk yet, and the free bytes of the disk."""
    options, total, new = plan.options, 0, 0
    existing = {path.name for path in options.out.rglob(f"*{target.suffix}")} if target.suffix else set()
    for sample in plan.samples:
        item = sample.item
        flac = item.sound.is_file and item.sound.paths[0].suffix.lower() == ".flac"
        copied = target.suffix == ".flac" and flac and not item.offset
        if copied and item.sample_rate == plan.rate and not sample.gain_db:
            size = item.digest.size
        else:
            size, copied = round(item.seconds * target.bytes_per_second), False
        if item.pair is not None:
            size += round(item.seconds * target.bytes_per_second)
        total += size if target.bytes_per_second else 0
        if f"{sample.name}{target.suffix}" not in existing and not (copied and options.link):
            new += size if target.bytes_per_second else 0
    folder = options.out.absolute()
    while not folder.exists():
        folder = folder.parent
    return total, new, shutil.disk_usage(folder).free


def _with_limits(options: Options, target: Target) -> Options:
    """Return the options with the length that the target allows; a trainer that cuts by itself has no limit."""
    if target.longest is None:
        return options
    return replace(options, max_seconds=min(options.max_seconds or target.longest, target.longest))


def _check_options(options: Options, target: Target) -> None:
    for name, setting in EXPORT_OPTIONS.items():
        try:
            setting.check(getattr(options, name))
        except ValueError as error:
            raise SettingsError(f"{setting.option} must be {error}") from error
    cuts = options.max_seconds is not None or target.longest is not None
    if options.whole and target.is_folder and not target.takes_tracks and not cuts:
        raise SettingsError(
            f"{target.name} --from tracks: the loader of this target does not report which window it cuts, so the "
            "numbers of that window cannot be given; let mirkit cut the tracks with --max-seconds, or cut clips with "
            "mirkit crop"
        )
    check_keys(options.keys)
    if not target.takes_several and (options.join or options.weight != 1):
        raise SettingsError(f"{target.name}: --join and --weight are for the target sat only")
    if options.weights and not target.takes_weights:
        names = ", ".join(name for name, other in targets().items() if other.takes_weights)
        raise SettingsError(f"{target.name}: --weights is for the targets {names} only")
    if options.stem and options.instrumental:
        raise SettingsError("--stem and --instrumental: choose one of them")
    if options.split_file is not None and options.test:
        raise SettingsError("--split and --test: the file of --split names the tracks of the test; leave --test out")
    if options.audio and options.whole and target.is_folder and options.max_seconds is None and not target.longest:
        raise SettingsError(
            f"{target.name} --from tracks with --stem or --instrumental: windows of a stem are not measured; export "
            "clips, or let mirkit cut the tracks with --max-seconds"
        )
    if options.pairs and not options.audio:
        raise SettingsError("--pairs: name what is paired with the mix, with --stem or --instrumental")
    if options.pairs and not (target.suffix and target.is_folder):
        raise SettingsError(
            f"{target.name} --pairs: this target has no folder for the mixes; use another one, such as sat"
        )
    if options.series and options.audio:
        raise SettingsError("--series: the series of a stem are not stored; use it without --stem and --instrumental")
    files = target.is_folder and target.suffix and target.sample_rate == ANALYSIS_RATE
    if options.series and not files and target.name != "sat-latents":
        raise SettingsError(f"{target.name} --series: the series are for the targets sat, sat-latents, sa3 and hf")
    if options.loudness is not None and not target.is_folder:
        raise SettingsError(f"{target.name} --loudness: a table has no audio to normalize")


def check(target: str, out: Path, *, trainer: bool = True, python: Path | None = None) -> CheckResult:
    """Check a bundle: with our own validator, then with the trainer's code where it is installed.

    Parameters
    ----------
    target : str
        Name of the target.
    out : Path
    trainer : bool
        Whether the trainer's own code checks the bundle too: with ``python``, or in this environment if it is
        installed.
    python : Path, optional
        Interpreter with which the trainer is installed. It is a fault if the trainer cannot be loaded there.

    Returns
    -------
    CheckResult

    Raises
    ------
    MissingInput
        There is no bundle of this target.
    """
    if not out.exists():
        raise MissingInput(
            f"{printable(out)}: there is no such file or folder; export it with: mirkit export "
            f'{target} PATH -o "{printable(out)}"'
        )
    row = targets()[target]
    if row.is_folder:
        made_for = (read_summary(out) or {}).get("target", target)
        if made_for != target:
            raise MissingInput(f"{printable(out)}: the folder holds a bundle for {made_for}, not for {target}")
    result = CheckResult(target)
    row.validate(out, result)
    if row.is_folder:
        result.faults += leak_faults(out)
        check_sound(out, result, row.numbers(out) if row.numbers else {})
        if any(out.rglob("*.TIMESERIES.npz")):
            from mirkit.export.series import series_faults

            result.faults += series_faults(out)
    if row.stable_audio_tools:
        _run_trainer(out, result, wanted=trainer, python=python)
    elif target == "sa3":
        result.trainer = f"{_NOT_RUN}, because mirkit has no such check for Stable Audio 3"
    return result


def _run_trainer(out: Path, result: CheckResult, *, wanted: bool, python: Path | None) -> None:
    from mirkit.models import stable_audio

    if not wanted:
        result.trainer = f"{_NOT_RUN}, because of --no-trainer"
    elif not python and not stable_audio.is_installed():
        result.trainer = f"{_NOT_RUN}, because stable-audio-tools is not installed beside mirkit; {_HOW}"
    elif result.faults:
        result.trainer = f"{_NOT_RUN}, because the bundle has faults; repair them first"
    else:
        dataset, config, size = _configs(out)
        try:
            training = stable_audio.load_and_train(python, dataset, config, sample_size=size)
        except MissingExtra as error:
            if python:
                result.faults.append(f"trainer: {error}")
            result.trainer = f"{_NOT_RUN}: {error}" if python else f"{_NOT_RUN}: {error}; {_HOW}"
            return
        result.faults += [f"trainer: {line}" for line in training.faults]
        losses = ", ".join(f"{loss:.3f}" for loss in training.losses)
        result.trainer = (
            f"{training.trainer} found {training.files} files, loaded {training.loaded}; "
            f"{len(training.losses)} training steps, loss {losses or '-'}"
        )


def _configs(out: Path) -> tuple[Mapping[str, Any], Mapping[str, Any], int]:
    """Data set config, model config and sample size for the trainer."""
    faults: list[str] = []
    dataset, config = (load_json(out / name, faults) for name in ("dataset.json", config_of(out)))
    return _with_paths_in(dataset, out), config, int(config["sample_size"])


def _with_paths_in(dataset: Mapping[str, Any], out: Path) -> Mapping[str, Any]:
    """Replace the paths of a data set config by paths in this bundle, which may have been moved."""
    rows = []
    for row in dataset["datasets"]:
        moved = dict(row)
        for name in ("path", "custom_metadata_module"):
            if name in row and row.get("id") in OWN_IDS:
                inside = out / Path(row[name]).name
                moved[name] = (inside if inside.exists() else out).resolve().as_posix()
        rows.append(moved)
    return dict(dataset) | {"datasets": rows}
