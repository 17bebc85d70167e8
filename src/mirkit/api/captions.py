"""``mirkit.caption``: texts that describe a track."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from mirkit.api.source import AudioInput, Source
from mirkit.captions.excerpt import RATE, context_tokens
from mirkit.captions.facts import Facts, compare, fix
from mirkit.captions.prompts import fill, questions
from mirkit.dataset.facts import facts_of, words_of
from mirkit.errors import SettingsError
from mirkit.features.types import FloatArray
from mirkit.models.captioners import Requirements
from mirkit.models.captioners.retry import Attempt, PendingPrompt, describe
from mirkit.models.captioners.selection import choose
from mirkit.pipeline.captioning.run import decode_excerpt
from mirkit.pipeline.captioning.store import CaptionJob
from mirkit.store import read_info


class Captions(dict[str, str | None]):
    """Texts by the name of their prompt; None where there is no usable answer.

    Attributes
    ----------
    reasons : dict of str to str
        Name of each text that is None -> why.
    model : str
        The model that wrote them.
    """

    def __init__(self, texts: Mapping[str, "_Text"], model: str) -> None:
        super().__init__({name: text.text or None for name, text in texts.items()})
        self.reasons = {name: text.reason for name, text in texts.items() if not text.text}
        self.model = model

    def __reduce__(self) -> tuple[object, ...]:
        # An explicit constructor call, so that pickling and copying keep the attributes.
        return Captions, (
            {name: _Text(text or "", self.reasons.get(name, "")) for name, text in self.items()},
            self.model,
        )


@dataclass(frozen=True)
class _Text:
    text: str
    reason: str = ""
    conflicts: tuple[str, ...] = ()


def caption(
    audio: AudioInput,
    prompts: Mapping[str, str] | Sequence[str] | None = None,
    *,
    backend: str | None = None,
    model: str | None = None,
    url: str | None = None,
    device: str | None = None,
) -> Captions:
    """Have a model describe a track. Nothing is stored.

    Parameters
    ----------
    audio : path or (array, int)
        A track folder, its mix, or a loose audio file; or samples, floating point with full scale 1, shape=(channels,
        n) or (n,), and their sample rate in Hz.
    prompts : mapping of str to str, or sequence of str, optional
        Name -> prompt of your own; or names of the standard prompts ``"full"``, ``"technical"``, ``"genre_mood"``,
        ``"instrumentation"``, ``"structure"``. Default: all prompts of the settings, which are these five. A prompt
        may hold ``{bpm}``, ``{key}``, ``{meter}``, ``{genre}`` and ``{duration}`` as they are stored beside a track.
    backend : str, optional
        ``"llama"``, ``"transformers"``, ``"http"``, or ``"auto"``: the first that can be used. The default is
        ``"http"`` with ``url``, else the one that the settings name, else ``"auto"``. Nothing is fetched.
    model : str, optional
        Name or path of the model, or what a server calls it.
    url : str, optional
        Server with OpenAI's chat API and audio input, for the backend ``"http"``. The audio is sent to it.
    device : str, optional
        ``"auto"``, ``"cpu"``, ``"cuda"``, ``"mps"``: where a model in this process computes.

    Returns
    -------
    Captions
        A dict: name of a prompt -> text, or None; with the attributes ``reasons`` and ``model``.

    Raises
    ------
    SettingsError
        An argument is wrong.
    WeightsError, MissingExtra, ModelError
        The model cannot be used.
    MirkitError
        The audio cannot be read, or the array is not valid.

    Examples
    --------
    ``url`` is the address of a server whose model accepts audio, such as llama-server:

    >>> import numpy as np
    >>> import mirkit
    >>> rate = 44100
    >>> chord = sum(0.2 * np.sin(2 * np.pi * f * np.arange(4 * rate) / rate) for f in (261.6, 329.6, 392.0))
    >>> captions = mirkit.caption((chord, rate), {"chord": "Which chord is this?"}, url=url)
    >>> captions["chord"]
    'A bright C major chord, held by sine tones without any vibrato or decay.'
    """
    own = dict(prompts) if isinstance(prompts, Mapping) else {}
    names = tuple(own) if own else tuple(prompts or ())
    values = {
        "texts.model": model,
        "texts.url": url,
        "run.device": device,
        "texts.prompts": own or None,
    }
    chosen = backend or ("http" if url else None)
    source = Source.of(audio, {"texts": chosen} if chosen else None, values)
    texts_settings = source.settings.texts
    known = [question.field for question in questions(texts_settings.prompts, texts_settings.words)]
    if unknown := [name for name in names if name not in known]:
        raise SettingsError(f"there is no prompt {', '.join(unknown)}; prompts are {', '.join(known)}")
    job = CaptionJob(choose(source.settings), source.settings, names)
    provenance = source.provenance
    facts = facts_of(read_info(source.track.info) if source.track else {}, provenance)
    samples, _ = decode_excerpt(source.open(RATE), job, source.name)
    words = words_of(facts, provenance)
    filled = {question: fill(question.prompt, words) for question in job.questions}
    pending = [PendingPrompt(question, prompt) for question, prompt in filled.items() if prompt]
    notes: list[str] = []
    texts = {
        question.field: _Text("", "its prompt needs what is not measured")
        for question, prompt in filled.items()
        if not prompt
    }
    texts |= _ask(job, samples, pending, facts, notes)
    for name, text in texts.items():
        if text.conflicts:
            notes.append(f"{name} contradicts what is measured: {'; '.join(text.conflicts)}")
    source.report(notes)
    return Captions({question.field: texts[question.field] for question in filled}, job.captioner.model)


def _ask(
    job: CaptionJob, samples: FloatArray, pending: Sequence[PendingPrompt], facts: Facts, notes: list[str]
) -> dict[str, _Text]:
    texts: dict[str, _Text] = {}
    if not pending:
        return texts
    seconds = len(samples) / RATE
    longest = max(context_tokens(seconds, row.prompt, row.question.tokens) for row in pending)
    if job.settings.texts.one_call:
        joined = " ".join(row.prompt for row in pending) * 2
        longest = max(longest, context_tokens(seconds, joined, sum(row.question.tokens + 32 for row in pending)))
    with job.captioner.loaded(Requirements(seconds, longest)) as lines:
        notes += lines
        session = job.captioner.session(samples, 0)
        for attempt in describe(session, pending, job.retry_policy, batched=job.captioner.batched):
            if attempt.last:
                texts[attempt.pending.question.field] = _text(attempt, facts, fix_facts=job.settings.texts.fix_facts)
    return texts


def _text(attempt: Attempt, facts: Facts, *, fix_facts: bool) -> _Text:
    if attempt.validation.fault:
        faults = ", ".join(dict.fromkeys(attempt.faults))
        return _Text("", f"no usable answer in {len(attempt.faults)} attempts: {faults}")
    text = attempt.validation.text
    if fix_facts:
        text = fix(text, facts)
        return _Text(text, "" if text else "every sentence contradicts what is measured")
    return _Text(text, "", tuple(conflict.description for conflict in compare(text, facts).conflicts))
