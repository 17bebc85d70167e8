"""What a release needs: one version, one address, links that work outside the repository, complete distributions."""

import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

import mirkit

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
PAGES = (
    "README.md",
    "SECURITY.md",
    "CITATION.cff",
    "Dockerfile",
    "CONTRIBUTING.md",
    ".github/ISSUE_TEMPLATE/config.yml",
)


def test_the_version_of_a_source_folder_is_the_fallback_of_the_build() -> None:
    fallback = PROJECT["tool"]["setuptools_scm"]["fallback_version"]
    code = "import sys; sys.modules['mirkit._version'] = None; import mirkit; print(mirkit.__version__)"
    result = subprocess.run([sys.executable, "-c", code], cwd=ROOT / "src", capture_output=True, text=True, check=True)
    assert result.stdout.strip() == fallback
    assert re.match(r"\d+\.\d+\.\d+", mirkit.__version__)


def test_every_file_names_the_same_repository() -> None:
    address = PROJECT["project"]["urls"]["Source"]
    owner = address.removeprefix("https://github.com/").removesuffix("/mirkit")
    for name in PAGES:
        text = (ROOT / name).read_text(encoding="utf-8")
        assert set(re.findall(r"github(?:usercontent)?\.com/([\w-]+)/mirkit", text)) <= {owner}, name
        assert set(re.findall(r"https://([\w-]+)\.github\.io/mirkit", text)) <= {owner}, name
    assert owner in (ROOT / "README.md").read_text(encoding="utf-8")


def test_links_and_images_of_the_readme_work_on_pypi_and_in_the_repository() -> None:
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    targets = re.findall(r"\]\(([^)\s]+)\)", text)
    assert targets
    for target in targets:
        assert target.startswith(("https://", "#")), f"{target} is relative: it does not work on PyPI"
        if re.match(r"https://(raw\.githubusercontent|github)\.com/[^/]+/mirkit/(\w+/)?main/", target):
            path = re.split(r"/main/", target, maxsplit=1)[1].partition("#")[0]
            assert (ROOT / path).exists(), target


def test_the_classifiers_name_the_versions_of_python_that_ci_tests() -> None:
    named = {c.rpartition(" ")[2] for c in PROJECT["project"]["classifiers"] if re.search(r":: 3\.\d+$", c)}
    workflow = (ROOT / ".github" / "workflows" / "ci.yml").read_text(encoding="utf-8")
    tested = set(re.findall(r'"(3\.\d+)"', re.findall(r"python: \[(.*)\]", workflow)[0]))
    assert named == tested
    assert min(named, key=lambda v: int(v.split(".")[1])) == PROJECT["project"]["requires-python"].removeprefix(">=")


def test_the_changelog_has_a_section_for_the_first_release() -> None:
    assert re.search(r"^## \[0\.1\.0\]", (ROOT / "CHANGELOG.md").read_text(encoding="utf-8"), re.MULTILINE)


@pytest.mark.skipif(sys.platform == "win32", reason="the script is for bash")
def test_a_release_with_a_placeholder_is_refused(tmp_path: Path) -> None:
    copy = tmp_path / "copy"
    (copy / "scripts").mkdir(parents=True)
    for name in ("scripts/check_release.sh", "pyproject.toml", "CHANGELOG.md"):
        (copy / name).write_bytes((ROOT / name).read_bytes())
    (copy / "scripts" / "check_release.sh").chmod(0o755)
    (copy / "src" / "mirkit").mkdir(parents=True)
    (copy / ".gitignore").write_text("/src/mirkit/_version.py\n")
    pytest.importorskip("setuptools_scm")
    python = {"PATH": f"{Path(sys.executable).parent}:/usr/local/bin:/usr/bin:/bin"}

    def git(*arguments: str) -> None:
        identity = ["-c", "user.name=t", "-c", "user.email=t@example.org", "-c", "commit.gpgsign=false"]
        subprocess.run(["git", *identity, *arguments], cwd=copy, check=True, capture_output=True)

    def release(tag: str) -> tuple[int, str]:
        command = ["bash", "scripts/check_release.sh", tag]
        result = subprocess.run(command, cwd=copy, env=python, capture_output=True, text=True, timeout=60)
        return result.returncode, result.stderr

    git("init", "-q")
    git("add", ".")
    git("commit", "-qm", "first")
    git("tag", "v0.1.0")
    code, text = release("v0.1.0")
    if "OWNER" in (copy / "pyproject.toml").read_text():
        assert (code, "the placeholder OWNER is still in: pyproject.toml" in text) == (1, True)
    (copy / "pyproject.toml").write_text((copy / "pyproject.toml").read_text().replace("OWNER", "someone"))
    git("commit", "-qam", "owner")
    git("tag", "-f", "v0.1.0")
    assert release("v0.1.0") == (0, "")
    code, text = release("v9.9.9")
    assert code == 1
    assert "not 9.9.9" in text
    assert "CHANGELOG.md has no section [9.9.9]" in text
