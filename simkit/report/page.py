"""The page of an executed notebook: one HTML file that needs no other; its sections are listed, and fold."""

from __future__ import annotations

import re
from base64 import b64encode
from html import escape
from importlib import resources
from pathlib import Path
from string import Template
from typing import Any

from simkit.report.notebook import emphasised, rewritten

_SECTION = "## "
_SVG, _WIDGET = "image/svg+xml", "application/vnd.jupyter.widget-view+json"
_NOTEBOOK = re.compile(r'<a href="[^":]+\.ipynb">(.*?)</a>')
_HEAD, _OF_HEAD = re.compile(r"<thead>.*?</thead>", re.DOTALL), re.compile(r"<th(?=[ >])(?![^>]* scope=)")
_FIRST_OF_ROW = re.compile(r"(<tr[^>]*>\s*)<t([dh])(?![^>]* scope=)([^>]*>.*?)</t\2>", re.DOTALL)
_NO_SLUG = re.compile(r"[^a-z0-9]+")


def page(executed: Path) -> str:
    """An executed notebook as HTML, without its code: nbconvert's bare cells in simkit's own page, pictures embedded.

    A Markdown cell whose first line is a heading of the second level begins a section.
    """
    import nbformat
    from nbconvert import HTMLExporter

    notebook = nbformat.read(executed, as_version=4)  # type: ignore[no-untyped-call]
    exporter = HTMLExporter(  # type: ignore[no-untyped-call]
        template_name="basic", exclude_input=True, exclude_input_prompt=True, exclude_output_prompt=True
    )

    notebook.metadata.pop("widgets", None)  # their state, for a script that a page does not have

    def html_of(cells: list[Any]) -> str:
        part = nbformat.v4.new_notebook(cells=cells, metadata=notebook.metadata)  # type: ignore[no-untyped-call]
        html: str = exporter.from_notebook_node(part)[0]
        return _NOTEBOOK.sub(
            r"\1", _told_apart(html)
        )  # a page stands alone: the notebooks beside its own are elsewhere

    for cell in notebook.cells:
        for output in cell.get("outputs", []):
            _shown_alone(output)
    before, sections = _sections(notebook.cells)
    skip, contents, body, taken = "", "", "", set[str]()
    for number, (heading, cells) in enumerate(sections, 1):
        text = _in_heading(heading)
        name = _NO_SLUG.sub("-", heading.lower()).strip("-")
        if not name or name in taken:
            name = f"{name}-{number}".lstrip("-")
        taken.add(name)
        skip = skip or f'<a class="skip" href="#{name}">Skip to the first section</a>'
        contents += f'<li><a href="#{name}">{text}</a></li>\n'
        body += f'<details open id="{name}"><summary><h2>{text}</h2></summary>\n{html_of(cells)}</details>\n'
    if contents:
        contents = f'<nav aria-label="Contents"><ol>\n{contents}</ol></nav>'
    folder = resources.files("simkit").joinpath("report")
    return Template(folder.joinpath("page.html").read_text(encoding="utf-8")).substitute(
        style=folder.joinpath("look.css").read_text(encoding="utf-8"),
        title=escape(rewritten(title(notebook, executed.stem), lambda _, inside: inside, str)),
        skip=skip,
        before=html_of(before),
        contents=contents,
        sections=body,
    )


def _told_apart(html: str) -> str:
    """Tables in which each number is heard with its column and with the row that it stands in, by its first cell."""
    headed = _HEAD.sub(lambda head: _OF_HEAD.sub('<th scope="col"', head[0]), html)
    return _FIRST_OF_ROW.sub(r'\1<th scope="row"\3</th>', headed)


def title(notebook: Any, otherwise: str) -> str:
    """A notebook's first heading."""
    headings = (line for cell in notebook.cells if cell.cell_type == "markdown" for line in cell.source.splitlines())
    return next((line.removeprefix("# ").strip() for line in headings if line.startswith("# ")), otherwise)


def _in_heading(text: str) -> str:
    """A heading's Markdown as HTML: its code and emphasis; all else is text."""
    return rewritten(escape(text), emphasised, lambda code: f"<code>{code}</code>")


def _shown_alone(output: Any) -> None:
    """Leave of an output what a page can show, and tell it."""
    data = output.get("data", {})
    if "text/html" in data:
        data.pop(_WIDGET, None)  # it lives with a kernel; what stands beside it is its first state
    _describe_picture(output)


def _describe_picture(output: Any) -> None:
    """Give a picture of lines its alternative text and size, for which nbconvert has no place; it runs no script so."""
    svg = output.get("data", {}).get(_SVG)
    shown = output.get("metadata", {}).get(_SVG)
    if svg is None or shown is None:
        return
    data = b64encode(svg.encode()).decode()
    size = f'width="{shown["width"]}" height="{shown["height"]}"'
    output.data = {"text/html": f'<img src="data:{_SVG};base64,{data}" {size} alt="{escape(shown["alt"])}">'}


def _sections(cells: list[Any]) -> tuple[list[Any], list[tuple[str, list[Any]]]]:
    """The cells before the first section, and each section's heading and cells, which lack it."""
    before: list[Any] = []
    sections: list[tuple[str, list[Any]]] = []
    for cell in cells:
        heading, _, rest = cell.source.partition("\n")
        if cell.cell_type == "markdown" and heading.startswith(_SECTION):
            sections.append((heading.removeprefix(_SECTION).strip(), []))
            cell.source = rest.strip()
        mine = sections[-1][1] if sections else before
        if cell.cell_type != "markdown" or cell.source:
            mine.append(cell)
    return before, sections
