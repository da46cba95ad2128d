"""hook.awk: of pixi's activation only what packages and the workspace add to it."""

from __future__ import annotations

import subprocess

import pytest

from tests.unit.image.scripts.conftest import SCRIPTS


def kept(text: str) -> str:
    return subprocess.run(
        ["awk", "-f", SCRIPTS / "hook.awk"], input=text, capture_output=True, text=True, check=True
    ).stdout


HOOK = """\
export PATH="/app/.pixi/envs/default/bin:/root/bin"
export CONDA_PREFIX="/app/.pixi/envs/default"
export CONDA_SHLVL="1"
export MODE="fast"
. "/app/.pixi/envs/default/etc/conda/activate.d/proj.sh"
export PATH="/app/scripts:$PATH"

# shellcheck shell=bash
pixi() {
    local first_arg="${1-}"
    case $first_arg in
        add) eval "$(pixi shell-hook)" ;;
    esac || return $?
    export MODE="slow"
}
export LAST="it's"
"""


def test_what_packages_and_the_workspace_add_is_kept() -> None:
    assert kept(HOOK) == (
        'export MODE="fast"\n'
        '. "/app/.pixi/envs/default/etc/conda/activate.d/proj.sh"\n'
        'export PATH="/app/scripts:$PATH"\n'
        "# shellcheck shell=bash\n"
        'export LAST="it\'s"\n'
    )


@pytest.mark.parametrize(
    "name",
    [
        *("CONDA_SHLVL", "CONDA_ENV_SHLVL_1_CONDA_PREFIX", "CONDA_PREFIX", "CONDA_DEFAULT_ENV"),
        *("PIXI_IN_SHELL", "PIXI_EXE", "PIXI_PROMPT"),
        *("PIXI_PROJECT_ROOT", "PIXI_PROJECT_NAME", "PIXI_PROJECT_MANIFEST", "PIXI_PROJECT_VERSION"),
        *("PIXI_ENVIRONMENT_NAME", "PIXI_ENVIRONMENT_PLATFORMS"),
    ],
)
def test_variables_of_pixis_own_are_left_to_the_activation(name: str) -> None:
    assert kept(f'export {name}="x"\nexport A=1\n') == "export A=1\n"


@pytest.mark.parametrize(
    "name", ["CONDA_PREFIX_1", "MY_CONDA_PREFIX", "CONDA_ENV_SHLVL_", "PIXI_PROJECT_OWNER", "PIXI_ENVIRONMENT"]
)
def test_variables_with_similar_names_are_kept(name: str) -> None:
    assert kept(f'export {name}="x"\n') == f'export {name}="x"\n'


@pytest.mark.parametrize(
    "text",
    [
        'export A="first\n\npixi() {\nexport PIXI_IN_SHELL=no\nlast"\n',
        "export A='first\n\nexport PIXI_IN_SHELL=no\"\nlast'\n",
        "export A='back\\\\slash\\'\nexport B='\nexport PIXI_EXE=x'\n",
        'export A="escaped \\" quote\nexport PIXI_EXE=x"\n',
        "export A=\\'\nexport B=2\n",
        'export A="it\'s\nexport PATH=x"\n',
    ],
)
def test_a_value_of_several_lines_is_kept_as_it_is(text: str) -> None:
    assert kept(text) == text


@pytest.mark.parametrize(
    "text", ["export A='x'\n", 'export A="\\\\"\n', 'export A=\\"\n', "export A='it'\"'\"'s'\n"]
)
def test_quotes_that_are_closed_hide_nothing(text: str) -> None:
    assert kept(text + "export PIXI_EXE=x\n") == text


@pytest.mark.parametrize(
    "line",
    [
        "true && export PATH=/x",
        "true && export CONDA_PREFIX=/x",
        "true && export PIXI_PROJECT_NAME=x",
        "true && export PIXI_ENVIRONMENT_NAME=x",
        "true # pixi() {",
        "pixi()",
        "}",
        "export PATH_OF_MINE=/x",
        "export CONDA_ENV_SHLVL=x",
        "export PIXI_EXE",
    ],
)
def test_only_lines_of_pixi_s_own_form_are_left_out(line: str) -> None:
    assert kept(f"{line}\nexport LAST=1\n") == f"{line}\nexport LAST=1\n"


def test_a_function_ends_at_its_own_brace_and_only_the_first_path_is_pixi_s() -> None:
    text = (
        "pixi() {\n  a\n  }\n}}\n}\nexport A=1\nexport PATH=1\nexport PATH=2\nexport PATH=3\n \t\n\nexport B=1\n"
    )
    assert kept(text) == "export A=1\nexport PATH=2\nexport PATH=3\nexport B=1\n"
    assert kept("pixi() {\n'\n}\nexport PIXI_EXE=1\n") == ""
