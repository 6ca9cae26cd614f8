"""A deployment's history comes through Coder's REST API: as from its database, as far as the API tells."""

from __future__ import annotations

import json
import random
import shutil
import ssl
import subprocess
import threading
import traceback
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import duckdb
import pytest
from click.testing import CliRunner
from coder_api import TOKEN, VERSION, Coder, Refusal, answering
from coder_database import coder_id, rows_of, simulated, write_files

from simkit.cli import main
from simkit.clock import parse_instant, zone
from simkit.deployment import api
from simkit.deployment.api import Api
from simkit.deployment.exports import Exports
from simkit.deployment.history import Brought, bring
from simkit.errors import InputError, StoreError

HOME = zone("America/New_York")
CLAIMS = "SELECT created_at, hit, ready_at FROM claims ORDER BY ALL"
BUILDS = """
SELECT b.created_at, b.build_number, b.transition, b.reason, b.daily_cost, b.initiator_id = 0, j.created_at,
    j.started_at, j.completed_at, j.canceled_at, j.error, a.ready_at, p.name
FROM workspace_builds AS b JOIN provisioner_jobs AS j ON j.id = b.job_id LEFT JOIN workspace_agents AS a
    ON a.workspace_build_id = b.id LEFT JOIN template_version_presets AS p ON p.id = b.template_version_preset_id
ORDER BY ALL
"""
PRESETS = """
SELECT p.name, p.desired_instances, q.name, q.value FROM template_version_presets AS p
LEFT JOIN template_version_preset_parameters AS q ON q.template_version_preset_id = p.id ORDER BY ALL
"""
SCHEDULES = """
SELECT p.name, p.invalidate_after_secs, p.scheduling_timezone, p.timezone, s.cron_expression, s.desired_instances
FROM template_version_presets AS p JOIN template_version_preset_prebuild_schedules AS s ON s.preset_id = p.id
ORDER BY ALL
"""
TEMPLATES = "SELECT * EXCLUDE (id, active_version_id) FROM templates"
SINCE = parse_instant("2026-03-05T12:00:00Z")


@pytest.fixture(scope="module")
def rows():
    """A simulated history in which one of three workspaces is deleted by now, of each kind."""
    found = rows_of(simulated())
    kept = [dict(row, deleted="t" if i % 3 == 0 else "f") for i, row in enumerate(found["workspaces"])]
    return found | {"workspaces": kept}


@pytest.fixture(scope="module")
def exports(rows, tmp_path_factory) -> Path:
    return write_files(rows, tmp_path_factory.mktemp("exports"))


@pytest.fixture
def coder(rows, monkeypatch) -> Iterator[Coder]:
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "http_proxy", "https_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
    with answering(rows) as one:
        monkeypatch.setenv("CODER_SESSION_TOKEN", TOKEN)
        yield one


def brought(path: Path, source: Exports | Api, **more) -> Brought:
    return bring(path, source, HOME, **more)


def table(path: Path, sql: str) -> list[tuple]:
    with duckdb.connect(str(path), read_only=True) as connection:
        connection.execute("SET TimeZone = 'UTC'")
        return connection.execute(sql).fetchall()


def run(*arguments: str) -> tuple[int, str]:
    """(status, everything that is said, the traceback of an exception included)"""
    done = CliRunner().invoke(main, arguments)
    raised = "" if done.exc_info is None else "".join(traceback.format_exception(*done.exc_info))
    return done.exit_code, done.output + ("" if isinstance(done.exception, SystemExit) else raised)


@pytest.mark.parametrize("since_at", [None, SINCE])
def test_claims_builds_and_presets_are_those_of_the_database(coder, exports, tmp_path, since_at):
    one = brought(tmp_path / "one.duckdb", Api(coder.url, TOKEN), since_at=since_at)
    other = brought(tmp_path / "other.duckdb", Exports(exports), since_at=since_at)
    counts = [(b.claims, b.hits, b.workspaces, b.builds, b.presets, b.without_preset) for b in (one, other)]
    assert counts[0] == counts[1]
    assert counts[0][0] > 30
    for sql in (CLAIMS, BUILDS, PRESETS, TEMPLATES):
        assert table(tmp_path / "one.duckdb", sql) == table(tmp_path / "other.duckdb", sql)
    assert one.coder_version == VERSION
    assert api.NO_SCHEDULES in one.lacks


