"""Terraform's operators, templates and functions: each answer is Terraform's own, of its function library."""

from __future__ import annotations

from pathlib import Path

import pytest

from simkit.errors import Findings
from simkit.inputs import expressions
from simkit.inputs.expressions import evaluate, plain
from simkit.inputs.functions import AT_RUN_TIME, ELSEWHERE, FUNCTIONS
from simkit.inputs.hcl import expression_in
from simkit.inputs.module import Module, Reading
from simkit.inputs.values import Unknown

ANSWERS = (
    ('1 + 2 * 3', 7),
    ('7 / 2', 3.5),
    ('-7 % 3', -1),
    ('10 % 4', 2),
    ('0.1 + 0.2', 0.3),
    ('"${1 / 3}"', 0.3333333333333333),
    ('"5" + 1', 6),
    ('1 == "1"', False),
    ('"a" == "a" ? 1 : "b"', '1'),
    ('!true || false', False),
    ('3 > 2 && 2 >= 2', True),
    ('[for i, v in ["a", "b"] : "${i}${v}"]', ['0a', '1b']),
    ('{for k, v in {b = 1, a = 2} : upper(k) => v + 1}', {'A': 3, 'B': 2}),
    ('{for s in ["aa", "ab", "b"] : substr(s, 0, 1) => s...}', {'a': ['aa', 'ab'], 'b': ['b']}),
    ('[for s in ["a", "", "b"] : s if s != ""]', ['a', 'b']),
    ('[{a = 1}, {a = 2}][*].a', [1, 2]),
    ('{a = [1, 2]}.a[1]', 2),
    ('abs(-3)', 3),
    ('ceil(1.2)', 2),
    ('floor(-1.2)', -2),
    ('max(3, 1, 2)', 3),
    ('min([3, 1]...)', 1),
    ('pow(2, 10)', 1024),
    ('signum(-4)', -1),
    ('parseint("ff", 16)', 255),
    ('log(8, 2)', 3),
    ('chomp("a\\n\\n")', 'a'),
    ('format("%s-%03d-%5.2f-%q-%%", "a", 7, 3.14159, "q")', 'a-007- 3.14-"q"-%'),
    ('format("%v %v", [1, "a"], true)', '[1,"a"] true'),
    ('format("%x %X %o %b", 255, 255, 8, 5)', 'ff FF 10 101'),
    ('formatlist("%s!", ["a", "b"])', ['a!', 'b!']),
    ('indent(2, "a\\nb")', 'a\n  b'),
    ('join(",", ["a", "b"])', 'a,b'),
    ('lower("AbC")', 'abc'),
    ('title("hello world-x")', 'Hello World-X'),
    ('replace("a.b.c", ".", "-")', 'a-b-c'),
    ('replace("hello 123", "/[0-9]+/", "#")', 'hello #'),
    ('replace("ab", "/(a)(b)/", "$2$1")', 'ba'),
    ('replace("~/x", "/^~(\\/|$)/", "$$HOME$1")', '$HOME/x'),
    ('replace("ab", "/(b)/", "<$1x$2$${1}>")', 'a<b>'),
    ('replace("ab", "/(?P<k>b)/", "$k$k1")', 'ab'),
    ('replace("ab", "/b/", "\\\\1$0")', 'a\\1b'),
    ('regex("[a-z]+", "12abc3")', 'abc'),
    ('regex("(\\\\d+)-(\\\\d+)", "x 1-22")', ['1', '22']),
    ('regex("(?P<k>\\\\w)=(?P<v>\\\\w)", "a=b")', {'k': 'a', 'v': 'b'}),
    ('regexall("[a-z]", "1a2b")', ['a', 'b']),
    ('split(",", "a,b,,c")', ['a', 'b', '', 'c']),
    ('split("", "abc")', ['a', 'b', 'c']),
    ('startswith("abc", "ab")', True),
    ('endswith("abc", "bc")', True),
    ('strcontains("abc", "b")', True),
    ('strrev("abc")', 'cba'),
    ('substr("hello", 1, 3)', 'ell'),
    ('substr("hello", -3, -1)', 'llo'),
    ('trim("?!a?!", "!?")', 'a'),
    ('trimprefix("helloworld", "hello")', 'world'),
    ('trimsuffix("helloworld", "world")', 'hello'),
    ('trimspace("  a b \\n")', 'a b'),
    ('upper("ab")', 'AB'),
    ('alltrue([true, "true"])', True),
    ('anytrue([])', False),
    ('chunklist(["a", "b", "c"], 2)', [['a', 'b'], ['c']]),
    ('coalesce("", null, "x")', 'x'),
    ('coalescelist([], ["b"])', ['b']),
    ('compact(["a", "", null, "b"])', ['a', 'b']),
    ('concat(["a"], ["b", "c"])', ['a', 'b', 'c']),
    ('contains(["a", "b"], "b")', True),
    ('distinct(["a", "b", "a"])', ['a', 'b']),
    ('element(["a", "b", "c"], 4)', 'b'),
    ('flatten([["a", ["b"]], [], "c"])', ['a', 'b', 'c']),
    ('index(["a", "b"], "b")', 1),
    ('keys({b = 1, a = 2})', ['a', 'b']),
    ('length("héllo")', 5),
    ('length({a = 1})', 1),
    ('lookup({a = 1}, "b", 9)', 9),
    ('matchkeys(["i1", "i2", "i3"], ["a", "b", "a"], ["a"])', ['i1', 'i3']),
    ('merge({a = 1, b = 2}, null, {b = 3})', {'a': 1, 'b': 3}),
    ('one([5])', 5),
    ('range(3)', [0, 1, 2]),
    ('range(1, 8, 3)', [1, 4, 7]),
    ('range(3, 0)', [3, 2, 1]),
    ('reverse(["a", "b"])', ['b', 'a']),
    ('setintersection(["a", "b"], ["b", "c"])', ['b']),
    ('setproduct(["a", "b"], ["x", "y"])', [['a', 'x'], ['a', 'y'], ['b', 'x'], ['b', 'y']]),
    ('setsubtract(["a", "b"], ["b"])', ['a']),
    ('setunion(["b"], ["a"])', ['a', 'b']),
    ('slice(["a", "b", "c"], 1, 3)', ['b', 'c']),
    ('sort(["b", "a", "C"])', ['C', 'a', 'b']),
    ('sum([1, 2.5])', 3.5),
    ('transpose({a = ["x", "y"], b = ["y"]})', {'x': ['a'], 'y': ['a', 'b']}),
    ('values({b = 1, a = 2})', [2, 1]),
    ('zipmap(["a", "b"], [1, 2])', {'a': 1, 'b': 2}),
    ('base64decode("aGk=")', 'hi'),
    ('base64encode("hi")', 'aGk='),
    ('csvdecode("a,b\\n1,2\\n")', [{'a': '1', 'b': '2'}]),
    ('jsondecode("{\\"a\\": [1, 2.5, null, true]}")', {'a': [1, 2.5, None, True]}),
    ('jsonencode({b = "<x>", a = [1, 2.5, null]})', '{"a":[1,2.5,null],"b":"\\u003cx\\u003e"}'),
    ('urlencode("a b&c/é")', 'a+b%26c%2F%C3%A9'),
    ('cidrhost("10.12.112.0/20", 16)', '10.12.112.16'),
    ('cidrhost("10.12.112.0/20", 268)', '10.12.113.12'),
    ('cidrhost("fd00:fd12:3456:7890:00a2::/72", 34)', 'fd00:fd12:3456:7890::22'),
    ('cidrhost("10.0.0.77/24", -1)', '10.0.0.255'),
    ('cidrnetmask("172.16.0.0/12")', '255.240.0.0'),
    ('cidrsubnet("172.16.0.0/12", 4, 2)', '172.18.0.0/16'),
    ('cidrsubnet("10.1.2.0/24", 4, 15)', '10.1.2.240/28'),
    ('cidrsubnet("fd00:fd12:3456:7890::/56", 16, 162)', 'fd00:fd12:3456:7800:a200::/72'),
    ('cidrsubnet("010.001.0.0/16", 0, 0)', '10.1.0.0/16'),
    ('cidrsubnets("10.1.0.0/16", 4, 4, 8, 4)', ['10.1.0.0/20', '10.1.16.0/20', '10.1.32.0/24', '10.1.48.0/20']),
    ('cidrsubnets("fd00:fd12:3456:7890::/56", 16, 16, 16, 32)[3]', 'fd00:fd12:3456:7800:300::/88'),
    ('[for c in cidrsubnets("10.0.0.0/8", 8, 8) : cidrsubnets(c, 4, 4)][1][1]', '10.1.16.0/20'),
    ('formatdate("DD MMM YYYY hh:mm ZZZ", "2018-01-02T23:12:01Z")', '02 Jan 2018 23:12 UTC'),
    ('formatdate("EEEE, DD-MMM-YY hh:mm:ss ZZZ", "2018-01-02T23:12:01Z")', 'Tuesday, 02-Jan-18 23:12:01 UTC'),
    ('formatdate("EEE, DD MMM YYYY hh:mm:ss ZZZ", "2018-01-02T23:12:01-08:00")', 'Tue, 02 Jan 2018 23:12:01 -0800'),
    ('formatdate("MMM DD, YYYY", "2018-01-02T23:12:01Z")', 'Jan 02, 2018'),
    ('formatdate("HH:mmaa", "2018-01-02T23:12:01Z")', '11:12pm'),
    ('formatdate("h \'o\'\'clock\'", "2018-01-02T23:12:01Z")', "23 o'clock"),
    ('formatdate("H\'\'M D Z ZZZZZ", "2018-11-02T00:12:01.5+05:30")', "12'11 2 +05:30 +05:30"),
    ('yamlencode({"a":"b", "c":"d"})', '"a": "b"\n"c": "d"\n'),
    ('yamlencode({"foo":[1, 2, 3], "bar": "baz"})', '"bar": "baz"\n"foo":\n- 1\n- 2\n- 3\n'),
    (
        'yamlencode({"foo":[1, {"a":"b","c":"d"}, 3], "bar": "baz"})',
        '"bar": "baz"\n"foo":\n- 1\n- "a": "b"\n  "c": "d"\n- 3\n',
    ),
    ('yamlencode(true)', 'true\n...\n'),
    ('yamlencode("")', '""\n'),
    ('yamlencode({a = [], b = {}, c = null, d = 2.5})', '"a": []\n"b": {}\n"c": null\n"d": 2.5\n'),
    ('yamlencode(toset(["b", "a"]))', '- "a"\n- "b"\n'),
    ('yamlencode({s = "x: 1\\ny\\n"})', '"s": |\n  x: 1\n  y\n'),
    ('basename("/a/b.txt")', 'b.txt'),
    ('dirname("/a/b.txt")', '/a'),
    ('dirname("b.txt")', '.'),
    ('md5("a")', '0cc175b9c0f1b6a831c399e269772661'),
    ('sha1("a")', '86f7e437faa5a7fce15d1ddcb9eaeaea377667b8'),
    ('sha256("a")', 'ca978112ca1bbdcafac231b39a23dc4da786eff8147c4e72b9807785afee48bb'),
    ('base64sha256("a")', 'ypeBEsobvcr6wjGzmiPcTaeG7/gUfE5yuYB3ha/uSLs='),
    ('uuidv5("dns", "www.terraform.io")', 'a5008fae-b28c-5ba5-96cd-82b4c53552d6'),
    ('can(1 + "a")', False),
    ('try(tonumber("a"), 3)', 3),
    ('try({a = 1}.b, "none")', 'none'),
    ('tobool("true")', True),
    ('tolist(toset(["b", "a", "b"]))', ['a', 'b']),
    ('tomap({a = 1})', {'a': 1}),
    ('tonumber("4.5")', 4.5),
    ('tostring(4.50)', '4.5'),
    ('tostring(true)', 'true'),
    ('"%{ if 1 == 1 }yes%{ else }no%{ endif }"', 'yes'),
    ('"%{ for x in ["a", "b"] }${x};%{ endfor }"', 'a;b;'),
    ('"a$${b}%%{c}"', 'a${b}%{c}'),
    ('1e3', 1000),
    ('tostring(1000000000000000000000)', '1000000000000000000000'),
    ('tostring(0.000001)', '0.000001'),
    ('tonumber("1e3")', 1000),
    ('2 - -1', 3),
    ('-(3)', -3),
    ('null == null', True),
    ('[] == []', True),
    ('{a = 1} == {a = 1}', True),
    ('format("%.4s", tostring(100 / 3))', '33.3'),
    ('8 * 3600 / 2', 14400),
    ('lookup({a = "x"}, "a")', 'x'),
    ('nonsensitive(sensitive("a"))', 'a'),
    ('title("éa b_c")', 'Éa B_c'),
    ('format("%-5s|%5s|", "a", "b")', 'a    |    b|'),
    ('format("%d", 3.0)', '3'),
    ('format("%s", 3.5)', '3.5'),
    ('format("%e", 12345.678)', '1.234568e+04'),
    ('format("%g", 100000)', '100000'),
    ('trim("  a ", " ")', 'a'),
    ('join("-", [1, true])', '1-true'),
    ('min(1.5, 2)', 1.5),
    ('floor("3.7")', 3),
    ('contains([1, 2], "1")', False),
    ('coalesce(null, 1)', 1),
    ('element([1,2,3], -1)', 3),
    ('substr("abc", 1, -1)', 'bc'),
)  # fmt: skip


