"""What mirkit knows of a backend: one object in the backend's own module. Data only; nothing heavy is imported.

Every part of mirkit that deals with backends reads this object, by way of ``mirkit.models.registry``: the list of
``mirkit models``, ``mirkit doctor``, the plan of a run, the number of workers that memory allows, the estimate of time,
the stages, what makes a result stale, and ``--commercial-safe``.
"""

import importlib
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any, Final, Literal

#: Name of the backend of a task that is part of mirkit and needs no download.
EMBEDDED: Final = "embedded"

#: How a backend takes audio: ``embedded`` is code of mirkit's own, ``stream`` a network that is fed the audio block by
#: block in the one pass over the file, ``separator`` one that reads a file and returns stems, ``captioner`` one that
#: describes a track in words.
Interface = Literal["embedded", "stream", "separator", "captioner"]


@dataclass(frozen=True)
class File:
    """One file of a model.

    Attributes
    ----------
    name : str
        Its name in the cache.
    url : str
        Where it is fetched from.
    size : int
        Bytes, about; 0 where not known.
    sha256 : str or None
        Hexadecimal; None where none is published.
    torch_hub : str
        Its name in PyTorch's own cache, "" where it is never there.
    """

    name: str
    url: str
    size: int = 0
    sha256: str | None = None
    torch_hub: str = ""


@dataclass(frozen=True)
class Model:
    """Weights that a backend can use.

    A checksum stands here only where it is published with the file, or where several projects that pinned the same file
    agree on it. Of the others mirkit keeps the checksum that they were fetched with.

    Attributes
    ----------
    name : str
        Its name for ``--model`` and ``mirkit models fetch``.
    backend : str
        Name of the backend, and of its folder in the cache.
    title : str
        Its name in messages.
    files : tuple of File
    license : str
        Of the weights, as their authors state it: "none stated" where they state none. What else is known of it
        follows in brackets.
    commercial : bool
        Whether the stated license allows commercial use. Where none is stated it does not.
    copies : tuple of str
        Checksums of the same weights in files of another format, which carry the same license.
    """

    name: str
    backend: str
    title: str
    files: tuple[File, ...]
    license: str
    commercial: bool = True
    copies: tuple[str, ...] = ()

    @property
    def short_license(self) -> str:
        """The license without what stands in brackets, for a line that must be short."""
        return self.license.partition(" (")[0]

    @property
    def size(self) -> int:
        """Bytes of all files, about."""
        return sum(file.size for file in self.files)


@dataclass(frozen=True)
class Backend:
    """One method for a task.

    Attributes
    ----------
    task : str
        One of ``catalog.JOBS``.
    name : str
        Its name in settings, in ``--backend TASK=NAME`` and in the provenance.
    title : str
        Its name in messages and lists.
    interface : str
        How it takes audio: see :data:`Interface`.
    loader : str
        ``package.module:function``, imported when a model is loaded. Of a network: ``function(weights, device)``
        returns a :class:`~mirkit.models.protocols.LoadedModel`. Of an embedded backend that is fed a stream:
        ``function()`` returns a :class:`~mirkit.models.protocols.StreamingModel`. "" where neither is needed.
    gather : str
        ``package.module:function`` that takes the path that the user named and returns all files of that model. "": the
        path is the one file.
    package, extra : str
        Python package that must be installed, and the extra of mirkit that brings it. "" where none is needed.
    code_license, weights_license : str
    commercial : bool
        Whether the licenses allow commercial use. ``--commercial-safe`` goes by ``weights`` where there are some.
    weights : tuple of Model
        Published weights that it can use, the default first.
    explicit_only : bool
        ``auto`` never chooses it; the user has to name it.
    needs : str
        What the user has to bring for it, e.g. ``"a checkpoint of yours"``.
    gain : str
        What its weights give beyond the embedded backend: shown when the user is asked whether to fetch weights that
        exclude commercial use.
    memory : int
        Bytes that a process needs for it, beside what it needs for a track.
    seconds_per_minute : float
        CPU seconds for a minute of audio, on one core of 2020; for a separator, of one network.
    batch_size : int
        Items that go through a network together on a card. With more than one, the model has an attribute ``compute``
        (:class:`~mirkit.models.batching.Compute`), and items of several workers go through together.
    source : str
        Source that a stream backend is fed: ``full_mix``, or ``drums`` for the source that ``[drums]`` chooses.
    feature_kind : str
        Name of what a stream backend returns: ``activations`` (beats), ``strokes`` (drums), or a name of its own for
        key -> value. "": the stage reads features only.
    reads_features : bool
        Whether the stage reads its usual features beside ``feature_kind``.
    parameters : callable
        Section of the settings -> what the result depends on; that goes into the provenance.
    result_name : str
        Name under which its results stand beside those of the other backends of the task, instead of replacing them.
    citation : str
        BibTeX.
    """

    task: str
    name: str
    title: str
    interface: Interface
    loader: str = ""
    gather: str = ""
    package: str = ""
    extra: str = ""
    code_license: str = "Apache-2.0"
    weights_license: str = "none"
    commercial: bool = True
    weights: tuple[Model, ...] = ()
    explicit_only: bool = False
    needs: str = ""
    gain: str = ""
    memory: int = 0
    seconds_per_minute: float = 0.0
    batch_size: int = 1
    source: str = "full_mix"
    feature_kind: str = ""
    reads_features: bool = True
    parameters: Callable[[Any], dict[str, Any]] = asdict
    result_name: str = ""
    citation: str = ""

    @property
    def is_network(self) -> bool:
        """Whether it is a trained network that has to be loaded."""
        return self.interface != EMBEDDED

    @property
    def install_command(self) -> str:
        """The command that installs its package."""
        if not self.extra:
            return f"pip install {self.package}"
        return f"pip install 'mirkit[{self.extra}]'"


def imported(reference: str) -> Any:
    """Import what ``package.module:name`` names."""
    module, _, name = reference.partition(":")
    return getattr(importlib.import_module(module), name)
