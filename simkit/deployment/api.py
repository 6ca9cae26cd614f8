"""A deployment as Coder's REST API tells it: its answers become rows of Coder's tables, as exports have them.

Nothing that the HTTP library says is shown as it is, for a request has the token in it. No redirect is followed: the
token goes to the host that was named and to no other.
"""

from __future__ import annotations

import json
import re
import ssl
from collections import defaultdict
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit
from uuid import UUID

from simkit.clock import from_datetime, parse_instant
from simkit.coder_versions import behaviour_of
from simkit.deployment.exports import MEANT, from_text, keep_since, told_until
from simkit.deployment.tables import OLDEST, TABLES, Reading, Seen
from simkit.errors import Finding, InputError, Where
from simkit.model import PREBUILDS_USER_ID
from simkit.shown import visible
from simkit.store.columns import text
from simkit.times import many

if TYPE_CHECKING:
    import requests

    from simkit.store.staging import Stage

CONNECT_SECONDS, ANSWER_SECONDS, LIST_SECONDS = 10, 60, 300
"""How long Coder may take to be reached, to answer, and to list what has no pages."""
PAGE = 100
"""So many rows are asked for at once, where the API has pages."""
EVERYTHING = 2**31 - 1
"""The limit for lists that have no pages."""
AGAIN = (429, 502, 503, 504)
"""Statuses after which the same is asked again: too many requests, or a proxy whose server comes back."""
TIMES = 6
LONGEST_WAIT_SECONDS = 120
"""Coder counts requests by the minute; who says "come back tomorrow" is not waited for."""
_ROWS_AT_ONCE = 10_000
_DAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
_SHAPE = "https://coder.example.com"

NO_SCHEDULES = (
    "The API tells of a preset no schedules, no time zone and no TTL: unless the file has them already, it counts as "
    "one that wants its own number of instances at all hours."
)
NOT_ONE_INSTANT = (
    "The API is read over a while: of what happened meanwhile a part may be missing, which the next import adds. Quiet "
    "hours of people are not read."
)
NO_DELETED = (
    "Workspaces that were deleted are missing, and so are their claims: this token may not list provisioner jobs, by "
    "which they are found; it takes one of a user with the role Owner or Template Admin."
)
DELETED = (
    "Workspaces that were deleted are found by their jobs; they count as created when their first build was, and "
    "nothing is known of their dormancy."
)
NO_GROUPS = "Groups with quotas are missing: this deployment has none, or the token may not list them."
NO_DAEMONS = "Provisioner daemons are missing: the token may not list them."
NO_INSTANCES = "This version's API does not tell how many instances a preset wants: no preset wants any."


@dataclass(frozen=True)
class Api:
    """Where Coder is. The token is kept out of every text."""

    url: str
    token: str = field(repr=False)

    @property
    def where(self) -> Where:
        try:
            parts = urlsplit(self.url)
            host, port = parts.hostname or "", parts.port
        except ValueError:
            host, port = "", None
        return Where(f"{host}{f':{port}' if port else ''}" if host else "Coder's API")

    def read(self, stage: Stage, keep_names: bool, since_at: int | None, reading: Reading) -> Seen:
        """Put every table into the stage, as far as the API tells them.

        Raises InputError, in a sentence, for all that keeps it from that.
        """
        with _client(self) as client:
            return _Deployment(client, stage, keep_names, since_at, reading).read()

    def refused(self, said: str) -> InputError:
        return InputError([Finding("error", self.where, said)])


