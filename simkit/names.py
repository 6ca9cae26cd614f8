"""What Coder accepts as the name of an agent, an app or a workspace: "" for a good name, else what to write instead."""

from __future__ import annotations

import re

_SLUG = re.compile(r"[a-z0-9](-?[a-z0-9])*")
_WORD = re.compile(r"[A-Za-z0-9]+")
_MAX_WORKSPACE = 32
_RESERVED = ("new", "create")


def agent_name_problem(name: str) -> str:
    """Why Coder refuses this agent name, and what to write instead; "" if it takes it. Any case, any length."""
    return _hyphenation_problem("agent name", name)


def app_slug_problem(slug: str) -> str:
    """Why Coder refuses this app slug, and what to write instead; "" if it takes it. Lower case, any length."""
    if slug != slug.lower():
        return f'app slug "{slug}" has capital letters; write {_instead(slug.lower())}'
    return _hyphenation_problem("app slug", slug)


def workspace_name_problem(name: str) -> str:
    """Why Coder refuses this workspace name, and what to write instead; "" if it takes it. Any case."""
    if len(name) > _MAX_WORKSPACE:
        return f'workspace name "{name}" has {len(name)} characters; write {_MAX_WORKSPACE} at most'
    if name in _RESERVED:
        return f'workspace name "{name}" is reserved; write another one, such as "{name}-1"'
    return _hyphenation_problem("workspace name", name)


def _hyphenation_problem(what: str, name: str) -> str:
    """Letters and digits, with single hyphens between them."""
    if _SLUG.fullmatch(name.lower()) and name.isascii():
        return ""
    seen = (
        f'{what} "{name}" is more than letters and digits with single hyphens between' if name else f"{what} is empty"
    )
    return f"{seen}; write {_instead(name)}"


def _instead(name: str) -> str:
    words = _WORD.findall(name)
    return f'"{"-".join(words)}"' if words else 'a name such as "dev-1"'
