"""Configuration of the documentation: ``make docs`` builds it into ``docs/_build/html``."""

import os
import re
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE / "_extensions"), str(HERE.parent / "src")]
# The commands that the notebook starts use the same mirkit, and keep what they compile beside the build.
os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, (str(HERE.parent / "src"), os.environ.get("PYTHONPATH"))))

from mirkit import __version__

project = "mirkit"
copyright = "the mirkit authors, Apache License 2.0"
author = "the mirkit authors"
release = __version__
version = re.match(r"[\d.]*\d", __version__)[0] + (" (development)" if "dev" in __version__ else "")
language = "en"
smartquotes = False  # two hyphens are an option, and not a dash

extensions = [
    "sphinx.ext.autodoc",
    "numpydoc",
    "myst_nb",
    "sphinx_copybutton",
    "outside_pages",
    "cli_reference",
    "feature_reference",
    "mathml",
]
exclude_patterns = ["_build", "manual.md", "_extensions", "tutorials/demo", "**.ipynb_checkpoints"]
templates_path: list[str] = []

# Pages are Markdown. Headings are targets of links, as on GitHub.
myst_enable_extensions = ["colon_fence", "deflist", "dollarmath", "fieldlist"]
myst_heading_anchors = 4
myst_links_external_new_tab = False
suppress_warnings = ["myst.strikethrough"]

# The notebook is executed at each build; an error in a cell is an error of the build.
nb_execution_mode = "cache"
nb_execution_raise_on_error = True
nb_execution_timeout = 600
nb_execution_cache_path = str(HERE / "_build" / "notebooks")
nb_merge_streams = True

# The Python API is documented by the docstrings of the public names.
autodoc_member_order = "bysource"
autodoc_typehints = "none"
numpydoc_show_class_members = False
numpydoc_xref_param_type = False
numpydoc_validation_checks: set[str] = set()

copybutton_prompt_text = r"\$ |>>> |\.\.\. "
copybutton_prompt_is_regexp = True
copybutton_exclude = ".linenos, .gp, .go"

# Internal links and anchors are checked by the build itself (`-W`); `make docs-links` also asks the servers of others.
linkcheck_anchors = False
linkcheck_timeout = 20
linkcheck_retries = 2
linkcheck_ignore = [r"http://(127\.0\.0\.1|localhost|10\.)", r"https://texts\.example"]

html_theme = "furo"
html_title = f"mirkit {version}"
html_static_path = ["_static"]
html_css_files = ["mirkit.css"]
html_copy_source = False
html_show_sphinx = False
html_theme_options = {
    "light_css_variables": {"color-brand-primary": "#7a3e00", "color-brand-content": "#8a4600"},
    "dark_css_variables": {"color-brand-primary": "#ffb86b", "color-brand-content": "#ffb86b"},
    "top_of_page_buttons": [],
}
