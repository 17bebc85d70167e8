"""Target ``sa3``: ``clip.wav`` and ``clip.txt`` for Stable Audio 3, which takes words alone."""

from mirkit.export.bundle import SUMMARY, Advance, clear_stale, index, summary, write_json, write_sounds
from mirkit.export.plan import ExportPlan
from mirkit.export.sat_wds import prompt_of
from mirkit.export.split import TRAIN, VAL
from mirkit.store import atomic_write


def write(plan: ExportPlan, advance: Advance) -> None:
    """Write the bundle: every wav has its txt, for the loader takes another clip in place of one without."""
    out = plan.options.out
    for split in (TRAIN, VAL):
        if plan.of(split):
            write_sounds(plan, plan.of(split), out / split, ".wav", advance)
    files = set()
    for sample in plan.samples:
        path = out / sample.split / f"{sample.name}.txt"
        atomic_write(path, prompt_of(plan, sample).encode("ascii") + b"\n")
        files |= {path, path.with_suffix(".wav")}
    clear_stale(out, files)
    write_json(out / "mirkit_files.json", index(plan))
    says = f"pre-encode with --sample_size {plan.sample_size}: longer clips than that are cut at random"
    write_json(out / SUMMARY, summary(plan, encode=says))