@contextmanager
def _client(api: Api) -> Iterator[_Client]:
    try:
        parts = urlsplit(api.url)
        good = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        good = False
    if not good or re.search(r"[\s\x00-\x1f]", api.url) or parts.query or parts.fragment:
        raise api.refused(f"this is not the address of a Coder; write {_SHAPE}")
    if "@" in parts.netloc:
        raise api.refused(f"leave user and password out of the address; write {_SHAPE} and set CODER_SESSION_TOKEN")
    if not api.token:
        page = f"{parts.scheme}://{parts.netloc}/settings/tokens"
        raise api.refused(f"there is no token; make one at {page} and set CODER_SESSION_TOKEN")
    if not re.fullmatch(r"[!-~]+", api.token):
        raise api.refused("CODER_SESSION_TOKEN has signs in it that no token has; set it again")
    import requests

    with requests.Session() as session, _said(api):
        yield _Client(api, session)


class _Client:
    """Asks, waits where it is told to, and says what is wrong. `seen_at`: the server's clock at the first answer."""

    def __init__(self, api: Api, session: requests.Session) -> None:
        from requests.adapters import HTTPAdapter
        from urllib3.util.retry import Retry

        class Patience(Retry):
            """Retries of urllib3, that never waits longer than we do."""

            def get_retry_after(self, response: Any) -> float | None:
                told = super().get_retry_after(response)
                return None if told is None else min(told, LONGEST_WAIT_SECONDS)

        class Adapter(HTTPAdapter):
            """Trusts whom the machine trusts, beside those that the library brings along."""

            def init_poolmanager(self, *given: Any, **more: Any) -> None:
                super().init_poolmanager(*given, ssl_context=ssl.create_default_context(), **more)

            def proxy_manager_for(self, proxy: str, **more: Any) -> Any:
                return super().proxy_manager_for(proxy, ssl_context=ssl.create_default_context(), **more)

        patience = Patience(
            total=TIMES,
            connect=0,
            read=1,
            redirect=0,
            other=0,
            backoff_factor=0.5,
            status_forcelist=AGAIN,
            raise_on_status=False,
        )
        self._api, self._session = api, session
        for scheme in ("http://", "https://"):
            session.mount(scheme, Adapter(max_retries=patience))
        session.auth = _as_it_is
        session.headers.update({"Coder-Session-Token": api.token, "Accept": "application/json"})
        self.seen_at = 0

    def get(self, path: str, **parameters: object) -> Any:
        """The answer of /api/v2/`path`. Raises InputError unless it is JSON."""
        status, answer = self._ask(path, parameters)
        if status != 200:
            raise self._api.refused(self._sentence(path, status))
        return answer

    def may(self, path: str, **parameters: object) -> Any:
        """As `get`; None for what this token may not see, or this deployment does not have."""
        status, answer = self._ask(path, parameters)
        if status not in (200, 403, 404, 410):
            raise self._api.refused(self._sentence(path, status))
        return answer if status == 200 else None

    def pages(self, path: str, key: str = "", **parameters: object) -> Iterator[dict[str, Any]]:
        """Every object of a list that comes in pages, once; `key`: in which field of an answer the page is."""
        seen: set[str] = set()
        offset = 0
        while True:
            answer = self.get(path, limit=PAGE, offset=offset, **parameters)
            told = self.mapping(path, answer) if key else {}
            page = self.mappings(path, told.get(key) if key else answer)
            new = [one for one in page if str(one.get("id")) not in seen]
            seen.update(str(one.get("id")) for one in new)
            yield from new
            offset += len(page)
            # Rows move from page to page while they are read: at the latest, an end is a page that brings nothing new.
            count = told.get("count")
            if not new or (offset >= count if isinstance(count, int) else len(page) < PAGE):
                return

    def mappings(self, path: str, answer: Any) -> list[dict[str, Any]]:
        """The list of objects that an answer is; Coder writes an empty one as null."""
        if not isinstance(answer, list | None) or not all(isinstance(one, dict) for one in answer or ()):
            raise self.strange(path)
        return answer or []

    def mapping(self, path: str, answer: Any) -> dict[str, Any]:
        if not isinstance(answer, dict):
            raise self.strange(path)
        return answer

    def strange(self, path: str) -> InputError:
        return self._api.refused(
            f"answers /api/v2/{path} with other JSON than Coder {OLDEST} and newer do; is this the address of a Coder?"
        )

    def refused(self, said: str) -> InputError:
        return self._api.refused(said)

    def _ask(self, path: str, parameters: dict[str, object]) -> tuple[int, Any]:
        """(status, answer): None unless it is 200."""
        response = self._session.get(
            f"{self._api.url.rstrip('/').removesuffix('/api/v2')}/api/v2/{path}",
            params={name: str(value) for name, value in parameters.items()},
            timeout=(CONNECT_SECONDS, LIST_SECONDS if parameters.get("limit") == EVERYTHING else ANSWER_SECONDS),
            allow_redirects=False,
        )
        self.seen_at = self.seen_at or _date(response.headers.get("Date"))
        if 300 <= response.status_code < 400:
            raise self._api.refused(_sent_on(response.headers.get("Location", ""), self._api.url))
        if response.status_code != 200:
            return response.status_code, None
        try:
            return 200, response.json()
        except (ValueError, RecursionError):
            raise self._api.refused(
                "answers with a page in place of JSON; is there a login in front of Coder, or is this no Coder? Give "
                "the address at which its API answers"
            ) from None

    def _sentence(self, path: str, status: int) -> str:
        if status == 401:
            return "refuses the token; make a new one (`coder tokens create`) and put it into CODER_SESSION_TOKEN"
        if status == 403:
            return f"this token may not read /api/v2/{path}; use one of a user with the role Owner"
        if status == 404:
            return f"there is no /api/v2/{path}; is this the address of a Coder {OLDEST} or newer?"
        if status == 429:
            return "takes no more requests for now; try again later, or read less with --since"
        return f"answers /api/v2/{path} with status {status}; try again later, or ask who runs it"


