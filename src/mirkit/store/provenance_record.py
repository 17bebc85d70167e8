"""The record of one stage in the provenance: method, parameters, and digests of the files."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property, lru_cache
from types import NoneType
from typing import Any

from mirkit.store.digests import FileDigest
from mirkit.store.sidecars import JsonObject, JsonValue

#: Backend of the user's own files, which are kept with any settings.
EXTERNAL = "external"


@dataclass(frozen=True)
class CaptionRecord:
    """State of the caption for one prompt.

    Attributes
    ----------
    raw : str or None
        Answer of the model; None while there is no usable one.
    finish : str
        Why the model stopped: ``stop``, or ``length`` if the answer was cut off.
    tokens : int
        Limit of the tokens of the answer.
    faults : tuple of str
        Why each unusable answer was rejected.
    replaces : str
        SHA-256 of mirkit's older caption in the ``.INFO`` when this one was begun.
    words : int or None
        Limit of the words of the stored caption.
    fix_facts : bool or None
        Whether claims that contradict measurements were removed from the stored caption.
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
    """How a stage was computed on a track.

    Attributes
    ----------
    stage : str
        Name of the stage.
    mirkit_version : str
        Version of the program, for information only.
    stage_version : int
        Version of the stage's formulas.
    backend, model, weights_sha256 : str or None
        The method, its model, and the SHA-256 of the weights if it has some.
    parameters : mapping
        Every setting that the result depends on, as JSON.
    inputs : mapping of str to FileDigest
        Files that were read: name -> digest.
    outputs : mapping of str to FileDigest
        What was written and another stage or the user may change: files such as stems, and values of the ``.INFO``:
        name -> digest.
    user : mapping of str to FileDigest
        Outputs that the user has edited, and that are kept: name -> digest of the user's version.
    needs : mapping of str to str
        Earlier stage -> its :attr:`identity` at the time.
    reasons : mapping of str to str
        Feature -> why it is null.
    failed : str
        Why the stage failed, or "".
    seconds : float
        Duration of the computation.
    when : str
        Time of the computation, ISO 8601, UTC.
    pending : tuple of str
        Outputs that an interrupted or failed run of the stage had begun to write.
    external : tuple of str
        Outputs that the user has since replaced with files of their own.
    clips : tuple of str or None
        Folders of the clips that were cut; None for every other stage.
    origin : str
        In the provenance of a clip, the source of its values; "" for a track.
    caption : CaptionRecord or None
        State of a caption; None for every other stage.
    details : mapping
        Details of the computation, for information only, as JSON.
    extra : mapping
        Entries of another version of mirkit that this one does not know, kept unchanged.
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
    user: Mapping[str, FileDigest] = field(default_factory=dict)
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
        # Parameters as they are after reading (tuples are lists), so that requested and stored ones compare equal.
        object.__setattr__(self, "parameters", to_json(self.parameters))
        object.__setattr__(self, "details", to_json(self.details))

    @cached_property
    def identity(self) -> str:
        """Hash of everything that determines the result; stages that need this one are stale when it changes."""
        determining = {
            "stage": self.stage,
            "version": self.stage_version,
            "method": [self.backend, self.model, self.weights_sha256],
            "parameters": self.parameters,
            "inputs": {name: [content.size, content.sha256] for name, content in self.inputs.items()},
            "needs": dict(self.needs),
        }
        if self.user:
            determining["user"] = {name: content.sha256 for name, content in self.user.items()}
        return hashlib.sha256(json.dumps(determining, sort_keys=True).encode()).hexdigest()[:16]


_SCALARS = frozenset((str, int, float, bool, NoneType))


def to_json(value: JsonValue) -> JsonValue:
    """Return a value as it is after writing and reading JSON: tuples become lists, mappings dicts."""
    if isinstance(value, str | int | float | NoneType):
        return value
    if type(value) is dict and _SCALARS.issuperset(map(type, value.values())):
        return value
    if isinstance(value, Mapping):
        return {key: to_json(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [to_json(inner) for inner in value]
    return value


def encode_record(record: ProvenanceRecord) -> JsonObject:
    """Convert a record to JSON, unknown fields included. The stage is not part of it; it is the key of the record."""
    known: JsonObject = {name: getattr(record, name) for name in _FIELDS}
    digests = {name: encode_digests(getattr(record, name)) for name in _DIGESTS}
    if not record.user:
        del digests["user"]
    method = _encode_method(record)
    return known | digests | ({"method": method} if method else {}) | dict(record.extra)


def _encode_method(record: ProvenanceRecord) -> JsonObject:
    """Return details and state as the one object ``method`` of the file."""
    method = dict(record.details)
    for name, (key, _) in _STATE.items():
        value = getattr(record, name)
        if value or (name == "clips" and value is not None):
            method[key] = list(value) if isinstance(value, tuple) else value
    if record.caption is not None:
        for name in _CAPTION:
            value = getattr(record.caption, name)
            if value != getattr(_NO_CAPTION, name) or name == "faults":
                method[name] = list(value) if isinstance(value, tuple) else value
    return method


def _parse_method(stage: str, content: JsonObject) -> dict[str, Any]:
    """Separate the state of a stage from the details; values of an unexpected type stay in the details."""
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


def parse_record(stage: str, content: JsonValue) -> ProvenanceRecord:
    """Parse a record; unknown fields are kept, known ones are checked.

    Raises
    ------
    TypeError
        A known field has the wrong type, or a required one is absent.
    """
    known: dict[str, Any] = {}
    extra: JsonObject = {}
    # One loop without calls for valid values: a data set of 100,000 tracks has 1.5 million records.
    for name, value in as_object(content, stage).items():
        kinds = _FIELDS.get(name)
        if kinds is not None:
            known[name] = value if type(value) in kinds else as_type(value, kinds, f"{stage}: {name}")
        elif name in _DIGESTS:
            known[name] = parse_digests(value, stage)
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


def encode_digests(digests: Mapping[str, FileDigest]) -> JsonObject:
    """Convert digests to JSON, by name."""
    return {
        name: dict(zip(STAMP, content.stamp, strict=True)) | {"sha256": content.sha256}
        for name, content in digests.items()
    }


def parse_digests(content: JsonValue, where: str) -> dict[str, FileDigest]:
    """Parse digests by name. Those of older versions lack ctime and inode. Raises as :func:`parse_record`."""
    digests = {}
    for name, value in as_object(content, where).items():
        if type(value) is not dict:
            raise TypeError(f"{where}: {name} is not a digest")
        get: Any = value.get
        sha256, size, mtime_ns = get("sha256"), get("size"), get("mtime_ns")
        ctime_ns, inode = get("ctime_ns", 0), get("inode", 0)
        if not (type(sha256) is str and type(size) is type(mtime_ns) is type(ctime_ns) is type(inode) is int):
            raise TypeError(f"{where}: {name} is not a digest")
        digests[name] = _cached_digest(sha256, size, mtime_ns, ctime_ns, inode)
    return digests


@lru_cache(maxsize=64)  # most stages of a track read the same files
def _cached_digest(sha256: str, size: int, mtime_ns: int, ctime_ns: int, inode: int) -> FileDigest:
    return FileDigest(size, sha256, mtime_ns, ctime_ns, inode)


def as_object(value: JsonValue, where: str) -> JsonObject:
    """Return a JSON object; anything else raises TypeError."""
    if not isinstance(value, dict):
        raise TypeError(f"{where} is not an object")
    return value


def as_type(value: JsonValue, kinds: tuple[type, ...], where: str) -> JsonValue:
    """Return a value of one of the types; anything else, and true and false, raises TypeError."""
    if not isinstance(value, kinds) or isinstance(value, bool):
        raise TypeError(f"{where} is a {type(value).__name__}")
    return value


#: Prefix of the names of caption records.
CAPTION_PREFIX = "describe/"
_DIGESTS = ("inputs", "outputs", "user")
#: The fields of a stamp, with which a digest begins.
STAMP = ("size", "mtime_ns", "ctime_ns", "inode")
#: Field of a record -> its key in the object ``method`` of the file, and the type of its value.
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
