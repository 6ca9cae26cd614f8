"""A template's folder as Terraform sees it: its blocks with those that override them, and what their names stand for.

A module is one call of a folder: a child that is called twice is two modules with values of their own.
"""

from __future__ import annotations

import os
from collections.abc import Collection, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cached_property
from os.path import isfile
from pathlib import Path
from typing import NamedTuple

from simkit.errors import UNDECLARED_VARIABLE, Finding, Findings, Where, did_you_mean
from simkit.inputs import globs
from simkit.inputs.expressions import WAY_OUT, Budget, Scope, dotted, evaluate, rendered
from simkit.inputs.hcl import (
    LOCAL_SOURCES,
    PRESET,
    Fields,
    File,
    Node,
    child_folder,
    fields_of,
    read_file,
    short,
    terraform_files,
)
from simkit.inputs.preset import Given
from simkit.inputs.text import read_text
from simkit.inputs.values import (
    MOST_ITEMS,
    MOST_TEXT,
    NotKnown,
    Set,
    Unknown,
    Value,
    as_text,
    failure,
    kind,
    known,
    mapping,
    number,
    pairs,
    text,
)
from simkit.inputs.variables import converted, given_value, parsed_literal, type_of

MOST_INSTANCES = 1000
"""Presets, modules or agents that one count or for_each may make."""
_MOST_MODULES = 200
_MOST_DEEP = 10
TOLD = "it may stand in a file that cannot be read"
"""Why something is not known that is told already."""
AT_RUN_TIME = "is known only when a workspace is built"
AGENT = "coder_agent"


class Block(NamedTuple):
    """A block of a module with what overrides it. `file`: the path of the one that it stands in."""

    label: str
    where: Where
    file: str
    node: Node
    fields: Fields


@dataclass
class Reading:
    """What the modules of one template share."""

    top: Path
    """The template's folder: nothing outside of it is read."""
    findings: Findings
    outside: Mapping[str, Given] = field(default_factory=dict)
    """Values for the variables and locals of the template itself, and for what only a build knows."""
    budget: Budget = field(default_factory=Budget)
    modules: int = 0


