"""What came of a question, put where it belongs: the text into ``.INFO``, how it came about into ``.PROVENANCE``."""

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from mirkit.catalog import TEXT_KEYS, TRACK_KEYS
from mirkit.description.checks import judge
from mirkit.description.facts import compare, fix
from mirkit.description.normalise import lost
from mirkit.description.prompts import Question
from mirkit.models.texts.ladder import Told
from mirkit.pipeline.texts.asker import Asker
from mirkit.pipeline.texts.want import Wants, method
from mirkit.store import Entry, fingerprint_text, update_info, update_provenance
from mirkit.track import Track

_ORDER = (*TRACK_KEYS, *TEXT_KEYS)
_EMPTIED = "every sentence contradicts what is measured"


@dataclass(frozen=True)
class Kept:
    """What a track now has: the text, or why there is none; what a user should know of it."""

    text: str
    reason: str
    notes: tuple[str, ...] = ()


def keep(track: Track, asker: Asker, wants: Wants, told: Told, seconds: float) -> Kept | None:
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
        return Kept("", reason)
    entry = _entry(asker, wants, told, how | {"raw": told.raw}, seconds=round(seconds, 3))
    return finish(track, asker, wants, question, entry)


def finish(track: Track, asker: Asker, wants: Wants, question: Question, entry: Entry) -> Kept:
    """Make the text of a known answer, under the settings and facts of now, and store it."""
    how = dict(method(entry))
    raw = str(how.get("raw", ""))
    judged = judge(raw, str(how.get("finish", "stop")), question.words)
    before = compare(judged.text, wants.facts)
    fixes = asker.settings.texts.fix_facts
    text = fix(judged.text, wants.facts) if fixes else judged.text
    reason = judged.fault or ("" if text else _EMPTIED)
    how |= _replaced(wants, question) | {"words": question.words, "fix_facts": fixes, "claims": before.claims}
    how["conflicts"] = [f"{conflict.claim.kind}: {conflict.says}" for conflict in before.conflicts]
    how["notes"] = [*judged.notes, *(("fixed",) if text != judged.text else ())]
    if letters := lost(raw):
        how["letters_lost"] = letters
    made = Entry(
        **{name: getattr(entry, name) for name in ("stage", "mirkit_version", "stage_version", "backend", "model")},
        **{name: getattr(entry, name) for name in ("weights_sha256", "parameters", "inputs", "seconds", "when")},
        outputs={question.key: fingerprint_text(text)} if text else {},
        reasons={question.key: reason} if reason else {},
        extra={"method": how},
    )
    _store(track, question, made, text)
    if fixes or not before.conflicts:
        return Kept(text, reason)
    said = "; ".join(conflict.says for conflict in before.conflicts)
    return Kept(text, reason, (f"{question.field} contradicts what is measured: {said}",))


def adopt(track: Track, entries: list[Entry]) -> None:
    """Write down which texts are the user's own."""
    prints = {key: print_ for entry in entries for key, print_ in entry.outputs.items()}
    update_provenance(track.provenance, entries, adopted=prints)


def _store(track: Track, question: Question, entry: Entry, text: str) -> None:
    # The provenance holds the answer itself: once it is there, a kill before the next line costs no question.
    update_provenance(track.provenance, [entry], remove=[f"adopted/{question.key}"])
    if text:
        update_info(track.info, {question.key: text}, order=_ORDER)
    else:
        update_info(track.info, {}, remove=[question.key])


def _replaced(wants: Wants, question: Question) -> dict[str, Any]:
    """The text that stands there still, so that after a kill it is not taken for the user's."""
    text = wants.info.get(question.key)
    return {"replaces": fingerprint_text(text).sha256} if isinstance(text, str) else {}


def _entry(asker: Asker, wants: Wants, told: Told, how: dict[str, Any], **more: Any) -> Entry:
    when = datetime.now(UTC).isoformat(timespec="seconds")
    return asker.entry(told.wanted.question, told.wanted.prompt, wants.mix, when=when, extra={"method": how}, **more)
