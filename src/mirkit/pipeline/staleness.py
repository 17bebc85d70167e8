"""The rule of what is done: a stage is done while its provenance still tells the truth."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache

from mirkit import models
from mirkit.catalog import STEMS, TONAL, Stage
from mirkit.catalog import stage as stage_of
from mirkit.stages import parameters
from mirkit.stages.selection import drum_part
from mirkit.store import EXTERNAL, FileDigest, ProvenanceRecord, Settings
from mirkit.store.provenance_record import to_json

#: Stage and method -> what a neural model hears in the mix for it, and whether the stage reads curves beside that.
_HEARD = {
    ("beats", "beat_this"): ("activations", True),
    ("danceability", "essentia"): ("classes", False),
    ("aesthetics", "audiobox"): ("aesthetics", False),
}


@dataclass(frozen=True)
class StageInputs:
    """What a stage would work on now.

    Attributes
    ----------
    curves : tuple of (part, family)
        Curves of the parts that exist.
    files : dict
        Part -> fingerprint of its file.
    """

    curves: tuple[tuple[str, str], ...]
    files: dict[str, FileDigest]


def inputs_of(stage: Stage, prints: Mapping[str, FileDigest], settings: Settings) -> StageInputs:
    """Work out what a stage reads, from the fingerprints of the parts that exist."""
    method = getattr(settings.backends, stage.job, "")
    drums = drum_part(prints, settings)
    curves, parts = _reads(stage.name, method, tuple(prints), drums, with_stems=settings.rhythm.stems)
    return StageInputs(curves, {part: prints[part] for part in parts})


@lru_cache  # the same for most tracks of a data set
def _reads(
    name: str, method: str, there: tuple[str, ...], drums: str, *, with_stems: bool
) -> tuple[tuple[tuple[str, str], ...], tuple[str, ...]]:
    """Curves and parts that a stage reads, of the parts that are there."""
    have_tonal = all(stem in there for stem in TONAL)
    heard, reads_curves = _HEARD.get((name, method), ("", True))
    curves = [("full_mix", heard)] if heard else []
    for part, family in stage_of(name).curves if reads_curves else ():
        if part == "tonal":
            curves.append((part if have_tonal else "full_mix", family))
        elif part in there and (name != "beats" or part not in STEMS or with_stems):
            curves.append((part, family))
    parts = {source for part, _ in curves for source in (TONAL if part == "tonal" else (part,))}
    if name == "drums":
        parts = {drums}
        if method != "drumsep":  # which goes through the sound by itself, twice
            curves = [(drums, "strokes")]
    return tuple(curves), tuple(sorted(parts or {"full_mix"}))


def stale_reason(
    stage: Stage,
    entry: ProvenanceRecord | None,
    backend: str,
    inputs: StageInputs,
    needs: Mapping[str, str],
    settings: Settings,
    *,
    products_there: bool,
) -> str:
    """Say why a stage must run, or "" when it is done.

    Parameters
    ----------
    entry : ProvenanceRecord or None
        What the provenance says of it.
    backend : str
        Method that would be used now.
    inputs : StageInputs
    needs : dict
        Needed stage -> identity now.
    products_there : bool
        Whether all its keys and files exist.
    """
    if entry is None:
        return "new"
    if entry.stage_version > stage.version:
        return ""  # a newer version of mirkit did it: two versions on one disk do not undo each other's work
    if entry.failed:
        return "failed before"
    if not products_there:
        return "its keys or files are missing"
    if entry.backend == EXTERNAL:
        return ""
    if entry.stage_version != stage.version:
        return "its formula is new"
    if (entry.backend or "") != backend:
        return f"method {backend or 'none'}, was {entry.backend or 'none'}"
    if entry.parameters != to_json(parameters(stage, settings)):
        return "settings changed"
    if entry.weights_sha256 and models.user_weights_digest(stage.job, settings) not in ("", entry.weights_sha256):
        return "the weights changed"
    if entry.inputs != inputs.files:
        before = {name: print_.sha256 for name, print_ in entry.inputs.items()}
        now = {name: print_.sha256 for name, print_ in inputs.files.items()}
        if changed := sorted(name for name in before.keys() | now.keys() if before.get(name) != now.get(name)):
            return f"changed: {', '.join(changed)}"
    if changed := sorted(name for name in needs if entry.needs.get(name) != needs[name]):
        return f"redone: {', '.join(changed)}"
    return ""