@dataclass
class Module:
    reading: Reading
    folder: Path
    files: list[File]
    broken: tuple[Finding, ...] = ()
    """Why files of the folder could not be read. One that nobody named is told once something is missing."""
    address: str = ""
    """Before the addresses of what is in it: module.pool["eu"]. or nothing."""
    inputs: Mapping[str, tuple[Node, Scope]] | None = None
    """What a module is called with; None for the template itself."""
    above: tuple[Path, ...] = ()

    def __post_init__(self) -> None:
        self.locals: dict[str, Node] = {}
        self.declared: dict[str, Fields] = {}
        self.outputs: dict[str, Fields] = {}
        self.blocks: dict[tuple[str, ...], Block] = {}
        """Data, resources and calls of modules, by type and labels, in the order of the files."""
        self.values: dict[str, Value] = {}
        self.made: dict[Where, dict[str | int | None, Scope]] = {}
        """The instances of the blocks of which one was asked for."""
        self.working: set[str] = set()
        for file in sorted(self.files, key=lambda file: file.is_override):
            for words, body in file.blocks():
                self._add(file, words, body)

    def _add(self, file: File, words: tuple[str, ...], body: Node) -> None:
        fields = fields_of(body)
        match words:
            case ("locals",):
                self.locals.update({name: nodes[0] for name, nodes in fields.items()})
            case ("variable", name):
                self.declared[name] = {**self.declared.get(name, {}), **fields}
            case ("output", name):
                self.outputs[name] = {**self.outputs.get(name, {}), **fields}
            case ("data" | "resource", _, label) | ("module", label):
                base = self.blocks.get(words)
                if file.is_override and base is not None:
                    self.blocks[words] = base._replace(fields={**base.fields, **fields})
                elif file.is_override:
                    shown = " ".join([words[0], *(f'"{word}"' for word in words[1:])])
                    self.error(body.where, f"there is no {shown} for this to override; write it in another file")
                else:
                    # Two of one name are refused by Terraform; both are read, so that both are told of.
                    key = words if base is None else (*words, str(body.line))
                    self.blocks[key] = Block(label, body.where, file.path, body, fields)
            case _:
                pass

    def error(self, where: Where, told: str) -> None:
        self.reading.findings.error(where, told)

    @property
    def scope(self) -> Scope:
        return Scope(self, self.reading.budget)

    def data(self, kind: str) -> Iterator[Block]:
        return (block for words, block in self.blocks.items() if words[:2] == ("data", kind))

    # Names.

    def lookup(self, path: list[str | int], scope: Scope) -> tuple[Value, int]:
        given = self._given(path)
        if given is not None:
            return given
        match path:
            case ["local", str(name), *_]:
                return self._once(f"local.{name}", self._local, name), 2
            case ["var", str(name), *_]:
                return self._once(f"var.{name}", self._variable, name), 2
            case ["module", str(name), *rest]:
                return self._output(name, rest)
            case ["path", "module"]:
                return self.folder.relative_to(self.reading.top).as_posix(), 2
            case ["path", "root" | "cwd"]:
                return ".", 2
            case ["terraform", "workspace"]:
                return "default", 2
            case ["each" | "count", *_]:
                raise failure(f"{dotted(path)} stands outside of a block with {_MAKES[str(path[0])]}", "write another")
            case ["data", str(kind), str(label), *_]:
                return self._attribute_of(path, 3, self.blocks.get(("data", kind, label)))
            case [str(kind), str(label), *_]:
                return self._attribute_of(path, 2, self.blocks.get(("resource", kind, label)))
            case _:
                raise NotKnown(Unknown(dotted(path), "is not declared", "write a reference such as local.x", True))

    def _given(self, path: list[str | int]) -> tuple[Value, int] | None:
        """A value from outside for a reference of the template itself to what only a build knows, or to a local."""
        if self.inputs is None and path[0] != "var":
            for length in range(len(path), 1, -1):
                if given := self.reading.outside.get(dotted(path[:length])):
                    return _written(given.value), length
        return None

    def _once(self, name: str, how: object, *arguments: object) -> Value:
        """A value that is worked out once, and not again while that is being done."""
        if name not in self.values:
            if name in self.working:
                return Unknown(name, "refers to itself", failed=True)
            self.working.add(name)
            try:
                self.values[name] = how(*arguments)  # type: ignore[operator]
            except NotKnown as error:
                self.values[name] = error.unknown
            finally:
                self.working.discard(name)
        return self.values[name]

    def _local(self, name: str) -> Value:
        if name not in self.locals:
            raise self._undeclared(f"local.{name}", [f"local.{known}" for known in self.locals])
        return self._named(evaluate(self.locals[name], self.scope), f"local.{name}")

    def _named(self, value: Value, name: str) -> Value:
        """With the way to give it by name, if that helps and no other is known."""
        if isinstance(value, Unknown) and not value.remedy and self.inputs is None:
            return Unknown(value.subject, value.reason, f"give it with --var {name}=value, {WAY_OUT}", value.failed)
        return value

    def _variable(self, name: str) -> Value:
        fields = self.declared.get(name)
        if fields is None:
            raise self._undeclared(f"var.{name}", [f"var.{known}" for known in self.declared])
        node = fields["type"][0] if "type" in fields else _NOWHERE
        wanted = type_of(fields)
        value: Value = None
        found = False
        if self.inputs is None:
            if found := name in self.reading.outside:
                value = given_value(self.reading.outside[name], wanted, node)
        elif found := name in self.inputs:
            value = converted(evaluate(*self.inputs[name]), wanted, node)
        takes_null = "nullable" not in fields or evaluate(fields["nullable"][0], self.scope) is not False
        if found and (value is not None or takes_null):
            return value
        if "default" in fields:
            default = evaluate(fields["default"][0], self.scope)
            try:
                return converted(default, wanted, node)
            except NotKnown:
                return default
        if self.inputs is not None:
            raise failure(f"{self.address.rstrip('.')} is called without {name}", "give it where the module is called")
        raise NotKnown(Unknown(f"var.{name}", "has no default", f"give it with --var {name}=value"))

    def _attribute_of(self, path: list[str | int], used: int, block: Block | None) -> tuple[Value, int]:
        """What is written in a data source is known; what it finds, and what a resource becomes, is not.

        `used`: how many steps of the path name the block. Of several that count or for_each make the next step is one.
        """
        if block is None:
            return self._run_time(path, block), len(path)
        scope = self.scope
        if _MAKERS & block.fields.keys():
            try:
                made = self.made.get(block.where)
                if made is None:
                    made = self.made[block.where] = dict(made_instances(block, self))
            except NotKnown:
                return self._run_time(path, block), len(path)  # how many there are is known as late
            if len(path) == used:
                every = {key: self._run_time([*path, key], block) for key in made if key is not None}
                return ([*every.values()] if "count" in block.fields else {str(k): v for k, v in every.items()}), used
            if path[used] not in made:
                raise failure(f"there is no {dotted(path[: used + 1])}", "write one that is there")
            scope, used = made[path[used]], used + 1
        name = path[used] if len(path) > used else None
        if path[0] == "data" and name in block.fields and not block.fields[str(name)][0].is_block:
            return self._once(dotted(path[: used + 1]), evaluate, block.fields[str(name)][0], scope), used + 1
        return self._run_time(path, block), len(path)

    def _run_time(self, path: list[str | int], block: Block | None) -> Unknown:
        name = dotted(path)
        if block is None and path[:2] not in (["data", "coder_workspace"], ["data", "coder_workspace_owner"]):
            if self.broken:
                raise self._undeclared(name, ())
            kinds = [".".join(words if words[0] == "data" else words[1:]) for words in self.blocks if len(words) > 2]
            raise NotKnown(Unknown(name, "is not declared", did_you_mean(name, kinds), failed=True))
        way = f"give it with --var {name}=value, {WAY_OUT}" if self.inputs is None else ""
        return Unknown(name, AT_RUN_TIME, way)

    def _undeclared(self, name: str, names: Collection[str]) -> NotKnown:
        if self.broken:
            return NotKnown(Unknown("", TOLD, TOLD))
        return NotKnown(Unknown(name, "is not declared", did_you_mean(name, names), failed=True))

    def call(self, name: str, arguments: list[Value], scope: Scope) -> Value:
        """The functions that read files: below the template's folder alone."""
        if name == "fileexists":
            return isfile(self._path(text(arguments[0])))
        if name == "fileset":
            return self._files(text(arguments[0]), text(arguments[1]))
        if name not in ("file", "templatefile"):
            raise KeyError(name)
        path = self._path(text(arguments[0]))
        if not isfile(path):
            raise failure("there is no such file", "write the path of one that is there")
        if path.stat().st_size > MOST_TEXT:
            raise failure(f"the file has more than {MOST_TEXT:,} bytes", "take a smaller one")
        own = Findings()
        content = read_text(path, own)
        if content is None:
            raise failure("the file cannot be read as UTF-8", "save it so")
        if name == "file":
            return content
        names = mapping(arguments[1]) if len(arguments) > 1 else {}
        return rendered(_NOWHERE, content, Scope(self, self.reading.budget, names))

    def _files(self, written: str, pattern: str) -> Set:
        """The files of a folder whose paths in it match; those outside of the template's folder are not there."""
        folder, matches = self._path(written), globs.matcher(pattern)
        found: list[Value] = []
        seen = 0
        for here, folders, files in os.walk(folder):
            folders.sort()
            seen += len(folders) + len(files)
            if seen > MOST_ITEMS:
                raise failure(f"the folder has more than {MOST_ITEMS:,} files", "take a smaller one")
            for name in files:
                path = Path(here, name).relative_to(folder).as_posix()
                if matches(path):
                    with suppress(NotKnown):  # a link that leads outside
                        if isfile(self._path(str(Path(here, name)))):
                            found.append(path)
        return Set(sorted(found, key=str))

    def _path(self, written: str) -> Path:
        try:
            path = (self.reading.top / written).resolve()
            inside = path.is_relative_to(self.reading.top.resolve())
        except (OSError, ValueError, RuntimeError):
            raise failure("the file's name leads nowhere", "correct it") from None
        if not inside:
            raise failure("the file is outside of the template's folder, which is all that Coder gets", "move it there")
        return path

    # Child modules.

    @cached_property
    def children(self) -> dict[str, dict[str | int | None, Module] | Unknown]:
        """The modules that are called from a folder here, by name and by key (None without count and for_each)."""
        found: dict[str, dict[str | int | None, Module] | Unknown] = {}
        for words, block in self.blocks.items():
            if words[0] == "module":
                found[block.label] = self._called(block)
        return found

    def _called(self, block: Block) -> dict[str | int | None, Module] | Unknown:
        source = block.fields["source"][0].source.strip('"') if "source" in block.fields else ""
        name = f"module.{block.label}"
        if not source.startswith(LOCAL_SOURCES):
            return Unknown(name, "comes from elsewhere and is not here")
        where = block.fields["source"][0].where
        folder = child_folder(self.reading.top, self.folder, source)
        if folder is None:
            said = f'"{source}" is outside of the template\'s folder, which is all that Coder gets; it is not read'
            self.reading.findings.note(where, said)
            return Unknown(name, "is outside of the template's folder")
        files = terraform_files(folder)
        if not files:
            self.error(where, f'there is no Terraform file in "{source}"; write the folder of a module')
            return Unknown("", TOLD, TOLD)
        if folder in (*self.above, self.folder) or len(self.above) >= _MOST_DEEP:
            self.error(where, f'"{source}" leads back to a module that it is called from; write another folder')
            return Unknown("", TOLD, TOLD)
        read = [read_file(file, self.reading.findings) for file in files]
        whole = [file for file in read if file is not None]
        above = (*self.above, self.folder)
        many = [block.fields[field][0] for field in ("count", "for_each") if field in block.fields]
        if many and isinstance(evaluate(many[0], self.scope), Unknown):
            one = Module(self.reading, folder, whole, (), f"{self.address}{name}.", {}, above)
            if not any(True for child in one.everywhere() for _ in child.data(PRESET)):
                return Unknown(name, AT_RUN_TIME)  # how often it is there matters to no preset
        made: dict[str | int | None, Module] = {}
        for key, scope in instances(block, self):
            self.reading.modules += 1
            if self.reading.modules > _MOST_MODULES:
                self.error(where, f"more than {_MOST_MODULES} modules are called; write fewer")
                break
            inputs = {field: (nodes[0], scope) for field, nodes in block.fields.items() if field not in _OF_A_CALL}
            address = f"{self.address}{name}{bracket(key)}."
            made[key] = Module(self.reading, folder, whole, (), address, inputs, above)
            made[key].check_inputs(block)
        return made

    def check_inputs(self, block: Block) -> None:
        """A module is called with what it declares."""
        for name in self.inputs or ():
            if name not in self.declared:
                told = f'the module declares no variable "{name}"; {did_you_mean(name, self.declared)}'
                self.error(block.fields[name][0].where, told)

    def _output(self, name: str, rest: list[str | int]) -> tuple[Value, int]:
        made = self.children.get(name)
        if made is None:
            raise self._undeclared(f"module.{name}", [f"module.{known}" for known in self.children])
        if isinstance(made, Unknown):
            subject = dotted(["module", name, *rest])
            if made.reason == TOLD or made.failed:
                return made, 2 + len(rest)
            way = f"give it with --var {subject}=value, {WAY_OUT}" if self.inputs is None else ""
            return Unknown(subject, made.reason, way), 2 + len(rest)
        if None in made:
            if rest and str(rest[0]) in made[None].outputs:
                return made[None].output(str(rest[0])), 3
            return made[None].all_outputs, 2
        outputs = {key: module.all_outputs for key, module in made.items()}
        if all(isinstance(key, int) for key in outputs):
            return [*outputs.values()], 2
        return {str(key): value for key, value in outputs.items()}, 2

    @property
    def all_outputs(self) -> dict[str, Value]:
        return {name: self.output(name) for name in self.outputs}

    def output(self, name: str) -> Value:
        nodes = self.outputs[name].get("value", [])
        return self._once(f"output.{name}", evaluate, nodes[0], self.scope) if nodes else None

    def everywhere(self) -> Iterator[Module]:
        """This module and all that are called from it, and from those."""
        yield self
        for made in self.children.values():
            if not isinstance(made, Unknown):
                for module in made.values():
                    yield from module.everywhere()

    # What is given from outside.

    def check_variables(self, asked: Mapping[str, Given]) -> None:
        """Every value has a name that the template declares and the type it asks for; `asked`: those that were named,
        and not found beside the template."""
        names = [*self.declared, *(f"local.{name}" for name in self.locals)]
        beyond = [".".join(words if words[0] == "data" else words[1:]) for words in self.blocks if len(words) == 3]
        beyond += [f"module.{block.label}" for words, block in self.blocks.items() if words[0] == "module"]
        beyond += ["data.coder_workspace.me", "data.coder_workspace_owner.me"]
        for name, given in self.reading.outside.items():
            if name not in names and not any(name.startswith((f"{one}.", f"{one}[")) for one in beyond):
                said = f'the template declares no "{name}"; {did_you_mean(name, names)}'
                if asked.get(name) is given:
                    self.reading.findings.error(given.where, said, name=UNDECLARED_VARIABLE)
                else:
                    self.reading.findings.warning(given.where, said)
            elif name in self.declared:
                self._check_type(name, given)

    def _check_type(self, name: str, given: Given) -> None:
        fields = self.declared[name]
        nodes = fields.get("type", [])
        try:
            value = given_value(given, type_of(fields), nodes[0] if nodes else _NOWHERE)
        except NotKnown as error:
            wanted = short(nodes[0].source.strip('"'))
            example = {"number": "; write {}=3", "bool": "; write {}=true"}.get(wanted, "")
            reason = "" if example else f", but this {error.unknown.reason}"
            article = "an" if wanted.startswith("o") else "a"
            self.error(given.where, f'variable "{name}" is {article} {wanted}{reason}{example.format(name)}')
            self.values[f"var.{name}"] = Unknown("", TOLD, TOLD)
            return
        self.values[f"var.{name}"] = value
        for rule in fields.get("validation", []):
            parts = fields_of(rule)
            if "condition" in parts and evaluate(parts["condition"][0], self.scope) is False:
                message = evaluate(parts["error_message"][0], self.scope) if "error_message" in parts else ""
                said = message if isinstance(message, str) else "its condition does not hold"
                self.error(given.where, f'variable "{name}" is refused by the template: {short(said)}; write another')
        if value is None:  # worked out again where it is needed, with the default if it takes no null
            del self.values[f"var.{name}"]


