"""Commits become demand: the first one of a person after some quiet hours is a claim."""

from __future__ import annotations

import os
import resource
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner
from git_history import Commit, git, repository

import simkit
from simkit.cli import main
from simkit.clock import HOUR_US, parse_instant
from simkit.deployment.git import QUIET_US, claims_of_commits, write_claims
from simkit.errors import InputError

NOW = parse_instant("2026-06-01T00:00:00Z")
DAY = (
    Commit("2026-03-02 09:00 -0500"),
    Commit("2026-03-02 12:59 -0500"),
    Commit("2026-03-02 16:59 -0500"),
    Commit("2026-03-02 15:00 +0100", "Ann", "ann@example.com"),
    Commit("2026-03-02 16:00 +0100", "Ann", "ann@example.com"),
    Commit("2026-03-03 09:30 -0500"),
)
"""Zoe in New York, who comes back after exactly four hours, and Ann in Berlin."""


def begun(folder: Path, **more) -> list[tuple[str, int]]:
    """(when, who) of each claim, as it is written."""
    found = claims_of_commits([folder], NOW, **more)
    out = folder.parent / "begun.csv"
    write_claims(out, found, force=True)
    head, *lines = out.read_text().splitlines()
    assert head == "started_at,person"
    return [(at, int(who)) for at, who in (line.split(",") for line in lines)]


def test_the_first_commit_after_quiet_hours_is_a_claim_by_the_clock_of_who_made_it(tmp_path):
    one = repository(tmp_path / "one", DAY)
    assert begun(one) == [
        ("2026-03-02T09:00:00-05:00", 1),
        ("2026-03-02T15:00:00+01:00", 2),
        ("2026-03-02T16:59:00-05:00", 1),
        ("2026-03-03T09:30:00-05:00", 1),
    ]
    assert [len(begun(one, quiet_us=hours * HOUR_US)) for hours in (1, 3, 5, 12, 24)] == [6, 5, 3, 3, 2]


