"""Inputs: what is accepted, what is refused with the accepted forms, and that nothing else can happen."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pixi_container.build_inputs import BuildContext
from pixi_container.builder_nodes import BuilderNode
from pixi_container.errors import UserError
from pixi_container.input_table import INPUTS
from pixi_container.input_values import Healthcheck, Variable, lines_of
from pixi_container.inputs import Inputs, parse_inputs, texts_in
from pixi_container.registry.credentials import Credential


def test_defaults_need_no_input() -> None:
    assert parse_inputs({}) == Inputs()


SHOWN, RENDERED = ("render", "changes", "tags"), ("render",)
TABLE = {
    "context": (".", False, (*SHOWN, "init")),
    "manifest-path": ("", False, (*SHOWN, "init")),
    "environment": ("default", False, (*SHOWN, "init")),
    "environments": ("", False, ()),
    "platforms": ("", False, ()),
    "emulation": ("false", False, ()),
    "images": ("", False, ("tags",)),
    "tags": ("", False, ("tags",)),
    "flavor": ("", False, ("tags",)),
    "labels": ("", False, ("tags",)),
    "annotations": ("", False, ("tags",)),
    "push": ("auto", False, ()),
    "username": ("", False, ()),
    "password": ("", True, ()),
    "registry-auth": ("", True, ()),
    "pixi-version": ("", False, SHOWN),
    "pixi-image": ("", False, SHOWN),
    "runtime-image": ("", False, RENDERED),
    "apt-packages": ("", False, RENDERED),
    "base-instructions": ("", False, ("render", "changes")),
    "refresh": ("false", False, ()),
    "cuda-version": ("", False, SHOWN),
    "include": ("", False, ("render", "changes")),
    "workdir": ("/app", False, RENDERED),
    "working-directory": ("", False, RENDERED),
    "env": ("", False, RENDERED),
    "user": ("", False, RENDERED),
    "expose": ("", False, RENDERED),
    "command": ("", False, RENDERED),
    "entrypoint": ("", False, RENDERED),
    "healthcheck": ("", False, RENDERED),
    "volumes": ("", False, RENDERED),
    "stop-signal": ("", False, RENDERED),
    "instructions": ("", False, ("render", "changes")),
    "layers": ("auto", False, ()),
    "compression": ("gzip", False, ()),
    "test-command": ("", False, ()),
    "dockerfile": ("", False, SHOWN),
    "target": ("", False, ()),
    "test-target": ("", False, ()),
    "build-args": ("", False, ()),
    "build-contexts": ("", False, ("changes",)),
    "secrets": ("", True, ()),
    "secret-files": ("", False, ()),
    "ssh": ("", False, ()),
    "template": ("", False, ("render", "changes")),
    "conda-auth": ("", True, RENDERED),
    "git-auth": ("", True, RENDERED),
    "paths": ("", False, ("changes",)),
    "skip-unchanged": ("true", False, ()),
    "reuse-environment": ("true", False, ()),
    "promote": ("true", False, ()),
    "environment-builder": ("auto", False, ()),
    "builder": ("auto", False, ()),
    "nodes": ("", False, ()),
    "layer-cache": ("", False, ()),
    "sif": ("false", False, ()),
    "contexts": ("", False, ()),
    "runners": ("", False, ()),
    "digests": ("", False, ()),
    "github-token": ("", True, ("changes",)),
}
FOR_BUILDS_ONLY = {"refresh", "conda-auth", "git-auth", "layer-cache"}
FOR_JOBS = {"contexts": ("matrix", "merge"), "runners": ("matrix", "merge"), "digests": ("merge",)}
"""Each input's default, whether it is a secret, and the commands that use it besides those that use all."""


def test_each_input_has_its_default_and_its_commands() -> None:
    assert {row.name: (row.default, row.is_secret, row.also_for) for row in INPUTS} == TABLE
    assert {row.name: row.workflow_default for row in INPUTS if row.workflow_default is not None} == {
        "github-token": "${{ github.token }}"
    }
    for row in INPUTS:
        jobs = () if row.name in FOR_BUILDS_ONLY else ("matrix", "merge")
        assert row.commands == FOR_JOBS.get(row.name, ("run", "build", "plan", *jobs, *row.also_for))
        assert row.variable == f"INPUT_{row.name.upper().replace('-', '_')}"
        assert row.help.endswith(".")


