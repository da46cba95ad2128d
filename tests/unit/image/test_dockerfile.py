"""Rendering: no value of a manifest can be more than a value in the Dockerfile."""

from __future__ import annotations

import json
import re
import shlex
import shutil
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pixi_container.errors import UserError
from pixi_container.image.base_images import DEFAULT_PIXI
from pixi_container.image.dockerfile import ImageSettings, render_dockerfile
from pixi_container.image.stages import read_stages
from pixi_container.inputs import parse_inputs
from pixi_container.registry.reference import parse_reference
from pixi_container.workspace.workspace import read_workspace
from tests.unit.conftest import LOCK, Folder

BASE = parse_reference(f"ghcr.io/prefix-dev/pixi:{DEFAULT_PIXI}-noble", source="test")

# fmt: off
FRAGMENTS = (
    '"', "'", "\\", "$", "${PATH}", "$(id)", "`id`", "#", " ", "=", ";", "&&", "a", "é", "]", ",", "<<EOF", "EOF",
    "\n", "\r", "\t", "\x00", "\x7f", "\x85", "\u2028", "{{ 7*7 }}", "{% raw %}", "\\\n", "# escape=`\n",
    "\nRUN id\n", "\nHOOK\nUSER root", "\nACTIVATE\n", "\nENTRYPOINT\n",
)
# fmt: on
NASTY = st.lists(st.sampled_from(FRAGMENTS), min_size=1, max_size=5).map("".join)
PROPERTY = settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)


def rendered(folder: Path, environment: str = "default", **inputs: str) -> str:
    given = {"context": str(folder), "environment": environment}
    given |= {name.replace("_", "-"): value for name, value in inputs.items()}
    parsed = parse_inputs(given)
    return render_dockerfile(
        read_workspace(parsed, "linux/amd64"),
        builder_image=BASE,
        runtime_image=BASE,
        settings=ImageSettings(inputs=parsed),
    )


def manifest(
    name: str = "study",
    version: str = "1.2.0",
    env: dict[str, str] | None = None,
    cuda: str = "12",
    script: str = "",
) -> str:
    """A manifest with these values; JSON's strings are TOML's as well."""

    def quoted(text: str) -> str:
        return json.dumps(text).replace("\x7f", "\\u007f")

    variables = "".join(f"{quoted(key)} = {quoted(value)}\n" for key, value in (env or {}).items())
    scripts = f"[activation]\nscripts = [{quoted(script)}]\n" if script else ""
    return f"""\
[workspace]
name = {quoted(name)}
version = {quoted(version)}
channels = ["conda-forge"]
platforms = ["linux-64", "linux-aarch64", "osx-arm64"]

[dependencies]
python = "3.11.*"

{scripts}
[activation.env]
{variables}
[feature.gpu.dependencies]
cuda-version = "12.9.*"

[feature.gpu.system-requirements]
cuda = {quoted(cuda)}

[environments]
gpu = ["gpu"]
"""


def instructions(dockerfile: str) -> list[tuple[str, int, tuple[int, ...]]]:
    """Split as BuildKit does: keyword, lines of the instruction, and lines of each of its here-documents.

    Source: https://github.com/moby/buildkit/blob/master/frontend/dockerfile/parser/parser.go
    """
    found = []
    lines = iter(dockerfile.split("\n"))
    for line in lines:
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        keyword, words, count = line.split(maxsplit=1)[0], line, 1
        while words.endswith("\\"):
            following = next(lines)
            count += 1
            words = words[:-1] + (following if not following.lstrip().startswith("#") else "\\")
        bodies = []
        if keyword in {"RUN", "COPY", "ADD"}:
            for word in re.findall(r"""(?:[^\s"']|"[^"]*"|'[^']*')+""", words):
                document = re.fullmatch(r'<<-?"?(\w+)"?', word)
                if not document:
                    continue
                bodies.append(0)
                while next(lines) != document[1]:
                    bodies[-1] += 1
        found.append((keyword, count, tuple(bodies)))
    return found


def variables_of(dockerfile: str) -> dict[str, str]:
    """The image's variables, unquoted as https://docs.docker.com/reference/dockerfile/#environment-replacement."""
    block = re.search(r"^ENV PATH=.*?(?<!\\)\n", dockerfile, re.MULTILINE | re.DOTALL)
    assert block
    pairs = re.findall(r'(\w+)="((?:[^"\\]|\\.)*)"', block[0])
    return {name: re.sub(r'\\(["\\$])', r"\1", value) for name, value in pairs}


