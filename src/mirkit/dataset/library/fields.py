"""The fields of a library: a column for each key of the ``.INFO``, for the metadata, and for the state of a track."""

from dataclasses import dataclass
from typing import Literal

from mirkit.catalog import FEATURES, INFO_SPECS, NUMBERS, REQUESTED, TEXT_KEYS, FeatureSpec
from mirkit.features.audit.findings import VERDICTS

FieldKind = Literal["number", "flag", "category", "text", "date", "json"]


@dataclass(frozen=True)
class Field:
    """A column of the tables ``tracks`` and ``clips``. Unknown values are NULL.

    Attributes
    ----------
    name : str
        Name of the field, and of its column; to be quoted in SQL, because some are keywords.
    kind : str
        ``number`` and ``flag`` (0 or 1) are REAL; ``category`` and ``text`` are TEXT; ``date`` is REAL, seconds since
        1970, UTC; ``json`` is TEXT, a list or an object in JSON.
    group : str
        ``track`` (path and state), ``metadata``, ``feature``, ``descriptor`` or ``caption``.
    description : str
    unit : str
        Unit of a number.
    categories : tuple of str
        Values of a category that is no descriptor.
    """

    name: str
    kind: FieldKind
    group: Literal["track", "metadata", "feature", "descriptor", "caption"]
    description: str
    unit: str = ""
    categories: tuple[str, ...] = ()

    @property
    def column(self) -> str:
        """The quoted name of its column."""
        return f'"{self.name}"'

    @property
    def sql_type(self) -> str:
        """Type of its column."""
        return "REAL" if self.kind in ("number", "flag", "date") else "TEXT"


def _of(row: FeatureSpec) -> Field:
    kinds: dict[str, FieldKind] = {"float": "number", "int": "number", "flag": "flag"}
    kind: FieldKind = kinds.get(row.kind, "category" if row.kind == "category" else "text")
    return Field(row.name, kind, "feature" if row in FEATURES else "descriptor", row.description, row.shown_unit)


#: Tag of an audio file -> its field; the key and the tempo of the tags are not those that mirkit measures.
TAG_FIELDS = {
    **{name: name for name in ("artist", "title", "album", "albumartist", "genre", "year", "copyright")},
    "track": "track_number",
    "key": "tag_key",
    "bpm": "tag_bpm",
}

_TRACK = (
    Field("path", "text", "track", "path from the root of the data set, with forward slashes"),
    Field("name", "text", "track", "name of the track or clip"),
    Field("source", "text", "track", "of a clip: the path of its track"),
    Field("clip_set", "text", "track", "of a clip: the name of its set of clips"),
    Field("start", "number", "track", "of a clip: where it begins in its track", "s"),
    Field("end", "number", "track", "of a clip: where it ends in its track", "s"),
    Field("added", "date", "track", "when the oldest of its results was computed"),
    Field("measured", "date", "track", "when the newest of its results was computed"),
    Field("known", "number", "track", "number of features that are known", "count"),
    Field("stems", "json", "track", "list of the stems that are there"),
    Field("excluded", "text", "track", "why the user excluded it"),
    Field("problem", "text", "track", "why its files cannot be read"),
    Field("failed", "json", "track", "stage -> why it failed"),
    Field("outdated", "text", "track", "what has been replaced since its values were computed"),
    Field("methods", "json", "track", "stage -> method that computed its values"),
    Field("reasons", "json", "track", "number or category that is null -> why"),
)
_METADATA = (
    Field("artist", "text", "metadata", "artist, from the tags"),
    Field("title", "text", "metadata", "title, from the tags"),
    Field("album", "text", "metadata", "album, from the tags"),
    Field("albumartist", "text", "metadata", "artist of the album, from the tags"),
    Field("genre", "text", "metadata", "genre, from the tags"),
    Field("year", "number", "metadata", "year, from the tags"),
    Field("track_number", "number", "metadata", "number on the album, from the tags"),
    Field("tag_key", "text", "metadata", "key as the tags say"),
    Field("tag_bpm", "number", "metadata", "tempo as the tags say", "BPM"),
    Field("copyright", "text", "metadata", "copyright, from the tags"),
    Field("license", "text", "metadata", "license, from rights.csv or the tags, as mirkit rights shows it"),
    Field("attribution", "text", "metadata", "whom to credit, from rights.csv or the tags"),
    Field("ai_training", "flag", "metadata", "whether generators may be trained with it, from rights.csv or the tags"),
    Field("artists", "json", "metadata", "list of all artists, where the tags name several"),
    Field("genres", "json", "metadata", "list of all genres, where the tags name several"),
    Field("duration", "number", "metadata", "length of the decoded mix", "s"),
    Field("sample_rate", "number", "metadata", "sample rate of the file", "Hz"),
    Field("channels", "number", "metadata", "channels of the file", "count"),
    Field("codec", "text", "metadata", "codec of the file, as FFmpeg names it"),
    Field("bandwidth", "number", "metadata", "highest frequency with content", "Hz"),
    Field(
        "audit",
        "category",
        "metadata",
        "what the audit of the source found (docs/how_good/audit.md)",
        categories=VERDICTS,
    ),
    Field("findings", "text", "metadata", "faults and notices of that audit, each with its name"),
    Field("pulse", "flag", "metadata", "1 where the beats are locally steady"),
    Field("tempo_second_candidate", "number", "metadata", "the second most likely tempo", "BPM"),
    Field("vocals_share", "number", "metadata", "share of the track that has vocals", "ratio"),
    Field("original_name", "text", "metadata", "name of the file before it was organized"),
)
#: Metadata of the provenance that have a field of the same name, which holds its plain value.
FACT_FIELDS = (
    *("duration", "sample_rate", "channels", "codec", "bandwidth", "pulse", "tempo_second_candidate", "vocals_share"),
    "original_name",
)

#: All fields, by name. Long texts come last, so that SQLite reads the others without them.
FIELDS: dict[str, Field] = {
    field.name: field
    for field in sorted(
        (
            *_TRACK,
            *_METADATA,
            *(_of(row) for row in (*INFO_SPECS, *REQUESTED) if row.name != "genre"),
            *(Field(name, "text", "caption", "caption by a language model") for name in TEXT_KEYS),
        ),
        key=lambda field: field.kind in ("text", "json") and field.group not in ("track", "metadata"),
    )
}

#: Names of the numbers in the order of the column ``numbers``, in which statistics read them as an array.
NUMBER_KEYS = tuple(row.name for row in NUMBERS)
