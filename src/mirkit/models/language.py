"""The language of a text, by py3langid."""

from functools import cache, lru_cache
from typing import Any

#: Least probability of a language; below it, the language is unknown.
LEAST = 0.8


@lru_cache(4096)
def language_of(text: str) -> str:
    """Find the language of a text of several lines.

    Parameters
    ----------
    text : str
        The longer, the surer: a few words or "la la la" are in no language.

    Returns
    -------
    str
        Code, mostly of ISO 639-1, such as ``en``; "" where it is not known with a probability of 0.8.
    """
    if not text.strip():
        return ""
    language, probability = _identifier().classify(text)
    return str(language) if probability >= LEAST and language != "zxx" else ""


@cache
def _identifier() -> Any:
    from py3langid.langid import MODEL_FILE, LanguageIdentifier

    return LanguageIdentifier.from_model_file(MODEL_FILE, norm_probs=True)