def exports_of(dockerfile: str) -> dict[str, str]:
    """The variables that activate.sh puts right each time."""
    body = dockerfile.partition("__pixi_container_variables() {\n")[2].partition("\n}\n")[0]
    words = [shlex.split(line) for line in body.split("\n") if line.startswith("  export ")]
    assert all(len(line) == 2 for line in words)
    return {name: value for _, assignment in words for name, _, value in [assignment.partition("=")]}


@pytest.fixture(scope="module")
def workspace_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("rendering")
    (folder / "pixi.lock").write_text(LOCK)
    return folder


@pytest.fixture(scope="module")
def usual(workspace_folder: Path) -> dict[str, str]:
    """The Dockerfiles of values that nobody would object to."""
    (workspace_folder / "pixi.toml").write_text(manifest(env={"STUDY_MODE": "fast"}))
    found = {environment: rendered(workspace_folder, environment) for environment in ("default", "gpu")}
    (workspace_folder / "scripts").mkdir()
    (workspace_folder / "scripts/activate.sh").touch()
    (workspace_folder / "pixi.toml").write_text(manifest(script="scripts/activate.sh", env={"STUDY_MODE": "fast"}))
    return {**found, "with a script": rendered(workspace_folder)}


@pytest.mark.slow
@PROPERTY
@given(name=NASTY, version=NASTY, value=NASTY, environment=st.sampled_from(["default", "gpu"]))
def test_no_value_adds_an_instruction(
    workspace_folder: Path, usual: dict[str, str], name: str, version: str, value: str, environment: str
) -> None:
    (workspace_folder / "pixi.toml").write_text(manifest(name, version, {"STUDY_MODE": value}))
    if re.search(r"[\x00-\x1f\x7f]", name + version):
        with pytest.raises(UserError, match="control character"):
            rendered(workspace_folder, environment)
        return
    hostile = rendered(workspace_folder, environment)
    variables, exports = variables_of(hostile), exports_of(hostile)
    assert variables["PIXI_PROJECT_NAME"] == exports["PIXI_PROJECT_NAME"] == name
    versions = re.findall(r'^ENV PIXI_PROJECT_VERSION="((?:[^"\\]|\\.)*)"$', hostile, re.MULTILINE)
    assert [re.sub(r'\\(["\\$])', r"\1", text) for text in versions] == [version]
    # What a shell has to expand, or is of several lines, is left to the activation.
    assert variables.get("STUDY_MODE", value) == value
    left_out = "STUDY_MODE" not in variables
    found, expected = instructions(hostile), instructions(usual[environment])
    assert [(keyword, bodies) for keyword, _, bodies in found] == [(word, bodies) for word, _, bodies in expected]
    assert sum(lines for _, lines, _ in found) == sum(lines for _, lines, _ in expected) - left_out


@PROPERTY
@given(cuda=NASTY)
def test_cuda_is_a_version_or_an_error(workspace_folder: Path, usual: dict[str, str], cuda: str) -> None:
    (workspace_folder / "pixi.toml").write_text(manifest(cuda=f"12{cuda}", env={"STUDY_MODE": "fast"}))
    try:
        hostile = rendered(workspace_folder, "gpu")
    except UserError:
        return
    assert instructions(hostile) == instructions(usual["gpu"])
    assert re.fullmatch(r"[\d.]+", variables_of(hostile)["CONDA_OVERRIDE_CUDA"])


@PROPERTY
@given(name=NASTY.filter(lambda name: "\x00" not in name))
def test_file_names_are_copied_by_name_or_refused(
    workspace_folder: Path, usual: dict[str, str], name: str
) -> None:
    script = workspace_folder / "scripts" / f"{name}.sh"
    script.touch()
    (workspace_folder / "pixi.toml").write_text(manifest(script=f"scripts/{name}.sh", env={"STUDY_MODE": "fast"}))
    if re.search(r"[\x00-\x1f\x7f$*?\[\]\\\"]", name):
        with pytest.raises(UserError, match="COPY cannot handle"):
            rendered(workspace_folder)
        return
    dockerfile = rendered(workspace_folder)
    copied = [line.partition("[")[2] for line in dockerfile.split("\n") if re.match(r"COPY (--link )?\[", line)]
    # BuildKit expands the words of COPY, with backslash as the escape.
    wanted = [f"scripts/{name}.sh".replace("'", "\\'"), "/app/scripts/"]
    assert [json.loads(f"[{words}") for words in copied].count(wanted) == 1
    (arguments,) = re.findall(r"^ +bash /pixi-container/finish.sh (.*)$", dockerfile, re.MULTILINE)
    assert shlex.split(arguments) == [f"scripts/{name}.sh"]
    assert instructions(dockerfile) == instructions(usual["with a script"])