def test_workspaces_that_were_deleted_are_found_by_their_jobs_and_missed_where_those_may_not_be_read(
    coder, rows, tmp_path
):
    whole = brought(tmp_path / "whole.duckdb", Api(coder.url, TOKEN))
    assert whole.workspaces == len(rows["workspaces"])
    assert api.DELETED in whole.lacks
    gone = table(tmp_path / "whole.duckdb", "SELECT count(*) FROM workspaces WHERE deleted")[0][0]
    assert gone == sum(row["deleted"] == "t" for row in rows["workspaces"])
    for status in (403, 404):
        organization = rows["templates"][0]["organization_id"]
        coder.instead[f"organizations/{organization}/provisionerjobs"] = refusing(status)
        part = brought(tmp_path / f"{status}.duckdb", Api(coder.url, TOKEN))
        assert (part.workspaces, api.NO_DELETED in part.lacks) == (whole.workspaces - gone, True)


def refusing(status: int, **more):
    def refuse(_: object) -> None:
        raise Refusal(status, **more)

    return refuse


def test_pages_are_read_to_their_end_also_where_rows_move_between_them(coder, tmp_path, monkeypatch):
    whole = brought(tmp_path / "whole.duckdb", Api(coder.url, TOKEN))
    monkeypatch.setattr(api, "PAGE", 7)
    assert replace(brought(tmp_path / "seven.duckdb", Api(coder.url, TOKEN)), end_at=whole.end_at) == whole
    coder.page = 3  # the server has a limit of its own
    assert replace(brought(tmp_path / "three.duckdb", Api(coder.url, TOKEN)), end_at=whole.end_at) == whole
    coder.instead["users"] = lambda given: {"users": [{"id": coder_id("users", 1)}], "count": 500}  # the same for ever
    assert brought(tmp_path / "same.duckdb", Api(coder.url, TOKEN)).workspaces == whole.workspaces


def test_what_the_lists_do_not_have_is_taken_from_what_speaks_of_it(coder, rows, tmp_path):
    """A deleted user, a deleted template, a version and groups that may not be read."""
    coder.instead["users"] = lambda given: {"users": [], "count": 0}
    coder.instead["groups"] = refusing(404)
    organization, version = rows["templates"][0]["organization_id"], rows["template_versions"][0]["id"]
    coder.instead[f"organizations/{organization}/templates"] = lambda given: []
    coder.instead[f"organizations/{organization}/provisionerdaemons"] = refusing(403)
    coder.instead[f"templateversions/{version}"] = refusing(404)
    found = brought(tmp_path / "my.duckdb", Api(coder.url, TOKEN))
    assert found.claims > 100
    assert {api.NO_GROUPS, api.NO_DAEMONS} <= set(found.lacks)
    assert table(tmp_path / "my.duckdb", "SELECT name, deleted FROM templates") == [("ide", True)]
    assert table(tmp_path / "my.duckdb", "SELECT name FROM template_versions") == [("v1",)]


def test_a_version_that_tells_no_instances_is_told(coder, rows, tmp_path):
    version = rows["template_versions"][0]["id"]
    path = f"templateversions/{version}/presets"
    old = [{k: v for k, v in one.items() if k != "DesiredPrebuildInstances"} for one in coder.answer(path, {}, TOKEN)]
    coder.instead[path] = lambda given: old
    found = brought(tmp_path / "my.duckdb", Api(coder.url, TOKEN))
    assert api.NO_INSTANCES in found.lacks
    assert table(tmp_path / "my.duckdb", "SELECT DISTINCT desired_instances FROM template_version_presets") == [(0,)]


def test_presets_that_may_not_be_read_leave_workspaces_without_one(coder, rows, tmp_path):
    coder.instead[f"templateversions/{rows['template_versions'][0]['id']}/presets"] = refusing(404)
    found = brought(tmp_path / "my.duckdb", Api(coder.url, TOKEN))
    assert (found.claims, found.workspaces) == (0, len(rows["workspaces"]))
    assert any("Presets of 1 version " in sentence for sentence in found.lacks)