def worth(expression: str, folder: Path = Path()) -> object:
    """What an expression is worth; an Unknown where it has no value."""
    node = expression_in(expression, "main.tf", 1)
    assert node is not None, "it can be read"
    value = evaluate(node, Module(Reading(folder, Findings()), folder, []).scope)
    return value if isinstance(value, Unknown) else plain(value)


@pytest.mark.parametrize(("expression", "answer"), ANSWERS)
def test_an_expression_is_worth_what_terraform_makes_of_it(expression, answer):
    value = worth(expression)
    assert (value, type(value)) == (answer, type(answer))


def test_yaml_and_large_numbers_are_read_whole():
    assert worth(r'yamldecode("a: 1\nb: [x, 2.5, true, ~]")') == {"a": 1, "b": ["x", 2.5, True, None]}
    assert worth("1000000000000000000000") == 10**21


@pytest.mark.parametrize(
    ("expression", "reason"),
    [
        ("1 / 0", "divides by zero"),
        ("[1][3]", 'there is no "3" in it'),
        ('{ a = 1 }["b"]', 'there is no "b" in it'),
        ('parseint("x", 10)', 'parseint("x", 10) cannot read "x" as a number'),
        ("element([], 0)", "takes an element of an empty list"),
        ('lookup({}, "a")', 'there is no "a" in it'),
        ('jsondecode("{")', "is given what is no JSON"),
        ("range(5000)", "more than 1,024 numbers"),
        ("one([1, 2])", "one() is given 2 elements"),
        ('[for x in "abc" : x]', "needs a list or a map, got text"),
        ('{ for x in ["a", "a"] : x => 1 }', 'makes "a" twice'),
        ("max()", "max() needs a number"),
        ("lower()", "lower takes another number of arguments"),
        ("lowr(1)", 'Terraform has no function lowr; write "lower"'),
        ("nonsense", "nonsense is not declared"),
        ('"x${[1]}"', "puts something into text that is none"),
    ],
)
def test_where_terraform_would_stop_it_is_told_why(expression, reason):
    value = worth(expression)
    assert isinstance(value, Unknown)
    assert value.failed
    assert reason in f"{value.told}; {value.remedy}"


