"""The page of a notebook: its sections, its contents, its pictures."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from pathlib import Path

import nbformat
import pandas as pd
import pytest

from simkit.report.page import page
from simkit.studies.style import Picture
from simkit.studies.tables import of_rows

markdown, code = nbformat.v4.new_markdown_cell, nbformat.v4.new_code_cell


class Outline(HTMLParser):
    """Links, what they lead to, headings and pictures, in order."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.links: list[str] = []
        self.sections: list[tuple[str, bool]] = []
        self.pictures: list[dict[str, str | None]] = []
        self.feed(html)

    def handle_starttag(self, tag, attrs):
        given = dict(attrs)
        if tag == "a" and given.get("class") not in ("anchor-link", "skip"):
            self.links.append(given["href"])
        elif tag == "details":
            self.sections.append((given["id"], "open" in given))
        elif tag == "img":
            self.pictures.append(given)


def page_of(folder: Path, *cells) -> str:
    path = folder / "book.ipynb"
    nbformat.write(nbformat.v4.new_notebook(cells=list(cells)), path)
    return page(path)


def test_each_section_folds_and_stands_in_the_contents(tmp_path: Path):
    html = page_of(tmp_path, markdown("# Why\n\nBecause."), markdown("## The answer\n\nIt is 7."), markdown("## Next"))
    outline = Outline(html)
    assert outline.links == ["#the-answer", "#next"]
    assert outline.sections == [("the-answer", True), ("next", True)]
    assert html.index("Because.") < html.index("<nav") < html.index("<details") < html.index("It is 7.")
    assert html.count("The answer") == 2, "once in the contents, once as a heading"
    assert "<title>Why</title>" in html


def test_code_and_emphasis_of_a_heading_are_shown_as_such_and_are_text_in_the_title(tmp_path: Path):
    html = page_of(tmp_path, markdown("# What `9-17` is"), markdown("## Is `*/2 <1> *` what *you* meant?"))
    assert html.count("Is <code>*/2 &lt;1&gt; *</code> what <em>you</em> meant?") == 2, "in the contents, and above"
    assert "<title>What 9-17 is</title>" in html
    assert Outline(html).links == ["#is-2-1-what-you-meant"]


@pytest.mark.parametrize(
    ("headings", "names"),
    [
        (["A", "A", "a!"], ["a", "a-2", "a-3"]),
        (["Für 夜", "夜", "<script>"], ["f-r", "2", "script"]),
        (["*", "", "The answer? 95%"], ["1", "2", "the-answer-95"]),
    ],
)
def test_every_section_has_a_name_of_its_own(headings: list[str], names: list[str], tmp_path: Path):
    html = page_of(tmp_path, *(markdown(f"## {heading}\n\ntext") for heading in headings))
    assert [name for name, _ in Outline(html).sections] == names
    assert "<script" not in html


def test_a_notebook_without_sections_has_no_contents(tmp_path: Path):
    html = page_of(tmp_path, markdown("Text alone."), code("1 + 1"))
    assert "<nav" not in html
    assert "<details" not in html
    assert "Text alone." in html
    assert "1 + 1" not in html


def test_pictures_of_both_kinds_have_their_text_and_size(tmp_path: Path):
    few, many = Picture((4, 2)), Picture((4, 2))
    few.alt, many.alt = 'claims "a & b" <by hour>', "points"
    many.subplots().plot(range(20_000), [i * 7919 % 20_011 for i in range(20_000)])
    cells = [code("x"), code("y")]
    for cell, picture in zip(cells, (few, many), strict=True):
        data, metadata = picture._repr_mimebundle_()
        cell.outputs = [nbformat.v4.new_output("display_data", data=data, metadata=metadata)]
    first, second = Outline(page_of(tmp_path, *cells)).pictures
    assert re.match(r"data:image/svg\+xml;base64,", first["src"])
    assert re.match(r"data:image/png;base64,", second["src"])
    assert [first["alt"], second["alt"]] == ['claims "a & b" <by hour>', "points"]
    assert [(picture["width"], picture["height"]) for picture in (first, second)] == [("400", "200")] * 2


def test_the_page_of_an_svg_of_somebody_else_is_an_image_which_runs_nothing(tmp_path: Path):
    cell = code("x")
    svg = '<svg xmlns="http://www.w3.org/2000/svg" onload="alert(1)"><script>alert(2)</script></svg>'
    cell.outputs = [nbformat.v4.new_output("display_data", data={"image/svg+xml": svg})]
    html = page_of(tmp_path, cell)
    assert "alert" not in html
    assert len(Outline(html).pictures) == 1


def test_links_to_notebooks_beside_it_are_text_on_a_page_that_stands_alone(tmp_path: Path):
    html = page_of(tmp_path, markdown("See [the other](02-other.ipynb) and [a site](https://example.com/x.ipynb)."))
    assert "See the other and" in html
    assert Outline(html).links == ["https://example.com/x.ipynb"]


def test_who_uses_a_keyboard_can_skip_what_stands_before_the_first_section(tmp_path: Path):
    html = page_of(tmp_path, markdown("# Why"), markdown("## The <b> answer\n\nIt is 7."), markdown("## Next"))
    skip = '<a class="skip" href="#the-b-answer">Skip to the first section</a>'
    assert html.index("<body>") < html.index(skip) < html.index("<main>")
    assert "Skip to" not in page_of(tmp_path, markdown("Text alone."))


TABLES = {
    "of text": of_rows(["preset", "claims"], [("<i>dev</i>", "7"), ("qa", "1")], 1)._repr_html_(),
    "of pandas": pd.DataFrame({"claims": [7, 1]}, index=["&lt;i&gt;dev", "qa"]).to_html(),
    "of pandas, without an index": pd.DataFrame({"preset": ["dev", "qa"], "claims": [7, 1]}).to_html(index=False),
}


@pytest.mark.parametrize("name", TABLES)
def test_each_number_of_a_table_is_heard_with_its_column_and_row(name: str, tmp_path: Path):
    cell = code("x")
    cell.outputs = [nbformat.v4.new_output("display_data", data={"text/html": TABLES[name], "text/plain": "x"})]
    html = page_of(tmp_path, cell)
    head, _, body = html.partition("<tbody>")
    columns = head.count('<th scope="col"')
    assert columns == head.count("<th ") == 2
    assert body.count('<th scope="row"') == body.count("<th ") == 2
    assert body.count("<td") == body.count("</td>") == 2
    assert body.count("</th>") == 2


def test_the_state_of_widgets_stays_in_the_notebook(tmp_path: Path):
    made = nbformat.v4.new_notebook(cells=[markdown("# Why"), markdown("## A"), markdown("## B")])
    state = {"x": {"model_name": "HTMLModel", "model_module": "m", "model_module_version": "1", "state": {}}}
    made.metadata["widgets"] = {
        "application/vnd.jupyter.widget-state+json": {"state": state, "version_major": 2, "version_minor": 0}
    }
    nbformat.write(made, tmp_path / "book.ipynb")
    assert "<script" not in page(tmp_path / "book.ipynb")
