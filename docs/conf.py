"""How the pages in docs/ become a site: `make docs`."""

import sys
from pathlib import Path

import simkit

sys.path.insert(0, str(Path(__file__).parent))
from generate import write_pages

project = "simkit"
version = release = simkit.__version__
author = copyright = "simkit contributors"
extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.viewcode", "sphinx_click"]
source_suffix = {".md": "markdown"}
exclude_patterns = ["_build", "**/*.duckdb", "**/*.ipynb"]
default_role = "code"
smartquotes = False  # --preset is no dash
html_theme = "alabaster"
html_static_path = ["_static"]
html_extra_path = ["_gallery"] if (Path(__file__).parent / "_gallery").is_dir() else []
html_css_files = ["simkit.css"]
html_theme_options = {"page_width": "76rem", "fixed_sidebar": True, "show_powered_by": False}
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
    """Write the pages that say what the program itself reads and does; one that says the same stays as it is."""

    def write(name, text):
        page = Path(app.srcdir) / f"{name}.md"
        if not page.is_file() or page.read_text(encoding="utf-8") != text:
            page.write_text(text, encoding="utf-8")

    write_pages(write)


def _as_text(app, context, lines):
    """Help is text for a terminal, where a star is a star."""
    lines[:] = [line.replace("*", "\\*") for line in lines]