def _as_it_is(request: requests.PreparedRequest) -> requests.PreparedRequest:
    """In place of a password that ~/.netrc may have for this host."""
    return request


def _date(told: str | None) -> int:
    """The instant of an HTTP date; 0: it tells none."""
    try:
        return from_datetime(parsedate_to_datetime(told or ""))
    except (TypeError, ValueError, OverflowError):
        return 0


def _sent_on(location: str, url: str) -> str:
    """A redirect, without what follows the host: a login page's address has keys in it."""
    try:
        to = urlsplit(location)
        there = f"{to.scheme}://{to.hostname}{f':{to.port}' if to.port else ''}" if to.hostname else ""
    except ValueError:
        there = ""
    if there and to.hostname == urlsplit(url).hostname:
        return f"sends on to {visible(there)}; if that is Coder's own address, give it"
    to_where = f"to {visible(there)}" if there else "to another page"
    return f"sends on {to_where}, as to a login; give the address at which Coder's API itself answers"


@contextmanager
def _said(api: Api) -> Iterator[None]:
    """What the HTTP library has to say becomes a sentence of ours."""
    import requests

    try:
        yield
    except requests.RequestException as error:
        raise api.refused(_meant(str(error), error)) from None


def _meant(told: str, error: requests.RequestException) -> str:
    import requests

    if isinstance(error, requests.exceptions.ProxyError):
        return "the proxy of HTTPS_PROXY or HTTP_PROXY does not let this through; correct it, or set NO_PROXY"
    if isinstance(error, requests.exceptions.SSLError):
        if re.search("WRONG_VERSION_NUMBER|record layer|UNEXPECTED_EOF", told):
            return "does not speak TLS there; write http:// if that is meant"
        if re.search("Hostname mismatch|doesn't match|IP address mismatch", told):
            return "has a certificate for another name; give the name that the certificate has"
        return "has a certificate that nobody trusts here; name the file of its authority in SSL_CERT_FILE"
    if re.search("NameResolutionError|Name or service not known|getaddrinfo|nodename nor servname", told):
        return "there is no host of this name; correct the address"
    if isinstance(error, requests.ConnectTimeout) or re.search(
        "NewConnectionError|refused|unreachable|No route to host", told
    ):
        return "nobody answers there; is the address right, does Coder run, and can it be reached from here?"
    if isinstance(error, requests.Timeout) or "Read timed out" in told:
        return "does not answer in time; try again later, or ask who runs it"
    if isinstance(error, requests.exceptions.InvalidURL | requests.exceptions.InvalidSchema):
        return f"this is not the address of a Coder; write {_SHAPE}"
    return "the connection was lost while it was read; try again"


