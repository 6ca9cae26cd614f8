"""Text from inputs, names above all, is shown as text, to a terminal and on a page: nothing obeys what is in it."""

from __future__ import annotations

import re

# Controls, of which terminals obey some, line and paragraph separators, lone surrogates (bytes that were no UTF-8), and
# what is unseen or turns the order of its neighbours around. Joiners (U+200C, U+200D) are part of many words.
_UNSEEN = (
    "\x00-\x1f\x7f-\x9f\xad\u061c\u180e\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\ud800-\udfff\ufeff\ufff9-\ufffb"
    "\U000e0000-\U000e007f"
)
_HIDDEN = re.compile(f"[{_UNSEEN}]")
_HIDDEN_IN_A_LINE = re.compile(f"(?![\n\t])[{_UNSEEN}]")
# Not commas, nor what stands between digits (dates, decimals, times): they mean nothing anywhere.
_SYMBOL = re.compile(r"[!-+/;-@\[-`{-~]|(?<!\d)[-.:]|[-.:](?!\d)|^ +| +$| {2,}")


def visible(text: str) -> str:
    """Text in one line, with every character that is not seen, or that changes how others are seen, as its escape."""
    return _HIDDEN.sub(_escape, text)


def visible_lines(text: str) -> str:
    """The same for lines of text: line breaks and tabs stay."""
    return _HIDDEN_IN_A_LINE.sub(_escape, text)


def _escape(found: re.Match[str]) -> str:
    return ascii(found[0])[1:-1]


def escaped(text: str) -> str:
    """A line of text for Markdown and for HTML alike: neither sees markup in it, nor MathJax a formula."""
    return _SYMBOL.sub(_reference, visible(text))


def _reference(found: re.Match[str]) -> str:
    references = "".join(f"&#{ord(character)};" for character in found[0])
    # MathJax looks at the page, where a reference is its character again, but never across elements.
    return f"<span>{references}</span>" if found[0] in "$\\" else references