@pytest.mark.parametrize("keep_names", [False, True])
def test_names_are_kept_only_if_they_are_asked_for_and_the_token_never(coder, tmp_path, keep_names):
    brought(tmp_path / "my.duckdb", Api(coder.url, TOKEN), keep_names=keep_names)
    with duckdb.connect(str(tmp_path / "my.duckdb"), read_only=True) as connection:
        tables = [name for (name,) in connection.execute("SELECT table_name FROM duckdb_tables()").fetchall()]
        text = "\n".join(str(connection.execute(f"FROM {name}").fetchall()) for name in tables)
    assert ("zoe" in text) == keep_names
    assert not any(word in text for word in ("secret", "@example.com", TOKEN, coder_id("workspaces", 1)))
    assert TOKEN.encode() not in (tmp_path / "my.duckdb").read_bytes()
    assert TOKEN not in repr(Api(coder.url, TOKEN))


def test_what_the_database_gave_before_is_known_again_and_keeps_its_schedules(coder, exports, tmp_path):
    path = tmp_path / "my.duckdb"
    first, known = brought(path, Exports(exports)), [table(path, sql) for sql in (PRESETS, SCHEDULES)]
    again = brought(path, Api(coder.url, TOKEN))
    assert (again.workspaces, again.builds, again.claims) == (first.workspaces, first.builds, first.claims)
    assert [table(path, sql) for sql in (PRESETS, SCHEDULES)] == known
    assert len(known[1]) == 1
    brought(tmp_path / "other.duckdb", Api(coder.url, TOKEN))
    assert table(tmp_path / "other.duckdb", SCHEDULES) == []
    brought(tmp_path / "other.duckdb", Exports(exports))
    assert table(tmp_path / "other.duckdb", SCHEDULES) == known[1]


def test_who_asks_too_often_or_meets_a_restart_asks_again(coder, tmp_path, monkeypatch):
    waited: list[float] = []
    monkeypatch.setattr("time.sleep", waited.append)
    once = {"buildinfo": 429, "users": 503, "workspaces": 502}
    for path, status in once.items():
        coder.instead[path] = first_refusing(coder, path, status, {"Retry-After": "86400"} if status == 429 else {})
    assert brought(tmp_path / "my.duckdb", Api(coder.url, TOKEN)).claims > 100
    assert max(waited) == api.LONGEST_WAIT_SECONDS


def first_refusing(coder: Coder, path: str, status: int, headers: dict[str, str]):
    def answer(given: dict[str, str]) -> object:
        del coder.instead[path]
        raise Refusal(status, headers)

    return answer


WRONG = (
    ("users/me", refusing(401), "refuses the token"),
    ("users/me", refusing(403), "may not read /api/v2/users/me"),
    ("buildinfo", refusing(404, body=b"not here"), "is this the address of a Coder v2.24 or newer?"),
    ("buildinfo", lambda given: b"<html>Sign in</html>", "a page in place of JSON"),
    ("buildinfo", lambda given: {"version": "v2.20.1+0a1b"}, "it is Coder v2.20.1+0a1b"),
    ("buildinfo", lambda given: b"[" * 100_000, "a page in place of JSON"),
    ("buildinfo", lambda given: b'{"version": "v2', "a page in place of JSON"),
    ("buildinfo", lambda given: b"\xff\xfe\x00", "a page in place of JSON"),
    ("buildinfo", lambda given: {"version": 7}, "other JSON than Coder"),
    ("buildinfo", lambda given: [1, 2], "other JSON than Coder"),
    ("users", lambda given: {"users": "all"}, "other JSON than Coder"),
    ("users", lambda given: {"users": [{"id": 7}]}, "a row that has no id"),
    ("organizations", lambda given: {"error": "no"}, "other JSON than Coder"),
    ("workspaces", lambda given: {"workspaces": [{"id": coder_id("x", 1)}]}, "other JSON than Coder"),
    ("workspaces", refusing(500), "status 500"),
    (
        "buildinfo",
        refusing(302, headers={"Location": "https://login.example.com/?state=hunter2"}),
        "https://login.exam",
    ),
    ("buildinfo", refusing(307, headers={"Location": "/login?x=hunter2"}), "to another page, as to a login"),
    ("buildinfo", refusing(301, headers={"Location": "https://127.0.0.1/"}), "sends on to https://127.0.0.1; if that"),
)