@pytest.mark.parametrize("name", sorted(AT_RUN_TIME | ELSEWHERE))
def test_a_function_that_is_not_worked_out_says_so_and_is_no_fault_of_the_template(name):
    value = worth(f'{name}("a")')
    assert isinstance(value, Unknown)
    assert not value.failed
    assert name not in FUNCTIONS


@pytest.mark.parametrize(
    ("expression", "reason"),
    [
        ('join(join("", range(400)), range(1000))', "1,000,000 characters"),
        ('join("", [for i in range(1000) : join("", range(1000))])', "50,000 steps"),
        ("[for i in range(1000) : range(1000)]", "50,000 steps"),
        ("setproduct(range(1000), range(1000))", "100,000 elements"),
        ("[for i in range(50) : [for j in range(50) : range(50)]]", "100,000 elements"),
        ("length([for i in range(1000) : length([for j in range(1000) : i * j])])", "50,000 steps"),
        (
            'replace(join("", [for i in range(1000) : "aaaaaaaaaa"]), "a", join("", range(1000)))',
            "1,000,000 characters",
        ),
        ('format("%1000000s", "a")', "too wide a field"),
        ('regex("(a+)+$", "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaab")', "this regular expression is not worked out"),
        ('regex("(a|aa)+$", "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaab")', "this regular expression is not worked out"),
        ('replace(join("", range(1000)), "/a*b*c*d*x/", "")', "this regular expression is not worked out"),
        ("pow(pow(10, 100), 100)", "too large a number"),
        ('yamldecode("a: &x [1]\\nb: *x")', "cannot be read as YAML"),
        ("(" * 200 + "1" + ")" * 200 + " + " + "-(" * 150 + "1" + ")" * 150, "more than 120 expressions"),
    ],
)
def test_what_would_take_long_or_much_is_refused_soon(expression, reason):
    value = worth(expression)
    assert isinstance(value, Unknown)
    assert reason in value.told


