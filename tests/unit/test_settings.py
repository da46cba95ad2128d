"""ManifestSettings in the manifest: what may stand there, in which form, and what takes precedence."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path

import jsonschema
import pytest
import tomli
from hypothesis import given
from hypothesis import strategies as st

from pixi_container.cli import main
from pixi_container.errors import UserError
from pixi_container.input_table import INPUTS
from pixi_container.input_values import lines_of
from pixi_container.inputs import parse_inputs
from pixi_container.settings import ManifestSettings, located, read_settings, settings_of
from pixi_container.workspace.manifest import manifest_from
from pixi_container.workspace.toml_table import parse_toml
from tests.documents import ROOT, SETTINGS
from tests.schema import schemas
from tests.unit.conftest import Folder

WORKSPACE = """\
[workspace]
channels = []
platforms = ["linux-64"]
[environments]
cpu = []
gpu = []
"""
KINDS = {
    "environment": "lines",
    "platforms": "lines",
    "images": "lines",
    "tags": "lines",
    "flavor": "lines",
    "labels": "pairs",
    "annotations": "pairs",
    "pixi-version": "text",
    "pixi-image": "text",
    "runtime-image": "text",
    "apt-packages": "lines",
    "base-instructions": "text",
    "refresh": "flag",
    "cuda-version": "text",
    "include": "lines",
    "workdir": "text",
    "working-directory": "text",
    "env": "pairs",
    "user": "text",
    "expose": "lines",
    "command": "words",
    "entrypoint": "words",
    "healthcheck": "text",
    "volumes": "lines",
    "stop-signal": "text",
    "instructions": "text",
    "layers": "text",
    "compression": "text",
    "test-command": "text",
    "dockerfile": "text",
    "target": "text",
    "test-target": "lines",
    "build-args": "pairs",
    "build-contexts": "pairs",
    "template": "text",
    "paths": "lines",
    "skip-unchanged": "flag",
    "reuse-environment": "flag",
    "promote": "flag",
    "environment-builder": "text",
    "layer-cache": "text",
    "sif": "flag",
}
"""The inputs that the manifest can set, with their kinds."""

REFUSED = {
    *("context", "manifest-path", "environments", "emulation", "push", "username", "builder", "secret-files"),
    *("nodes", "ssh", "contexts", "runners", "digests"),
}
"""The inputs that it cannot set, besides secrets."""


def settings(text: str) -> ManifestSettings:
    return settings_of(manifest_from("pixi.toml", parse_toml(f"{WORKSPACE}{text}", "pixi.toml")))


def texts(text: str, **given: str) -> dict[str, str]:
    return {name: setting.text for name, setting in settings(text).beside(given).items()}


def error_of(text: str) -> UserError:
    with pytest.raises(UserError) as caught:
        settings(text)
    return caught.value


def test_every_input_is_a_setting_of_a_kind_or_is_refused_for_a_reason() -> None:
    assert {row.name: row.kind for row in INPUTS if row.is_setting} == KINDS
    assert {row.name for row in INPUTS if row.not_in_settings} == REFUSED
    assert set(KINDS.values()) == SETTINGS.keys()


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ('workdir = "/work"', "/work"),
        ("layers = 3", "3"),
        ("promote = false", "false"),
        ('promote = "true"', "true"),
        ("expose = 8000", "8000"),
        ('expose = [8000, "53/udp"]', "8000\n53/udp"),
        ('include = ["src", "my data"]', "src\nmy data"),
        ('include = "src\\n# why\\ndata"', "src\n# why\ndata"),
        ('command = ["python", "-c", "print(\\"ü\\")"]', '["python", "-c", "print(\\"\\u00fc\\")"]'),
        ('command = "python -m app"', "python -m app"),
        (
            'labels = {maintainer = "lab", "org.example/a" = 1, b = true}',
            "maintainer=lab\norg.example/a=1\nb=true",
        ),
        ('labels = ["a=b=c"]', "a=b=c"),
        ('test-command = """\na\nb\n"""', "a\nb\n"),
        ('test-command = ""', ""),
    ],
)
def test_a_value_is_the_text_that_a_workflow_would_give(value: str, text: str) -> None:
    assert list(texts(f"[tool.pixi-container]\n{value}\n").values()) == [text]


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ("workdirs = 1", "unknown setting 'workdirs'; did you mean 'workdir'?"),
        ("test_command = ''", "unknown setting 'test_command'; did you mean 'test-command'?"),
        ("password = 'hunter2'", "'password' is a secret, and cannot be set in a file that is committed"),
        ("push = 'auto'", "'push' cannot be set in the manifest: who starts a run decides whether it may publish"),
        ("context = '..'", "'context' cannot be set in the manifest: it says where the manifest is"),
        (
            "workdir = ['/app']",
            "'tool.pixi-container.workdir' must be a string, not a list with other types in it",
        ),
        ("workdir = true", "'tool.pixi-container.workdir' must be a string, not a boolean"),
        ("cuda-version = 12.10", "'tool.pixi-container.cuda-version' must be a string"),
        ("promote = 1", "'tool.pixi-container.promote' must be true or false, not an integer"),
        ("include = []", "'tool.pixi-container.include' is an empty list"),
        (
            "include = ['a', '']",
            "an item of 'tool.pixi-container.include' is empty, a comment, or has a line break: ''",
        ),
        (
            "include = ['#a']",
            "an item of 'tool.pixi-container.include' is empty, a comment, or has a line break: '#a'",
        ),
        (
            'include = ["a\\u2028b"]',
            "an item of 'tool.pixi-container.include' is empty, a comment, or has a line break: 'a\\u2028b'",
        ),
        (
            "include = [['a']]",
            "'tool.pixi-container.include' must be a list of strings, or a string with an entry per ",
        ),
        (
            "include = {a = 1}",
            "'tool.pixi-container.include' must be a list of strings, or a string with an entry per ",
        ),
        (
            "labels = {a = [1]}",
            "'tool.pixi-container.labels.a' must be a string, not a list with other types in it",
        ),
        ("labels = {'a b' = ''}", "the key 'a b' has white space, quotes, '=', or starts with '#'"),
        ("labels = {'#a' = ''}", "the key '#a' has white space, quotes, '=', or starts with '#'"),
        ('labels = {a = "b\\nc=d"}', "the value of 'tool.pixi-container.labels.a' has a line break"),
        ("workdir = 1979-05-27", "'tool.pixi-container.workdir' must be a string, not a date or time"),
        (
            "environments = ['gpu']",
            "'tool.pixi-container.environments' must be a table, not a list with other types",
        ),
    ],
)
def test_what_is_refused_names_the_line(value: str, message: str) -> None:
    error = error_of(f"[tool.pixi-container]\n{value}\n")
    assert error.message.startswith(message)
    assert (error.file, error.line) == ("pixi.toml", 8)
    assert "hunter2" not in str(error)


@pytest.mark.parametrize(
    ("table", "message"),
    [
        ("cpuu", "there is no environment 'cpuu'; did you mean 'cpu'?"),
        (
            "gpu",
            "'tool.pixi-container.environments.gpu.environment' has no effect: the table is for one environment",
        ),
    ],
)
def test_the_tables_of_environments_are_for_those_that_exist(table: str, message: str) -> None:
    error = error_of(f"[tool.pixi-container.environments.{table}]\nenvironment = 'cpu'\n")
    assert error.message == message


PRECEDENCE = """
[tool.pixi-container]
environment = "cpu"
workdir = "/every"
layers = 2
[tool.pixi-container.environments.cpu]
workdir = "/cpu"
[tool.pixi-container.environments.gpu]
workdir = "/gpu"
layers = 3
"""


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({}, {"environment": "cpu", "workdir": "/cpu", "layers": "2"}),
        ({"environment": "gpu"}, {"workdir": "/gpu", "layers": "3"}),
        ({"environment": "default"}, {"workdir": "/every", "layers": "2"}),
        ({"environment": "gpu", "layers": "4"}, {"workdir": "/gpu"}),
        ({"workdir": "/given"}, {"environment": "cpu", "layers": "2"}),
    ],
)
def test_an_input_wins_then_the_environment_then_the_workspace(
    given: dict[str, str], expected: dict[str, str]
) -> None:
    assert texts(PRECEDENCE, **given) == expected


def test_without_a_choice_the_default_environment_has_its_settings() -> None:
    assert texts("[tool.pixi-container.environments.default]\nlayers = 3\n") == {"layers": "3"}


ITEM = st.text(st.characters(exclude_categories=("Cs", "Cc", "Zl", "Zp")), min_size=1).filter(
    lambda text: text.strip() == text and not text.startswith("#")
)


@given(st.lists(ITEM, min_size=1))
def test_a_list_gives_its_items_back_as_lines(items: list[str]) -> None:
    document = f"[tool.pixi-container]\npaths = {json.dumps(items)}\n"
    try:
        tomli.loads(document)
    except ValueError:
        # JSON writes characters above U+FFFF as two surrogates, which TOML does not have.
        return
    assert lines_of(texts(document)["paths"]) == tuple(items)


@given(st.lists(st.text(st.characters(exclude_categories=("Cs", "Cc"), max_codepoint=0xFFFF)), min_size=1))
def test_a_command_gives_its_words_back(words: list[str]) -> None:
    text = texts(f"[tool.pixi-container]\ncommand = {json.dumps(words)}\n")["command"]
    assert parse_inputs({"command": text}).command == tuple(words)


@pytest.mark.parametrize(
    ("name", "head"),
    [("pixi.toml", ""), ("pyproject.toml", "[tool.pixi.workspace]\nchannels = []\nplatforms = []\n")],
)
def test_the_settings_are_read_from_the_manifest(tmp_path: Path, name: str, head: str) -> None:
    (tmp_path / name).write_text(f"{head or WORKSPACE}[tool.pixi-container]\nexpose = 80\n")
    assert [setting.text for setting in read_settings(tmp_path).every.values()] == ["80"]
    assert read_settings(tmp_path, name) == read_settings(tmp_path)


def test_a_folder_without_a_workspace_has_no_settings(tmp_path: Path) -> None:
    (tmp_path / "pyproject.toml").write_text("[project]\nname = 'a'\n")
    assert read_settings(tmp_path) == read_settings(tmp_path / "absent") == ManifestSettings()


def test_an_error_about_a_value_names_its_line_in_the_manifest() -> None:
    used = settings(PRECEDENCE).beside({"environment": "gpu"})
    error = located(UserError("input 'workdir' has an invalid value: 'x'", hint="h"), used)
    assert (error.file, error.line, error.hint) == ("pixi.toml", 15, "h")
    for message in ("input 'environment' is wrong", "the base image does not exist"):
        assert not located(UserError(message), used).file
    assert located(UserError("input 'layers' is wrong", file="other"), used).file == "other"


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ('workdir = "x y"', "input 'workdir' has an invalid value: 'x y'"),
        ('tags = ["type=shaa"]', "input 'tags', line 1: unknown type 'shaa'"),
        ('images = ["a b"]', "input 'images'"),
        ('include = ["absent"]', "input 'include': 'absent' does not exist"),
    ],
)
def test_on_the_command_line_an_error_says_where_the_value_stands(
    folder: Folder, capsys: pytest.CaptureFixture[str], setting: str, message: str
) -> None:
    manifest = folder.path / "pixi.toml"
    lines = manifest.read_text().count("\n")
    manifest.write_text(f"{manifest.read_text()}[tool.pixi-container]\n{setting}\n")
    assert main(["plan", "--offline", "--context", str(folder.path)], {"PATH": "/usr/bin"}) == 3
    assert f"{manifest}:{lines + 2}: {message}" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "variables", "line"),
    [
        ([], {}, "WORKDIR /from-settings"),
        ([], {"INPUT_WORKDIR": ""}, "WORKDIR /from-settings"),
        ([], {"INPUT_WORKDIR": "/from-workflow"}, "WORKDIR /from-workflow"),
        (["--workdir", "/from-flag"], {"INPUT_WORKDIR": "/from-workflow"}, "WORKDIR /from-flag"),
    ],
)
def test_the_same_image_comes_out_without_a_flag(
    folder: Folder,
    capsys: pytest.CaptureFixture[str],
    arguments: list[str],
    variables: dict[str, str],
    line: str,
) -> None:
    manifest = folder.path / "pixi.toml"
    manifest.write_text(f'{manifest.read_text()}[tool.pixi-container]\nworkdir = "/from-settings"\n')
    env = {"PATH": "/usr/bin", **variables}
    assert main(["render", "--context", str(folder.path), *arguments], env) == 0
    assert line in capsys.readouterr().out.splitlines()


def test_a_setting_that_does_not_shape_the_environment_leaves_its_fingerprint(
    folder: Folder, capsys: pytest.CaptureFixture[str]
) -> None:
    fingerprints = []
    for text in ("", "[tool.pixi-container]\nexpose = 80\n"):
        manifest = folder.write("pixi.toml", f"{(folder.path / 'pixi.toml').read_text()}{text}")
        assert main(["plan", "--offline", "--json", "--context", str(manifest.parent)], {"PATH": "/usr/bin"}) == 0
        fingerprints.append(json.loads(capsys.readouterr().out)["fingerprint"])
    assert fingerprints[0] == fingerprints[1]


@pytest.mark.parametrize("name", schemas())
def test_the_schemas_are_current(name: str) -> None:
    assert (ROOT / "schema" / name).read_text("utf-8") == schemas()[name], "run `python -m tests.documents`"
    assert sorted(path.name for path in (ROOT / "schema").iterdir()) == sorted(schemas())


@cache
def validator() -> jsonschema.Draft7Validator:
    schema = json.loads(schemas()["pixi-container.json"])
    jsonschema.Draft7Validator.check_schema(schema)
    return jsonschema.Draft7Validator(schema)


VALUES: tuple[object, ...] = (
    "a",
    "",
    3,
    1.5,
    True,
    ["a"],
    ["a", 3],
    [],
    [""],
    ["#a"],
    [["a"]],
    {"a": "b"},
    {"a": 1},
    {"a b": ""},
    {"a": []},
)


@pytest.mark.parametrize("name", [*(row.name for row in INPUTS), "unknown"])
def test_the_schema_accepts_what_the_program_accepts(name: str) -> None:
    """The schema lists the words of a choice, whose other texts only the input's own parser refuses."""
    row = next((row for row in INPUTS if row.name == name), None)
    valid = validator()
    for value in (*VALUES, *(row.choices if row else ())):
        document = f"[tool.pixi-container]\n{name} = {toml(value)}\n"
        try:
            settings(document)
            if row and (row.choices or row.kind == "flag"):
                parse_inputs({"apt-packages": "git", **texts(document)})
        except UserError:
            accepted = False
        else:
            accepted = not (row and (row.choices or row.kind == "flag") and value == "")
        assert valid.is_valid({name: value}) == accepted, value
        expected = accepted and name != "environment"
        assert valid.is_valid({"environments": {"gpu": {name: value}}}) == expected, value


