"""What a backend is: its description, one object in its own module, and the protocols of its loaded model.

The description is data only and imports nothing heavy.

Every part of mirkit that uses backends reads this object through ``mirkit.models.registry``: the list of
``mirkit models``, ``mirkit doctor``, the plan of a run, the number of workers that memory allows, the estimate of time,
the stages, what makes a result stale, and ``--commercial-safe``.
"""

import importlib
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Final, Literal, Protocol

if TYPE_CHECKING:
    from pathlib import Path

    from mirkit.audio import Audio
    from mirkit.drums.drum_hits import Hits
    from mirkit.errors import MirkitError
    from mirkit.features.rhythm.beats.from_activations import Activations
    from mirkit.features.types import FloatArray, Value
    from mirkit.settings import SeparationSettings

#: Name of the backend of a task that is part of mirkit and needs no download.
EMBEDDED: Final = "embedded"

#: How a backend receives audio. ``embedded``: code that is part of mirkit. ``stream``: a network that receives the
#: audio block by block while the file is decoded once. ``separator``: a network that reads a file and returns stems.
#: ``captioner``: a model that describes a track in words.
Interface = Literal["embedded", "stream", "separator", "captioner"]


@dataclass(frozen=True)
class File:
    """One file of a model.

    Attributes
    ----------
    name : str
        Its name in the cache.
    url : str
        URL from which it is downloaded.
    size : int
        Approximate size in bytes; 0 if it is not known.
    sha256 : str or None
        SHA-256 in hexadecimal; None if none is published.
    torch_hub : str
        Its name in PyTorch's own cache; "" if PyTorch does not store it.
    mirrors : tuple of str
        Other URLs of the same file, which are used only if the first one fails. They need a ``sha256``.
    copies : tuple of File
        Files with the same tensors in another format, each with a ``sha256``. Any of them takes the place of this file.
    installed : str
        Its path below the folder of installed Python packages, if a package holds it; it needs a ``sha256``.
    """

    name: str
    url: str
    size: int = 0
    sha256: str | None = None
    torch_hub: str = ""
    mirrors: tuple[str, ...] = ()
    copies: "tuple[File, ...]" = ()
    installed: str = ""


@dataclass(frozen=True)
class Model:
    """Weights that a backend can use.

    A checksum is listed only if two independent projects or packages, which ``sources`` names, pin it. For other files,
    mirkit records the checksum at the first download.

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
        License of the weights as their authors state it, or "none stated". Further information follows in brackets.
    commercial : bool
        Whether the stated license allows commercial use; False if no license is stated.
    sources : tuple of str
        Independent public projects and packages that pin the same checksums.
    network_per_stem : bool
        Whether each of its networks makes one stem, so that only one is computed for a single stem.
    install : str
        Command that installs the package which holds the files, if mirkit does not download them.
    """

    name: str
    backend: str
    title: str
    files: tuple[File, ...]
    license: str
    commercial: bool = True
    sources: tuple[str, ...] = ()
    network_per_stem: bool = False
    install: str = ""

    @property
    def short_license(self) -> str:
        """The license without the part in brackets, for short lines."""
        return self.license.partition(" (")[0]

    @property
    def size(self) -> int:
        """Approximate size of all files in bytes."""
        return sum(file.size for file in self.files)


@dataclass(frozen=True)
class Weights:
    """The files of one model, which exist and were checked.

    Attributes
    ----------
    model : str
        Name of the model, or the file that the user named.
    files : tuple of Path
        In the order of the table.
    sha256 : str
        SHA-256 of the file; if there are several, of the list of their checksums.
    """

    model: str
    files: "tuple[Path, ...]"
    sha256: str


