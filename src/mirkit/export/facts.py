"""Everything that is known of a sample, flat: a row of a table, or the json beside a sound file."""

from typing import Any

from mirkit.catalog import FEATURES, TEXT_KEYS
from mirkit.export.plan import Sample
from mirkit.store import round6

_TAGS = ("artist", "title", "album", "genre", "year")
_FACTS = ("key", "mode", "meter", "vocals_share")


def known(sample: Sample) -> dict[str, Any]:
    """Where it is from, its numbers, facts, tags and texts; what is not known is not in it."""
    item = sample.item
    tags = item.facts.get("tags") or {}
    return {
        "from": item.name,
        "source": item.source,
        "split": sample.split,
        "start": round6(item.start),
        "seconds": round6(item.seconds),
        **{name: tags[name] for name in _TAGS if isinstance(tags.get(name), str | int)},
        **{name: item.facts[name] for name in _FACTS if name in item.facts},
        **{row.name: sample.numbers[row.name] for row in FEATURES if row.name in sample.numbers},
        **item.texts,
    }


def columns() -> list[str]:
    """Names of all that may be known, in their order."""
    texts = [key.removeprefix("music_flamingo_") for key in TEXT_KEYS]
    return ["from", "source", "split", "start", "seconds", *_TAGS, *_FACTS, *(row.name for row in FEATURES), *texts]
