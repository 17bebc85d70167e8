"""The captions of one track: finding those that are missing or stale, and storing answers.

The text is stored in the ``.INFO``. Its provenance is stored in the ``.PROVENANCE``, in one entry per caption.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from mirkit import __version__
from mirkit.captions.facts import Facts, compare, fix
from mirkit.captions.normalize import dropped_characters
from mirkit.captions.prompts import Question, fill, questions
from mirkit.captions.validation import Validation, validate
from mirkit.catalog import INFO_SPECS, TEXT_KEYS, stage
from mirkit.dataset.facts import facts_of, words_of
from mirkit.models.captioners import Captioner
from mirkit.models.captioners.retry import Attempt, PendingPrompt
from mirkit.pipeline.task import now
from mirkit.staleness import NEWER, CaptionStep, caption_step, is_user_caption, unread
from mirkit.store import (
    EXTERNAL,
    CaptionRecord,
    FileDigest,
    JsonObject,
    JsonValue,
    ProvenanceRecord,
    Settings,
    digest_of_text,
    file_digest,
    read_info,
    read_provenance,
    recorded_digests,
    restamp,
    update_info,
    update_provenance,
)
from mirkit.track import Track

#: Stage of the captions; ``describe/<field>`` is the entry of one caption in the provenance.
STAGE = "describe"
_ORDER = (*(row.name for row in INFO_SPECS), *TEXT_KEYS)


@dataclass(frozen=True)
class CaptionJob:
    """The questions about every track of a run, and the model that answers them.

    Attributes
    ----------
    captioner : Captioner
    settings : Settings
    fields : tuple of str
        Names of the captions; empty for all.
    overwrite : bool
        Whether to ask again, and to replace the user's own texts, too.
    """

    captioner: Captioner
    settings: Settings
    fields: tuple[str, ...] = ()
    overwrite: bool = False

    @property
    def questions(self) -> tuple[Question, ...]:
        """The questions of the job."""
        texts = self.settings.texts
        rows = questions(texts.prompts, texts.words)
        return tuple(row for row in rows if not self.fields or row.field in self.fields)

    def requests(self, pending: Sequence[PendingPrompt]) -> list[tuple[str, int]]:
        """Return the prompt and the tokens of the answer of each request, including one for all captions at once."""
        requests = [(row.prompt, row.question.tokens) for row in pending]
        if self.settings.texts.one_call:
            prompts = " ".join(prompt for prompt, _ in requests)
            requests.append((prompts * 2, sum(tokens + 32 for _, tokens in requests)))
        return requests

    @property
    def max_seconds(self) -> float:
        """Longest excerpt of a track that the model receives (s)."""
        return min(self.settings.texts.audio_seconds or float("inf"), self.captioner.max_seconds)

    def record(self, question: Question, prompt: str, mix: FileDigest, **more: Any) -> ProvenanceRecord:
        """Return the provenance of a caption. Its ``identity`` depends on everything that determines the answer."""
        texts = self.settings.texts
        return ProvenanceRecord(
            stage=f"{STAGE}/{question.field}",
            mirkit_version=__version__,
            stage_version=stage(STAGE).version,
            backend=self.captioner.backend,
            model=self.captioner.model,
            weights_sha256=self.captioner.sha256,
            parameters={
                "prompt": prompt,
                "temperature": texts.temperature,
                "seed": texts.seed,
                "one_call": texts.one_call,
                "most_seconds": self.max_seconds,
                "whole_windows": self.captioner.whole_windows,
                "excerpt": texts.excerpt,
            },
            inputs={"full_mix": mix},
            **more,
        )


@dataclass
class CaptionState:
    """The present state of the captions of a track.

    Attributes
    ----------
    mix : FileDigest
    facts : Facts
    info : JSON object
        Content of ``.INFO``.
    pending : list of PendingPrompt
        Questions that the model has to be asked.
    reasons : dict
        Field -> reason why it is asked.
    unfinished : list of (Question, ProvenanceRecord)
        Captions with a stored answer, whose text in the ``.INFO`` does not correspond to the present settings and
        metadata. The model is not needed for them.
    adopted : list of ProvenanceRecord
        Records to store for texts that the user wrote.
    done : list of str
        Fields that are up to date.
    newer : list of str
        Fields in ``done`` that a newer version of mirkit wrote.
    impossible : dict
        Field -> reason why it cannot be asked: its prompt needs metadata that has not been measured.
    """

    mix: FileDigest
    facts: Facts
    info: JsonObject
    pending: list[PendingPrompt] = field(default_factory=list)
    reasons: dict[str, str] = field(default_factory=dict)
    unfinished: list[tuple[Question, ProvenanceRecord]] = field(default_factory=list)
    adopted: list[ProvenanceRecord] = field(default_factory=list)
    done: list[str] = field(default_factory=list)
    newer: list[str] = field(default_factory=list)
    impossible: dict[str, str] = field(default_factory=dict)

    @property
    def any(self) -> bool:
        """Return whether a caption has to be asked for, made or recorded."""
        return bool(self.pending or self.unfinished or self.adopted)


def inspect_captions(track: Track, job: CaptionJob, *, hashed: bool = True) -> CaptionState:
    """Determine the state of the captions of a track.

    Parameters
    ----------
    track : Track
    job : CaptionJob
    hashed : bool
        Whether to hash a mix whose digest is not in the provenance.

    Raises
    ------
    MirkitError
        The sidecars, or the mix, cannot be read.
    """
    info, provenance = read_info(track.info), read_provenance(track.provenance)
    known = recorded_digests(provenance).get("full_mix", [])
    believed = () if job.overwrite and hashed else known
    mix = file_digest(track.mix, *believed) if hashed or known else unread(track.mix)
    provenance = restamp(track.provenance, provenance, {"full_mix": mix})
    facts = facts_of(info, provenance)
    words = words_of(facts, provenance)
    state = CaptionState(mix, facts, info)
    for question in job.questions:
        record = provenance.stages.get(f"{STAGE}/{question.field}")
        text = info.get(question.key)
        if isinstance(text, str) and not job.overwrite and is_user_caption(text, record):
            external = _external(question, text)
            if record is None or record.backend != EXTERNAL or record.outputs != external.outputs:
                state.adopted.append(external)
            else:
                state.done.append(question.field)
            continue
        prompt = fill(question.prompt, words)
        if not prompt:
            state.impossible[question.field] = "its prompt needs a value that is not measured"
            continue
        _inspect(state, job, question, prompt, record)
    return state


def _inspect(
    state: CaptionState, job: CaptionJob, question: Question, prompt: str, record: ProvenanceRecord | None
) -> None:
    texts = job.settings.texts
    now = CaptionRecord(words=question.words, fix_facts=texts.fix_facts)
    wanted = job.record(question, prompt, state.mix, caption=now)
    text = state.info.get(question.key)
    contradicted = texts.fix_facts and isinstance(text, str) and bool(compare(text, state.facts).conflicts)
    step, reason = caption_step(
        record,
        wanted,
        question.key,
        text,
        attempts=texts.attempts,
        tokens=question.tokens,
        contradicted=contradicted,
        overwrite=job.overwrite,
    )
    if step is CaptionStep.ASK:
        attempts = record.caption if record and reason == "not finished" else None
        state.pending.append(PendingPrompt(question, prompt, attempts.faults if attempts else ()))
        state.reasons[question.field] = reason
    elif step is CaptionStep.FINISH:
        assert record is not None
        state.unfinished.append((question, record))
    else:
        state.done.append(question.field)
        if reason == NEWER:
            state.newer.append(question.field)


def _external(question: Question, text: str) -> ProvenanceRecord:
    return ProvenanceRecord(
        f"{STAGE}/{question.field}",
        __version__,
        stage(STAGE).version,
        backend=EXTERNAL,
        outputs={question.key: digest_of_text(text)},
    )


@dataclass(frozen=True)
class Caption:
    """A caption, or why there is none.

    Attributes
    ----------
    text : str
        The caption; "" if there is none.
    reason : str
        Reason why there is none.
    notes : tuple of str
        Messages for the user.
    """

    text: str
    reason: str = ""
    notes: tuple[str, ...] = ()

    @classmethod
    def of(cls, question: Question, validation: Validation, facts: Facts, *, fix_facts: bool) -> "Caption":
        """Return the caption of a validated answer, corrected by ``facts``, or with a note on what contradicts them."""
        if fix_facts:
            text = fix(validation.text, facts)
            return cls(
                text, validation.fault or ("" if text else "every sentence of the answer contradicts the measurements")
            )
        conflicts = "; ".join(row.description for row in compare(validation.text, facts).conflicts)
        notes = (f"the text {question.field} contradicts the measurements: {conflicts}",) if conflicts else ()
        return cls(validation.text, validation.fault, notes)


def store_attempt(
    track: Track, job: CaptionJob, state: CaptionState, attempt: Attempt, seconds: float
) -> Caption | None:
    """Store the result of an attempt.

    Returns
    -------
    Caption or None
        None if another attempt follows; only the fault of this attempt is then stored.
    """
    question, answer = attempt.pending.question, attempt.answer
    caption = CaptionRecord(None, answer.finish, question.tokens, tuple(attempt.faults), _replaced(state, question))
    details: dict[str, JsonValue] = {"attempts": len(attempt.faults) + (not attempt.validation.fault)}
    if answer.cached_tokens is not None:
        details |= {"heard": answer.prompt_tokens, "cached": answer.cached_tokens}
    record = job.record(question, attempt.pending.prompt, state.mix, when=now(), caption=caption, details=details)
    if not attempt.last:
        failed = f"attempt {len(attempt.faults)}: {attempt.faults[-1]}"
        update_provenance(track.provenance, [replace(record, failed=failed)])
        return None
    if attempt.failure:
        _store(track, question, replace(record, reasons={question.key: attempt.failure}), "")
        return Caption("", attempt.failure)
    finished = replace(record, caption=replace(caption, raw=attempt.raw), seconds=round(seconds, 3))
    return postprocess(track, job, state, question, finished)


def postprocess(
    track: Track, job: CaptionJob, state: CaptionState, question: Question, record: ProvenanceRecord
) -> Caption:
    """Make the text from a stored answer, with the present settings and metadata, and store it."""
    answer, fix_facts = record.caption or CaptionRecord(), job.settings.texts.fix_facts
    raw = answer.raw or ""
    validation = validate(raw, answer.finish or "stop", question.words)
    before = compare(validation.text, state.facts)
    caption = Caption.of(question, validation, state.facts, fix_facts=fix_facts)
    details = dict(record.details) | {
        "claims": before.claims,
        "conflicts": [f"{conflict.claim.kind}: {conflict.description}" for conflict in before.conflicts],
        "notes": [*validation.notes, *(("fixed",) if caption.text != validation.text else ())],
    }
    if letters := dropped_characters(raw):
        details["letters_lost"] = letters
    replaces = _replaced(state, question) or answer.replaces
    finished = replace(
        record,
        needs={},
        outputs={question.key: digest_of_text(caption.text)} if caption.text else {},
        reasons={question.key: caption.reason} if caption.reason else {},
        failed="",
        caption=replace(answer, replaces=replaces, words=question.words, fix_facts=fix_facts),
        details=details,
        extra={},
    )
    _store(track, question, finished, caption.text)
    return caption


def adopt(track: Track, records: list[ProvenanceRecord]) -> None:
    """Store the records of the user's own captions."""
    digests = {key: digest for record in records for key, digest in record.outputs.items()}
    update_provenance(track.provenance, records, adopted=digests)


def _store(track: Track, question: Question, record: ProvenanceRecord, text: str) -> None:
    # The provenance contains the answer, so after a kill before the next line the model is not asked again.
    update_provenance(track.provenance, [record], remove=[f"adopted/{question.key}"])
    if text:
        update_info(track.info, {question.key: text}, order=_ORDER)
    else:
        update_info(track.info, {}, remove=[question.key])


def _replaced(state: CaptionState, question: Question) -> str:
    """Return the SHA-256 of mirkit's older text in the ``.INFO``; after a kill, it is not mistaken for the user's."""
    text = state.info.get(question.key)
    return digest_of_text(text).sha256 if isinstance(text, str) else ""