@pytest.mark.parametrize(
    ("pattern", "found"),
    [
        ("*", ["a.tf", "b.txt"]),
        ("*.{tf,md}", ["a.tf"]),
        ("**", ["a.tf", "b.txt", "sub/.hidden", "sub/c.tf", "sub/deep/d.tf"]),
        ("**/*.tf", ["a.tf", "sub/c.tf", "sub/deep/d.tf"]),
        ("sub/*", ["sub/.hidden", "sub/c.tf"]),
        ("[ab].t??", ["b.txt"]),
        ("[^b].*", ["a.tf"]),
        ("nothing*", []),
    ],
)
def test_fileset_finds_files_below_the_template_alone(tmp_path: Path, pattern: str, found: list[str]):
    folder = tmp_path / "template"
    (folder / "sub" / "deep").mkdir(parents=True)
    for name in ("a.tf", "b.txt", "sub/c.tf", "sub/.hidden", "sub/deep/d.tf"):
        (folder / name).write_text("")
    (tmp_path / "secret.tf").write_text("")
    (folder / "link.tf").symlink_to(tmp_path / "secret.tf")
    assert plain(worth(f'fileset(path.module, "{pattern}")', folder)) == found
    assert plain(worth('fileset("sub", "*.tf")', folder)) == ["c.tf"]
    for outside in ("..", "/etc"):
        value = worth(f'fileset("{outside}", "*")', folder)
        assert isinstance(value, Unknown)
        assert value.failed


