"""Compare the names of artists and albums as people spell them.

A name becomes a key: lower case, without accents, apostrophes, hyphens, spaces and "the", with "and" for its signs. Two
spellings of one artist have the same key. A tag may name several artists; each of them counts, except guests.
"""

import re
import unicodedata
from collections.abc import Iterable
from functools import lru_cache

#: Words that begin the names of guests.
_GUEST = re.compile(r"\s*[(\[]?\s*\b(?:feat|ft|featuring|with special guest|w/)(?:\.|\b).*", re.IGNORECASE)
#: Signs between artists that no name contains.
_BETWEEN = re.compile(r"\s*[;|\0]\s*|\s+/\s+|\s+(?:vs\.?|versus|presents|pres\.|meets|×|x)\s+(?=\S)", re.IGNORECASE)
#: Signs between artists that are parts of many names too.
_JOINER = re.compile(r"\s*(?:,|&|\+|\band\b|\by\b|\bund\b|\bet\b|\bwith\b)\s*", re.IGNORECASE)
_AND = re.compile(r"\s*(?:&|\+)\s*|(?<=\s)['’‘`]?n['’‘`]?(?=\s)", re.IGNORECASE)
#: Letters without a decomposition, and signs that stand for a letter inside a word.
_LETTERS = str.maketrans(
    {"ø": "o", "æ": "ae", "œ": "oe", "ß": "ss", "ł": "l", "đ": "d", "ð": "d", "þ": "th", "ı": "i", "$": "s", "€": "e"}
)
_INSIDE = re.compile(r"(?<=\w)[!¡](?=\w)")

# fmt: off
#: Keys that name nobody.
_NO_ARTIST = frozenset({
    "va", "various", "variousartists", "variousartist", "variousinterprets", "diverse", "diverseinterpreten",
    "verschiedene", "verschiedeneinterpreten", "artistesdivers", "variosartistas", "artistivari", "soundtrack",
    "ost", "originalsoundtrack", "compilation", "sampler", "unknown", "unknownartist", "unknownartists",
    "artist", "noartist", "none", "na", "null", "anonymous", "untitled", "misc", "miscellaneous",
    "variousproducers", "неизвестен", "неизвестныйисполнитель", "разныеисполнители", "群星", "未知", "未知艺术家",
    "不明なアーティスト",
})
#: Keys that name no single album.
_NO_ALBUM = frozenset({
    "unknown", "unknownalbum", "album", "untitled", "none", "na", "null", "misc", "single", "singles", "ep",
    "demo", "demos", "live", "hits", "greatesthits", "bestof", "best", "verybestof", "essential", "collection",
    "anthology", "compilation", "sampler", "unreleased", "bonustracks", "bsides", "rarities", "remixes",
    "soundtrack", "ost", "originalsoundtrack", "mixtape", "music", "songs", "tracks", "downloads",
    "неизвестныйальбом",
})
# fmt: on
#: What is a number, and not a name; "311" and "10cc" are names of bands.
_NUMBER = re.compile(r"(?:track|titel|piste|cd|disc|disk|side)\W*\d{1,3}|\d{1,2}|0\d\d|\d{1,2}[-.]\d{2}", re.IGNORECASE)


#: Folder of one disc of an album, and the disc in the name of a folder or an album.
_WHICH = r"(?:\d{1,2}|[a-h]|one|two|three|four|i{1,3})"
_DISC = re.compile(rf"(?:cd|dis[ck]|dvd|vinyl|side)[\s._#-]*{_WHICH}\b(?:\s*[-–:(\[].*)?", re.IGNORECASE)
_OF_DISC = re.compile(rf"[\s,_-]*[(\[]?\s*\b(?:cd|dis[ck]|dvd|side)[\s._#-]*{_WHICH}\s*[)\]]?$", re.IGNORECASE)


@lru_cache(4096)  # of 100,000 tracks, many have the same artist
def name_key(name: str) -> str:
    """Reduce a name to its key; ``""`` if nothing is left.

    Examples
    --------
    >>> name_key("The Beatles"), name_key("Beatles, The"), name_key("Guns N’ Roses")
    ('beatles', 'beatles', 'gunsandroses')
    """
    text = unicodedata.normalize("NFKD", name.casefold().translate(_LETTERS))
    text = "".join(letter for letter in text if not unicodedata.combining(letter))
    text = _INSIDE.sub("i", _AND.sub(" and ", text))
    words = [word for word in re.split(r"\s+|,", re.sub(r"[^\w\s,]|_", "", text)) if word]
    kept = [word for word in words if word != "the"] or words
    return "".join(kept) or " ".join(name.casefold().split())