_MAKES = {"each": "for_each", "count": "count"}
_MAKERS = {*_MAKES.values()}
_OF_A_CALL = {"source", "version", "count", "for_each", "providers", "depends_on"}
_NOWHERE = Node(File("", "", None), None, 0)  # type: ignore[arg-type]


def _written(value: Value) -> Value:
    """A value from outside for what has no type: text, unless it is written as a list or an object."""
    if isinstance(value, str) and value.strip()[:1] in ("[", "{"):
        found = parsed_literal(value)
        return value if isinstance(found, Unknown) else found
    return value


def bracket(key: str | int | None) -> str:
    """The key of an instance, as addresses have it."""
    return "" if key is None else f"[{key}]" if isinstance(key, int) else f'["{key}"]'


def instances(block: Block, module: Module) -> Iterator[tuple[str | int | None, Scope]]:
    """(key, scope) of each instance that count or for_each make of a block; (None, scope) without either.

    What is wrong with them becomes findings; then there is one instance, of which nothing is known.
    """
    made = "for_each" if "for_each" in block.fields else "count"
    try:
        yield from made_instances(block, module)
    except NotKnown as error:
        tell(module, block.fields[made][0], made, error.unknown)
        lost = Unknown("", TOLD, TOLD)
        yield None, module.scope.with_names(each={"key": lost, "value": lost}, count={"index": lost})


