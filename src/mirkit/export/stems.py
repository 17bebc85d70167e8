"""What is exported instead of the mix: one stem, or the mix without vocals."""

from collections.abc import Sequence
from dataclasses import replace
from hashlib import sha256

from mirkit.audio import probe
from mirkit.catalog import EMBEDDED_STEMS, STEMS
from mirkit.errors import AudioError, InfoError, MissingInput, counted, pasted
from mirkit.export.audio import SummedFiles
from mirkit.export.item import Item, Pair
from mirkit.export.options import INSTRUMENTAL
from mirkit.store import EXTERNAL, FileDigest, as_number, file_digest, readable_provenance, recorded_digests

VOCALS = "vocals"
_OF_THE_VOICE = ("vocal_presence", "voice", "voice_confidence")
#: What is exported -> the stems that are added up.
PARTS = {stem: (stem,) for stem in STEMS} | {INSTRUMENTAL: tuple(stem for stem in STEMS if stem != VOCALS)}
#: Metadata of the mix that its stems do not have.
_OF_THE_MIX = ("bandwidth", "codec", "downmix", "gain_db", "peak", "vocals_share")


def choose_stems(items: Sequence[Item], what: str, problems: list[str], notes: list[str], *, pairs: bool) -> list[Item]:
    """Replace the audio of items by a stem, or by the sum of the stems other than vocals.

    The features of the items are still those of the mix.

    Parameters
    ----------
    items : sequence of Item
    what : str
        A stem, or ``instrumental``.
    problems : list of str
        Gets a line for each item without the stems.
    notes : list of str
    pairs : bool
        Whether each item also gets its mix.
    """
    chosen, embedded = [], set()
    for item in items:
        try:
            one, is_embedded = _choose(item, what, pairs=pairs)
        except (AudioError, InfoError, MissingInput) as error:
            problems.append(str(error))
            continue
        chosen.append(one)
        if is_embedded:
            embedded.add(item.source)
    if embedded:
        unsure = "the vocals stem also holds other instruments, so it is not known whether these files have vocals"
        mixed = f"the {what} stem also holds parts of other instruments, which a model learns with it"
        notes.append(
            f"{counted(len(embedded), 'track')}: the embedded separation made the stems, and "
            f"{unsure if what in (VOCALS, INSTRUMENTAL) else mixed}; docs/reference/models.md lists better methods"
        )
    return chosen


def _choose(item: Item, what: str, *, pairs: bool) -> tuple[Item, bool]:
    files = item.files or item.track
    sources = files.sources
    if missing := [stem for stem in PARTS[what] if stem not in sources]:
        how = f"mirkit separate {pasted(item.track.path)}"
        how = how if not item.is_clip else f"{how}, then mirkit crop --overwrite"
        raise MissingInput(f"{item.name}: it has no {missing[0]} stem; separate it with: {how}")
    paths = tuple(sources[stem] for stem in PARTS[what])
    provenance = readable_provenance(files.provenance)
    known = recorded_digests(provenance)
    digests = [file_digest(path, *known.get(stem, ())) for stem, path in zip(PARTS[what], paths, strict=True)]
    separated = readable_provenance(item.track.provenance).stages.get("separate")
    is_embedded = separated is not None and separated.backend in EMBEDDED_STEMS
    metadata = {name: value for name, value in item.metadata.items() if name not in _OF_THE_MIX}
    features = {name: value for name, value in item.features.items() if name not in _OF_THE_VOICE}
    categories = {name: value for name, value in item.categories.items() if name not in _OF_THE_VOICE}
    if what != VOCALS and not is_embedded:
        features["vocal_presence"] = 0.0
    elif what == VOCALS and item.vocal_presence is not None:
        features["vocal_presence"] = item.vocal_presence
    if item.is_instrumental or (what != VOCALS and not is_embedded):
        categories["voice"] = INSTRUMENTAL
    elif what == VOCALS and not is_embedded and "voice" in item.categories:
        categories["voice"] = item.categories["voice"]
    return (
        replace(
            item,
            audio=SummedFiles(paths, stem_factor(item)),
            label=what,
            digest=_digest([item.digest, *digests] if pairs else digests),
            sample_rate=probe(paths[0]).sample_rate,
            features=features,
            categories=categories,
            metadata=metadata | {"channels": 2},
            texts={},  # captions describe the mix
            pair=Pair(SummedFiles((item.mix,)), item.features, item.metadata) if pairs else None,
        ),
        is_embedded,
    )


def stem_factor(item: Item) -> float:
    """Return the factor that gives the stems of an item the level that they have in the mix.

    Stems that mirkit made may be lower, so that none exceeds full scale; those of clips have the level of the mix.

    Parameters
    ----------
    item : Item
    """
    separated = readable_provenance(item.track.provenance).stages.get("separate")
    if item.is_clip or separated is None or separated.backend == EXTERNAL or not separated.outputs:
        return 1.0
    return 1 / (as_number(separated.details.get("gain")) or 1.0)


def _digest(digests: Sequence[FileDigest]) -> FileDigest:
    if len(digests) == 1:
        return digests[0]
    content = " ".join(digest.sha256 for digest in digests)
    return FileDigest(sum(digest.size for digest in digests), sha256(content.encode()).hexdigest())


def is_silent(item: Item, lufs: float | None) -> str:
    """Why an item counts as silent, "" if it does not.

    Leakage of other instruments into a stem is not music. A vocals stem is silent where it is 20 LU or more below its
    mix, as for ``vocal_presence``; another stem 30 LU.

    Parameters
    ----------
    item : Item
        With the features of its mix.
    lufs : float or None
        Loudness of its audio, None below -70 LUFS.
    """
    if lufs is None:
        return "it is silent"
    mix, most = item.features.get("lufs"), _BELOW_MIX_LU.get(item.label, 30.0)
    if mix is not None and lufs <= mix - most:
        return f"it is silent: its loudness is {lufs:.1f} LUFS, {mix - lufs:.0f} LU below the mix"
    return ""


_BELOW_MIX_LU = {VOCALS: 20.0}
