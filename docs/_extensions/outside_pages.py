"""Links to files of the repository that are pages of the site under another address, or no pages at all.

Pages link to ``CONTRIBUTING.md`` and ``CHANGELOG.md`` at the root of the repository, as GitHub needs it. The site has
copies of these under ``development``, so such links are redirected there before the page is parsed.
"""

import posixpath
import re
from pathlib import Path
from typing import Any

from sphinx.application import Sphinx

ROOT = Path(__file__).resolve().parents[2]
PAGES = {"CONTRIBUTING.md": "development/contributing.md", "CHANGELOG.md": "development/changelog.md"}
LINK = re.compile(r"\]\(([^()\s#:]+)(#[^()\s]*)?\)")


def redirect(text: str, docname: str) -> str:
    """Return a page whose links out of ``docs`` lead to pages of the site."""
    folder = posixpath.dirname(f"docs/{docname}")

    def change(match: re.Match[str]) -> str:
        target = posixpath.normpath(posixpath.join(folder, match[1]))
        if target not in PAGES:
            return match[0]
        return f"]({posixpath.relpath('docs/' + PAGES[target], folder)}{match[2] or ''})"

    return LINK.sub(change, text)


def from_root(text: str) -> str:
    """Return a page of the root whose links are valid in ``docs/development``."""

    def change(match: re.Match[str]) -> str:
        target = match[1].rstrip("/")
        path = f"docs/{PAGES[target]}" if target in PAGES else target
        if not path.startswith("docs/") or (ROOT / path).is_dir():
            return match[0]
        return f"]({posixpath.relpath(path, 'docs/development')}{match[2] or ''})"

    return LINK.sub(change, text)


#: Names of pages in texts of the code: in docstrings, and in the list of features, which is printed from the catalog.
NAMED = re.compile(r"\bdocs/([\w/]+)\.md\b")


def link_in_docstring(app: Sphinx, what: str, name: str, found: Any, options: Any, lines: list[str]) -> None:
    """Turn the names of pages in a docstring into links."""
    lines[:] = [NAMED.sub(r":doc:`/\1`", line) for line in lines]


def read(app: Sphinx, docname: str, source: list[str]) -> None:
    """Take the text of a page from the root, or redirect the links of any other."""
    for name, page in PAGES.items():
        if page == f"{docname}.md":
            source[0] = from_root((ROOT / name).read_text(encoding="utf-8"))
            return
    source[0] = redirect(source[0], docname)
    if docname == "reference/feature_list":
        source[0] = NAMED.sub(r"[\1](/\1.md)", source[0])


def setup(app: Sphinx) -> dict[str, Any]:
    """Register the extension."""
    app.connect("source-read", read)
    app.connect("autodoc-process-docstring", link_in_docstring)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
