"""A scenario file becomes a Scenario: the window, Coder's settings, presets, demand, durations and timed events."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from os.path import exists, isfile
from pathlib import Path
from typing import Any

from simkit.arguments import a_mapping, a_path, a_text, takes
from simkit.clock import HOUR_US, UTC_ZONE, WEEK_US, Zone
from simkit.coder_versions import DEFAULT_BEHAVIOUR, Behaviour
from simkit.errors import Finding, Findings, InputError, Where
from simkit.inputs import scenario_keys as keys
from simkit.inputs.coder import named_version, written_version
from simkit.inputs.document import Value, read_document
from simkit.inputs.hcl import PRESET
from simkit.inputs.history import check_inside, read_history, source_of
from simkit.inputs.people import people, template_schedule, workspace_ttl
from simkit.inputs.preset import Given, GivenPreset, GivenSchedule, read_presets
from simkit.inputs.quantities import distribution, hours_of_week, preset_of
from simkit.inputs.templates import Templates
from simkit.inputs.variables import Outside, from_document, from_outside
from simkit.limits import MAX_DAEMONS, MOST_BUILDS, MOST_CLAIMS, MOST_INSTANCES, MOST_NAME, MOST_PRESETS
from simkit.model import (
    Activate,
    ClaimOrder,
    Daemons,
    Demand,
    Event,
    History,
    Invalidate,
    Pause,
    People,
    Preset,
    Profile,
    Reconciler,
    Resume,
    Scenario,
    SessionHistory,
    SessionProfile,
    SetSchedule,
    SetTTL,
    Tags,
    TemplateSchedule,
    TemplateVersion,
    Workload,
    tags_of,
)
from simkit.phases import phase

_EVENTS = {
    "activate": ("version", "template", "presets"),
    "invalidate": ("preset",),
    "pause": (),
    "resume": (),
    "set_workspace_ttl": ("people", "ttl"),
    "set_template_schedule": ("template_schedule",),
}
"""What happens in a scenario, and the keys that tell more of it."""
_WHOLE_EVENTS = ("set_workspace_ttl", "set_template_schedule")
"""Events of which every key must be given."""
_CHECKOUT = Path(__file__).parent.parent.parent
_MAX_WINDOW_US = 20 * 366 * 24 * HOUR_US


@takes(path=a_path, variables=a_mapping, coder=a_text)
def load(path: str | Path, variables: Outside | None = None, coder: str | None = None) -> Scenario:
    """Read a scenario file. `variables` are values of Terraform variables, by name, in place of their defaults.
    `coder`: Coder's version, if the scenario names none.

    A relative path is looked for in the current folder, in those around it, and beside simkit's own folder, where a
    checkout has its samples: a notebook finds the same file from wherever it runs. Raises InputError with every
    problem, of the file and of those it names.

    >>> scenario = simkit.load("examples/template/morning.yaml")
    >>> [preset.name for preset in scenario.versions[0].presets]
    ['goland']
    """
    findings = Findings()
    with phase("read", file=str(path)) as told:
        file = found(Path(path))
        behaviour = named_version(coder, findings)
        document = read_document(file, findings)
        findings.raise_errors()
        assert document is not None, "a document that cannot be read is an error"
        templates = Templates(from_outside(variables or {}))
        scenario = ScenarioReader(file.parent, findings, templates, behaviour).scenario(document, file.stem)
        findings.raise_errors()
        assert scenario is not None, "a scenario without errors exists"
        told |= {"presets": len(scenario.versions[0].presets), "people": sum(group.count for group in scenario.people)}
    return scenario


def found(path: Path) -> Path:
    """The file, looked for in the current folder, in those around it and in simkit's checkout. Raises InputError."""
    if path.is_absolute() or exists(path):
        return path
    here = Path()
    for _ in Path.cwd().parents:
        here = here / ".."
        if isfile(here / path):
            return here / path
    if isfile(_CHECKOUT / path):
        return _CHECKOUT / path
    raise InputError([Finding("error", Where(str(path)), "there is no such file")])