@dataclass(frozen=True)
class Backend:
    """One method for a task.

    Attributes
    ----------
    task : str
        One of ``catalog.TASKS``.
    name : str
        Its name in settings, in ``--backend TASK=NAME`` and in the provenance.
    title : str
        Its name in messages and lists.
    interface : str
        How it receives audio, see :data:`Interface`.
    loader : str
        ``package.module:function``, imported when a model is loaded. For a network, ``function(weights, device)``
        returns a :class:`~mirkit.models.backend.LoadedModel`. For an embedded backend that receives a stream,
        ``function()`` returns a :class:`~mirkit.models.backend.StreamingModel`. "" if neither is needed.
    gather : str
        ``package.module:function`` that receives the path that the user named and returns all files of that model. ""
        means that the path is the only file.
    recognizes : callable or None
        Whether a file or folder that the user names holds a model of this backend, and of no other of its task. What
        no backend recognizes belongs to the first network of the task.
    package, extra : str
        Python package that must be installed, and the extra of mirkit that installs it; "" if none is needed.
    code_license, weights_license : str
    commercial : bool
        Whether the licenses allow commercial use. If there are ``weights``, ``--commercial-safe`` checks their licenses
        instead.
    weights : tuple of Model
        Published weights that it can use, the default first.
    explicit_only : bool
        ``auto`` never chooses it; the user has to name it.
    needs : str
        What the user has to provide, e.g. ``"a checkpoint of yours"``.
    gain : str
        Advantage of its weights over the embedded backend. It is shown when the user is asked whether to download
        weights that exclude commercial use.
    memory : int
        Bytes that a process needs for it, in addition to those for a track.
    seconds_per_minute : float
        CPU seconds per minute of audio on one core of a 2020 processor; for a separator, per network.
    batch_size : int
        Number of items in a batch on a GPU. If it is more than 1, the model has an attribute ``compute``
        (:class:`~mirkit.models.batching.Compute`), which a device server replaces.
    source : str
        Source that a stream backend receives: ``full_mix``, a stem, or ``drums`` for the one selected in ``[drums]``.
    feature_kind : str
        Name of the result of a stream backend: ``activations`` (beats), ``drum_hits`` (drums), or its own name for a
        dict of key -> value. "" means that the stage reads features only.
    replaces : str
        Kind of feature series of ``source`` that the stage would read, and in whose place ``feature_kind`` is read.
    reads_features : bool
        Whether the stage reads its usual features in addition to ``feature_kind``.
    parameters : callable
        Section of the settings -> parameters on which the result depends. They are stored in the provenance.
    result_name : str
        Name of its results if they are stored beside those of the task's other backends; "" if they replace them.
    citation : str
        BibTeX.
    """

    task: str
    name: str
    title: str
    interface: Interface
    loader: str = ""
    gather: str = ""
    recognizes: "Callable[[Path], bool] | None" = None
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
    replaces: str = ""
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
    """Import the object of a reference ``package.module:name``."""
    module, _, name = reference.partition(":")
    return getattr(importlib.import_module(module), name)


class LoadedModel(Protocol):
    """A model in memory; the provenance names its weights."""

    weights: Weights


class StreamingModel(Protocol):
    """One signal that is passed through a model while its file is decoded."""

    def push(self, block: "FloatArray") -> None:
        """Take the next samples at the analysis rate (44100 Hz), float32, shape=(channels, n)."""

    def finish(self) -> "Activations | Hits | dict[str, Value] | MirkitError":
        """Return the result, or the error that prevented it.

        A backend for ``beats`` returns ``Activations``, one for ``drums`` ``Hits``, one for ``classification`` or
        ``aesthetics`` a dict of key of ``.INFO`` -> value.
        """


class StreamSource(LoadedModel, Protocol):
    """A model with the interface ``stream``."""

    def stream(self) -> StreamingModel:
        """Open a stream for one signal."""


class StemRun(Protocol):
    """The separation of one track; ``method`` and ``notes`` are complete when its stems are."""

    method: dict[str, Any]
    notes: list[str]

    def blocks(self) -> "Iterator[dict[str, FloatArray]]":
        """Yield blocks of stems with the rate, the channels and, in total, the length of the file."""


class StemSeparator(LoadedModel, Protocol):
    """A model with the interface ``separator``; ``stems`` names the sources that it separates."""

    stems: tuple[str, ...]

    def separate(self, audio: "Audio", settings: "SeparationSettings") -> StemRun:
        """Begin the separation of a track, at its own sample rate."""
