"""What is asked of every track of a run, by whom; and whether a text is the answer to just that."""

from dataclasses import dataclass
from typing import Any

from mirkit import __version__
from mirkit.captions.prompts import Question, questions
from mirkit.catalog import stage
from mirkit.models.captioners import Captioner
from mirkit.models.captioners.retry import RetryPolicy
from mirkit.store import FileDigest, ProvenanceRecord, Settings

#: Begins the names under which the provenance keeps texts: each has an entry of its own.
STAGE = "describe"


@dataclass(frozen=True)
class CaptionJob:
    """The questions of a run.

    Attributes
    ----------
    describer : Captioner
    settings : Settings
    fields : tuple of str
        Which texts; empty for all.
    overwrite : bool
    """

    describer: Captioner
    settings: Settings
    fields: tuple[str, ...] = ()
    overwrite: bool = False

    @property
    def questions(self) -> tuple[Question, ...]:
        """The questions that are asked."""
        texts = self.settings.texts
        rows = questions(texts.prompts, texts.words)
        return tuple(row for row in rows if not self.fields or row.field in self.fields)

    @property
    def ladder(self) -> RetryPolicy:
        """How often, how warm."""
        texts = self.settings.texts
        return RetryPolicy(texts.attempts, texts.temperature, texts.seed, texts.one_call)

    @property
    def most_seconds(self) -> float:
        """Most that is heard of a track."""
        return min(self.settings.texts.audio_seconds or float("inf"), self.describer.most_seconds)

    def entry(self, question: Question, prompt: str, mix: FileDigest, **more: Any) -> ProvenanceRecord:
        """What the provenance says of a text. Its ``identity`` changes with all that decides the answer."""
        texts = self.settings.texts
        return ProvenanceRecord(
            stage=f"{STAGE}/{question.field}",
            mirkit_version=__version__,
            stage_version=stage(STAGE).version,
            backend=self.describer.backend,
            model=self.describer.model,
            weights_sha256=self.describer.sha256,
            parameters={
                "prompt": prompt,
                "temperature": texts.temperature,
                "seed": texts.seed,
                "one_call": texts.one_call,
                "most_seconds": self.most_seconds,
                "whole_windows": self.describer.whole_windows,
                "excerpt": texts.excerpt,
            },
            inputs={"full_mix": mix},
            **more,
        )