def artist_keys(names: Iterable[str]) -> frozenset[str]:
    """Return the keys of all artists that tags name, without guests and placeholders.

    Parameters
    ----------
    names : iterable of str
        Values of the tags of artist and album artist.

    Returns
    -------
    frozenset of str
        Of "Nick Cave & The Bad Seeds", the whole and "Nick Cave" count: a part of two words or more is a name, and so
        is what stands before "and the". "Earth" of "Earth, Wind & Fire" does not count.

    Examples
    --------
    >>> sorted(artist_keys(["Nick Cave & The Bad Seeds feat. Kylie Minogue"]))
    ['nickcave', 'nickcaveandbadseeds']
    """
    keys = set()
    for name in names:
        for one in _BETWEEN.split(_GUEST.sub("", name)):
            parts = [part for part in _JOINER.split(one) if part]
            leader = re.match(r"(.+?)\s+(?:&|\+|and)\s+(?:the|his|her)\s", one, re.IGNORECASE)
            persons = [part for part in parts if len(part.split()) > 1 and not part.casefold().startswith("the ")]
            if len(parts) == 2 and re.fullmatch(r"[^,&+]+,\s*[^,&+]+", one):  # Bowie, David
                persons.append(f"{parts[1]} {parts[0]}")
            keys |= {name_key(text) for text in (one, *persons, *([leader[1]] if leader else ()))}
    return frozenset(key for key in keys if not _is_placeholder(key, _NO_ARTIST))


def album_key(title: str) -> str:
    """Return the key of an album's title; ``""`` for a placeholder that many albums share, such as "Greatest Hits"."""
    bare = re.sub(r"\s*[(\[](?:cd|disc|disk|deluxe|remaster|expanded|bonus|\d{4})[^)\]]*[)\]]", "", title, flags=re.I)
    key = name_key(_OF_DISC.sub("", bare))
    return "" if _is_placeholder(key, _NO_ALBUM) else key


def _is_placeholder(key: str, placeholders: frozenset[str]) -> bool:
    return not key or key.rstrip("0123456789") in placeholders or bool(_NUMBER.fullmatch(key))


def tags_of_path(names: list[str]) -> dict[str, str]:
    """Read artist and album from the names of a track and of the folders above it.

    Parameters
    ----------
    names : list of str
        Names of the folders below the root of the data set, then the track's: ``Artist - Album - Track``,
        ``Artist - Track``, or ``Artist``, ``Album``, ``01 - Track``. Numbers are passed over.

    Returns
    -------
    dict of str to str
    """
    parts = [part.strip() for part in names[-1].split(" - ")]
    parts = [part for part in parts if part and not _NUMBER.fullmatch(part)]
    above = [name for name in names[:-1] if not _NUMBER.fullmatch(name) and not _DISC.fullmatch(name)]
    if len(parts) < 2 and re.match(r"\d{1,3}\b", names[-1]):  # "01 - Track": the folders name the others
        known = above[-1].split(" - ", 1) if above and " - " in above[-1] else above[-2:]
        return dict(zip(("artist", "album"), known, strict=False)) if known else {}
    return dict(zip(("artist", "album"), parts[:-1], strict=False))


def album_folder(folders: Iterable[str]) -> str:
    """Return the folder of an album, without that of one of its discs.

    Examples
    --------
    >>> album_folder(["Queen", "Live (Disc 2)"]), album_folder(["Queen", "Live", "CD1"])
    ('Queen/Live', 'Queen/Live')
    """
    kept = [folder for folder in folders if not _DISC.fullmatch(folder)]
    return "/".join([*kept[:-1], *(_OF_DISC.sub("", last) or last for last in kept[-1:])])


def albums_of(album: str, albumartist: str, artists: Iterable[str], folder: str) -> set[tuple[str, str]]:
    """Return what identifies a track's album: its title with the album's artist, else with its artists and folder.

    Parameters
    ----------
    album, albumartist : str
        ``""`` where unknown. A placeholder such as "Various Artists" marks a compilation.
    artists : iterable of str
        Keys of the artists.
    folder : str
        Folder below the root of the data set; ``""`` for the root, which holds more than one album.
    """
    key, owners = album_key(album), artist_keys([albumartist])
    if not key:
        return set()
    if not owners:
        owners = frozenset(() if albumartist else artists)
        if folder or not owners:
            owners |= {f"/{folder}"}
    return {(key, owner) for owner in owners}
