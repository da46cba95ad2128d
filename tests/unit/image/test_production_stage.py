"""The last stage as values says exactly what the Dockerfile's text says, so that both make the same image."""

from __future__ import annotations

import json

import pytest

from pixi_container.image.dockerfile import ImageSettings, render_dockerfile
from pixi_container.image.instructions import NO_INSTRUCTIONS
from pixi_container.image.production_stage import ContextCopy, copies_by_folder, production_stage
from pixi_container.image.stages import read_stages
from pixi_container.inputs import parse_inputs
from pixi_container.registry.reference import parse_reference
from pixi_container.workspace.workspace import read_workspace
from tests.unit.conftest import Folder

BASE = parse_reference("ghcr.io/prefix-dev/pixi:0.77.0-noble", source="test")
PORTS = ("8000", "53/udp", "6000-6002")
COMMAND = ("python", "-m", "app", 'a "b"')


@pytest.mark.parametrize(
    ("version", "expose", "command"), [("1.2.0", (), ()), ('a "b" $c', PORTS, COMMAND), ("", PORTS, ())]
)
def test_the_text_has_these_instructions_and_no_other(
    folder: Folder, version: str, expose: tuple[str, ...], command: tuple[str, ...]
) -> None:
    line = f"version = {json.dumps(version)}\n" if version else ""
    folder.replace("pixi.toml", 'version = "1.2.0"\n', line)
    folder.write("data/it's here", "")
    given = {"context": str(folder.path), "include": "src\ndata/it's here", "workdir": "/work"}
    inputs = parse_inputs({**given, "expose": " ".join(expose), "command": json.dumps(list(command))})
    workspace = read_workspace(inputs, "linux/amd64")
    settings = ImageSettings(inputs=inputs)
    text = render_dockerfile(workspace, builder_image=BASE, runtime_image=BASE, settings=settings)
    stage = production_stage(workspace, inputs, NO_INSTRUCTIONS)
    quoted = version.replace('"', '\\"').replace("$", "\\$")
    assert [line.strip() for line in read_stages(text)[-1].lines] == [
        "FROM environment AS production",
        'COPY --link ["pixi.toml", "pixi.lock", "/work/"]',
        'COPY --link ["src", "/work/src"]',
        """COPY --link ["data/it\\\\'s here", "/work/data/it\\\\'s here"]""",
        *([f'ENV PIXI_PROJECT_VERSION="{quoted}"'] if version else []),
        *(f"EXPOSE {port}" for port in expose),
        f"CMD {json.dumps(list(command) or ['bash'])}",
    ]
    assert stage.copies == (
        ContextCopy(("pixi.toml", "pixi.lock"), "/work/"),
        ContextCopy(("src",), "/work/src"),
        ContextCopy(("data/it's here",), "/work/data/it's here"),
    )
    assert stage.variables == ((("PIXI_PROJECT_VERSION", version),) if version else ())
    assert (stage.expose, stage.command) == (expose, command or ("bash",))


def test_files_of_one_folder_are_one_copy() -> None:
    assert copies_by_folder(("pixi.toml", "lib/a/pyproject.toml", "pixi.lock", "lib/a/README.md"), "/app") == (
        ContextCopy(("pixi.toml", "pixi.lock"), "/app/"),
        ContextCopy(("lib/a/pyproject.toml", "lib/a/README.md"), "/app/lib/a/"),
    )


@pytest.mark.parametrize(
    ("env", "kept"),
    [
        ("PYTHONPATH=/app/src", ["PYTHONPATH"]),
        ("PYTHONHOME=/opt/python\nX=1\nPYTHONPATH=/app/src:$PYTHONPATH", ["PYTHONHOME PYTHONPATH"]),
        ("PYTHONUNBUFFERED=1", []),
    ],
)
def test_the_activation_keeps_what_the_user_sets_of_python(folder: Folder, env: str, kept: list[str]) -> None:
    """It removes these variables otherwise, because they are a host's in most containers that have them."""
    inputs = parse_inputs({"context": str(folder.path), "env": env})
    stage = production_stage(read_workspace(inputs, "linux/amd64"), inputs, NO_INSTRUCTIONS)
    assert [variable.value({}) for variable in stage.env if variable.name == "PIXI_CONTAINER_KEEP"] == kept
    assert stage.env[: len(inputs.env)] == inputs.env