def toml(value: object) -> str:
    if isinstance(value, dict):
        return "{" + ", ".join(f"{json.dumps(key)} = {toml(item)}" for key, item in value.items()) + "}"
    return json.dumps(value)


@pytest.mark.parametrize("name", ["pixi.json", "pyproject.json"])
def test_the_schema_of_a_manifest_includes_those_of_the_table_and_of_the_tool(name: str) -> None:
    schema = json.loads(schemas()[name])
    (base,) = schema.pop("allOf")
    assert base["$ref"].startswith("https://")
    schema["properties"]["tool"]["properties"]["pixi-container"] = json.loads(schemas()["pixi-container.json"])
    valid = jsonschema.Draft7Validator(schema)
    assert valid.is_valid({"tool": {"other": 1, "pixi-container": {"expose": 80}}})
    assert not valid.is_valid({"tool": {"pixi-container": {"exposed": 80}}})


def test_the_first_of_several_environments_chooses_the_table() -> None:
    text = """
[tool.pixi-container]
environment = ["gpu", "cpu"]
[tool.pixi-container.environments.cpu]
layers = 2
[tool.pixi-container.environments.gpu]
layers = 3
"""
    assert texts(text) == {"environment": "gpu\ncpu", "layers": "3"}
    assert texts(text, environment="cpu gpu") == {"layers": "2"}
