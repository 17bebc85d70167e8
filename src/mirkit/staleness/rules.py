"""The rules by which stages, captions, clips and derived files are up to date.

A stage is up to date as long as formula, backend, settings, inputs and earlier stages are those in its provenance.
"""

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import Enum
from functools import lru_cache
from pathlib import Path

from mirkit import models
from mirkit.catalog import INFO_SPECS, STEMS, TONAL, Stage, stage
from mirkit.errors import InfoError, MissingInput
from mirkit.stages import drum_source, parameters
from mirkit.store import (
    EXTERNAL,
    CaptionRecord,
    FileDigest,
    ProvenanceRecord,
    Settings,
    digest_of_text,
    file_digest,
    read_info,
    read_provenance,
    restamp,
    to_json,
)
from mirkit.track import Track
from mirkit.track.clip import CUT, ClipSource

#: Parameter in the record of a stage that was computed from the downmix of more than two channels.
DOWNMIX = {"downmix": True}


@dataclass(frozen=True)
class StageInputs:
    """The files and feature series that a stage would read now.

    Attributes
    ----------
    series : tuple of (str, str)
        ``(source, kind)`` of the feature series, of the sources that exist.
    files : dict
        Source -> digest of its file.
    """

    series: tuple[tuple[str, str], ...]
    files: dict[str, FileDigest]


def inputs_of(row: Stage, digests: Mapping[str, FileDigest], settings: Settings) -> StageInputs:
    """Return what a stage reads, given the digests of the existing sources."""
    backend = models.chosen(row.task, settings)
    source = backend.source if backend else "full_mix"
    source = drum_source(digests, settings) if source == "drums" else source
    kind, replaces, reads_features = (
        (backend.feature_kind, backend.replaces, backend.reads_features) if backend else ("", "", True)
    )
    series, sources = _reads(
        *(row.name, source, kind, replaces, tuple(digests)),
        reads_features=reads_features,
        with_stems=settings.rhythm.stems,
    )
    return StageInputs(series, {source: digests[source] for source in sources})


@lru_cache  # the same for most tracks of a data set
def _reads(
    name: str,
    backend_source: str,
    backend_kind: str,
    replaces: str,
    existing: tuple[str, ...],
    *,
    reads_features: bool,
    with_stems: bool,
) -> tuple[tuple[tuple[str, str], ...], tuple[str, ...]]:
    """Return the feature series that a stage reads, of the existing sources, and the sources whose files they need."""
    have_tonal = all(stem in existing for stem in TONAL)
    series = [(backend_source, backend_kind)] if backend_kind and not replaces else []
    for source, kind in stage(name).series if reads_features else ():
        if replaces and (source, kind) == (backend_source, replaces):
            kind = backend_kind
        if source == "tonal":
            series.append((source if have_tonal else "full_mix", kind))
        elif source in existing and (name != "beats" or source not in STEMS or with_stems):
            series.append((source, kind))
    files = {file for source, _ in series for file in (TONAL if source == "tonal" else (source,))}
    return tuple(series), tuple(sorted(files or {backend_source if backend_source in existing else "full_mix"}))


def stale_reason(
    row: Stage,
    entry: ProvenanceRecord | None,
    backend: str,
    inputs: StageInputs,
    needs: Mapping[str, str],
    settings: Settings,
    *,
    products_there: bool,
    is_downmix: bool = False,
) -> str:
    """Return the reason why a stage must run, or "" if it is up to date.

    Parameters
    ----------
    entry : ProvenanceRecord or None
        Record of the stage in the provenance.
    backend : str
        Backend that would be used now.
    inputs : StageInputs
    needs : dict
        Earlier stage -> its present identity.
    products_there : bool
        Whether all of its keys and files exist.
    is_downmix : bool
        Whether the mix has more than two channels, of which the stage gets the downmix.
    """
    if entry is None:
        return "new"
    if entry.stage_version > row.version:
        return ""  # two versions of mirkit on one disk must not replace each other's results
    if entry.failed:
        return "failed before"
    if not products_there:
        return "its keys or files are missing"
    if entry.backend == EXTERNAL:
        return ""
    if entry.stage_version != row.version:
        return "its definition has changed"
    if (entry.backend or "") != backend:
        return f"method {backend or 'none'}, was {entry.backend or 'none'}"
    downmix = DOWNMIX if is_downmix and row.name != "crop" else {}
    if downmix and not entry.parameters.get("downmix"):
        return "more than two channels are mixed down to stereo now"
    if entry.parameters != to_json(parameters(row, settings) | downmix):
        return "settings changed"
    if entry.weights_sha256 and models.user_weights_digest(row.task, settings) not in ("", entry.weights_sha256):
        return "the weights changed"
    if entry.inputs != inputs.files:
        before = {name: digest.sha256 for name, digest in entry.inputs.items()}
        now = {name: digest.sha256 for name, digest in inputs.files.items()}
        if changed := sorted(name for name in before.keys() | now.keys() if before.get(name) != now.get(name)):
            return f"changed: {', '.join(changed)}"
    if changed := sorted(name for name in needs if entry.needs.get(name) != needs[name]):
        return f"redone: {', '.join(changed)}"
    return ""