def untaken(scenario: Scenario) -> Iterator[str]:
    """A sentence about each kind of jobs that no daemon can take."""
    for prebuild, whose in ((True, "prebuilds"), (False, "people's workspaces")):
        tags = scenario.job_tags(prebuild)
        if not any(daemons.takes(tags) for daemons in scenario.daemons):
            have = tags_told(tags) or "none"
            yield (
                f"no daemon can take the jobs that build {whose} (their tags: {have}): they wait until the reaper ends "
                "them"
            )


def tags_told(tags: Tags) -> str:
    """ "gpu=1, pool=prebuilds"."""
    return ", ".join(f"{name}={text}" for name, text in tags)


@dataclass(frozen=True)
class ScenarioReader:
    """Reads one scenario; the files it names stand in or below `folder`."""

    folder: Path
    findings: Findings
    templates: Templates = field(default_factory=Templates)
    """Those that were read already; they know the values of variables."""
    behaviour: Behaviour = DEFAULT_BEHAVIOUR
    """Of Coder's version, if the scenario names none."""
    histories: dict[object, History] = field(default_factory=dict)
    """Those that were read already, by what they were read from."""
    names: dict[str, None] = field(default_factory=dict)
    """Of every preset that was given, also of those with a problem, so that no second one follows from it."""
    is_trusted: bool = True
    """Somebody's own scenario may name any file; part of a repository's test file names those of the repository."""

    def scenario(self, document: Value, stem: str) -> Scenario | None:
        given = document.mapping(keys.SCENARIO)
        name = given["name"].read(_name) if "name" in given else stem
        start_at, end_at, zone = self.window(given.get("window"))
        behaviour, reconciler, daemons, has_reaper, quota = self.coder(given.get("coder"))
        provisioners = self.provisioners(given.get("provisioners"), given.get("coder"))
        version_tags, prebuild_tags = self.workspace_tags(given.get("workspace_tags"))
        if "variables" in given:
            self.templates.variables = {**from_document(given["variables"]), **self.templates.variables}
        presets = self.presets(given, document)
        version = TemplateVersion(self.template_name(given, name or stem), "v1", presets, document.where)
        schedule = TemplateSchedule()
        if "template_schedule" in given:
            schedule = template_schedule(given["template_schedule"], schedule)
        events = self.events(given.get("events"), zone, version.template, behaviour, schedule)
        self.findings.extend(self.templates.undeclared)
        self.check_taken(presets)
        names = tuple(self.names)
        groups = people(given["people"], zone, names, self.beside) if "people" in given else ()
        self.check_events(events, start_at, end_at, names, groups, schedule)
        workload = self.workload({k: given[k] for k in keys.OVERRIDE if k in given}, Workload())
        currency = self.currency(given.get("cost"))
        overrides = self.overrides(given.get("overrides"), names, workload)
        demand = self.demand(given.get("demand"), zone, names)
        if "window" in given and not self.findings.errors:
            self.check_rows(demand, groups, start_at, end_at, zone)
        self.check_sizes(
            demand, groups, (version, *(e.version for e in events if isinstance(e, Activate))), end_at - start_at
        )
        order = given["claim_order"].choice(("oldest", "newest", "random")) if "claim_order" in given else "oldest"
        if self.findings.errors:
            return None
        orders: dict[str, ClaimOrder] = {"oldest": "oldest", "newest": "newest", "random": "random"}
        read = Scenario(
            name=name or stem,
            start_at=start_at,
            end_at=end_at,
            versions=(version,),
            demand=demand,
            zone=zone,
            behaviour=behaviour,
            reconciler=reconciler,
            provisioner_daemons=sum(one.count for one in provisioners) or daemons,
            provisioners=provisioners,
            version_tags=version_tags,
            prebuild_tags=prebuild_tags,
            has_reaper=has_reaper,
            prebuilds_quota=quota,
            claim_order=orders[order or "oldest"],
            workload=workload,
            workloads=overrides,
            events=events,
            schedule=schedule,
            people=groups,
            currency=currency,
            where=document.where,
        )
        self.check_builds(read)
        if self.findings.errors:
            return None
        self.note_untaken(read, given)
        self.note_quota(read, given)
        if not behaviour.executor_skips_prebuilds and any(p.instances or p.schedules for p in presets):
            self.findings.note(
                given["coder"].where if "coder" in given else document.where,
                "Coder v2.24.0 and v2.24.1 also stop prebuilds, at the template's default TTL or autostop requirement, "
                "and new ones are built beside the stopped ones; write v2.24.2 for one that leaves them alone",
            )
        return replace(read, notes=tuple(self.findings))

    def beside(self, named: Value) -> Path | None:
        """A path as the scenario writes it, relative to the scenario's folder."""
        return named.file(self.folder, self.is_trusted)

    def window(self, value: Value | None) -> tuple[int, int, Zone]:
        if value is None:
            return 0, 1, UTC_ZONE
        given = value.mapping(keys.WINDOW)
        zone = given["timezone"].zone() if "timezone" in given else UTC_ZONE
        start_at = given["from"].instant(zone or UTC_ZONE) if "from" in given else None
        end_at = given["until"].instant(zone or UTC_ZONE) if "until" in given else None
        if start_at is None or end_at is None:
            return 0, 1, zone or UTC_ZONE
        if end_at <= start_at:
            given["until"].error("is not after window.from")
        elif end_at - start_at > _MAX_WINDOW_US:
            given["until"].error("is more than 20 years after window.from")
        return start_at, end_at, zone or UTC_ZONE

    def coder(self, value: Value | None) -> tuple[Behaviour, Reconciler, int, bool, int | None]:
        """(version, the reconciler's settings, daemons, is there a reaper, the prebuilds' quota)."""
        behaviour, daemons, has_reaper, quota = self.behaviour, 3, True, None
        if value is None:
            reconciler = Reconciler(interval_us=behaviour.reconciliation_interval_us)
            return behaviour, reconciler, daemons, has_reaper, quota
        given = value.mapping(keys.CODER)
        behaviour = written_version(given.get("version"), behaviour)
        settings = Reconciler(interval_us=behaviour.reconciliation_interval_us)
        for key, setting, lowest in (
            ("reconciliation_interval", "interval_us", 1),
            ("reconciliation_backoff_interval", "backoff_interval_us", 0),
            ("reconciliation_backoff_lookback", "backoff_lookback_us", 0),
        ):
            us = given[key].duration() if key in given else None
            if us is not None and us < lowest:
                given[key].error("must be longer than 0s")
            elif us is not None:
                settings = replace(settings, **{setting: us})
        if "failure_hard_limit" in given:
            limit = given["failure_hard_limit"].whole()
            settings = settings if limit is None else replace(settings, failure_hard_limit=limit)
        if "provisioner_daemons" in given:
            daemons = given["provisioner_daemons"].whole(lowest=1) or daemons
            if daemons > MAX_DAEMONS:
                given["provisioner_daemons"].error(f"simkit simulates up to {MAX_DAEMONS} daemons")
        if "job_reaper" in given:
            has_reaper = given["job_reaper"].choice(("true", "false")) != "false"
        if "prebuilds_quota" in given:
            quota = given["prebuilds_quota"].whole()
        return behaviour, settings, daemons, has_reaper, quota

    def provisioners(self, value: Value | None, coder: Value | None) -> tuple[Daemons, ...]:
        """Daemons by their tags; none of them where the scenario says no more than how many there are."""
        if value is None:
            return ()
        found = []
        for one in value.items():
            given = one.mapping(keys.PROVISIONERS)
            count = given["count"].whole(lowest=1) if "count" in given else None
            tags = _tags(given["tags"]) if "tags" in given else ()
            if count is not None:
                found.append(Daemons(count, tags, one.where))
        if value.is_list and not found and not self.findings.errors:
            value.error("the list is empty; write at least one group of daemons, such as {count: 3}")
        if sum(one.count for one in found) > MAX_DAEMONS:
            value.error(f"simkit simulates up to {MAX_DAEMONS} daemons")
        if coder is not None and coder.is_mapping and "provisioner_daemons" in coder.entries():
            value.error("coder.provisioner_daemons counts daemons too; keep one of them")
        return tuple(found)

    def workspace_tags(self, value: Value | None) -> tuple[Tags, Tags]:
        """(tags of the jobs that build workspaces, those that prebuilds' jobs have besides)."""
        if value is None:
            return (), ()
        given = value.mapping(keys.WORKSPACE_TAGS)
        every, prebuilds = (_tags(given[key]) if key in given else () for key in ("all", "prebuilds"))
        return every, prebuilds

    def note_untaken(self, scenario: Scenario, given: Mapping[str, Value]) -> None:
        """Warn of jobs that no daemon can take."""
        if not scenario.is_tagged:
            return
        where = given["provisioners" if "provisioners" in given else "workspace_tags"].where
        for told in untaken(scenario):
            self.findings.warning(
                where,
                f"{told}; give a group of provisioners these tags (and a job without tags a group without)",
            )

    def note_quota(self, scenario: Scenario, given: Mapping[str, Value]) -> None:
        """Warn of a quota that no prebuild takes anything of, and of one that holds no prebuild of a preset."""
        quota = scenario.prebuilds_quota
        if quota is None:
            return
        where = given["coder"].entries()["prebuilds_quota"].where
        costs = {name: scenario.workload_of(name).daily_cost for name in self.names}
        if not any(costs.values()):
            self.findings.warning(
                where, "no preset has a daily_cost, so that the quota holds any number of prebuilds; write daily_cost"
            )
        for name, cost in costs.items():
            if cost > quota:
                self.findings.warning(
                    where,
                    f'the quota of {quota} is less than one prebuild of "{name}" takes ({cost}): each build fails',
                )

    def template_name(self, given: Mapping[str, Value], name: str) -> str:
        path = self.beside(given["template"]) if "template" in given else None
        if path is None:
            return name
        return path.resolve().parent.name if path.stem == "main" else path.resolve().stem

    def presets(self, given: Mapping[str, Value], owner: Value) -> tuple[Preset, ...]:
        """The presets of `template` (a Terraform file or folder) or `presets` (written here)."""
        if ("template" in given) == ("presets" in given):
            both = "both" if "template" in given else "neither"
            owner.error(f"expected either template (a Terraform file or folder) or presets (a list); there is {both}")
            return ()
        if "template" in given:
            return self.template(given["template"])
        found = tuple(_given_preset(value) for value in given["presets"].items())
        if not found and given["presets"].is_list:
            given["presets"].error("the list is empty; write at least one preset")
        self.names.update({str(p.name.value): None for p in found if p.name is not None})
        return read_presets(found, self.findings)

    def template(self, value: Value) -> tuple[Preset, ...]:
        path = self.beside(value)
        if path is None:
            return ()
        if not exists(path):
            value.error(f"{path} does not exist")
            return ()
        contents = self.templates.read(path)
        self.findings.extend(contents.findings)
        if not contents.written and not contents.errors:
            value.error(f'{path} has no data "{PRESET}" block')
        self.names.update(dict.fromkeys(contents.names))
        return contents.presets

    def check_taken(self, presets: tuple[Preset, ...]) -> None:
        """Values of variables are for templates: an error if there is none."""
        variables = [*self.templates.variables.values()]
        if variables and presets and not self.templates.read_so_far:
            said = "the presets stand in the scenario, where no variable has a value; leave it out, or give a template"
            self.findings.error(variables[0].where, said)

    def workload(self, given: Mapping[str, Value], base: Workload) -> Workload:
        """`base` with the durations, failures and costs that are given in its place."""
        if "durations" in given:
            durations = given["durations"].mapping(keys.DURATIONS)
            read: dict[str, Any] = {key: distribution(value) for key, value in durations.items()}
            base = replace(base, **{key: value for key, value in read.items() if value is not None})
        if "failures" in given:
            failures = given["failures"].mapping(keys.FAILURES)
            if "probability" in failures:
                probability = failures["probability"].number(0, 1)
                base = replace(base, failure_probability=probability or 0.0)
            if "start_probability" in failures:
                probability = failures["start_probability"].number(0, 1)
                base = replace(base, start_failure_probability=probability or 0.0)
            if "builds" in failures:
                ordinals = [v.whole(lowest=1) for v in failures["builds"].items()]
                base = replace(base, failing_builds=tuple(o for o in ordinals if o is not None))
            if "cleared_after" in failures:
                after_us = failures["cleared_after"].duration()
                if after_us is not None and after_us <= 0:
                    failures["cleared_after"].error("must be longer than 0s; leave it out if nobody deletes them")
                base = replace(base, failed_cleared_after_us=after_us or 0)
        if "daily_cost" in given:
            base = replace(base, daily_cost=given["daily_cost"].whole() or 0)
        if "cost" in given:
            cost = given["cost"].mapping(keys.COST)
            if "per_instance_hour" in cost:
                base = replace(base, cost_per_instance_hour=cost["per_instance_hour"].number() or 0.0)
        return base

    def currency(self, value: Value | None) -> str:
        given = value.entries() if value is not None and value.is_mapping else {}
        return (given["currency"].scalar() or "USD") if "currency" in given else "USD"

    def overrides(
        self, value: Value | None, names: tuple[str, ...], base: Workload
    ) -> tuple[tuple[str, Workload], ...]:
        if value is None:
            return ()
        found = []
        for name, mine in value.mapping(names).items():
            given = mine.mapping(keys.OVERRIDE)
            cost = given["cost"].entries() if "cost" in given and given["cost"].is_mapping else {}
            if "currency" in cost:
                cost["currency"].error("all presets have one currency; write it as cost.currency")
            found.append((name, self.workload(given, base)))
        return tuple(found)

    def demand(self, value: Value | None, zone: Zone, names: tuple[str, ...]) -> Demand:
        if value is None:
            return ()
        given = value.mapping(keys.DEMAND)
        if ("history" in given) == ("profiles" in given):
            value.error("expected either history (a CSV file with a column started_at) or profiles (a list)")
            return ()
        in_zone = given["timezone"].zone() if "timezone" in given else None
        if "profiles" in given:
            if "preset" in given:
                given["preset"].error("belongs to a history; each profile names its own preset")
            return tuple(
                p for v in given["profiles"].items() if (p := self.profile(v, in_zone or zone, names)) is not None
            )
        default = given["preset"].choice(names) if "preset" in given else names[0] if len(names) == 1 else None
        source = source_of(given["history"], self.beside)
        if source is None or not names:
            return ()
        asked = (source, in_zone, default, names)
        if asked in self.histories:
            return self.histories[asked]
        problems = len(self.findings.errors)
        history = read_history(source, in_zone, default, names, self.findings)
        if len(self.findings.errors) == problems:
            self.histories[asked] = history
        return history

    def check_rows(
        self, demand: Demand, groups: tuple[People, ...], start_at: int, end_at: int, zone: Zone, *, noted: bool = False
    ) -> None:
        """A history of which no row is in the window is an error."""
        if isinstance(demand, History):
            check_inside(demand.claim_at, demand.where, start_at, end_at, zone, self.findings, is_noted=noted)
        for group in groups:
            if isinstance(group.sessions, SessionHistory):
                at, where = group.sessions.started_at, group.sessions.where
                check_inside(at, where, start_at, end_at, zone, self.findings, is_noted=noted)

    def check_sizes(
        self, demand: Demand, groups: tuple[People, ...], versions: tuple[TemplateVersion, ...], window_us: int
    ) -> None:
        """What nobody could simulate is an error: of more is said what it comes to."""
        weeks = window_us / WEEK_US
        many = [(p.where, sum(p.claims_per_hour)) for p in demand] if not isinstance(demand, History) else []
        many += [
            (p.where, sum(p.sessions.per_hour) * p.count) for p in groups if isinstance(p.sessions, SessionProfile)
        ]
        if (expected := sum(rate for _, rate in many) * weeks) > MOST_CLAIMS:
            where = max(many, key=lambda one: one[1])[0]
            said = f"some {expected:,.0f} claims are expected in the window, and simkit simulates up to {MOST_CLAIMS:,}"
            self.findings.error(where, f"{said}; write fewer, or a shorter window")
        if (count := sum(len(version.presets) for version in versions)) > MOST_PRESETS:
            said = f"there are {count:,} presets in all versions, and simkit simulates up to {MOST_PRESETS:,}"
            self.findings.error(versions[-1].where, f"{said}; write fewer")
        for version in versions:
            wanted = [(_most_wanted(p), p.where) for p in version.presets]
            if (total := sum(most for most, _ in wanted)) > MOST_INSTANCES:
                said = f"the presets want up to {total:,} instances, and simkit simulates up to {MOST_INSTANCES:,}"
                self.findings.error(max(wanted, key=lambda one: one[0])[1], f"{said}; write fewer")

    def check_builds(self, scenario: Scenario) -> None:
        """Prebuilds that expire are built anew, as fast as daemons can: so many that nobody could simulate it is an
        error."""
        window_us = scenario.end_at - scenario.start_at
        daemons = sum(one.count for one in scenario.daemons)
        for version in scenario.all_versions:
            expiring = [p for p in version.presets if p.ttl_us]
            shortest_us = min((scenario.workload_of(p.name).build.median_us for p in expiring), default=1)
            expired = sum(_most_wanted(p) * window_us / p.ttl_us for p in expiring)
            if (built := min(expired, daemons * window_us / max(shortest_us, 1))) > MOST_BUILDS:
                said = f"some {built:,.0f} prebuilds expire in the window, and simkit simulates up to {MOST_BUILDS:,}"
                self.findings.error(expiring[0].where, f"{said}; write fewer, a longer ttl or a shorter window")

    def profile(self, value: Value, zone: Zone, names: tuple[str, ...]) -> Profile | None:
        """Expected claims for each hour of the week."""
        given = value.mapping(keys.PROFILE)
        preset = preset_of(value, given, names)
        own_zone = given["timezone"].zone() if "timezone" in given else zone
        per_hour = hours_of_week(value, given, "claims_per_week")
        if preset is None or own_zone is None or per_hour is None:
            return None
        return Profile(preset, own_zone, per_hour, value.where)

    def events(
        self, value: Value | None, zone: Zone, template: str, behaviour: Behaviour, schedule: TemplateSchedule
    ) -> tuple[Event, ...]:
        if value is None:
            return ()
        read = [self.event(v, zone, template, behaviour) for v in value.items()]
        found: list[Event] = []
        for event in sorted((e for e in read if e is not None), key=lambda e: e.at):
            if isinstance(event, _ScheduleChange):
                # What an event leaves out stays as it was before it.
                schedule = template_schedule(event.given, schedule)
                found.append(SetSchedule(event.at, schedule, event.given.where))
            else:
                found.append(event)
        return tuple(found)

    def event(self, value: Value, zone: Zone, template: str, behaviour: Behaviour) -> Event | _ScheduleChange | None:
        given = value.mapping(keys.EVENT)
        at = given["at"].instant(zone) if "at" in given else None
        kind = given["event"].choice(_EVENTS) if "event" in given else None
        for key, extra in given.items():
            if kind is not None and key not in ("at", "event", *_EVENTS[kind]):
                extra.error(f'does not belong to "{kind}"')
        for key in _EVENTS.get(kind or "", ()) if kind in _WHOLE_EVENTS else ():
            if key not in given:
                value.error(f'"{key}" is missing')
        if at is None or kind is None:
            return None
        match kind:
            case "activate":
                if "version" not in given:
                    value.error('"version" is missing: the new template version\'s name')
                presets = self.presets(given, value)
                name = given["version"].scalar() if "version" in given else None
                return Activate(at, TemplateVersion(template, name or "", presets, value.where), value.where)
            case "invalidate":
                if not behaviour.invalidates:
                    value.error(f"Coder {behaviour.version} has no preset invalidation; v2.35 has")
                preset = given["preset"].scalar() if "preset" in given else None
                return Invalidate(at, preset, value.where)
            case "set_workspace_ttl":
                who = given["people"].scalar() if "people" in given else None
                ttl_us = workspace_ttl(given["ttl"]) if "ttl" in given else None
                return None if who is None or ttl_us is None else SetTTL(at, who, ttl_us or None, value.where)
            case "set_template_schedule":
                return _ScheduleChange(at, given["template_schedule"]) if "template_schedule" in given else None
            case "pause":
                return Pause(at, value.where)
        return Resume(at, value.where)

    def check_events(
        self,
        events: tuple[Event, ...],
        start_at: int,
        end_at: int,
        names: tuple[str, ...],
        groups: tuple[People, ...],
        schedule: TemplateSchedule,
    ) -> None:
        known = [group.name for group in groups]
        for event in events:
            if isinstance(event, SetSchedule):
                schedule = event.schedule
            if isinstance(event, SetTTL) and not schedule.allow_user_autostop:
                self.findings.error(
                    event.where, "Coder refuses this: the template's allow_user_autostop is false at that time"
                )
            if not start_at <= event.at <= end_at and not self.findings.errors:
                self.findings.error(event.where, "the event is outside the window")
            if isinstance(event, Invalidate) and event.preset is not None and event.preset not in names:
                self.findings.error(event.where, f'there is no preset "{event.preset}"; there is {", ".join(names)}')
            if isinstance(event, SetTTL) and event.people not in known:
                self.findings.error(
                    event.where, f'there are no people "{event.people}"; there is {", ".join(known) or "none"}'
                )


