"""``llama-mtmd-cli``, the manual's way: a process, a load and a hearing of the sound for every question."""

import json
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from mirkit.errors import MissingExtra, ModelError
from mirkit.features.types import FloatArray
from mirkit.models.captioners import Answer, Prompt, Requirements, gguf, subprocesses
from mirkit.models.captioners.chat import grammar, schema, wav
from mirkit.store import Settings


class Program:
    """The command-line tool. See ``Describer``.

    Raises
    ------
    WeightsError
        The model is not here.
    MissingExtra
        The program is not here.
    """

    backend = "mtmd-cli"
    address = ""
    batched = False
    whole_windows = True
    most_seconds = 600.0
    #: Each question loads the model: two at once would only need twice the memory.
    parallel = 1
    card: bool | None = None

    def __init__(self, settings: Settings) -> None:
        self._pair = gguf.find(settings)
        self.model = self._pair.name
        self.sha256: str | None = self._pair.sha256
        self.size, self.license = self._pair.size, self._pair.license
        found = subprocesses.find("llama-mtmd-cli", settings.texts.program)
        if found is None:
            raise MissingExtra("llama-mtmd-cli is not on the path; build llama.cpp, or say --program /path/to/it")
        self._command: list[str | Path] = [found, "-m", self._pair.model, "--mmproj", self._pair.projector]
        self._command += ["-ngl", "0" if settings.run.device == "cpu" else "999"]
        if (threads := subprocesses.threads()) is not None:
            self._command += ["-t", str(threads)]
        self._timeout = settings.texts.timeout
        self._context = 0

    @contextmanager
    def started(self, need: Requirements) -> Iterator[list[str]]:
        """See ``Describer``."""
        self._context = need.context
        yield ["llama-mtmd-cli loads the model and hears the track anew for every question"]

    def hear(self, samples: FloatArray, slot: int) -> "MtmdRun":
        """See ``Describer``."""
        return MtmdRun([*map(str, self._command), "-c", str(self._context)], samples, self._timeout)


class MtmdRun:
    """One track. See ``Hearing``."""

    def __init__(self, command: list[str], samples: FloatArray, timeout: float) -> None:
        self._command, self._samples, self._timeout = command, samples, timeout

    def ask(self, asks: Sequence[Prompt]) -> Iterator[tuple[int, Answer]]:
        """See ``Hearing``."""
        with tempfile.TemporaryDirectory(prefix="mirkit-") as folder:
            # A name of our own: the tool splits the names it is given at commas.
            sound = Path(folder, "sound.wav")
            sound.write_bytes(wav(self._samples))
            for index, ask in enumerate(asks):
                yield index, self._answer(ask, sound)

    def _answer(self, ask: Prompt, sound: Path) -> Answer:
        held = ["-j", json.dumps(schema(ask))] if ask.fields else ["--grammar", grammar(ask.letters)]
        words = ["--audio", str(sound), "-p", ask.prompt, "-n", str(ask.tokens), "--temp", f"{ask.temperature:g}"]
        command = [*self._command, *words, "--seed", str(ask.seed), *held]
        try:
            done = subprocess.run(
                command, stdin=subprocess.DEVNULL, capture_output=True, timeout=self._timeout, check=False
            )
        except subprocess.TimeoutExpired as error:
            raise ModelError(f"llama-mtmd-cli did not answer within {self._timeout:g} s") from error
        if done.returncode:
            lines = [line for line in done.stderr.decode(errors="replace").splitlines() if line.strip()]
            raise ModelError(
                f"llama-mtmd-cli ended with {done.returncode}: {lines[-1][:200] if lines else 'no reason'}"
            )
        text = done.stdout.decode(errors="replace").strip()
        if not ask.fields and len(text) >= ask.letters[1]:
            return Answer(text[:-1], "length")  # the grammar put a full stop into the middle of something
        return Answer(text)
