"""File names that every trainer and every file system takes: ASCII, without dots, one a clip."""

import hashlib
import re
import unicodedata

_LONGEST = 60


def safe_name(name: str, mark: str) -> str:
    """Turn a path into a file name without suffix: its readable part, and ten digits of a mark's hash.

    Only letters, digits and ``-``: a dot in a name ends it in a tar of samples, and a space or a foreign letter is what
    some loader trips over. The mark tells all that the file's content depends on: a file of this name that is there
    already is the right one.
    """
    last = name.rstrip("/").rpartition("/")[2]
    plain = unicodedata.normalize("NFKD", last).encode("ascii", "ignore").decode()
    readable = re.sub(r"[^A-Za-z0-9]+", "-", plain).strip("-")[:_LONGEST].strip("-")
    return f"{readable or 'clip'}-{hashlib.sha256(mark.encode('utf-8', 'surrogatepass')).hexdigest()[:10]}"