@dataclass(frozen=True)
class _ScheduleChange:
    """A change of the template's schedule, before it is known what it changes."""

    at: int
    given: Value


def _most_wanted(preset: Preset) -> int:
    return max(preset.instances, *(schedule.instances for schedule in preset.schedules), 0)


def _name(text: str) -> str:
    if len(text) > MOST_NAME:
        raise ValueError(f"has {len(text):,} characters, and {MOST_NAME} at most are read; write fewer")
    return text


def _tags(value: Value) -> Tags:
    """Tags by name; text, as Coder keeps them."""
    return tags_of({name: entry.scalar() or "" for name, entry in value.entries().items()})


def _given_preset(value: Value) -> GivenPreset:
    given = value.mapping(keys.PRESET)
    plain = {
        key: Given(given[key].plain(), given[key].where)
        for key in ("name", "description", "icon", "default", "instances")
        if key in given
    }
    parameters = None
    if "parameters" in given:
        entries = given["parameters"].entries()
        parameters = Given({name: entry.plain() for name, entry in entries.items()}, given["parameters"].where)
    ttl = None
    if "ttl" in given:
        us = given["ttl"].duration()
        ttl = None if us is None else Given(us, given["ttl"].where)
    timezone: Given | None = None
    schedules: tuple[GivenSchedule, ...] = ()
    if "scheduling" in given:
        scheduling = given["scheduling"].mapping(keys.SCHEDULING)
        zone = scheduling.get("timezone")
        timezone = Given(zone.scalar() if zone else None, (zone or given["scheduling"]).where)
        if "schedules" in scheduling:
            schedules = tuple(_given_schedule(v) for v in scheduling["schedules"].items())
    return GivenPreset(
        where=value.where,
        parameters=parameters,
        ttl_us=ttl,
        timezone=timezone,
        schedules=schedules,
        address="",
        **plain,
    )


def _given_schedule(value: Value) -> GivenSchedule:
    given = value.mapping(keys.SCHEDULE)
    cron, instances = given.get("cron"), given.get("instances")
    return GivenSchedule(
        cron=Given(cron.plain(), cron.where) if cron else None,
        instances=Given(instances.plain(), instances.where) if instances else None,
        where=value.where,
    )