@pytest.mark.parametrize(
    ("expression", "reason"),
    [
        ('cidrhost("10.0.0.0/30", 4)', "does not accommodate a host numbered 4"),
        ('cidrhost("10.0.0.0", 4)', "no prefix in CIDR notation"),
        ('cidrnetmask("10.0.0.0/255.0.0.0")', "no prefix in CIDR notation"),
        ('cidrnetmask("fd00::/8")', "only IPv4 networks have a netmask"),
        ('cidrsubnet("10.0.0.0/30", 4, 0)', "not address space enough"),
        ('cidrsubnet("10.0.0.0/24", 4, 16)', "does not accommodate a subnet numbered 16"),
        ('cidrsubnets("10.0.0.0/24", 1, 1, 1)', "not enough remaining address space"),
        ('cidrsubnets("10.0.0.0/24", 0)', "by 1 to 32 bits"),
        ('formatdate("YYY", "2018-01-02T23:12:01Z")', 'knows no "YYY"'),
        ('formatdate("\'a", "2018-01-02T23:12:01Z")', "a quote that does not end"),
        ('formatdate("YYYY", "2018-01-02")', "no timestamp of RFC 3339"),
        ('formatdate("YYYY", "2018-02-30T00:00:00Z")', "no timestamp of RFC 3339"),
        ('fileset(".", "{a,b")', "a { that does not end"),
        ('fileset(".", "[a")', "a [ that does not end"),
    ],
)
def test_where_networks_dates_and_patterns_are_wrong_it_is_told(tmp_path: Path, expression: str, reason: str):
    value = worth(expression, tmp_path)
    assert isinstance(value, Unknown)
    assert value.failed
    assert reason in value.told


def test_a_text_with_more_pieces_than_are_worked_out_is_not_read_first(tmp_path: Path, monkeypatch):
    (tmp_path / "long.tftpl").write_text("${x}" * 60_000)
    monkeypatch.setattr(expressions, "_parts_of_text", lambda *_: pytest.fail("it is read"))
    value = worth('templatefile("long.tftpl", { x = 1 })', tmp_path)
    assert isinstance(value, Unknown)
    assert "takes more than 50,000 steps" in value.told


def test_files_are_read_below_the_template_alone(tmp_path: Path):
    folder = tmp_path / "template"
    folder.mkdir()
    (folder / "size.json").write_text('{"n": 3}')
    (folder / "greeting.tftpl").write_text("%{ for x in names ~}\nhi ${x}\n%{ endfor ~}\n")
    (tmp_path / "secret").write_text("s")
    (folder / "link").symlink_to(tmp_path / "secret")
    (folder / "within").symlink_to(folder / "size.json")
    assert worth('jsondecode(file("${path.module}/size.json")).n', folder) == 3
    assert worth('file("within")', folder) == '{"n": 3}'
    assert worth('templatefile("greeting.tftpl", { names = ["a", "b"] })', folder) == "hi a\nhi b\n"
    assert worth('fileexists("nope") ? 1 : 2', folder) == 2
    for name in ("../secret", "link", "/etc/hostname", "..", "a\\u0000b"):
        value = worth(f'file("{name}")', folder)
        assert isinstance(value, Unknown), name
        assert value.failed
    assert worth('try(file("../secret"), "nothing")', folder) == "nothing"
