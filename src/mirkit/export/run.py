"""An export from beginning to end."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from mirkit.errors import SettingsError
from mirkit.export.bundle import Advance, open_bundle, summary
from mirkit.export.gains import find_gains, planned_gains
from mirkit.export.items import Item
from mirkit.export.options import EXPORT_OPTIONS, Options
from mirkit.export.plan import ExportPlan, make_plan
from mirkit.export.prompts import TEMPLATES, PromptTemplate
from mirkit.export.tables import output
from mirkit.export.targets import TARGETS, Target
from mirkit.export.tokens import Count, max_tokens
from mirkit.store import sweep_tree

if TYPE_CHECKING:  # the analysis is loaded only for whole tracks
    from mirkit.windows import WindowTable

#: Bytes a second of a stereo flac at 44.1 kHz, and of a wav with 24 bits: for a dry run.
_FLAC_BYTES, _WAV_BYTES = 100_000, 264_600


@dataclass(frozen=True)
class Exported:
    """What came of an export.

    Attributes
    ----------
    plan : ExportPlan
    summary : dict
        The content of ``mirkit_export.json``.
    bytes : int
        Sound that was, or for a dry run would be, written: then an estimate.
    """

    plan: ExportPlan
    summary: dict[str, Any]
    bytes: int


@contextmanager
def quiet(_count: int) -> Iterator[Advance]:
    """Count nothing."""
    yield lambda _name: None


Step = Callable[[int], AbstractContextManager[Advance]]


def export(options: Options, *, dry: bool = False, step: Step = quiet) -> Exported:
    """Export a data set.

    Parameters
    ----------
    options : Options
    dry : bool
        Only say what would be written; true peaks are not looked at.
    step : callable
        Given the number of items of a step, gives what counts them.

    Raises
    ------
    MirkitError
        Nothing can be exported; a single item that fails is a line in the summary.
    """
    target = TARGETS[options.target]
    _check(options, target)
    if not target.folder:
        output(options).check()

    def gains(items: Sequence[Item], problems: list[str]) -> Mapping[str, tuple[float, bool]]:
        assert options.loudness is not None
        if dry:
            return planned_gains(items, options.loudness)
        with step(len(items)) as advance:
            return find_gains(items, problems, loudness=options.loudness, jobs=options.jobs, advance=advance)

    def windows(items: Sequence[Item], seconds: float, problems: list[str]) -> "Mapping[str, WindowTable]":
        from mirkit.windows import tables

        mixes = {item.name: item.mix for item in items}
        with step(len(items)) as advance:
            return tables(mixes, seconds, problems, advance, hop=options.hop, jobs=options.jobs)

    plan = make_plan(
        options,
        gains=gains,
        tables=None if dry or not target.conditioned else windows,
        wording=_prompt_template(options, target),
        conditioned=target.conditioned,
    )
    if dry:
        rate = _WAV_BYTES if target.name == "sa3" else _FLAC_BYTES if target.folder else 0
        return Exported(plan, summary(plan), round(plan.seconds * rate))
    if target.folder and target.name != "sat-latents":
        open_bundle(options.out, target.name)
    if target.folder and options.out.is_dir():
        sweep_tree(options.out)  # what killed exports left
    with step(len(plan.samples)) as advance:
        target.write(plan, advance)
    files = options.out.rglob("*") if target.folder else [options.out]
    return Exported(plan, summary(plan), sum(path.stat().st_size for path in files))


def _prompt_template(options: Options, target: Target) -> PromptTemplate:
    """Wording of the prompts: the target's own, except for what the options change."""
    count: Count = max_tokens
    if options.tokenizer:
        from mirkit.models.tokenizer import counter

        count = counter(options.tokenizer)
    return PromptTemplate(
        TEMPLATES[target.template] if options.template is None else options.template,
        options.tokens or target.budget,
        options.variants,
        options.trigger,
        options.seed,
        count,
    )


def _check(options: Options, target: Target) -> None:
    for name, setting in EXPORT_OPTIONS.items():
        try:
            setting.check(getattr(options, name))
        except ValueError as error:
            raise SettingsError(f"{setting.option} must be {error}") from error
    if options.whole and target.folder and not target.whole:
        raise SettingsError(
            f"{target.name} --from tracks: its loader cannot be told the numbers of the stretch that it cuts; cut "
            "clips with mirkit crop, and export those"
        )
    if options.loudness is not None and not target.folder:
        raise SettingsError(f"{target.name} --loudness: a table has no sound to be normalized")