class _Deployment:
    """One reading: objects of the API on their way to rows."""

    def __init__(self, client: _Client, stage: Stage, keep_names: bool, since_at: int | None, reading: Reading) -> None:
        self._client, self._stage = client, stage
        self._keep_names, self._since_at, self._reading = keep_names, since_at, reading
        self._rows = {table.name: _Rows(stage, table.name, table.columns_read(keep_names)) for table in TABLES}
        self._users: set[str] = set()
        self._templates: set[str] = set()
        self._lacks = [NO_SCHEDULES]

    def read(self) -> Seen:
        self._reading("the version", 0.0)
        version = self._version()
        self._client.mapping("users/me", self._client.get("users/me"))
        organizations = [self._id(one) for one in self._list("organizations")]
        self._people()
        for organization in organizations:
            self._reading("templates", 0.0)
            self._offered(organization)
        self._quotas()
        workspaces, deleted, template_of = self._workspaces(organizations)
        versions = self._lives(workspaces, deleted, template_of)
        self._presets(versions)
        for rows in self._rows.values():
            rows.end()
        self._forget_presets()
        for table in TABLES:
            has = {column.name: column.name for column in table.columns_read(self._keep_names)}
            wrong = from_text(self._stage, table, _raw(table.name), has, self._keep_names)
            for _, column, value in wrong[:1]:
                raise self._client.refused(
                    f'answers with "{visible(value)}" as {column.name} of {table.name}, which is not '
                    f"{MEANT[column.kind]}; is this the address of a Coder {OLDEST} or newer?"
                )
        keep_since(self._stage, self._since_at)
        seen_at = max(self._client.seen_at, told_until(self._stage))
        return Seen(seen_at, version, keeps_presets=True, lacks=(*self._lacks, NOT_ONE_INSTANT))

    def _version(self) -> str:
        """Coder's version. Raises InputError for one that is too old, and for what is no Coder."""
        told = self._client.mapping("buildinfo", self._client.get("buildinfo")).get("version")
        if not isinstance(told, str) or not told.lstrip("v")[:1].isdigit():
            raise self._client.strange("buildinfo")
        try:
            behaviour_of(told)
        except ValueError:
            if re.match(r"v?\d+\.\d+", told) and not told.lstrip("v").startswith("0."):
                said = f"it is Coder {visible(told)}; {OLDEST} is the oldest that is read: upgrade Coder first"
                raise self._client.refused(said) from None
        return told

    def _list(self, path: str, **parameters: object) -> list[dict[str, Any]]:
        return self._client.mappings(path, self._client.get(path, **parameters))

    def _id(self, one: dict[str, Any], name: str = "id") -> str:
        """An id as the database writes it. Raises InputError for what is none."""
        try:
            return str(UUID(str(one.get(name))))
        except ValueError:
            raise self._client.refused(
                f"answers with a row that has no {name}; is this the address of a Coder {OLDEST} or newer?"
            ) from None

    def _people(self) -> None:
        self._reading("users", 0.0)
        for one in self._client.pages("users", "users"):
            self._users.add(self._id(one))
            self._rows["users"].add(one)
        self._user(PREBUILDS_USER_ID, "prebuilds")

    def _user(self, user_id: str, name: object) -> None:
        """Somebody whom the list of users does not have: the prebuilds user, a deleted one."""
        if user_id not in self._users:
            self._users.add(user_id)
            self._rows["users"].add({"id": user_id, "username": name})

    def _offered(self, organization: str) -> None:
        """Templates, also deprecated and deleted ones, and the daemons that build them."""
        path = f"organizations/{organization}/templates"
        for deleted in ("false", "true"):
            for deprecated in ("false", "true"):
                query = f"deprecated:{deprecated}" + (" deleted:true" if deleted == "true" else "")
                for one in self._list(path, q=query):
                    if self._id(one) not in self._templates:
                        self._templates.add(self._id(one))
                        self._rows["templates"].add(self._template(one, is_deleted=deleted == "true"))
        daemons = self._client.may(f"organizations/{organization}/provisionerdaemons", limit=EVERYTHING)
        for one in self._client.mappings("provisionerdaemons", daemons):
            self._rows["provisioner_daemons"].add({**one, "tags": json.dumps(one.get("tags") or {})})
        if daemons is None:
            self._lack(NO_DAEMONS)

    def _template(self, told: dict[str, Any], is_deleted: bool) -> dict[str, Any]:
        """The API has milliseconds and names of days where the database has nanoseconds and bits."""
        allowed, stopped = (
            self._client.mapping("templates", told.get(name) or {})
            for name in ("autostart_requirement", "autostop_requirement")
        )
        row = _only(told, "id", "created_at", "organization_id", "name", "active_version_id")
        row |= _only(told, "allow_user_autostart", "allow_user_autostop")
        for name in ("default_ttl", "activity_bump", "failure_ttl", "time_til_dormant", "time_til_dormant_autodelete"):
            row[name] = _nanoseconds(told.get(f"{name}_ms"))
        row["deleted"] = is_deleted
        row["deprecated"] = told.get("deprecation_message") or ("deprecated" if told.get("deprecated") else "")
        row["autostart_block_days_of_week"] = 127 - self._bits(allowed.get("days_of_week"), _DAYS)
        row["autostop_requirement_days_of_week"] = self._bits(stopped.get("days_of_week"), ())
        row["autostop_requirement_weeks"] = stopped.get("weeks")
        return row

    def _bits(self, days: Any, otherwise: Iterable[str]) -> int:
        """Bit 0 is Monday; `otherwise`: the days where none are told."""
        if not isinstance(days, list | None):
            raise self._client.strange("templates")
        named = {str(day).lower() for day in (otherwise if days is None else days)}
        return sum(1 << i for i, day in enumerate(_DAYS) if day in named)

    def _quotas(self) -> None:
        groups = self._client.may("groups")
        for one in self._client.mappings("groups", groups):
            self._rows["groups"].add(one)
            for member in self._client.mappings("groups", one.get("members")):
                self._rows["group_members"].add({"group_id": self._id(one), "user_id": self._id(member)})
        if not groups:
            self._lack(NO_GROUPS)

    def _lack(self, sentence: str) -> None:
        if sentence not in self._lacks:
            self._lacks.append(sentence)

    def _workspaces(
        self, organizations: Iterable[str]
    ) -> tuple[list[dict[str, Any]], dict[str, str], dict[str, dict[str, Any]]]:
        """(those that are there, {id of a deleted one: its template}, {template: what is told of it elsewhere})"""
        self._reading("workspaces", 0.0)
        listed = {self._id(one): one for one in self._client.pages("workspaces", "workspaces")}
        there = [
            one
            for one in listed.values()
            if not self._is_old(self._client.mapping("workspaces", one.get("latest_build")).get("created_at"))
        ]
        template_of: dict[str, dict[str, Any]] = {self._id(one, "template_id"): one for one in there}
        last: dict[str, str] = {}
        deleted: dict[str, str] = {}
        self._reading("provisioner jobs", 0.0)
        for organization in organizations:
            path = f"organizations/{organization}/provisionerjobs"
            jobs = self._client.may(path, limit=EVERYTHING)
            self._lack(NO_DELETED if jobs is None else DELETED)
            for job in self._client.mappings(path, jobs):
                told = self._client.mapping(path, job.get("metadata") or {})
                if told.get("workspace_id") is None or job.get("type", "workspace_build") != "workspace_build":
                    continue
                workspace_id = self._id(told, "workspace_id")
                if workspace_id in listed:
                    continue
                deleted[workspace_id] = self._id(told, "template_id")
                last[workspace_id] = max(last.get(workspace_id, ""), str(job.get("created_at")))
                template_of.setdefault(deleted[workspace_id], {**told, "organization_id": organization})
        recent = {one: template for one, template in deleted.items() if not self._is_old(last[one])}
        return there, recent, template_of

    def _is_old(self, told: object) -> bool:
        """Is this instant before the time that is asked for?"""
        if self._since_at is None:
            return False
        try:
            return parse_instant(str(told)) < self._since_at
        except ValueError:
            raise self._client.strange("workspaces") from None

    def _lives(
        self, there: list[dict[str, Any]], deleted: dict[str, str], template_of: dict[str, dict[str, Any]]
    ) -> dict[str, dict[str, Any]]:
        """Every build of every workspace. Returns {version: what a build tells of it}."""
        versions: dict[str, dict[str, Any]] = {}
        lives = [(self._id(one), self._id(one, "template_id"), one) for one in there]
        lives += [(one, template, {}) for one, template in deleted.items()]
        for i, (workspace_id, template_id, told) in enumerate(lives):
            self._reading(f"workspaces ({i:,} of {len(lives):,})", i / len(lives))
            builds = list(self._client.pages(f"workspaces/{workspace_id}/builds"))
            if not all(isinstance(build.get("build_number"), int) for build in builds):
                raise self._client.strange("workspaces/.../builds")
            builds.sort(key=lambda build: int(build["build_number"]))
            if not builds:
                continue
            self._workspace(workspace_id, template_id, told, builds)
            if template_id not in self._templates:
                self._templates.add(template_id)
                self._rows["templates"].add(_deleted_template(template_id, template_of[template_id]))
            for build in builds:
                self._build(build)
                version = {"template_id": template_id, "name": build.get("template_version_name")}
                version["created_at"] = build.get("created_at")
                versions.setdefault(self._id(build, "template_version_id"), version)
        return versions

    def _workspace(
        self, workspace_id: str, template_id: str, told: dict[str, Any], builds: list[dict[str, Any]]
    ) -> None:
        owner_id = self._id(builds[-1], "workspace_owner_id")
        self._user(owner_id, builds[-1].get("workspace_owner_name"))
        row = {
            **_only(told, "autostart_schedule", "last_used_at", "dormant_at", "deleting_at", "next_start_at"),
            **{"id": workspace_id, "template_id": template_id, "owner_id": owner_id, "deleted": not told},
            "created_at": told.get("created_at") or builds[0].get("created_at"),
            "name": builds[-1].get("workspace_name"),
            "ttl": _nanoseconds(told.get("ttl_ms")),
        }
        self._rows["workspaces"].add(row)

    def _build(self, build: dict[str, Any]) -> None:
        job = self._client.mapping("builds", build.get("job"))
        initiator_id = self._id(build, "initiator_id")
        self._user(initiator_id, build.get("initiator_name"))
        self._rows["workspace_builds"].add({**build, "job_id": self._id(job)})
        self._rows["provisioner_jobs"].add(
            {
                **job,
                **{"initiator_id": initiator_id, "type": job.get("type") or "workspace_build"},
                "tags": json.dumps(job.get("tags") or {}),
            }
        )
        for resource in self._client.mappings("builds", build.get("resources")):
            agents = self._client.mappings("builds", resource.get("agents"))
            if agents:
                self._rows["workspace_resources"].add({"id": self._id(resource), "job_id": self._id(job)})
            for agent in agents:
                self._rows["workspace_agents"].add({**agent, "resource_id": self._id(resource)})

    def _presets(self, versions: dict[str, dict[str, Any]]) -> None:
        """The versions that builds are of, and the presets of each."""
        tells = False
        for i, (version_id, built) in enumerate(versions.items()):
            self._reading("presets", i / len(versions))
            told = self._client.may(f"templateversions/{version_id}")
            version = self._client.mapping("templateversions", told or {})
            self._rows["template_versions"].add({**built, **version, "id": version_id})
            presets = self._client.may(f"templateversions/{version_id}/presets")
            for preset in self._client.mappings("presets", presets):
                # Fields of a preset have Go's own names in the JSON.
                given = {name.lower(): value for name, value in preset.items()}
                preset_id = self._id(given)
                tells = tells or "desiredprebuildinstances" in given
                self._rows["template_version_presets"].add(
                    {
                        **{"id": preset_id, "template_version_id": version_id, "name": given.get("name")},
                        **{"created_at": version.get("created_at"), "is_default": given.get("default")},
                        "desired_instances": given.get("desiredprebuildinstances"),
                    }
                )
                for parameter in self._client.mappings("presets", given.get("parameters")):
                    named = {name.lower(): value for name, value in parameter.items()}
                    named["template_version_preset_id"] = preset_id
                    self._rows["template_version_preset_parameters"].add(named)
        if not tells:
            self._lack(NO_INSTANCES)

    def _forget_presets(self) -> None:
        """Builds of presets that could not be read have none."""
        builds, presets = _raw("workspace_builds"), _raw("template_version_presets")
        unknown = (
            f"template_version_preset_id IS NOT NULL AND template_version_preset_id NOT IN (SELECT id FROM {presets})"
        )
        found = self._stage.rows(f"SELECT count(DISTINCT template_version_id), count(*) FROM {builds} WHERE {unknown}")
        for versions, count in found:
            if count:
                of, without = many(versions, "version"), many(count, "build")
                self._lack(f"Presets of {of} may not be read: for {without} it counts as if nobody had chosen one.")
        self._stage.rows(f"UPDATE {builds} SET template_version_preset_id = NULL WHERE {unknown}")


