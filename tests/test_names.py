"""Coder's rules for names."""

from __future__ import annotations

import pytest

from simkit.names import agent_name_problem, app_slug_problem, workspace_name_problem

EVERY_RULE = (agent_name_problem, app_slug_problem, workspace_name_problem)


@pytest.mark.parametrize("problem", EVERY_RULE)
@pytest.mark.parametrize("name", ["a", "0", "main", "dev-1", "a-b-c"])
def test_small_letters_digits_and_single_hyphens_are_good_everywhere(problem, name):
    assert problem(name) == ""


@pytest.mark.parametrize("problem", EVERY_RULE)
@pytest.mark.parametrize("name", ["", "-", "a-", "-a", "a--b", "dev_1", "a b", "a.b", "é", "a\n", "\u212a", "\u0661"])
def test_anything_else_is_refused_everywhere(problem, name):
    assert problem(name) != ""


def test_capital_letters_are_for_agents_and_workspaces_and_not_for_slugs():
    assert agent_name_problem("Main-1") == ""
    assert workspace_name_problem("Main-1") == ""
    assert app_slug_problem("Main-1") == 'app slug "Main-1" has capital letters; write "main-1"'


def test_only_a_workspace_name_has_a_longest_length():
    assert workspace_name_problem("a" * 32) == ""
    assert workspace_name_problem("a" * 33).endswith("has 33 characters; write 32 at most")
    assert agent_name_problem("a" * 100) == app_slug_problem("a" * 100) == ""


@pytest.mark.parametrize("name", ["new", "create"])
def test_a_workspace_is_not_called_like_a_page_of_the_dashboard(name):
    assert f'write another one, such as "{name}-1"' in workspace_name_problem(name)
    assert agent_name_problem(name) == app_slug_problem(name) == ""


def test_a_refusal_shows_the_name_with_hyphens_in_place_of_what_is_wrong():
    assert agent_name_problem("_my agent__2.").endswith('; write "my-agent-2"')
    assert agent_name_problem("").startswith("agent name is empty")
    assert agent_name_problem("é").endswith('write a name such as "dev-1"')


@pytest.mark.parametrize("name", ["My_App", "__X", "a--B.c", "NEW APP"])
def test_what_a_refusal_says_to_write_is_accepted(name):
    said = app_slug_problem(name)
    assert app_slug_problem(said.rpartition('write "')[2].rstrip('"')) == ""