def test_every_input_is_parsed_into_its_field() -> None:
    texts = {
        "context": "sub",
        "manifest-path": "sub/pixi.toml",
        "environment": "gpu",
        "platforms": "linux/arm64, linux/amd64",
        "images": "ghcr.io/lab/study-{{ environment }}",
        "tags": "type=sha",
        "flavor": "latest=false",
        "labels": "a=b",
        "annotations": "c=d",
        "push": "false",
        "username": "me",
        "password": "p",
        "registry-auth": "registry=r.io,username=u,password=w",
        "pixi-version": "0.70.0",
        "pixi-image": "quay.io/pixi",
        "runtime-image": "ubuntu:24.04",
        "cuda-version": "12.9.1",
        "include": "src",
        "workdir": "/work",
        "expose": "80",
        "working-directory": "data",
        "env": "A=b",
        "user": "1000",
        "command": "bash",
        "entrypoint": "tool --flag",
        "healthcheck": "true",
        "volumes": "/data",
        "stop-signal": "SIGINT",
        "instructions": "RUN true",
        "layers": "3",
        "compression": "zstd",
        "test-command": "true",
        "template": "template.j2",
        "build-args": "A=b",
        "build-contexts": "c=../d",
        "secrets": "token=s3cret",
        "secret-files": "netrc=/home/me/.netrc",
        "ssh": "default",
        "conda-auth": '{"a": {"BearerToken": "t0ken", "n": 1, "abc": "abc"}}',
        "git-auth": "# GitHub\nhttps://x-access-token:g1t%2Bhub@github.com/\n",
        "paths": "data/**\n!data/a",
        "skip-unchanged": "false",
        "reuse-environment": "false",
        "promote": "false",
        "nodes": "linux/arm64=tcp://arm.lab.example:1234",
        "github-token": "g",
    }
    inputs = parse_inputs(texts)
    assert inputs == Inputs(
        context="sub",
        manifest_path="sub/pixi.toml",
        environment="gpu",
        platforms=("linux/arm64", "linux/amd64"),
        images="ghcr.io/lab/study-gpu",
        tags="type=sha",
        flavor="latest=false",
        labels="a=b",
        annotations="c=d",
        push=False,
        username="me",
        password="p",
        credentials=(Credential(registry="r.io", username="u", password="w"),),
        pixi_version="0.70.0",
        pixi_image="quay.io/pixi",
        runtime_image="ubuntu:24.04",
        cuda_version="12.9.1",
        include=("src",),
        workdir="/work",
        expose=("80",),
        working_directory="/work/data",
        env=(Variable("A", ("b",)),),
        user="1000",
        command=("bash",),
        entrypoint=("tool", "--flag"),
        healthcheck=Healthcheck(("/bin/bash", "-c", "true")),
        volumes=("/data",),
        stop_signal="SIGINT",
        instructions="RUN true",
        layers=3,
        compression="zstd",
        test_command="true",
        template="template.j2",
        build_args=(("A", "b"),),
        build_contexts=(BuildContext("c", "../d"),),
        build_secrets=(("token", "s3cret"),),
        secret_files=(("netrc", "/home/me/.netrc"),),
        ssh=(("default", ""),),
        conda_auth=texts["conda-auth"],
        git_auth="https://x-access-token:g1t%2Bhub@github.com\n",
        paths=("data/**", "!data/a"),
        skip_unchanged=False,
        reuse_environment=False,
        promote=False,
        nodes=(BuilderNode(platforms=("linux/arm64",), endpoint="tcp://arm.lab.example:1234"),),
        github_token="g",
    )
    of_git = ("https://x-access-token:g1t%2Bhub@github.com", "g1t%2Bhub", "g1t+hub")
    assert inputs.secrets == ("p", "g", texts["conda-auth"], "t0ken", "w", *of_git, "s3cret")
    here = {"builder": "mine", "emulation": "quay.io/lab/binfmt:1"}
    assert parse_inputs(here) == Inputs(builder="mine", emulation="quay.io/lab/binfmt:1")
    own = {"dockerfile": "Dockerfile", "target": "app", "test-target": "unit\nlint"}
    assert parse_inputs(own) == Inputs(dockerfile="Dockerfile", target="app", test_target=("unit", "lint"))
    based = {"apt-packages": "git, tini", "base-instructions": "docker/base", "refresh": "true"}
    assert parse_inputs(based) == Inputs(
        apt_packages=("git", "tini"), base_instructions="docker/base", refresh=True
    )
    assert repr(inputs) == "Inputs(context='sub', environment='gpu', …)"


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("template", "a"),
        ("include", "a"),
        ("expose", "80"),
        ("command", "a"),
        ("working-directory", "a"),
        ("env", "A=b"),
        ("user", "a"),
        ("entrypoint", "a"),
        ("healthcheck", "a"),
        ("volumes", "/a"),
        ("stop-signal", "9"),
        ("instructions", "RUN a"),
    ],
)
def test_what_shapes_a_rendered_dockerfile_has_no_effect_on_ones_own(name: str, text: str) -> None:
    with pytest.raises(UserError) as caught:
        parse_inputs({"dockerfile": "Dockerfile", name: text})
    assert caught.value.message == f"input '{name}' has no effect together with 'dockerfile'"
    assert parse_inputs({"dockerfile": "Dockerfile", "workdir": "/work", "layers": "3"}).dockerfile


