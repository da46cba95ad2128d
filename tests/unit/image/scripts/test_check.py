"""check.sh: an environment in which commands would not run never becomes an image."""

from __future__ import annotations

import subprocess

import pytest

from tests.unit.image.scripts.conftest import Builder, write


def checked(builder: Builder, activation: str) -> subprocess.CompletedProcess[str]:
    """Run the step on an environment that ``activation`` activates after all else."""
    (builder.prefix / "bin").mkdir(exist_ok=True)
    write(builder.workdir / "setup.sh", activation)
    write(
        builder.workdir / ".pixi/activate.sh",
        f"export CONDA_PREFIX={builder.prefix} PATH={builder.prefix}/bin:$PATH\n"
        f"set +eu\n. {builder.workdir}/setup.sh >&2\nset -eu\n",
    )
    return builder.run("check.sh", str(builder.workdir), BASH_ENV="")


@pytest.mark.parametrize("script", ["", "echo hello\nfalse\n", "return 3\n", ". /absent.sh\n"])
def test_an_environment_that_is_active_passes(builder: Builder, script: str) -> None:
    done = checked(builder, script)
    assert done.returncode == 0, done.stderr
    assert f"environment {builder.prefix} is active for user " in done.stdout


def test_the_user_has_no_home(builder: Builder) -> None:
    assert "home /nonexistent\n" in checked(builder, 'echo "home $HOME"\n').stderr


@pytest.mark.parametrize(
    ("script", "message"),
    [
        (
            "[ -d /absent ] || exit 0\n",
            "an activation script ends the shell with exit code 0; it has to use 'return'",
        ),
        ("exit 3\n", "an activation script ends the shell with exit code 3; it has to use 'return'"),
        ("if true; then\n", "setup.sh: line 2: syntax error: unexpected end of file"),
        ("unset CONDA_PREFIX\n", "CONDA_PREFIX is not set"),
        ("PATH=/usr/bin:/bin\n", "PATH does not have {prefix}/bin but is /usr/bin:/bin"),
        ("find() { echo {prefix}/secret; }\n", "cannot read {prefix}/secret"),
        (
            "printf '#!/bin/sh\\nexit 1\\n' > {prefix}/bin/python; chmod +x {prefix}/bin/python\n",
            "python does not start",
        ),
    ],
)
def test_one_in_which_commands_would_not_run_does_not(builder: Builder, script: str, message: str) -> None:
    """Bash would end before the command, and tell its caller that all is well."""
    done = checked(builder, script.replace("{prefix}", str(builder.prefix)))
    assert done.returncode == 1
    assert message.replace("{prefix}", str(builder.prefix)) in done.stderr.splitlines()[-1]
    assert done.stderr.splitlines()[-1].startswith("activation check: ")


def test_python_is_started_where_there_is_one(builder: Builder) -> None:
    write(builder.prefix / "bin/python", '#!/bin/sh\necho "python $*" >&2\n', 0o755)
    done = checked(builder, "")
    assert (done.returncode, done.stderr.splitlines()[-1]) == (0, "python -I -B -c ")