class _Rows:
    """Rows of a table on their way into the stage, some at a time, as text."""

    def __init__(self, stage: Stage, table: str, columns: Iterable[Any]) -> None:
        self._stage, self._table = stage, table
        self._columns = [column.name for column in columns]
        self._waiting: dict[str, list[str | None]] = defaultdict(list)
        cells = ", ".join(f'"{name}" VARCHAR' for name in self._columns)
        stage.rows(f"CREATE TABLE {_raw(table)} ({cells})")

    def add(self, row: dict[str, Any]) -> None:
        for name in self._columns:
            value = row.get(name)
            # JSON can have halves of characters, which no table takes.
            self._waiting[name].append(None if value is None else str(value).encode("utf-8", "replace").decode())
        if len(self._waiting[self._columns[0]]) >= _ROWS_AT_ONCE:
            self.end()

    def end(self) -> None:
        if self._waiting:
            self._stage.insert(_raw(self._table), {name: text(values) for name, values in self._waiting.items()})
            self._waiting.clear()


def _raw(table: str) -> str:
    return f"raw_{table}"


def _only(given: dict[str, Any], *names: str) -> dict[str, Any]:
    return {name: given.get(name) for name in names}


def _deleted_template(template_id: str, told: dict[str, Any]) -> dict[str, Any]:
    """What a workspace of a template tells of it."""
    row = {"id": template_id, "organization_id": told.get("organization_id"), "name": told.get("template_name")}
    return {**row, "deleted": True}


def _nanoseconds(milliseconds: Any) -> Any:
    return milliseconds * 1_000_000 if isinstance(milliseconds, int) else milliseconds