@pytest.mark.parametrize(("name", "text"), [("builder", "mine"), ("builder", "none"), ("emulation", "true")])
def test_what_runs_elsewhere_is_not_built_here(name: str, text: str) -> None:
    nodes = "linux/arm64=tcp://arm.lab.example:1234"
    with pytest.raises(UserError) as caught:
        parse_inputs({"nodes": nodes, name: text})
    assert caught.value.message == f"input '{name}' has no effect together with 'nodes'"
    assert parse_inputs({"nodes": nodes, "builder": "auto", "emulation": "false"}).nodes


@pytest.mark.parametrize(
    ("name", "text", "needs"),
    [
        ("target", "app", "'dockerfile'"),
        ("test-target", "unit", "'dockerfile'"),
        ("build-args", "A=b", "'dockerfile' or 'template'"),
        ("build-contexts", "a=b", "'dockerfile' or 'template'"),
        ("secrets", "a=hunter2", "'dockerfile' or 'template'"),
        ("secret-files", "a=b", "'dockerfile' or 'template'"),
        ("ssh", "default", "'dockerfile' or 'template'"),
    ],
)
def test_what_only_own_instructions_use_has_no_effect_without_them(name: str, text: str, needs: str) -> None:
    with pytest.raises(UserError) as caught:
        parse_inputs({name: text})
    assert caught.value.message == f"input '{name}' has no effect without {needs}"
    assert "hunter2" not in str(caught.value)
    assert parse_inputs({name: text, "dockerfile": "Dockerfile"}).dockerfile
    if "template" not in needs:
        with pytest.raises(UserError, match="has no effect without 'dockerfile'"):
            parse_inputs({name: text, "template": "a"})


@pytest.mark.parametrize(
    "texts",
    [
        {"secrets": "a=1", "secret-files": "a=b"},
        {"secrets": "conda-auth=1", "conda-auth": "{}"},
        {"secret-files": "conda-auth=b", "conda-auth": "{}"},
        {"secrets": "git-auth=1", "git-auth": "https://a:b@c"},
    ],
)
def test_a_secret_comes_from_one_input(texts: dict[str, str]) -> None:
    with pytest.raises(UserError, match=r"the secret '.+' is set by two inputs"):
        parse_inputs({"dockerfile": "Dockerfile", **texts})


def test_a_template_has_a_stage_of_the_environment_already() -> None:
    with pytest.raises(UserError, match="'environment' is a stage of the template"):
        parse_inputs({"template": "a", "build-contexts": "Environment=b"})
    assert parse_inputs({"dockerfile": "a", "build-contexts": "environment=b"}).build_contexts


@pytest.mark.parametrize(("name", "text"), [("apt-packages", "git"), ("base-instructions", "RUN id")])
def test_a_template_of_ones_own_has_no_base(name: str, text: str) -> None:
    with pytest.raises(UserError) as caught:
        parse_inputs({"template": "Dockerfile.j2", name: text})
    assert caught.value.message == f"input '{name}' has no effect together with 'template'"


def test_nothing_is_refreshed_where_nothing_is_added() -> None:
    with pytest.raises(UserError, match="input 'refresh' has no effect without 'apt-packages'"):
        parse_inputs({"refresh": "true"})
    assert parse_inputs({"refresh": "false"}) == Inputs()