@pytest.mark.parametrize("seed", range(3))
def test_no_two_claims_of_a_person_are_nearer_than_the_quiet_hours_and_every_commit_follows_one(tmp_path, seed):
    import random

    drawn = random.Random(seed)
    at = [1_770_000_000 + drawn.randrange(20 * 86_400) for _ in range(200)]
    commits = [Commit(f"{when} +0000", "P", f"p{drawn.randrange(5)}@example.com") for when in at]
    found = claims_of_commits([repository(tmp_path / "one", commits)], NOW)
    for email in {commit.email for commit in commits}:
        mine = sorted(int(commit.when.split()[0]) for commit in commits if commit.email == email)
        expected = [b for a, b in zip([0, *mine], mine, strict=False) if b - a >= QUIET_US // 10**6]
        number = found.people.index(email) + 1
        assert [claim.at // 10**6 for claim in found.claims if claim.person == number] == expected, f"seed {seed}"


def test_a_person_in_several_repositories_counts_once_also_under_other_names_that_mailmap_knows(tmp_path):
    mailmap = {".mailmap": "Zoe Doe <zoe@example.com> <zd@home.example>\n"}
    home = repository(tmp_path / "src" / "home", [Commit("2026-03-02 10:00 -0500", "zd", "zd@home.example")], mailmap)
    repository(tmp_path / "src" / "work", [Commit("2026-03-02 09:00 -0500", "Zoe", "ZOE@example.com")], bare=True)
    (tmp_path / "src" / "notes").mkdir()
    found = claims_of_commits([tmp_path / "src", home], NOW)
    assert (found.repositories, found.people, len(found.claims), found.commits) == (2, ("zoe@example.com",), 1, 2)


def test_merges_bots_and_whoever_is_excluded_do_not_count(tmp_path):
    commits = (
        Commit("2026-03-02 09:00 +0000"),
        Commit("2026-03-02 10:00 +0000", "dependabot[bot]", "49699333+dependabot[bot]@users.noreply.github.com"),
        Commit("2026-03-02 11:00 +0000", "Renovate Bot", "renovate@whitesource.example"),
        Commit("2026-03-02 12:00 +0000", "x", "project_1_bot_ab@noreply.gitlab.example"),
        Commit("2026-03-02 13:00 +0000", "Deployer", "CI@example.com"),
        Commit("2026-03-02 14:00 +0000", "Bothe Abbot", "abbot@example.com"),
        Commit("2026-03-03 09:00 +0000", merged=1),
    )
    one = repository(tmp_path / "one", commits)
    found = claims_of_commits([one], NOW, exclude=["ci@*", "nobody*"])
    assert found.people == ("zoe@example.com", "abbot@example.com")
    assert (found.merges, found.of_bots, found.bots, found.commits) == (1, 4, 4, 2)
    assert claims_of_commits([one], NOW).bots == 3
    assert claims_of_commits([one], NOW, exclude=["bothe*"]).bots == 4


def test_dates_that_cannot_be_are_left_out(tmp_path):
    at = parse_instant("2026-03-02T09:00:00Z") // 10**6
    commits = (
        Commit(f"{at} +0000"),
        Commit(f"{NOW // 10**6 + 60} +0000", committed=f"{NOW // 10**6 + 60} +0000"),  # still to come
        Commit(f"{at + 3 * 86_400} +0000", committed=f"{at} +0000"),  # dated after it was committed
        Commit(f"{at + 86_400} +0000", committed=f"{at + 3600} +0000"),  # by a clock that is a little fast
        Commit(f"{at} +0000", "Ann", "ann@example.com", committed=f"{at + 9_000_000} +0000"),  # rebased much later
        Commit("7 +0000"),
        Commit(f"{at + 40 * 3600} +5130", "Far", "far@example.com"),
    )
    found = claims_of_commits([repository(tmp_path / "one", commits)], NOW)
    assert found.undated == 3
    assert [(claim.at // 10**6 - at, claim.offset_us) for claim in found.claims] == [
        *((0, 0), (0, 0), (86_400, 0), (40 * 3600, 0))
    ]


def test_since_cuts_claims_and_not_the_quiet_before_them(tmp_path):
    one = repository(tmp_path / "one", DAY)
    assert begun(one, since_at=parse_instant("2026-03-02T17:00:00Z")) == [
        ("2026-03-02T16:59:00-05:00", 1),
        ("2026-03-03T09:30:00-05:00", 1),
    ]
    with pytest.raises(InputError, match="no commit of a person since then"):
        begun(one, since_at=parse_instant("2026-04-01T00:00:00Z"))


def test_e_mails_are_written_only_if_they_are_asked_for(tmp_path):
    found = claims_of_commits([repository(tmp_path / "one", DAY)], NOW)
    write_claims(tmp_path / "a.csv", found)
    assert "example.com" not in (tmp_path / "a.csv").read_text()
    write_claims(tmp_path / "b.csv", found, keep_names=True)
    assert "2026-03-02T15:00:00+01:00,ann@example.com" in (tmp_path / "b.csv").read_text().splitlines()


def test_branches_tags_and_remotes_count_and_what_is_stashed_does_not(tmp_path):
    one = repository(tmp_path / "one", DAY, {"a": "1"})
    clone = tmp_path / "clone"
    git(tmp_path, "clone", "--quiet", str(one), str(clone))
    git(clone, "branch", "--quiet", "--unset-upstream")
    identity = ("-c", "user.name=Stash", "-c", "user.email=stash@example.com")
    (clone / "a").write_text("2")
    git(clone, *identity, "stash", "--quiet")
    git(clone, *identity, "notes", "add", "-m", "noted", "HEAD")
    assert claims_of_commits([clone], NOW * 2).people == ("zoe@example.com", "ann@example.com")


@pytest.fixture
def trapped(tmp_path) -> tuple[Path, Path]:
    """(a repository whose settings name programs for git to run, the file that they write)"""
    one = repository(tmp_path / "one", DAY)
    mark = tmp_path / "run"
    program = tmp_path / "program"
    program.write_text(f'#!/bin/sh\necho "$0 $*" >> {mark}\n')
    program.chmod(0o755)
    for name in ("core.fsmonitor", "core.pager", "pager.log", "gpg.program", "gpg.openpgp.program", "core.sshCommand"):
        git(one, "config", name, str(program))
    for name, value in {
        "alias.log": f"!{program}",
        "log.showSignature": "true",
        "diff.external": str(program),
        "core.hooksPath": str(tmp_path),
        "format.pretty": "oneline",
        "color.ui": "always",
        "log.date": "relative",
    }.items():
        git(one, "config", name, value)
    (one / ".gitattributes").write_text("* diff=trap filter=trap\n")
    git(one, "config", "diff.trap.textconv", str(program))
    git(one, "config", "filter.trap.clean", str(program))
    signed = git(one, "cat-file", "commit", "HEAD").replace(b"\ncommitter", b"\ncommitter", 1)
    head, _, message = signed.partition(b"\n\n")
    armour = b"\ngpgsig -----BEGIN PGP SIGNATURE-----\n \n x\n -----END PGP SIGNATURE-----"
    made = git(one, "hash-object", "-t", "commit", "-w", "--stdin", data=head + armour + b"\n\n" + message)
    git(one, "update-ref", "refs/heads/signed", made.decode().strip())
    return one, mark


def test_no_program_that_a_repository_names_is_run(trapped):
    one, mark = trapped
    mark.unlink(missing_ok=True)
    assert len(begun(one)) == 4
    assert not mark.exists()
    git(one, "log", "-1", "signed")  # it is a trap
    assert "--verify" in mark.read_text()


def test_variables_of_git_do_not_lead_elsewhere(tmp_path, monkeypatch):
    one, other = repository(tmp_path / "one", DAY), repository(tmp_path / "other", DAY[3:5])
    monkeypatch.setenv("GIT_DIR", str(other / ".git"))
    monkeypatch.setenv("GIT_CONFIG_COUNT", "1")
    monkeypatch.setenv("GIT_CONFIG_KEY_0", "alias.log")
    monkeypatch.setenv("GIT_CONFIG_VALUE_0", "!false")
    assert len(begun(one)) == 4


def run(*arguments: str) -> tuple[int, str]:
    done = CliRunner().invoke(main, ["import", "git", *arguments])
    assert done.exception is None or isinstance(done.exception, SystemExit), done.exception
    return done.exit_code, done.output


@pytest.mark.parametrize(
    ("what", "words"),
    [
        ("https://hunter2@git.example.com/x.git", "nothing is fetched; clone it"),
        ("git@git.example.com:team/x.git", "nothing is fetched; clone it"),
        ("nowhere", "there is no such folder"),
        ("file", "is no folder"),
        ("plain", "is no git repository and has none in it"),
        ("one/inside", "is no git repository and has none in it"),
        ("empty", "has no commit of a person"),
        ("--help-me", "No such option"),
        ("broken", "git cannot read it"),
    ],
)
def test_what_is_no_repository_is_one_sentence(tmp_path, monkeypatch, what, words):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "file").write_text("x")
    (tmp_path / "plain").mkdir()
    (repository(tmp_path / "one", DAY) / "inside").mkdir()
    repository(tmp_path / "empty", [])
    broken = repository(tmp_path / "broken", DAY)
    for pack in (*(broken / ".git" / "objects").glob("??/*"), *(broken / ".git" / "objects" / "pack").glob("*.pack")):
        pack.chmod(0o600)
        pack.write_bytes(b"x")
    status, said = run(what, "--out", "claims.csv")
    assert words in said.splitlines()[-1]
    assert status == 2
    assert "hunter2" not in said
    assert not (tmp_path / "claims.csv").exists()


def test_several_wrong_folders_are_told_at_once(tmp_path):
    status, said = run(str(tmp_path / "a"), str(tmp_path / "b"), "--out", str(tmp_path / "claims.csv"))
    assert (status, len(said.splitlines())) == (2, 2)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may give files away")
def test_a_repository_of_another_user_is_told_with_what_to_do(tmp_path, monkeypatch):
    one = repository(tmp_path / "one", DAY)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("SUDO_UID", raising=False)
    for path in (one, one / ".git"):
        os.chown(path, 65534, 65534)
    status, said = run(str(one), "--out", str(tmp_path / "claims.csv"))
    assert (status, len(said.splitlines())) == (2, 1)
    assert f"--add safe.directory {one}" in said


def test_a_shallow_clone_is_warned_of(tmp_path):
    one = repository(tmp_path / "one", DAY)
    git(tmp_path, "clone", "--quiet", "--depth", "1", f"file://{one}", "shallow")
    found = claims_of_commits([tmp_path / "shallow"], NOW)
    assert ["shallow clone" in str(note) for note in found.notes] == [True]


def test_without_git_that_is_said(tmp_path, monkeypatch):
    one = repository(tmp_path / "one", DAY)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert run(str(one), "--out", str(tmp_path / "claims.csv")) == (
        2,
        f"{one}: there is no git on this machine to read it with; install git\n",
    )


def test_a_file_that_is_there_is_kept_and_the_name_has_to_be_of_a_csv(tmp_path):
    one, out = repository(tmp_path / "one", DAY), tmp_path / "claims.csv"
    assert run(str(one), "--out", str(tmp_path / "my.duckdb"))[1].endswith("write my.csv\n")
    out.write_text("mine")
    status, said = run(str(one), "--out", str(out))
    assert (status, "is there already" in said, out.read_text()) == (2, True, "mine")
    assert run(str(one), "--out", str(out), "--force")[0] == 0
    assert out.read_text() != "mine"


def test_nothing_is_left_where_the_disk_is_full(tmp_path):
    one = repository(tmp_path / "one", [Commit(f"{1_770_000_000 + i * 20_000} +0000") for i in range(500)])

    def small() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (5_000, 5_000))

    (tmp_path / "out").mkdir()
    arguments = ["import", "git", str(one), "--out", str(tmp_path / "out" / "claims.csv")]
    # -B: Python would cut the bytecode that it writes, too, and leave it for everybody.
    done = subprocess.run(
        [sys.executable, "-B", "-m", "simkit.cli", *arguments], capture_output=True, text=True, preexec_fn=small
    )
    assert (done.returncode, len(done.stderr.splitlines())) == (2, 1), done.stderr
    assert list((tmp_path / "out").iterdir()) == []


SCENARIO = """
name: from commits
window: {{from: "2026-03-02", until: "2026-03-09", timezone: America/New_York}}
presets: [{{name: large, instances: 1}}]
demand: {{history: {claims}, preset: large}}
"""


def test_a_scenario_takes_what_was_written_as_its_demand(tmp_path):
    assert run(str(repository(tmp_path / "one", DAY)), "--out", str(tmp_path / "claims.csv"))[0] == 0
    (tmp_path / "scenario.yaml").write_text(SCENARIO.format(claims="claims.csv"))
    claims = simkit.run(simkit.load(tmp_path / "scenario.yaml"), seed=1).tables["claims"]
    expected = ("2026-03-02T14:00:00Z", "2026-03-02T14:00:00Z", "2026-03-02T21:59:00Z", "2026-03-03T14:30:00Z")
    assert sorted(claims["created_at"].tolist()) == [parse_instant(at) for at in expected]


def test_the_document_shows_what_is_printed(tmp_path, monkeypatch):
    """Two people, a bot and a merge in two repositories."""
    monkeypatch.chdir(tmp_path)
    bot = Commit("2026-03-02 03:00 +0000", "dependabot[bot]", "dependabot[bot]@users.noreply.github.com")
    repository(tmp_path / "backend", [*DAY, bot])
    repository(tmp_path / "frontend", [*DAY[3:5], Commit("2026-03-04 10:00 +0100", "Ann", "ann@example.com", merged=1)])
    command = "simkit import git backend frontend --out claims.csv"
    document = (Path(__file__).parent.parent / "docs" / "deployment.md").read_text(encoding="utf-8")
    status, said = run(*command.split()[3:])
    assert status == 0
    shown = document.split(f"```console\n$ {command}\n", 1)[1].split("```", 1)[0]
    assert shown == said
    shown = document.split("```console\n$ cat claims.csv\n", 1)[1].split("```", 1)[0]
    assert shown == (tmp_path / "claims.csv").read_text()
