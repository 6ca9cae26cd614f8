"""Coder's presets out of a Terraform template, with the values that Terraform gives them, where those are known."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from os.path import isdir
from pathlib import Path

from simkit.clock import SECOND_US
from simkit.errors import Findings, Where, did_you_mean
from simkit.inputs.expressions import Scope, evaluate, plain
from simkit.inputs.hcl import (
    BLOCK_FORM,
    META,
    MOST_FILES,
    NAMES,
    NOT_TERRAFORM,
    PRESET,
    TERRAFORM,
    Fields,
    Node,
    fields_of,
    inner,
    is_terraform,
    read_file,
    short,
    subtrees,
    terraform_files,
    word,
)
from simkit.inputs.module import AGENT, TOLD, Block, Module, Reading, bracket, each_of, instances, tell
from simkit.inputs.preset import (
    MAX_DESCRIPTION,
    MAX_ICON,
    REPORTED,
    Given,
    GivenPreset,
    GivenSchedule,
    text_of,
)
from simkit.inputs.values import NotKnown, Unknown, Value, number, whole
from simkit.inputs.variables import values_beside


def read_terraform(path: Path, variables: Mapping[str, Given], findings: Findings) -> tuple[GivenPreset, ...]:
    """The presets of a template, with those of the modules that it calls: of all its files if `path` is a directory, or
    of one of them.

    Locals, variables and what overrides a block come from the whole directory in either case, as do the values of
    `terraform.tfvars` and `*.auto.tfvars`. `variables` are values given from outside, which come before those: `name`
    is a variable's, `local.name` stands in for a local, `data.x.y.z` for what only a build knows. Problems become
    findings; that the template does not declare a variable has a name, UNDECLARED_VARIABLE.
    """
    if isdir(path):
        folder, named, beside = path, terraform_files(path), []
        if not named:
            findings.error(Where(str(path)), f"there is no {TERRAFORM} file here; name the folder of a Coder template")
            return ()
    elif not is_terraform(path.name):
        findings.error(Where(str(path)), NOT_TERRAFORM)
        return ()
    else:
        folder = path.parent
        named, beside = [path], [other for other in terraform_files(folder) if other.name != path.name]
    if (count := len(named) + len(beside)) > MOST_FILES:
        said = f"there are {count:,} {TERRAFORM} files here, and {MOST_FILES:,} at most are read; take some out"
        findings.error(Where(str(path)), said)
        return ()
    broken = Findings()
    files = [read_file(file, broken) for file in named]
    findings.extend(broken)
    every = files + [read_file(file, broken) for file in beside]
    outside = {**values_beside(folder, findings), **variables}
    reading = Reading(folder, findings, outside)
    module = Module(reading, folder, [f for f in every if f], () if all(every) else tuple(broken))
    if all(every):
        module.check_variables(variables)
    found = _Presets({file.path for file in files if file}).of_all(module)
    if all(files) and not found and not any(True for file in files if file for _ in file.presets()):
        findings.error(Where(str(path)), f'no data "{PRESET}" here; name the file or directory that has some')
    return found


Pieces = dict[str, list["_Piece"]]
"""The attributes and blocks of a body by name, those of dynamic blocks among them."""


@dataclass(frozen=True)
class _Piece:
    """An attribute or a block, and the names that it is worked out with; or a part of a value that is known already."""

    node: Node
    scope: Scope
    fixed: tuple[Value] | None = None

    @property
    def where(self) -> Where:
        return self.node.where

    @property
    def is_block(self) -> bool:
        return self.fixed is None and self.node.is_block

    @property
    def is_object(self) -> bool:
        return self.fixed is None and inner(self.node.tree).data == "object"

    @property
    def value(self) -> Value:
        return evaluate(self.node, self.scope) if self.fixed is None else self.fixed[0]


@dataclass
class _Presets:
    """Reads the presets of modules. `named`: the files of the template itself whose presets and calls are asked for."""

    named: set[str]

    def of_all(self, module: Module) -> tuple[GivenPreset, ...]:
        """The presets of the template, then of the modules that it calls."""
        found = [*self.of(module, self.named)]
        for words, block in module.blocks.items():
            made = module.children.get(block.label) if words[0] == "module" and block.file in self.named else None
            if made is not None and not isinstance(made, Unknown):
                for child in made.values():
                    found += [one for below in child.everywhere() for one in self.of(below, None)]
        agents = [block.where for one in module.everywhere() for block in _agents(one)]
        warn_of_agents(agents, found, module.reading.findings)
        return tuple(found)

    def of(self, module: Module, named: set[str] | None) -> Iterator[GivenPreset]:
        for block in module.data(PRESET):
            if named is not None and block.file not in named:
                continue
            for name, nodes in block.fields.items():
                if name not in NAMES[PRESET] and name != "dynamic":
                    known = did_you_mean(name, NAMES[PRESET] - META)
                    said = f'"{name}" in a {PRESET} is not looked at; {known}'
                    module.reading.findings.warning(nodes[0].where, said)
            for key, scope in instances(block, module):
                address = f"{module.address}data.{PRESET}.{block.label}{bracket(key)}"
                yield PresetReader(module, address).read(block, scope)


def warn_of_agents(agents: Sequence[Where], found: Iterable[GivenPreset], findings: Findings) -> None:
    """Coder lets an agent know of a claim if it is the only one of its workspace."""
    if len(agents) < 2:
        return
    places = " and ".join(dict.fromkeys(map(str, agents[:2])))
    for one in found:
        counts = [given for given in (one.instances, *(schedule.instances for schedule in one.schedules)) if given]
        if any(given.value is not REPORTED and given.value not in (0, None) for given in counts):
            findings.warning(
                counts[0].where,
                f"{one.label}this preset has prebuilds, and its template has {len(agents)} agents ({places}): Coder "
                "tells none of several that their workspace was claimed; leave one, or the prebuilds out",
            )


def _agents(module: Module) -> Iterator[Block]:
    """A block for each agent that every workspace of the module has."""
    for words, block in module.blocks.items():
        if words[:2] == ("resource", AGENT):
            counts = [block.fields[name][0] for name in ("count", "for_each") if name in block.fields]
            if not counts:
                yield block
            elif counts[0].source == "data.coder_workspace.me.start_count":
                yield block  # 1 while a workspace runs
            else:
                value = evaluate(counts[0], module.scope)
                if not isinstance(value, Unknown):
                    yield from [block] * (len(value) if isinstance(value, list | dict) else _count(value))


def _count(value: Value) -> int:
    try:
        return min(max(whole(value), 0), 2)
    except NotKnown:
        return 0


@dataclass(frozen=True)
class PresetReader:
    """Reads one instance of a preset. Its address stands before a problem, if there are several of its block."""

    module: Module
    address: str
    is_shown: bool = False
    """Whether Terraform has read the preset already, and knows its attributes better."""

    def read(self, block: Block, scope: Scope) -> GivenPreset:
        fields = self._pieces(block.fields, scope)
        pool = self._block(fields, "prebuilds")
        policy = self._block(pool[1], "expiration_policy") if pool else None
        scheduling = self._block(pool[1], "scheduling") if pool else None
        return GivenPreset(
            where=block.where,
            name=self._given(fields, "name", text_of),
            description=self._text(fields, "description", MAX_DESCRIPTION),
            icon=self._text(fields, "icon", MAX_ICON),
            default=self._given(fields, "default", _truth),
            parameters=self._parameters(fields),
            instances=self._required(pool, "instances", _number) if pool else Given(0, block.where),
            ttl_us=self._ttl_us(policy),
            timezone=self._required(scheduling, "timezone", text_of),
            schedules=tuple(self._schedules(scheduling[1])) if scheduling else (),
            address=self.address,
        )

    def _ttl_us(self, policy: tuple[_Piece, Pieces] | None) -> Given | None:
        ttl = self._required(policy, "ttl", _number)
        if ttl is None or ttl.value is REPORTED:
            return ttl
        if isinstance(ttl.value, int) and not isinstance(ttl.value, bool):
            return Given(ttl.value * SECOND_US, ttl.where)
        seen = "is missing" if ttl.value is None else f"must be a whole number of seconds, got {text_of(ttl.value)}"
        self._error(ttl.where, f"ttl {seen}; write ttl = 86400")
        return Given(REPORTED, ttl.where)

    def _schedules(self, scheduling: Pieces) -> Iterator[GivenSchedule]:
        for piece in self._several(scheduling, "schedule"):
            if isinstance(piece, Where):
                yield GivenSchedule(Given(REPORTED, piece), Given(REPORTED, piece), piece)
                continue
            fields = self._inside(piece, "schedule")
            if fields is not None:
                yield GivenSchedule(
                    cron=self._given(fields, "cron", text_of),
                    instances=self._given(fields, "instances", _number),
                    where=piece.where,
                )

    def _several(self, fields: Pieces, name: str) -> Iterator[_Piece | Where]:
        """Each block of a kind that may stand several times, also of a list that stands for them; a place where there
        are some that nobody knows."""
        for piece in fields.get(name, []):
            if piece.is_block or piece.is_object:
                yield piece
            elif piece.fixed is None and inner(piece.node.tree).data == "tuple":
                yield from (_Piece(piece.node.part(tree), piece.scope) for tree in subtrees(inner(piece.node.tree)))
            else:
                value = self._value(piece, name)
                if value is REPORTED:
                    yield piece.where
                else:
                    many = value if isinstance(value, list) else [] if value is None else [value]
                    yield from (_Piece(piece.node, piece.scope, (one,)) for one in many)

    def _parameters(self, fields: Pieces) -> Given | None:
        piece = self._single(fields, "parameters")
        if piece is None:
            return None
        if piece.is_object:  # in the order in which they are written, with the lines that only Terraform knows as text
            elements = (subtrees(element) for element in subtrees(inner(piece.node.tree)))
            value: Value = piece.value
            known = value if isinstance(value, dict) else {}
            sources = {}
            for (_, tree), name in zip(elements, known, strict=False):
                sources[name] = piece.node.part(tree).source
            return Given({name: self._shown(one, sources.get(name, "")) for name, one in known.items()}, piece.where)
        value = piece.value
        if isinstance(value, Unknown):
            value = {}  # a function such as merge() of what only Terraform knows
        if not isinstance(value, dict):
            return Given(plain(value), piece.where)
        return Given({name: self._shown(one, "") for name, one in value.items()}, piece.where)

    def _text(self, fields: Pieces, name: str, longest: int) -> Given | None:
        """A text that simkit only shows: its source, cut to what Coder takes, where the value cannot be worked out."""
        piece = self._single(fields, name)
        if piece is None:
            return None
        if piece.is_block:
            return Given(self._value(piece, name), piece.where)
        value = piece.value
        text = self._shown(value, piece.node.source)
        return Given(text[:longest] if isinstance(value, Unknown) else text, piece.where)

    @staticmethod
    def _shown(value: Value, source: str) -> str:
        if isinstance(value, Unknown):
            return source or value.subject
        text = text_of(plain(value))
        return "" if text is None else text if isinstance(text, str) else source

    # Attributes and blocks.

    def _error(self, where: Where, text: str) -> None:
        self.module.error(where, f"{self.label}{text}")

    @property
    def label(self) -> str:
        return GivenPreset(Where(""), address=self.address).label

    def _pieces(self, fields: Fields, scope: Scope) -> Pieces:
        """What is written, and what dynamic blocks make, in the order of the lines."""
        found: Pieces = {
            name: [_Piece(node, scope) for node in nodes] for name, nodes in fields.items() if name != "dynamic"
        }
        for node in fields.get("dynamic", []):
            for kind, body, at in _dynamic(node):
                found.setdefault(kind, []).extend(self._made(kind, fields_of(body) if body else {}, at, scope))
                found[kind].sort(key=lambda piece: piece.node.line)
        return found

    def _made(self, kind: str, fields: Fields, at: Node, scope: Scope) -> Iterator[_Piece]:
        """The blocks that a dynamic block makes; one of which nothing is known if it is not known what it goes over."""
        if not fields.keys() >= {"for_each", "content"}:
            self._error(at.where, f'dynamic "{kind}" needs for_each and content; write both')
            return
        over, content = fields["for_each"][0], fields["content"][0]
        iterator = fields["iterator"][0].source.strip('"') if "iterator" in fields else kind
        try:
            turns = each_of(evaluate(over, scope))
        except NotKnown as error:
            tell(self.module, over, "for_each", error.unknown, self.label)
            yield _Piece(over, scope, (Unknown("", TOLD, TOLD),))
            return
        for key, value in turns:
            inside = scope.with_names(**{iterator: {"key": key, "value": value}})
            yield _Piece(Node(content.file, content.tree, at.line), inside)

    def _single(self, fields: Pieces, name: str) -> _Piece | None:
        pieces = fields.get(name, [])
        for again in pieces[1:]:
            self._error(again.where, f'a second "{name}", the first is at {pieces[0].where}; Terraform takes one')
        return pieces[0] if pieces else None

    def _block(self, fields: Pieces, name: str) -> tuple[_Piece, Pieces] | None:
        """A nested block, or the object that stands for it; None if it is absent."""
        if name in fields and fields[name][0].node.file.is_json:
            fields = {name: [piece for piece in self._several(fields, name) if isinstance(piece, _Piece)]}
        piece = self._single(fields, name)
        inside = None if piece is None else self._inside(piece, name)
        return None if piece is None or inside is None else (piece, inside)

    def _inside(self, piece: _Piece, name: str) -> Pieces | None:
        if piece.is_block:
            fields = self._pieces(fields_of(piece.node), piece.scope)
        elif piece.is_object:
            elements = [subtrees(element) for element in subtrees(inner(piece.node.tree))]
            written: Fields = {word(inner(key)): [Node(piece.node.file, tree, key.meta.line)] for key, tree in elements}
            fields = self._pieces(written, piece.scope)
        else:
            value = self._value(piece, name)
            if value is None or value is REPORTED:
                return None
            if not isinstance(value, dict):
                seen = short(piece.node.source)
                self._error(piece.where, f"{name} must be a block, got {seen}; write it like this:{BLOCK_FORM}")
                return None
            fields = {key: [_Piece(piece.node, piece.scope, (one,))] for key, one in value.items()}
        for key, pieces in fields.items():
            if key not in NAMES[name] and not self.is_shown:
                known = did_you_mean(key, NAMES[name])
                self._error(pieces[0].where, f'"{key}" is unknown in {name}, and Terraform refuses it; {known}')
        return fields

    def _given(self, fields: Pieces, name: str, convert: Callable[[object], object]) -> Given | None:
        """One value, converted as Terraform does where it can be; None if it is absent or null."""
        piece = self._single(fields, name)
        if piece is None:
            return None
        value = self._value(piece, name)
        if isinstance(value, dict | list):
            self._error(piece.where, f"{name} must be one value, got {short(piece.node.source)}")
            value = REPORTED
        return None if value is None else Given(convert(value), piece.where)

    def _required(
        self, block: tuple[_Piece, Pieces] | None, name: str, convert: Callable[[object], object]
    ) -> Given | None:
        """As `_given`, but a block without it gives a missing value at the block's place."""
        if block is None:
            return None
        return self._given(block[1], name, convert) or Given(None, block[0].where)

    def _value(self, piece: _Piece, name: str) -> object:
        """The value of an attribute, REPORTED if there is something wrong with it."""
        if piece.is_block:
            self._error(piece.where, f"{name} is written as a block; write {name} = ...")
            return REPORTED
        value = piece.value
        if isinstance(value, Unknown):
            tell(self.module, piece.node, name, value, self.label)
            return REPORTED
        if isinstance(value, list | dict):
            return value
        return plain(value)


def _dynamic(node: Node) -> Iterator[tuple[str, Node | None, Node]]:
    """(type of block, body, place) of a dynamic block, or of the object of them that JSON has."""
    if node.labels:
        yield node.labels[0], node, node
    elif inner(node.tree).data == "object":
        for key, value in (subtrees(element) for element in subtrees(inner(node.tree))):
            yield word(inner(key)), Node(node.file, value, key.meta.line), node
    else:
        yield "", None, node


def _number(value: object) -> object:
    """The number that a text stands for, whole if it is; anything else as it is."""
    try:
        return plain(number(value)) if isinstance(value, str) else _whole(value)
    except NotKnown:
        return value


def _whole(value: object) -> object:
    return int(value) if isinstance(value, float) and value.is_integer() else value


def _truth(value: object) -> object:
    """The truth value that a text stands for; anything else as it is."""
    return _TRUTHS.get(value, value) if isinstance(value, str) else value


_TRUTHS = {"true": True, "1": True, "false": False, "0": False}
