"""One stage's line in the provenance: what was done, by which method, on which files."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from types import NoneType
from typing import Any

from mirkit.store.digests import FileDigest
from mirkit.store.json_files import JsonObject, JsonValue

#: Backend of what the user brought: it stays, whatever the settings.
EXTERNAL = "external"


@dataclass(frozen=True)
class CaptionRecord:
    """How far the text of one question has come.

    Attributes
    ----------
    raw : str or None
        What the model wrote; None while there is no usable answer.
    finish : str
        Why the model stopped: ``stop``, or ``length`` where its answer was cut off.
    tokens : int
        Most tokens that it was allowed to write.
    faults : tuple of str
        Why each unusable answer was not used.
    replaces : str
        SHA-256 of mirkit's older text that stood in ``.INFO`` when this one was begun.
    words : int or None
        Words that the stored text was allowed to have.
    fix_facts : bool or None
        Whether what measurements contradict was taken out of the stored text.
    """

    raw: str | None = None
    finish: str = ""
    tokens: int = 0
    faults: tuple[str, ...] = ()
    replaces: str = ""
    words: int | None = None
    fix_facts: bool | None = None


@dataclass(frozen=True)
class ProvenanceRecord:
    """How a stage was done on a track.

    Attributes
    ----------
    stage : str
        Name of the stage.
    mirkit_version : str
        Version of the program, for the reader; it decides nothing.
    stage_version : int
        Version of the stage's formulas.
    backend, model, weights_sha256 : str or None
        Which method did it; the weights' hash where it has weights.
    parameters : mapping
        Every setting that the result depends on. Plain JSON.
    inputs : mapping of str to Fingerprint
        What was read: file name -> its content.
    outputs : mapping of str to Fingerprint
        What was written that another stage or the user may change, the stems: file name -> its content.
    needs : mapping of str to str
        Earlier stage -> its :attr:`identity` at the time.
    reasons : mapping of str to str
        Key -> why it is null.
    failed : str
        Why the stage failed, or "".
    seconds : float
        How long it took.
    when : str
        When it was done, ISO 8601, UTC.
    pending : tuple of str
        Outputs that an interrupted or failed run of the stage had begun to write.
    external : tuple of str
        Outputs that the user has since replaced with files of their own.
    clips : tuple of str or None
        Folders of the clips that were cut; None for every other stage.
    origin : str
        In the provenance of a clip, what its values were computed from; "" for a track.
    caption : CaptionRecord or None
        State of a caption; None for every other stage.
    details : mapping
        How it was done, for the reader; it decides nothing. Plain JSON.
    extra : mapping
        What another version of mirkit wrote and this one does not know; kept as it is.
    """

    stage: str
    mirkit_version: str
    stage_version: int
    backend: str | None = None
    model: str | None = None
    weights_sha256: str | None = None
    parameters: Mapping[str, JsonValue] = field(default_factory=dict)
    inputs: Mapping[str, FileDigest] = field(default_factory=dict)
    outputs: Mapping[str, FileDigest] = field(default_factory=dict)
    needs: Mapping[str, str] = field(default_factory=dict)
    reasons: Mapping[str, str] = field(default_factory=dict)
    failed: str = ""
    seconds: float = 0.0
    when: str = ""
    pending: tuple[str, ...] = ()
    external: tuple[str, ...] = ()
    clips: tuple[str, ...] | None = None
    origin: str = ""
    caption: CaptionRecord | None = None
    details: Mapping[str, JsonValue] = field(default_factory=dict)
    extra: Mapping[str, JsonValue] = field(default_factory=dict)

    def __post_init__(self) -> None:
        # As a reader will find them (tuples are lists), so that what is asked for equals what was stored.
        object.__setattr__(self, "parameters", to_json(self.parameters))
        object.__setattr__(self, "details", to_json(self.details))

    @property
    def identity(self) -> str:
        """Hash of all that decides the result: what builds on this stage is redone when it changes."""
        decides = {
            "stage": self.stage,
            "version": self.stage_version,
            "method": [self.backend, self.model, self.weights_sha256],
            "parameters": self.parameters,
            "inputs": {name: [content.size, content.sha256] for name, content in self.inputs.items()},
            "needs": dict(self.needs),
        }
        return hashlib.sha256(json.dumps(decides, sort_keys=True).encode()).hexdigest()[:16]


def to_json(value: JsonValue) -> JsonValue:
    """Give JSON as a reader will find it: tuples are lists, mappings dicts."""
    if isinstance(value, str | int | float | NoneType):
        return value
    if isinstance(value, Mapping):
        return {key: to_json(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [to_json(inner) for inner in value]
    return value


def encode_entry(entry: ProvenanceRecord) -> JsonObject:
    """Give an entry as JSON, unknown fields included; its name is the key that it stands under."""
    known: JsonObject = {name: getattr(entry, name) for name in _FIELDS}
    prints = {name: encode_prints(getattr(entry, name)) for name in _PRINTS}
    method = _encode_method(entry)
    return known | prints | ({"method": method} if method else {}) | dict(entry.extra)


def _encode_method(entry: ProvenanceRecord) -> JsonObject:
    """Give details and state as one object, in which a reader of the file finds both."""
    method = dict(entry.details)
    for name, (key, _) in _STATE.items():
        value = getattr(entry, name)
        if value or (name == "clips" and value is not None):
            method[key] = list(value) if isinstance(value, tuple) else value
    if entry.caption is not None:
        for name in _CAPTION:
            value = getattr(entry.caption, name)
            if value != getattr(_NO_CAPTION, name) or name == "faults":
                method[name] = list(value) if isinstance(value, tuple) else value
    return method


def _parse_method(stage: str, content: JsonObject) -> dict[str, Any]:
    """Part the state of a stage from the details; what is not of the expected type stays among the details."""
    details = dict(content)

    def take(key: str, kind: type) -> Any:
        value = details.get(key)
        if kind is tuple:
            fits = isinstance(value, list) and all(isinstance(item, str) for item in value)
        else:
            fits = type(value) is kind
        if not fits:
            return None
        del details[key]
        return tuple(value) if kind is tuple and isinstance(value, list) else value

    state = {name: value for name, (key, kind) in _STATE.items() if (value := take(key, kind)) is not None}
    if stage.startswith(CAPTION_PREFIX):
        values = {name: value for name, kind in _CAPTION.items() if (value := take(name, kind)) is not None}
        state["caption"] = CaptionRecord(**values)
    return state | {"details": details}


def parse_entry(stage: str, content: JsonValue) -> ProvenanceRecord:
    """Read an entry; unknown fields are kept, known ones must be what they should.

    Raises
    ------
    TypeError
        A known field has another type, or a necessary one is absent.
    """
    known: dict[str, Any] = {}
    extra: JsonObject = {}
    # One loop, and no call where all is well: a data set of 100,000 tracks has a million and a half of entries.
    for name, value in as_object(content, stage).items():
        kinds = _FIELDS.get(name)
        if kinds is not None:
            known[name] = value if type(value) in kinds else as_type(value, kinds, f"{stage}: {name}")
        elif name in _PRINTS:
            known[name] = parse_prints(value, stage)
        elif name == "method" and isinstance(value, dict):
            known |= _parse_method(stage, value)
        else:
            extra[name] = value
    if absent := [name for name in ("mirkit_version", "stage_version") if name not in known]:
        raise TypeError(f"{stage}: {absent[0]} is absent")
    for name in ("needs", "reasons"):
        for key, value in known.get(name, {}).items():
            if type(value) is not str:
                as_type(value, (str,), f"{stage}: {name}: {key}")
    return ProvenanceRecord(stage=stage, extra=extra, **known)


def encode_prints(prints: Mapping[str, FileDigest]) -> JsonObject:
    """Give named fingerprints as JSON."""
    return {
        name: dict(zip(("size", "mtime_ns", "ctime_ns", "inode"), content.stamp, strict=True))
        | {"sha256": content.sha256}
        for name, content in prints.items()
    }


def parse_prints(content: JsonValue, where: str) -> dict[str, FileDigest]:
    """Read named fingerprints. Those of older versions lack ctime and inode. Raises as :func:`parse_entry`."""
    prints = {}
    for name, value in as_object(content, where).items():
        told: Any = value if isinstance(value, dict) else {}
        sha256 = told.get("sha256")
        look = told.get("size"), told.get("mtime_ns"), told.get("ctime_ns", 0), told.get("inode", 0)
        if type(sha256) is not str or {*map(type, look)} != {int}:
            raise TypeError(f"{where}: {name} is not a fingerprint")
        prints[name] = _known(sha256, *look)
    return prints


@lru_cache(maxsize=64)  # most stages of a track read the same files
def _known(sha256: str, size: int, mtime_ns: int, ctime_ns: int, inode: int) -> FileDigest:
    return FileDigest(size, sha256, mtime_ns, ctime_ns, inode)


def as_object(value: JsonValue, where: str) -> JsonObject:
    """Refuse, with a TypeError, what is not a JSON object."""
    if not isinstance(value, dict):
        raise TypeError(f"{where} is not an object")
    return value


def as_type(value: JsonValue, kinds: tuple[type, ...], where: str) -> JsonValue:
    """Refuse, with a TypeError, what is of none of the types; true and false are no numbers."""
    if not isinstance(value, kinds) or isinstance(value, bool):
        raise TypeError(f"{where} is a {type(value).__name__}")
    return value


#: Begins the names of the entries of captions.
CAPTION_PREFIX = "describe/"
_PRINTS = ("inputs", "outputs")
#: Field of an entry -> its key in the object ``method`` of the file, and the type of its value.
_STATE: dict[str, tuple[str, type]] = {
    "pending": ("writing", tuple),
    "external": ("external", tuple),
    "clips": ("clips", tuple),
    "origin": ("from", str),
}
#: Field of a caption, which is its key in ``method``, and the type of its value.
_CAPTION: dict[str, type] = {
    "raw": str,
    "finish": str,
    "tokens": int,
    "faults": tuple,
    "replaces": str,
    "words": int,
    "fix_facts": bool,
}
_NO_CAPTION = CaptionRecord()
_FIELDS: dict[str, tuple[type, ...]] = {
    "mirkit_version": (str,),
    "stage_version": (int,),
    "backend": (str, NoneType),
    "model": (str, NoneType),
    "weights_sha256": (str, NoneType),
    "parameters": (dict,),
    "needs": (dict,),
    "reasons": (dict,),
    "failed": (str,),
    "seconds": (int, float),
    "when": (str,),
}
