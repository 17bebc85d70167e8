"""The version of the audit changes with its rules, so that verdicts of earlier rules are found to be stale."""

import ast
import hashlib
from pathlib import Path

import mirkit.features.audit
import mirkit.stages.audit
from mirkit.catalog import stage

#: Version of the stage, and the checksum of its rules and thresholds. After a change of the rules, raise the version in
#: the catalog and write both here.
VERSION, CHECKSUM = 2, "53da99288960a148"


def without_texts(tree: ast.Module) -> ast.Module:
    """Remove docstrings, so that a better explanation is no other rule."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef):
            first = node.body[0] if node.body else None
            if isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant):
                node.body = node.body[1:]
    return tree


def checksum(files: list[Path]) -> str:
    content = "".join(ast.dump(without_texts(ast.parse(path.read_text("utf-8")))) for path in files)
    return hashlib.sha256(content.encode()).hexdigest()[:16]


def rules() -> list[Path]:
    return [*sorted(Path(mirkit.features.audit.__path__[0]).glob("*.py")), Path(mirkit.stages.audit.__file__)]


def test_the_version_of_the_audit_is_that_of_its_rules() -> None:
    assert (stage("audit").version, checksum(rules())) == (VERSION, CHECKSUM)


def test_a_threshold_changes_the_checksum_and_a_comment_does_not(tmp_path: Path) -> None:
    path = tmp_path / "rule.py"
    sums = []
    for text in ('"""A."""\nLEAST = 0.1\n', '"""B."""\n# why\nLEAST = 0.1\n', '"""A."""\nLEAST = 0.2\n'):
        path.write_text(text)
        sums.append(checksum([path]))
    assert sums[0] == sums[1] != sums[2]
