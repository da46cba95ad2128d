"""select.sh and activate.sh in an image with several environments: which one a shell gets."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from pixi_container.environment.activation import Activation, activation_entries
from tests.unit.image.scripts.conftest import write

NAMES = ("prod", "tools", "tools-2")


class Image:
    """An image's workspace in a folder, with the files that the program writes into it."""

    def __init__(self, folder: Path) -> None:
        self.workdir = folder / "app"
        for name in NAMES:
            prefix = self.prefix(name)
            activation = Activation(
                prefix=prefix,
                workdir=str(self.workdir),
                image_variables=(("PIXI_FROZEN", "true"),),
                variables=(("CONDA_PREFIX", prefix), ("PIXI_ENVIRONMENT_NAME", name)),
                environments=NAMES,
            )
            hook = f'export HOOKED=${{HOOKED:-}}{name},\n[ -z "${{MORE_PATH:-}}" ] || PATH=/more-{name}:$PATH\n'
            for entry in activation_entries(activation, hook, ()):
                if entry.kind == "file":
                    write(self.workdir / entry.path, b"".join(entry.content).decode(), entry.mode)
            write(Path(prefix, "bin/which-one"), f"#!/bin/sh\necho {name}\n", 0o755)

    def prefix(self, name: str) -> str:
        return f"{self.workdir}/.pixi/envs/{name}"

    def run(self, *command: str, **variables: str) -> str:
        """Run a command as a container of the image does, past its entrypoint, and return what it says."""
        env = {
            "PATH": f"{self.prefix('prod')}/bin:/usr/bin:/bin",
            "CONDA_PREFIX": self.prefix("prod"),
            "PIXI_CONTAINER_ACTIVE": "",
            "BASH_ENV": f"{self.workdir}/.pixi/activate.sh",
            "HOME": "/root",
            **variables,
        }
        done = subprocess.run(command, env=env, capture_output=True, text=True, check=False)
        assert done.returncode == ("FAILS" in variables), done.stderr
        return done.stdout + done.stderr

    def enter(self, *command: str, **variables: str) -> str:
        return self.run(f"{self.workdir}/entrypoint.sh", *command, **variables)


@pytest.fixture
def image(tmp_path: Path) -> Image:
    return Image(tmp_path)


@pytest.mark.parametrize("name", ["", *NAMES])
def test_the_one_that_is_asked_for_is_active(image: Image, name: str) -> None:
    chosen = name or "prod"
    asked = {"PIXI_CONTAINER_ENVIRONMENT": name} if name else {}
    shown = 'which-one; echo "$CONDA_PREFIX $PIXI_ENVIRONMENT_NAME $HOOKED $PATH"'
    expected = f"{chosen}\n{image.prefix(chosen)} {chosen} {chosen}, {image.prefix(chosen)}/bin:/usr/bin:/bin\n"
    assert image.enter("bash", "-c", shown, **asked) == expected, "and stays so in a shell of a shell"
    assert image.run("bash", "-c", shown, **asked) == expected
    assert image.enter("which-one", **asked) == f"{chosen}\n"
    strict = f"IFS=,; . {image.workdir}/.pixi/activate.sh; which-one"
    assert image.run("bash", "-euo", "pipefail", "-c", strict, **asked) == f"{chosen}\n"


def test_a_command_can_have_another_one(image: Image) -> None:
    other = f"PIXI_CONTAINER_ENVIRONMENT=tools-2 {image.workdir}/entrypoint.sh bash -c 'which-one; echo $PATH'"
    expected = f"tools-2\n{image.prefix('tools-2')}/bin:/usr/bin:/bin\n"
    for first in ("prod", "tools"):
        text = f"{other.replace('$PATH', '${PATH}')}; which-one"
        assert image.enter("bash", "-c", text, PIXI_CONTAINER_ENVIRONMENT=first) == f"{expected}{first}\n"


@pytest.mark.parametrize("first", NAMES)
def test_what_pixi_run_activates_stays_active(image: Image, first: str) -> None:
    prefix = image.prefix("tools")
    run = f"CONDA_PREFIX={prefix} PATH={prefix}/bin:$PATH bash -c 'which-one; echo $CONDA_PREFIX'"
    assert image.enter("bash", "-c", run, PIXI_CONTAINER_ENVIRONMENT=first) == f"tools\n{prefix}\n"


def test_the_hosts_conda_does_not_displace_it(image: Image) -> None:
    text = "CONDA_PREFIX=/opt/conda PATH=/opt/conda/bin:$PATH bash -c 'which-one; echo $CONDA_PREFIX'"
    assert (
        image.enter("bash", "-c", text, PIXI_CONTAINER_ENVIRONMENT="tools") == f"tools\n{image.prefix('tools')}\n"
    )


def test_programs_of_another_one_may_be_in_path(image: Image) -> None:
    text = f"PATH=$PATH:{image.prefix('tools')}/bin bash -c 'echo $PATH'"
    assert image.enter("bash", "-c", text).endswith(f":{image.prefix('tools')}/bin\n")


def test_what_a_package_puts_into_path_goes_with_its_environment(image: Image) -> None:
    other = "PIXI_CONTAINER_ENVIRONMENT=tools bash -c 'echo $PATH'"
    said = image.run("bash", "-c", other, MORE_PATH="1")
    assert said == f"/more-tools:{image.prefix('tools')}/bin:/usr/bin:/bin\n"


def test_a_choice_is_for_one_activation(image: Image) -> None:
    shown = "PIXI_CONTAINER_ENVIRONMENT=tools bash -c 'echo ${PIXI_CONTAINER_ENVIRONMENT-none}'"
    assert image.enter("bash", "-c", shown, PIXI_CONTAINER_ENVIRONMENT="tools") == "none\n"


@pytest.mark.parametrize("name", ["prod tools", "Tools", "tool", "*", "tools-2@"])
def test_one_that_is_not_there_is_an_error(image: Image, name: str) -> None:
    said = image.run(f"{image.workdir}/entrypoint.sh", "true", FAILS="1", PIXI_CONTAINER_ENVIRONMENT=name)
    assert said == f"PIXI_CONTAINER_ENVIRONMENT is '{name}'; the image's environments: prod tools tools-2\n"
