"""``mirkit.caption``: texts that describe a track."""

from collections.abc import Mapping, Sequence

from mirkit.api.source import AudioInput, Source
from mirkit.captions.excerpt import RATE, context_tokens
from mirkit.captions.facts import Facts
from mirkit.captions.prompts import fill, questions
from mirkit.dataset.facts import facts_of, words_of
from mirkit.errors import SettingsError
from mirkit.features.types import FloatArray
from mirkit.models.captioners import Requirements
from mirkit.models.captioners.retry import PendingPrompt, describe
from mirkit.models.captioners.selection import choose
from mirkit.pipeline.captioning.run import decode_excerpt
from mirkit.pipeline.captioning.store import Caption, CaptionJob
from mirkit.store import read_info


class Captions(dict[str, str | None]):
    """Texts by the name of their prompt; None where there is no usable answer. Created by ``caption``.

    Attributes
    ----------
    reasons : dict of str to str
        Name of each text that is None -> why.
    model : str
        The model that wrote them.
    """

    def __init__(self, texts: Mapping[str, Caption], model: str) -> None:
        super().__init__({name: text.text or None for name, text in texts.items()})
        self.reasons = {name: text.reason for name, text in texts.items() if not text.text}
        self.model = model

    def __reduce__(self) -> tuple[object, ...]:
        # An explicit constructor call, so that pickling and copying keep the attributes.
        return Captions, (
            {name: Caption(text or "", self.reasons.get(name, "")) for name, text in self.items()},
            self.model,
        )


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
    values = {"texts.model": model, "texts.url": url, "run.device": device, "texts.prompts": own or None}
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
    texts = {
        question.field: Caption("", "its prompt needs a value that is not measured")
        for question, prompt in filled.items()
        if not prompt
    }
    notes: list[str] = []
    if pending:
        texts |= _ask(job, samples, pending, facts, notes)
    source.report([*notes, *(note for text in texts.values() for note in text.notes)])
    return Captions({question.field: texts[question.field] for question in filled}, job.captioner.model)


def _ask(
    job: CaptionJob, samples: FloatArray, pending: Sequence[PendingPrompt], facts: Facts, notes: list[str]
) -> dict[str, Caption]:
    """Return field -> caption, and add messages about the model to ``notes``."""
    texts: dict[str, Caption] = {}
    seconds, settings = len(samples) / RATE, job.settings.texts
    context = max(context_tokens(seconds, prompt, tokens) for prompt, tokens in job.requests(pending))
    with job.captioner.loaded(Requirements(seconds, context)) as lines:
        notes += lines
        session = job.captioner.session(samples, 0)
        for attempt in describe(session, pending, settings, batched=job.captioner.batched):
            if attempt.last:
                question = attempt.pending.question
                found = Caption.of(question, attempt.validation, facts, fix_facts=settings.fix_facts)
                texts[question.field] = Caption("", attempt.failure) if attempt.failure else found
    return texts