def made_instances(block: Block, module: Module) -> list[tuple[str | int | None, Scope]]:
    """(key, scope) of each instance of a block. Raises NotKnown."""
    fields, scope = block.fields, module.scope
    if "for_each" in fields:
        chosen = each(evaluate(fields["for_each"][0], scope))
        return [(key, scope.with_names(each={"key": key, "value": value})) for key, value in chosen]
    if "count" in fields:
        wanted = number(evaluate(fields["count"][0], scope))
        if not isinstance(wanted, int) or not 0 <= wanted <= MOST_INSTANCES:
            raise failure(f"must be 0 to {MOST_INSTANCES}, got {as_text(wanted)}", "write another number")
        return [(i, scope.with_names(count={"index": i})) for i in range(wanted)]
    return [(None, scope)]


def each(value: Value) -> list[tuple[str, Value]]:
    """What for_each of a block goes over, by key. Raises NotKnown."""
    known(value)
    if isinstance(value, Set):
        found = [(text(one), one) for one in value]
    elif isinstance(value, dict):
        found = [(key, value[key]) for key in sorted(value)]
    else:
        raise failure(f"must be a map or a set of texts, got {kind(value)}", "write a map, or toset([...])")
    if len(found) > MOST_INSTANCES:
        raise failure(f"makes more than {MOST_INSTANCES} of one", "write fewer")
    return found


def each_of(value: Value) -> list[tuple[Value, Value]]:
    """What for_each of a dynamic block goes over, which may be a list, too. Raises NotKnown."""
    found = pairs(value)
    if len(found) > MOST_INSTANCES:
        raise failure(f"makes more than {MOST_INSTANCES} of one", "write fewer")
    return found


def tell(module: Module, node: Node, name: str, unknown: Unknown, label: str = "") -> None:
    """Why the value of an attribute is not known, once."""
    if unknown.reason == TOLD:
        module.reading.findings.extend(module.broken)
    else:
        source = short(node.source)
        remedy = unknown.remedy or f"give the value itself, {WAY_OUT}"
        module.error(node.where, f"{label}{name} = {source}: {unknown.told}; {remedy}")
