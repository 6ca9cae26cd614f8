"""How the pages in docs/ become a site: `make docs`."""

import sys
from pathlib import Path

from sphinx.highlighting import PygmentsBridge

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
# Colours are named here, and have their values in simkit.css: one for light and one for dark.
html_theme_options = {
    "page_width": "76rem",
    "fixed_sidebar": True,
    "show_powered_by": False,
    "base_bg": "var(--paper)",
    "base_text": "var(--ink)",
    "body_text": "var(--ink)",
    "sidebar_text": "var(--soft)",
    "sidebar_list": "var(--ink)",
    "gray_1": "var(--soft)",
    "gray_2": "var(--shade)",
    "gray_3": "var(--rule)",
    "hr_border": "var(--rule)",
    "footer_text": "var(--soft)",
    "link": "var(--link)",
    "link_hover": "var(--hover)",
    "sidebar_link_underscore": "var(--rule)",
    "sidebar_search_button": "var(--rule)",
    "anchor": "var(--rule)",
    "anchor_hover_bg": "var(--shade)",
    "table_border": "var(--rule)",
    "admonition_border": "var(--rule)",
    "note_border": "var(--rule)",
    "seealso_border": "var(--rule)",
    "highlight_bg": "var(--marked)",
    "code_highlight": "var(--marked)",
    "viewcode_target_bg": "var(--marked)",
    "xref_bg": "var(--shade)",
    "xref_border": "var(--paper)",
    "footnote_bg": "var(--shade)",
    "pre_bg": "var(--shade)",
    "code_bg": "var(--shade)",
    "code_text": "var(--ink)",
    "code_hover": "var(--shade)",
    "narrow_sidebar_bg": "var(--shade)",
    "narrow_sidebar_fg": "var(--ink)",
    "narrow_sidebar_link": "var(--ink)",
}
DARK_CODE = "github-dark"  # of Pygments; the theme knows a style for light alone
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
    app.connect("builder-inited", _darken_code)
    app.connect("sphinx-click-process-description", _as_text)


def _generate(app):
    """Write the pages that say what the program itself reads and does; one that says the same stays as it is."""

    def write(name, text):
        page = Path(app.srcdir) / f"{name}.md"
        if not page.is_file() or page.read_text(encoding="utf-8") != text:
            page.write_text(text, encoding="utf-8")

    write_pages(write)


def _darken_code(app):
    """What the theme would do if it had a style of code for dark."""
    app.builder.dark_highlighter = PygmentsBridge("html", DARK_CODE)
    app.add_css_file("pygments_dark.css", media="(prefers-color-scheme: dark)")


def _as_text(app, context, lines):
    """Help is text for a terminal, where a star is a star."""
    lines[:] = [line.replace("*", "\\*") for line in lines]
