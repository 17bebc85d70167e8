"""A table from packed items is that of whole ones."""

from dataclasses import replace
from pathlib import Path

import pytest

from mirkit.captions.lyrics import Line, Lyrics
from mirkit.catalog import NUMBERS
from mirkit.dataset.rights import Rights
from mirkit.export.item import Item
from mirkit.export.plan import Sample
from mirkit.export.targets.tables import json_lines, packed, table_row, to_csv
from mirkit.store import FileDigest
from mirkit.track import Track
from mirkit.track.user_texts import UserTexts

WORDS = "Hello my love, I sing of you and of the long, long night"
ITEMS = {
    "plain": {},
    "all numbers": {"features": {row.name: 0.1 + number for number, row in enumerate(NUMBERS)}},
    "hostile": {
        "name": "=cmd|' C'!\n\"a\",\udcff",
        "metadata": {"tags": {"artist": "@SUM(1)", "year": 10**30, "genre": None}, "vocals_share": 0.25},
        "texts": {"short": "+1\r\n", "caption": "ж, 音"},
    },
    "rights": {"rights": Rights(license="cc-by-4.0", ai_training=True), "categories": {"key": "A minor"}},
    "words": {"user_texts": UserTexts(Lyrics((Line(WORDS),)))},
    "words of an instrumental": {
        "user_texts": UserTexts(Lyrics((Line(WORDS),)), origin={"lyrics": {"from": "a.lrc"}}),
        "metadata": {"vocals_share": 0.0},
    },
    "floating point": {"metadata": {"codec": "pcm_f32le"}, "features": {"lufs": -14.0}},
}


@pytest.mark.parametrize("changes", ITEMS.values(), ids=ITEMS)
@pytest.mark.parametrize("keys", [("*",), ("lufs*", "vocals_share")])
def test_a_packed_item_has_the_same_row(changes: dict[str, object], keys: tuple[str, ...]) -> None:
    whole = Item("a", "a", Track(Path()), Path("a"), FileDigest(0, ""), 44100, 0.5, 33.7, {}, {}, {}, {}, {})
    whole = replace(whole, **changes)  # type: ignore[arg-type]
    small = packed(whole)
    rows = [table_row(Sample(item, "n", "val", item.features), keys) for item in (whole, small)]
    assert rows[0] == rows[1]
    assert rows[0]["split"] == "val"
    assert list(rows[0]) == list(rows[1]), "jsonl keeps the order"
    assert b"".join(json_lines(rows[:1])) == b"".join(json_lines(rows[1:]))
    assert to_csv(rows[:1], keys) == to_csv(rows[1:], keys)
    assert small.is_instrumental == whole.is_instrumental
    assert (small.row is None) is (changes.get("metadata", {}).get("codec") == "pcm_f32le")  # type: ignore[attr-defined]
