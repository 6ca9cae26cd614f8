"""Text from inputs, names above all, is shown as text, to a terminal and on a page: nothing obeys what is in it."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable

# Controls, of which terminals obey some, line and paragraph separators, lone surrogates (bytes that were no UTF-8), and
# what is unseen or turns the order of its neighbours around. Joiners (U+200C, U+200D) are part of many words.
_UNSEEN = (
    "\x00-\x1f\x7f-\x9f\xad\u061c\u180e\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\ud800-\udfff\ufeff\ufff9-\ufffb"
    "\U000e0000-\U000e007f"
)
MOST_TOLD = 2000
"""Characters of one problem: what it quotes of an input may be the whole of it, and a terminal has some 80 a line."""
_HIDDEN = re.compile(f"[{_UNSEEN}]")
_HIDDEN_IN_A_LINE = re.compile(f"(?![\n\t])[{_UNSEEN}]")
# A line with which a program gives GitHub a command, if it runs there.
_COMMAND = re.compile(r"^(\s*)(?=::|##\[)", re.MULTILINE)
# Not commas, hyphens within words, nor what stands between digits (decimals, times): they mean nothing anywhere.
_SYMBOL = re.compile(r"[!-+/;-@\[-`{-~]|(?<!\w)-|-(?!\w)|(?<!\d)[.:]|[.:](?!\d)|^ +| +$| {2,}")


def visible(text: str) -> str:
    """Text in one line, with every character that is not seen, or that changes how others are seen, as its escape."""
    return _HIDDEN.sub(_escape, text)


def joined(lines: Iterable[str]) -> str:
    """Lines as one text, each made visible by itself: what has a line break in it stays in its line."""
    return "\n".join(map(visible, lines))


def clipped(text: str) -> str:
    """A sentence of a length that somebody reads: the middle of a longer one is left out."""
    if len(text) <= MOST_TOLD:
        return text
    return f"{text[: MOST_TOLD * 3 // 4]} [...] {text[-MOST_TOLD // 4 :]}"


def visible_lines(text: str) -> str:
    """The same for lines of text: line breaks and tabs stay."""
    return _HIDDEN_IN_A_LINE.sub(_escape, text)


def printed(text: str) -> str:
    """Visible lines for a terminal or the log of a build, where none is a command to GitHub."""
    return _COMMAND.sub(r"\1\\", visible_lines(text))


def visible_json(text: str) -> str:
    """JSON that means the same, with escapes for what is not seen."""
    return _HIDDEN_IN_A_LINE.sub(lambda found: json.dumps(found[0])[1:-1], text)


def _escape(found: re.Match[str]) -> str:
    return ascii(found[0])[1:-1]


def code(text: str) -> str:
    """A line of text as Markdown's code, also inside a table, whatever is in it."""
    return f"`{visible(' '.join(text.replace('`', chr(39)).split()))}`".replace("|", "\\|")


def escaped(text: str) -> str:
    """A line of text for Markdown and for HTML alike: neither sees markup in it, nor MathJax a formula."""
    return _SYMBOL.sub(_reference, visible(text))


def _reference(found: re.Match[str]) -> str:
    references = "".join(f"&#{ord(character)};" for character in found[0])
    # MathJax looks at the page, where a reference is its character again, but never across elements.
    return f"<span>{references}</span>" if found[0] in "$\\" else references
