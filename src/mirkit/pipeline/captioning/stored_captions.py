"""What came of a question, put where it belongs: the text into ``.INFO``, how it came about into ``.PROVENANCE``."""

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from mirkit.captions.facts import compare, fix
from mirkit.captions.normalize import dropped_characters
from mirkit.captions.prompts import Question
from mirkit.captions.validation import validate
from mirkit.catalog import TEXT_KEYS, TRACK_KEYS
from mirkit.models.captioners.retry import Attempt
from mirkit.pipeline.captioning.caption_job import CaptionJob
from mirkit.pipeline.captioning.caption_state import CaptionState, method
from mirkit.store import ProvenanceRecord, digest_of_text, update_info, update_provenance
from mirkit.track import Track

_ORDER = (*TRACK_KEYS, *TEXT_KEYS)
_EMPTIED = "every sentence contradicts what is measured"


@dataclass(frozen=True)
class StoredCaption:
    """What a track now has: the text, or why there is none; what a user should know of it."""

    text: str
    reason: str
    notes: tuple[str, ...] = ()


def store_attempt(
    track: Track, asker: CaptionJob, wants: CaptionState, told: Attempt, seconds: float
) -> StoredCaption | None:
    """Store what came of an attempt. None where another one follows: then only that it was in vain is kept."""
    question, how = told.wanted.question, _replaced(wants, told.wanted.question)
    how |= {"faults": list(told.faults), "attempts": len(told.faults) + (not told.judged.fault)}
    how |= {"finish": told.answer.finish, "tokens": question.tokens}
    if told.answer.cached is not None:
        how |= {"heard": told.answer.heard, "cached": told.answer.cached}
    if not told.last:
        entry = _entry(asker, wants, told, how, failed=f"attempt {len(told.faults)}: {told.faults[-1]}")
        update_provenance(track.provenance, [entry])
        return None
    if told.judged.fault:
        reason = f"no usable answer in {len(told.faults)} attempts: {', '.join(dict.fromkeys(told.faults))}"
        _store(track, question, _entry(asker, wants, told, how, reasons={question.key: reason}), "")
        return StoredCaption("", reason)
    entry = _entry(asker, wants, told, how | {"raw": told.raw}, seconds=round(seconds, 3))
    return postprocess(track, asker, wants, question, entry)


def postprocess(
    track: Track, asker: CaptionJob, wants: CaptionState, question: Question, entry: ProvenanceRecord
) -> StoredCaption:
    """Make the text of a known answer, under the settings and facts of now, and store it."""
    how = dict(method(entry))
    raw = str(how.get("raw", ""))
    judged = validate(raw, str(how.get("finish", "stop")), question.words)
    before = compare(judged.text, wants.facts)
    fixes = asker.settings.texts.fix_facts
    text = fix(judged.text, wants.facts) if fixes else judged.text
    reason = judged.fault or ("" if text else _EMPTIED)
    how |= _replaced(wants, question) | {"words": question.words, "fix_facts": fixes, "claims": before.claims}
    how["conflicts"] = [f"{conflict.claim.kind}: {conflict.says}" for conflict in before.conflicts]
    how["notes"] = [*judged.notes, *(("fixed",) if text != judged.text else ())]
    if letters := dropped_characters(raw):
        how["letters_lost"] = letters
    made = ProvenanceRecord(
        **{name: getattr(entry, name) for name in ("stage", "mirkit_version", "stage_version", "backend", "model")},
        **{name: getattr(entry, name) for name in ("weights_sha256", "parameters", "inputs", "seconds", "when")},
        outputs={question.key: digest_of_text(text)} if text else {},
        reasons={question.key: reason} if reason else {},
        extra={"method": how},
    )
    _store(track, question, made, text)
    if fixes or not before.conflicts:
        return StoredCaption(text, reason)
    said = "; ".join(conflict.says for conflict in before.conflicts)
    return StoredCaption(text, reason, (f"{question.field} contradicts what is measured: {said}",))


def adopt(track: Track, entries: list[ProvenanceRecord]) -> None:
    """Write down which texts are the user's own."""
    prints = {key: print_ for entry in entries for key, print_ in entry.outputs.items()}
    update_provenance(track.provenance, entries, adopted=prints)


def _store(track: Track, question: Question, entry: ProvenanceRecord, text: str) -> None:
    # The provenance holds the answer itself: once it is there, a kill before the next line costs no question.
    update_provenance(track.provenance, [entry], remove=[f"adopted/{question.key}"])
    if text:
        update_info(track.info, {question.key: text}, order=_ORDER)
    else:
        update_info(track.info, {}, remove=[question.key])


def _replaced(wants: CaptionState, question: Question) -> dict[str, Any]:
    """The text that stands there still, so that after a kill it is not taken for the user's."""
    text = wants.info.get(question.key)
    return {"replaces": digest_of_text(text).sha256} if isinstance(text, str) else {}


def _entry(asker: CaptionJob, wants: CaptionState, told: Attempt, how: dict[str, Any], **more: Any) -> ProvenanceRecord:
    when = datetime.now(UTC).isoformat(timespec="seconds")
    return asker.entry(told.wanted.question, told.wanted.prompt, wants.mix, when=when, extra={"method": how}, **more)
