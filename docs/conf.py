"""How the pages in docs/ become a site: `make docs`."""

from pathlib import Path

import simkit

project = "simkit"
version = release = simkit.__version__
author = copyright = "simkit contributors"
extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.viewcode", "sphinx_click"]
source_suffix = {".md": "markdown"}
exclude_patterns = ["_build"]
default_role = "code"
smartquotes = False  # --preset is no dash
html_theme = "alabaster"
html_theme_options = {"page_width": "70rem", "fixed_sidebar": True, "show_powered_by": False}
html_show_copyright = False
html_copy_source = False
html_show_sourcelink = False
autodoc_typehints = "none"  # a signature has them
autodoc_member_order = "bysource"
myst_heading_anchors = 3
suppress_warnings = ["myst.xref_missing"]  # pages name files of the project that are no pages
nitpicky = False


def setup(app):
    app.connect("builder-inited", _generate)
    app.connect("sphinx-click-process-description", _as_text)


def _generate(app):
    """Write the page of the questions, from what answers them."""
    lines = ["# Questions", "", "`simkit ask RUNS QUESTION`, or `simkit.ask`. Instants are UTC, durations seconds.", ""]
    for name, text in simkit.questions().items():
        lines += [f"## {name}", "", text.replace("*", "\\*"), ""]
    (Path(app.srcdir) / "questions.md").write_text("\n".join(lines), encoding="utf-8")


def _as_text(app, context, lines):
    """Help is text for a terminal, where a star is a star."""
    lines[:] = [line.replace("*", "\\*") for line in lines]