def test_an_unknown_input_is_answered_with_all() -> None:
    with pytest.raises(UserError) as caught:
        parse_inputs({"zzz": ""})
    assert caught.value.message == "unknown input 'zzz'"
    assert caught.value.hint == f"Accepted inputs: {', '.join(TABLE)}."


@pytest.mark.parametrize("text", ["[]", "{", '"a"', "[" * 100_000])
def test_credentials_of_channels_that_cannot_be_read_are_not_shown(text: str) -> None:
    with pytest.raises(UserError, match="input 'conda-auth' is not a JSON object") as caught:
        parse_inputs({"conda-auth": text})
    assert "rattler credentials file" in caught.value.hint


def test_lines_are_trimmed_and_comments_left_out() -> None:
    assert lines_of(" a \n\n#b\n  # c\nd # e\r\n") == ("a", "d # e")


def test_blank_means_default() -> None:
    assert parse_inputs({"workdir": "  ", "environment": "\n"}) == Inputs()


@pytest.mark.parametrize(
    ("name", "text", "value"),
    [
        ("environment", "gpu-12", "gpu-12"),
        ("push", "false", False),
        ("pixi_version", "v0.70.0", "0.70.0"),
        ("cuda_version", "12.9", "12.9"),
        ("include", "src\n# a comment\n\n  data/x.csv ", ("src", "data/x.csv")),
        ("include", "none", ()),
        ("workdir", "/opt/my-work", "/opt/my-work"),
        ("expose", "8000, 53/udp\n6000-6010/tcp", ("8000", "53/udp", "6000-6010/tcp")),
        ("command", "python -m 'my app'", ("python", "-m", "my app")),
        ("command", '["python", "-c", "print(1)"]', ("python", "-c", "print(1)")),
        ("apt_packages", "git  # why\n# c\ntini=0.19.0*", ("git", "tini=0.19.0*")),
        ("base_instructions", "RUN a\nRUN b", "RUN a\nRUN b"),
        ("builder", "auto", ""),
        ("builder", "remote-1", "remote-1"),
        ("environment", "a", "a"),
        ("pixi_version", "10.20.30", "10.20.30"),
        ("cuda_version", "12", "12"),
        ("cuda_version", "123.456.789", "123.456.789"),
        ("expose", "1", ("1",)),
        ("expose", "65535/sctp", ("65535/sctp",)),
        ("expose", "1-65535", ("1-65535",)),
        ("layers", "1", 1),
        ("layers", "65", 65),
        ("layers", "auto", 65),
        ("workdir", "/_a/B.c-d", "/_a/B.c-d"),
        ("builder", "A", "A"),
        ("command", "a '\x7f'", ("a", "\x7f")),
        ("test_command", "set -x\npython -c ''", "set -x\npython -c ''"),
    ],
)
def test_accepted(name: str, text: str, value: object) -> None:
    assert getattr(parse_inputs({name.replace("_", "-"): text}), name) == value


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("environment", "GPU"),
        ("environment", "gpu; rm -rf /"),
        ("environment", ","),
        ("environment", "prod tools/x"),
        ("environment", "prod;tools"),
        ("environment", "-e"),
        ("environment", "a-"),
        ("environment", "-a"),
        ("compression", "lz4"),
        ("layers", "0"),
        ("layers", "66"),
        ("layers", "0003"),
        ("layers", "-1"),
        ("apt-packages", "git; id"),
        ("refresh", "yes"),
        ("skip-unchanged", "yes"),
        ("reuse-environment", "True"),
        ("promote", "1"),
        ("paths", "/data"),
        ("paths", "!"),
        ("paths", "!/data"),
        ("manifest-path", "a\x1fb"),
        ("template", "a\x7fb"),
        ("dockerfile", "a\tb"),
        ("expose", "65536"),
        ("expose", "8000-65536"),
        ("expose", "8000-0"),
        ("expose", "80/http"),
        ("expose", "123456"),
        ("cuda-version", "1234"),
        ("cuda-version", "1.2.3.4"),
        ("pixi-version", "vv0.70.0"),
        ("workdir", "/.app"),
        ("workdir", "/app/"),
        ("command", "a '\x1f'"),
        ("push", "true"),
        ("push", "False"),
        ("pixi-version", "latest"),
        ("pixi-version", "0.76"),
        ("cuda-version", "12.x"),
        ("workdir", "/"),
        ("workdir", "app"),
        ("workdir", "/app/../etc"),
        ("workdir", "/app\nRUN x"),
        ("workdir", '/a"b'),
        ("expose", "0"),
        ("expose", "70000"),
        ("expose", "http"),
        ("expose", "80 443;x"),
        ("command", "python 'unbalanced"),
        ("command", '["python", 1]'),
        ("command", '["unfinished"'),
        ("command", "a 'b\nc'"),
        ("builder", "--push"),
        ("nodes", "linux/arm64"),
        ("context", "a\x00b"),
    ],
)
def test_refused_with_name_value_and_accepted_forms(name: str, text: str) -> None:
    with pytest.raises(UserError) as caught:
        parse_inputs({name: text})
    assert f"'{name}'" in caught.value.message
    assert caught.value.hint.startswith("Accepted: ")


