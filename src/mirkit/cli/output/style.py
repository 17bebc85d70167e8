"""Colors and bold type, on a terminal only.

``NO_COLOR`` switches them off, ``FORCE_COLOR`` on, also where the output is no terminal; ``TERM=dumb`` has none.
"""

import os
import re
from typing import Any, Literal

Style = Literal["bold", "red", "green", "yellow"]
_CODES = {"bold": "1", "red": "31", "green": "32", "yellow": "33"}


def is_styled(stream: Any) -> bool:
    """Whether a stream shows colors."""
    if os.environ.get("NO_COLOR"):
        return False
    if os.environ.get("FORCE_COLOR"):
        return True
    if stream is None or not stream.isatty() or os.environ.get("TERM") == "dumb":
        return False
    # Old consoles of Windows print the codes as they are.
    return os.name != "nt" or any(map(os.environ.get, ("WT_SESSION", "ANSICON", "TERM")))


def styled(text: str, style: Style, stream: Any) -> str:
    """Return a text in a style where the stream shows it, else as it is."""
    return f"\x1b[{_CODES[style]}m{text}\x1b[0m" if text and is_styled(stream) else text


def bold_headings(text: str, stream: Any) -> str:
    """Return a help text with its headings in bold type: lines that begin at the margin and end with a colon."""
    if not is_styled(stream):
        return text
    text = re.sub(r"^usage:", lambda match: styled(match[0], "bold", stream), text)
    return re.sub(r"^\S.*:$", lambda match: styled(match[0], "bold", stream), text, flags=re.MULTILINE)