#: Reason why a result of a newer version of mirkit is not replaced.
NEWER = "computed by a newer version of mirkit, and kept as it is"


class CaptionStep(Enum):
    """What has to be done for a caption."""

    DONE = "nothing"
    ASK = "the model has not answered it yet"
    FINISH = "the stored answer has to be processed again"


def caption_step(
    record: ProvenanceRecord | None,
    wanted: ProvenanceRecord,
    key: str,
    text: object,
    *,
    attempts: int,
    tokens: int,
    contradicted: bool,
    overwrite: bool,
) -> tuple[CaptionStep, str]:
    """Return what has to be done for a caption, and the reason.

    Parameters
    ----------
    record : ProvenanceRecord or None
        Record of the caption in the provenance.
    wanted : ProvenanceRecord
        Record that the caption would have if the question were asked now; its ``caption`` has the present ``words`` and
        ``fix_facts``.
    key : str
        Key of the caption in ``.INFO``.
    text : object
        Value of that key, or None.
    attempts, tokens : int
        Largest number of attempts, and of tokens in an answer.
    contradicted : bool
        Whether the text has a claim that contradicts measurements and has to be removed.
    overwrite : bool
    """
    if record is None:
        return CaptionStep.ASK, "new"
    if record.stage_version > wanted.stage_version and not overwrite:
        return CaptionStep.DONE, NEWER
    if record.identity != wanted.identity:
        return CaptionStep.ASK, "the question, the model or the audio has changed"
    if overwrite:
        return CaptionStep.ASK, "overwrite"
    caption, now = record.caption or CaptionRecord(), wanted.caption or CaptionRecord()
    given_up = bool(record.reasons) and caption.raw is None
    if (record.failed or given_up) and len(caption.faults) < attempts:
        return CaptionStep.ASK, "not finished"
    if caption.finish == "length" and caption.tokens < tokens:
        return CaptionStep.ASK, "it was cut off, and may be longer now"
    if caption.raw is not None and (caption.words, caption.fix_facts) != (now.words, now.fix_facts):
        return CaptionStep.FINISH, "settings changed"
    if key in record.reasons:
        is_stored = text is None
    else:
        is_stored = isinstance(text, str) and record.outputs.get(key) == digest_of_text(text) and not contradicted
    return (CaptionStep.DONE, "") if is_stored else (CaptionStep.FINISH, "its text is not in the .INFO")


def is_user_caption(text: str, record: ProvenanceRecord | None) -> bool:
    """Return whether a text in the ``.INFO`` is the user's: neither mirkit's present caption nor its previous one."""
    if record is None or record.backend == EXTERNAL:
        return True
    digest = digest_of_text(text)
    replaced = record.caption.replaces if record.caption else ""
    return digest not in record.outputs.values() and digest.sha256 != replaced


def is_clip_audio_current(folder: Path, clip_source: ClipSource, digests: Mapping[str, FileDigest]) -> bool:
    """Return whether the audio of a clip is complete and was cut from the present audio of its track.

    Parameters
    ----------
    folder : Path
        Folder of the clip.
    clip_source : ClipSource
        Source that the clip must have.
    digests : mapping
        Source of the track -> digest of its file.
    """
    if not folder.exists():
        return False
    try:
        clip = Track.at(folder)
        provenance = read_provenance(clip.provenance)
        record = provenance.stages.get(CUT)
        if (
            record is None
            or record.failed
            or ClipSource.of(provenance) != clip_source
            or record.stage_version != stage("crop").version
            or dict(record.inputs) != dict(digests)
        ):
            return False
        found = {name: file_digest(path, record.outputs.get(name)) for name, path in clip.sources.items()}
        restamp(clip.provenance, provenance, found)
        return found == dict(record.outputs)
    except (InfoError, MissingInput):
        return False


def is_clip_current(
    folder: Path, clip_source: ClipSource, digests: Mapping[str, FileDigest], needs: Mapping[str, str]
) -> bool:
    """Return whether a clip is complete and all of its values are up to date.

    Parameters
    ----------
    folder, clip_source, digests
        See :func:`is_clip_audio_current`.
    needs : mapping
        Stage of the track from which its values are computed -> identity.
    """
    if not is_clip_audio_current(folder, clip_source, digests):
        return False
    clip = Track(folder)
    try:
        info = read_info(clip.info)
        record = read_provenance(clip.provenance).stages[CUT]
    except InfoError:
        return False
    keys = {row.name for row in INFO_SPECS if row.stage in needs} | {"position", "duration_seconds"}
    return dict(record.needs) == needs and keys <= info.keys() and clip.grid.exists() and clip.onsets.exists()


def mark_of(parts: Iterable[bytes], digits: int) -> str:
    """Return a hash of the inputs of a file; the file is up to date as long as it contains this mark."""
    content = hashlib.sha256()
    for part in parts:
        content.update(part)
    return content.hexdigest()[:digits]


def is_mark_current(path: Path, recorded: object, mark: str) -> bool:
    """Return whether a file exists and has the mark of its present inputs; "" is never a valid mark."""
    return bool(mark) and recorded == mark and path.exists()