@PROPERTY
@given(words=st.lists(NASTY, min_size=1, max_size=3))
def test_the_default_command_is_those_words(
    workspace_folder: Path, usual: dict[str, str], words: list[str]
) -> None:
    (workspace_folder / "pixi.toml").write_text(manifest(env={"STUDY_MODE": "fast"}))
    try:
        dockerfile = rendered(workspace_folder, command=json.dumps(words))
    except UserError:
        return
    command = re.search(r"^CMD (.*)\n\Z", dockerfile, re.MULTILINE)
    assert command
    assert json.loads(command[1]) == words
    assert instructions(dockerfile[: command.start()]) == instructions(usual["default"])[:-1]


def test_a_name_that_no_shell_can_export_is_refused(folder: Folder) -> None:
    folder.write("pixi.toml", manifest(env={"A B": "c"}))
    with pytest.raises(UserError, match="'A B', which no shell can export"):
        rendered(folder.path)


def test_the_same_values_give_the_same_text_wherever_they_lie(folder: Folder, tmp_path: Path) -> None:
    elsewhere = shutil.copytree(folder.path, tmp_path / "another folder")
    assert rendered(elsewhere, "gpu") == rendered(folder.path, "gpu")


def test_settings_stand_at_the_end(folder: Folder) -> None:
    text = rendered(folder.path, expose="8000, 53/udp", command='["python", "-m", "app"]', workdir="/srv/study")
    assert text.endswith('EXPOSE 8000\nEXPOSE 53/udp\nCMD ["python", "-m", "app"]\n')
    assert 'ENTRYPOINT ["/srv/study/entrypoint.sh"]' in text
    assert "/app" not in text


def test_only_cuda_environments_have_the_drivers_variables(folder: Folder) -> None:
    names = {"CONDA_OVERRIDE_CUDA", "NVIDIA_DRIVER_CAPABILITIES", "NVIDIA_VISIBLE_DEVICES"}
    assert names <= variables_of(rendered(folder.path, "gpu")).keys()
    assert not names & variables_of(rendered(folder.path)).keys()


@pytest.mark.slow
@pytest.mark.parametrize("environment", ["default", "gpu"])
def test_a_template_of_ones_own_gets_the_same_values(folder: Folder, environment: str) -> None:
    ours = (Path(__file__).parents[3] / "Dockerfile.template").read_text("utf-8")
    workspace = read_workspace(
        parse_inputs({"context": str(folder.path), "environment": environment}), "linux/amd64"
    )

    def text(template: str) -> str:
        return render_dockerfile(
            workspace, builder_image=BASE, runtime_image=BASE, settings=ImageSettings(template=template)
        )

    assert text(ours) == text("")


def test_a_value_that_no_image_can_have_is_the_same_error_in_a_template_of_ones_own(folder: Folder) -> None:
    folder.write("pixi.toml", manifest(name="a\tb"))
    workspace = read_workspace(parse_inputs({"context": str(folder.path)}), "linux/amd64")
    for template in ("", "{{ environment_variables[0][1] | env }}{{ activation[0][1] | shell }}"):
        with pytest.raises(UserError, match="contains a control character"):
            render_dockerfile(
                workspace, builder_image=BASE, runtime_image=BASE, settings=ImageSettings(template=template)
            )


@pytest.mark.slow
@pytest.mark.parametrize(
    ("template", "message"),
    [
        ("FROM a\n{% for layer in layers %}\n{% endfor %}\n", r"'layers' is undefined \(line 2\)"),
        ('FROM a\n\n{{ scripts["split.sh"] }}\n', r"has no attribute 'split\.sh' \(line 3\)"),
        ("FROM a\n{% if %}\n", r"Expected an expression.* \(line 2\)"),
    ],
)
def test_a_mistake_in_a_template_of_ones_own_is_named_with_its_line(
    folder: Folder, template: str, message: str
) -> None:
    workspace = read_workspace(parse_inputs({"context": str(folder.path)}), "linux/amd64")
    with pytest.raises(UserError, match=f"the template cannot be rendered: .*{message}") as error:
        render_dockerfile(
            workspace, builder_image=BASE, runtime_image=BASE, settings=ImageSettings(template=template)
        )
    assert "docs/template.md" in error.value.hint


def test_the_environment_is_one_layer_and_the_checked_entrypoint(folder: Folder) -> None:
    stages = {stage.name: stage for stage in read_stages(rendered(folder.path))}
    assert stages["environment"].base == "base"
    assert [line for line in stages["environment"].lines if line.startswith("COPY")] == [
        "COPY --link --from=build /image/environment/ /\n",
        "COPY --link --from=check /checked/ /\n",
    ]
