"""The step that looks at an environment before it becomes an image, run as it stands in the Dockerfile."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

from pixi_container.image.dockerfile import ACTIVATION_CHECK, TEMPLATE

ROOT = Path(__file__).parents[3]


def checked(workdir: Path, activation: str) -> subprocess.CompletedProcess[str]:
    """Run the step on an environment that ``activation`` activates after all else."""
    found = re.search(r'<<"CHECK"\n(.*?)^CHECK$', (ROOT / TEMPLATE).read_text(), re.MULTILINE | re.DOTALL)
    assert found
    script = found[1].replace("{{ workdir }}", str(workdir)).replace("{{ activation_check }}", ACTIVATION_CHECK)
    assert "{{" not in script
    prefix = workdir / ".pixi/envs/default"
    (prefix / "bin").mkdir(parents=True)
    (workdir / "setup.sh").write_text(activation)
    (workdir / ".pixi/activate.sh").write_text(
        f"export CONDA_PREFIX={prefix} PATH={prefix}/bin:$PATH\nset +eu\n. {workdir}/setup.sh >&2\nset -eu\n"
    )
    return subprocess.run(
        ["/bin/bash", "-euo", "pipefail", "-c", script],
        env={"PATH": "/usr/bin:/bin", "BASH_ENV": ""},
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.parametrize("script", ["", "echo hello\nfalse\n", "return 3\n", ". /absent.sh\n"])
def test_an_environment_that_is_active_passes(tmp_path: Path, script: str) -> None:
    done = checked(tmp_path, script)
    assert done.returncode == 0, done.stderr
    assert f"environment {tmp_path}/.pixi/envs/default is active" in done.stdout


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
    ],
)
def test_one_in_which_commands_would_not_run_does_not(tmp_path: Path, script: str, message: str) -> None:
    """Bash would end before the command, and tell its caller that all is well."""
    done = checked(tmp_path, script)
    assert done.returncode != 0
    assert message in done.stderr.splitlines()[-1]
    assert done.stderr.splitlines()[-1].startswith("activation check: ")