@pytest.mark.parametrize("text", ["prod tools", "prod,tools", "prod, tools", "\n prod\n# b\ntools\n"])
def test_an_image_can_have_several_environments(text: str) -> None:
    inputs = parse_inputs({"environment": text})
    assert (inputs.environment, inputs.more_environments) == ("prod", ("tools",))


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"environment": "a b a"}, "input 'environment' has 'a' twice"),
        ({"environment": "a b c d e f g h i"}, "has 9 environments, and an image has at most 8"),
        ({"environment": "a b", "dockerfile": "Dockerfile"}, "several environments, which 'dockerfile' does not"),
        ({"environment": "a b", "template": "t"}, "several environments, which 'template' does not"),
    ],
)
def test_environments_that_cannot_be_in_one_image(given: dict[str, str], message: str) -> None:
    with pytest.raises(UserError, match=message) as caught:
        parse_inputs(given)
    assert caught.value.hint


def test_an_unknown_input_gets_a_suggestion() -> None:
    with pytest.raises(UserError, match="unknown input 'enviroment'; did you mean 'environment'"):
        parse_inputs({"enviroment": "gpu"})


def test_credentials_by_registry() -> None:
    text = (
        "registry=ghcr.io,username=me,password=a,b=c\n# other\nregistry=127.0.0.1:5000, username=you, password=p w"
    )
    assert parse_inputs({"registry-auth": text}).credentials == (
        Credential(registry="ghcr.io", username="me", password="a,b=c"),
        Credential(registry="127.0.0.1:5000", username="you", password="p w"),
    )


@pytest.mark.parametrize(
    "entry",
    [
        "registry=ghcr.io;password=hunter2",
        "registry=ghcr.io,username=me,password=",
        "registry=ghcr.io,username=,password=hunter2",
        "registry=,username=me,password=hunter2",
        "registry=-ghcr.io,username=me,password=hunter2",
        "registry=ghcr.io/lab,username=me,password=hunter2",
    ],
)
def test_a_malformed_credential_is_not_shown(entry: str) -> None:
    with pytest.raises(UserError) as caught:
        parse_inputs({"registry-auth": f"registry=r.io,username=u,password=w\n# more\n{entry}"})
    assert caught.value.message == (
        "input 'registry-auth': entry 2 cannot be read (not shown: it may hold a secret)"
    )
    assert "hunter2" not in str(caught.value)


def test_secrets_do_not_show_in_representations() -> None:
    inputs = parse_inputs(
        {
            "password": "hunter1",
            "github-token": "hunter2",
            "registry-auth": "registry=r.io,username=u,password=hunter3",
        }
    )
    assert inputs.secrets == ("hunter1", "hunter2", "hunter3")
    assert "hunter" not in repr(inputs) + repr(inputs.credentials)


def test_both_spellings_of_a_variable_are_read() -> None:
    assert texts_in({"INPUT_MANIFEST-PATH": "a", "INPUT_ENVIRONMENT": "b", "INPUT_TEST_COMMAND": "c"}) == {
        "manifest-path": "a",
        "environment": "b",
        "test-command": "c",
    }


@given(st.dictionaries(st.sampled_from([row.name for row in INPUTS]), st.text()))
def test_any_text_is_parsed_or_refused(texts: dict[str, str]) -> None:
    try:
        inputs = parse_inputs(texts)
    except UserError:
        return
    assert inputs.workdir.startswith("/")
    assert all("\n" not in word for word in (*inputs.expose, *inputs.command, inputs.environment, inputs.workdir))