@pytest.mark.parametrize(("path", "answer", "words"), WRONG, ids=[f"{w[0]} {w[2]}" for w in WRONG])
@pytest.mark.parametrize("debug", [[], ["--debug"]])
def test_what_is_wrong_is_one_sentence_without_the_token(coder, tmp_path, path, answer, words, debug):
    coder.instead[path] = answer
    status, said = run(*debug, "import", "api", coder.url, "--out", str(tmp_path / "my.duckdb"))
    assert words in said.splitlines()[-1]
    assert not any(word in said for word in ("hunter2", TOKEN))
    assert list(tmp_path.iterdir()) == []
    assert debug or (status, len(said.splitlines())) == (2, 1)


@pytest.mark.parametrize(
    ("url", "token", "words"),
    [
        ("http://127.0.0.1:1", TOKEN, "nobody answers there"),
        ("http://no-such-host.invalid", TOKEN, "there is no host of this name"),
        ("https://127.0.0.1:{port}", TOKEN, "does not speak TLS"),
        ("http://127.0.0.1:{port}", "", "set CODER_SESSION_TOKEN"),
        ("http://127.0.0.1:{port}", "hunter2 hunter2", "signs in it that no token has"),
        ("http://127.0.0.1:{port}", "hunter2é", "signs in it that no token has"),
        ("http://zoe:hunter2@127.0.0.1:{port}", TOKEN, "leave user and password out"),
        ("ftp://127.0.0.1", TOKEN, "not the address of a Coder"),
        ("127.0.0.1:{port}", TOKEN, "not the address of a Coder"),
        ("http://127.0.0.1:99999", TOKEN, "not the address of a Coder"),
        ("http://127.0.0.1:{port}/?token=hunter2", TOKEN, "not the address of a Coder"),
        ("http://127.0.0.1:{port}/elsewhere", TOKEN, "is this the address of a Coder"),
    ],
)
def test_an_address_or_a_token_that_is_none_is_told(coder, tmp_path, monkeypatch, url, token, words):
    monkeypatch.setenv("CODER_SESSION_TOKEN", token)
    monkeypatch.setenv("CODER_URL", url.format(port=coder.port))
    status, said = run("import", "api", "--out", str(tmp_path / "my.duckdb"))
    assert words in said
    assert (status, len(said.splitlines())) == (2, 1)
    assert not any(word in said for word in ("hunter2", TOKEN))
    assert list(tmp_path.iterdir()) == []


def test_a_proxy_that_is_gone_and_a_server_that_hangs_up_are_told(coder, tmp_path, monkeypatch):
    monkeypatch.setattr("time.sleep", lambda seconds: None)

    def hang_up(given: dict[str, str]) -> None:
        raise Refusal(200, {"Content-Length": "1000", "Connection": "close"}, b"{")

    coder.instead["users"] = hang_up
    with pytest.raises(InputError, match="the connection was lost"):
        brought(tmp_path / "my.duckdb", Api(coder.url, TOKEN))
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:1")
    with pytest.raises(InputError, match="the proxy of HTTPS_PROXY"):
        brought(tmp_path / "my.duckdb", Api("http://coder.example.com", TOKEN))
    assert list(tmp_path.iterdir()) == []


def test_a_certificate_is_checked_and_an_authority_of_one_s_own_may_be_named(rows, tmp_path, monkeypatch):
    if shutil.which("openssl") is None:
        pytest.skip("openssl is not installed: no certificate can be made")
    key, certificate = tmp_path / "key.pem", tmp_path / "certificate.pem"
    made = f"openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=coder -keyout {key} -out {certificate}"
    subprocess.run([*made.split(), "-addext", "subjectAltName=IP:127.0.0.1"], check=True, capture_output=True)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    (tmp_path / "out").mkdir()
    with answering(rows, context) as coder:
        address = coder.url.replace("http://", "https://")
        with pytest.raises(InputError, match="a certificate that nobody trusts here"):
            brought(tmp_path / "out" / "my.duckdb", Api(address, TOKEN))
        assert (coder.asked, list((tmp_path / "out").iterdir())) == ([], [])
        monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
        with pytest.raises(InputError, match="a certificate for another name"):
            brought(tmp_path / "out" / "my.duckdb", Api(address.replace("127.0.0.1", "localhost"), TOKEN))
        assert brought(tmp_path / "out" / "my.duckdb", Api(address, TOKEN)).claims > 100


