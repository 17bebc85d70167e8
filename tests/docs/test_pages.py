"""Pages of the documentation: links lead somewhere, every feature is explained, every page is in the menu."""

import ast
import json
import posixpath
import re
from collections import Counter
from pathlib import Path

import pytest

from mirkit.catalog import FEATURES

ROOT = Path(__file__).resolve().parents[2]
DOCS = ROOT / "docs"
#: Pages that the site writes itself.
GENERATED = re.compile(r"reference/cli/\w+\.md|reference/features/plots/\w+\.svg")
#: The stub for links from elsewhere, which is no page of the site.
STUB = "manual.md"
PAGES = sorted(
    path
    for path in (*DOCS.rglob("*.md"), ROOT / "README.md", ROOT / "CONTRIBUTING.md", ROOT / "CHANGELOG.md")
    if "_build" not in path.parts and not GENERATED.fullmatch(posixpath.relpath(path.as_posix(), DOCS.as_posix()))
)
LINK = re.compile(r"\]\(<?([^()\s<>]+)>?\)")


def without_code(text: str) -> str:
    """Return a page without its code."""
    text = re.sub(r"^( *)(```+|~~~+).*?^\1\2 *$", "", text, flags=re.MULTILINE | re.DOTALL)
    return re.sub(r"`[^`\n]*`", "", text)


def anchors(path: Path) -> set[str]:
    """Return the anchors of the headings of a page, as GitHub and the site make them."""
    text = re.sub(r"^( *)(```+|~~~+).*?^\1\2 *$", "", path.read_text(encoding="utf-8"), flags=re.MULTILINE | re.DOTALL)
    found: Counter[str] = Counter()
    names = set()
    for heading in re.findall(r"^#{1,6} +(.+)$", text, re.MULTILINE):
        plain = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading).replace("`", "").strip().lower()
        name = re.sub(r"[^\w\- ]", "", plain).replace(" ", "-")
        names.add(name if not found[name] else f"{name}-{found[name]}")
        found[name] += 1
    return names


@pytest.mark.parametrize("page", PAGES, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_links_lead_to_pages_and_headings(page: Path) -> None:
    dead = []
    for link in LINK.findall(without_code(page.read_text(encoding="utf-8"))):
        if re.match(r"[a-z]+:", link):
            continue
        target, _, anchor = link.partition("#")
        path = (page.parent / target).resolve() if target else page
        if GENERATED.fullmatch(posixpath.relpath(path.as_posix(), DOCS.as_posix())):
            continue
        if not path.exists() or (anchor and path.suffix == ".md" and anchor not in anchors(path)):
            dead.append(link)
    assert not dead


def listed(page: Path) -> set[Path]:
    """Return the pages in the tables of contents of a page."""
    found = set()
    for block in re.findall(r"^```\{toctree\}\n(.*?)^```", page.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL):
        for name in block.splitlines():
            if name and not name.startswith(":"):
                matches = [path for suffix in (".md", ".ipynb") for path in page.parent.glob(f"{name}{suffix}")]
                if GENERATED.fullmatch(f"reference/{name}.md"):
                    continue
                assert matches, f"{page}: there is no page {name}"
                found.update(path.resolve() for path in matches)
    return found


def test_every_page_is_in_the_menu() -> None:
    pages = {path for path in (*PAGES, *(DOCS / "tutorials").glob("*.ipynb")) if DOCS in path.parents}
    reached, left = set(), [DOCS / "index.md"]
    while left:
        page = left.pop()
        reached.add(page)
        left += [path for path in (listed(page) if page.suffix == ".md" else ()) if path not in reached]
    assert {path for path in pages if path.relative_to(DOCS).as_posix() != STUB} == reached


def test_every_feature_is_explained_once_with_formula_reading_and_source() -> None:
    explained: list[str] = []
    for page in sorted((DOCS / "reference" / "features").glob("*.md")):
        text = page.read_text(encoding="utf-8")
        explained += " ".join(re.findall(r"^```\{feature\} (.+)$", text, re.MULTILINE)).split()
        assert text.count("$$") % 2 == 0
    assert Counter(explained) == Counter(spec.name for spec in FEATURES)


def test_no_page_names_a_machine_or_a_tool_of_the_workplace() -> None:
    for page in PAGES:
        assert not re.search(r"/work/|/tmp/[A-Z]\d|\bissue 1[0-9]\b", page.read_text(encoding="utf-8")), page


def test_the_notebook_has_no_output_and_its_cells_are_valid() -> None:
    (path,) = (DOCS / "tutorials").glob("*.ipynb")
    notebook = json.loads(path.read_text(encoding="utf-8"))
    for cell in notebook["cells"]:
        if cell["cell_type"] == "code":
            ast.parse("".join(cell["source"]))
            assert cell["outputs"] == [], "clear the outputs: the site executes the notebook"
            assert cell["execution_count"] is None
