"""Which texts a track still wants, and what the user has brought."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from mirkit import __version__
from mirkit.captions.facts import Facts, compare
from mirkit.captions.prompts import Question, fill
from mirkit.catalog import stage
from mirkit.dataset.facts import facts_of, words_of
from mirkit.models.captioners.retry import PendingPrompt
from mirkit.pipeline.captioning.caption_job import STAGE, CaptionJob
from mirkit.staleness import unread
from mirkit.store import (
    EXTERNAL,
    FileDigest,
    ProvenanceRecord,
    digest_of_text,
    file_digest,
    read_info,
    read_provenance,
    recorded,
    restamp,
)
from mirkit.store.json_files import JsonObject
from mirkit.track import Track


@dataclass
class CaptionState:
    """A track's texts as they are.

    Attributes
    ----------
    mix : FileDigest
    facts : Facts
    wanted : list of PendingPrompt
        To be asked.
    why : dict
        Field -> why it is asked.
    finish : list of (Question, Entry)
        Whose answer is known, but not yet, or not any more, what ``.INFO`` should say: no question is needed.
    adopt : list of ProvenanceRecord
        Texts that the user brought.
    done : list of str
        Fields that are as they should be.
    unknown : dict
        Field -> why it cannot be asked: its prompt needs a fact that is not measured.
    """

    mix: FileDigest
    facts: Facts
    info: JsonObject
    wanted: list[PendingPrompt] = field(default_factory=list)
    why: dict[str, str] = field(default_factory=dict)
    finish: list[tuple[Question, ProvenanceRecord]] = field(default_factory=list)
    adopt: list[ProvenanceRecord] = field(default_factory=list)
    done: list[str] = field(default_factory=list)
    unknown: dict[str, str] = field(default_factory=dict)

    @property
    def any(self) -> bool:
        """Whether there is something to do."""
        return bool(self.wanted or self.finish or self.adopt)


def inspect_captions(track: Track, asker: CaptionJob, *, hashed: bool = True) -> CaptionState:
    """Look at a track. Without ``hashed``, a mix of which nothing is known is not read.

    Raises
    ------
    MirkitError
        Its sidecars, or its mix, cannot be read.
    """
    info, provenance = read_info(track.info), read_provenance(track.provenance)
    known = recorded(provenance).get("full_mix", [])
    asked_again = () if asker.overwrite and hashed else known
    mix = file_digest(track.mix, *asked_again) if hashed or known else unread(track.mix)
    provenance = restamp(track.provenance, provenance, {"full_mix": mix})
    facts = facts_of(info, provenance)
    told = words_of(facts, provenance)
    wants = CaptionState(mix, facts, info)
    for question in asker.questions:
        entry = provenance.stages.get(f"{STAGE}/{question.field}")
        text = info.get(question.key)
        if _is_the_users(text, entry) and not asker.overwrite:
            if entry is None or entry.backend != EXTERNAL or entry.outputs != _print(question, text):
                wants.adopt.append(_external(question, text))
            else:
                wants.done.append(question.field)
            continue
        prompt = fill(question.prompt, told)
        if not prompt:
            wants.unknown[question.field] = "its prompt needs what is not measured"
            continue
        _judge(wants, asker, question, prompt, entry)
    return wants


def method(entry: ProvenanceRecord) -> Mapping[str, Any]:
    """What an entry says of how its text came about."""
    told: Any = entry.extra.get("method")
    return told if isinstance(told, Mapping) else {}


def _judge(
    wants: CaptionState, asker: CaptionJob, question: Question, prompt: str, entry: ProvenanceRecord | None
) -> None:
    same = entry is not None and entry.identity == asker.entry(question, prompt, wants.mix).identity
    if entry is None or not same or asker.overwrite:
        why = "new" if entry is None else "overwrite" if same else "another question, model or sound"
        wants.wanted.append(PendingPrompt(question, prompt))
        wants.why[question.field] = why
        return
    told = method(entry)
    faults = told.get("faults")
    listed = tuple(map(str, faults)) if isinstance(faults, list) else ()
    given_up = bool(entry.reasons) and "raw" not in told
    was_short = told.get("finish") == "length" and int(told.get("tokens", 0)) < question.tokens
    if (entry.failed or given_up) and len(listed) < asker.settings.texts.attempts:
        wants.wanted.append(PendingPrompt(question, prompt, listed))
        wants.why[question.field] = "not finished"
    elif was_short:
        wants.wanted.append(PendingPrompt(question, prompt))
        wants.why[question.field] = "cut off, and may be longer now"
    elif _is_finished(wants, asker, question, entry):
        wants.done.append(question.field)
    else:
        wants.finish.append((question, entry))


def _is_finished(wants: CaptionState, asker: CaptionJob, question: Question, entry: ProvenanceRecord) -> bool:
    """Whether ``.INFO`` says what becomes of the answer under these settings and facts."""
    text = wants.info.get(question.key)
    told = method(entry)
    fixes = asker.settings.texts.fix_facts
    if "raw" in told and (told.get("words"), told.get("fix_facts")) != (question.words, fixes):
        return False
    if question.key in entry.reasons:
        return text is None
    if not isinstance(text, str) or entry.outputs.get(question.key) != digest_of_text(text):
        return False
    return not (fixes and compare(text, wants.facts).conflicts)


def _is_the_users(text: Any, entry: ProvenanceRecord | None) -> bool:
    """Whether there is a text that is not what we wrote, now or before we began to write another one."""
    if not isinstance(text, str):
        return False
    if entry is None or entry.backend == EXTERNAL:
        return True
    print_ = digest_of_text(text)
    return print_ not in entry.outputs.values() and print_.sha256 != method(entry).get("replaces")


def _print(question: Question, text: Any) -> dict[str, FileDigest]:
    return {question.key: digest_of_text(str(text))}


def _external(question: Question, text: Any) -> ProvenanceRecord:
    return ProvenanceRecord(
        f"{STAGE}/{question.field}", __version__, stage(STAGE).version, backend=EXTERNAL, outputs=_print(question, text)
    )