def test_who_takes_the_question_and_never_answers_is_told(coder, tmp_path, monkeypatch):
    monkeypatch.setattr(api, "ANSWER_SECONDS", 0.05)
    ended = threading.Event()
    coder.instead["users"] = lambda given: ended.wait()
    try:
        with pytest.raises(InputError, match="does not answer in time"):
            brought(tmp_path / "my.duckdb", Api(coder.url, TOKEN))
    finally:
        ended.set()
    assert [path for path, _ in coder.asked].count("users") == 2
    assert list(tmp_path.iterdir()) == []


def test_the_token_goes_to_no_other_host(coder, rows, tmp_path):
    with answering(rows) as other:
        coder.instead["users/me"] = refusing(302, headers={"Location": f"{other.url}/api/v2/users/me"})
        with pytest.raises(InputError, match=r"sends on to http://127\.0\.0\.1"):
            brought(tmp_path / "my.duckdb", Api(coder.url, TOKEN))
        assert (coder.tokens, other.asked) == ({TOKEN}, [])


def test_the_address_may_come_from_coder_s_own_variable_and_what_lacks_is_printed(coder, tmp_path, monkeypatch):
    monkeypatch.setenv("CODER_URL", f"{coder.url}/")
    monkeypatch.setenv("CODER_SESSION_TOKEN", f"{TOKEN}\n")
    status, said = run("import", "api", "--out", str(tmp_path / "my.duckdb"))
    assert status == 0, said
    assert f"the history of Coder {VERSION}" in said
    assert f"- {api.NO_SCHEDULES}" in said
    assert TOKEN not in said
    monkeypatch.delenv("CODER_URL")
    assert "set CODER_URL" in run("import", "api", "--out", str(tmp_path / "my.duckdb"))[1]


ODD = (
    None,
    True,
    7,
    -1,
    1.5,
    10**30,
    "x",
    "\ud800",
    "0001-01-01T00:00:00Z",
    [],
    {},
    [None],
    [{}],
    [[]],
    [7],
    {"id": 7},
)


@pytest.fixture(scope="module")
def few(rows):
    """The first workspaces of the history, with what they need."""
    kept = {row["id"] for row in rows["workspaces"][:3]}
    builds = [row for row in rows["workspace_builds"] if row["workspace_id"] in kept]
    return rows | {"workspaces": rows["workspaces"][:3], "workspace_builds": builds}


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(3))
def test_whatever_json_is_answered_is_read_or_refused_in_a_sentence(few, tmp_path, monkeypatch, seed):
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    drawn = random.Random(seed)
    refused = []
    with answering(few) as coder:
        brought(tmp_path / "whole.duckdb", Api(coder.url, TOKEN))
        asked = dict(coder.asked)
        for i in range(30):
            path, value = drawn.choice(sorted(asked)), drawn.choice(ODD)
            coder.instead.clear()
            odd = spoilt(json.loads(json.dumps(coder.answer(path, asked[path], TOKEN))), value, drawn)
            coder.instead[path] = lambda given, odd=odd: odd
            try:
                brought(tmp_path / f"{i}.duckdb", Api(coder.url, TOKEN))
            except (InputError, StoreError) as error:
                refused.append((error.status, len(str(error).splitlines()), (tmp_path / f"{i}.duckdb").exists()))
            except Exception as error:
                pytest.fail(f"seed {seed}, {path}, {value!r}: {error!r}")
    assert set(refused) == {(2, 1, False)}, f"seed {seed}"
    assert len(refused) < 30, f"seed {seed}"


def spoilt(told: object, value: object, drawn: random.Random) -> object:
    """The same JSON with another value at one place."""
    inside = told if isinstance(told, dict | list) and told and drawn.random() < 0.9 else None
    if inside is None:
        return value
    key = drawn.choice(sorted(inside) if isinstance(inside, dict) else range(len(inside)))
    inside[key] = spoilt(inside[key], value, drawn)
    return inside
