"""own-image.sh: what is asked of the image of one's own Dockerfile is only what it tells of itself."""

from __future__ import annotations

import subprocess

import pytest

from tests.unit.image.scripts.conftest import Builder, write


def checked(builder: Builder, **variables: str) -> subprocess.CompletedProcess[str]:
    """Run the check as ``docker run`` does: the text as an argument of a shell."""
    script = (builder.scripts / "own-image.sh").read_text()
    return builder.shell("sh", "-euc", script, **variables)


def python(builder: Builder, code: int) -> None:
    write(builder.prefix / "bin/python", f"#!/bin/sh\nexit {code}\n", 0o755)


def test_an_environment_that_is_active_is_used(builder: Builder) -> None:
    python(builder, 0)
    prefix = str(builder.prefix)
    done = checked(builder, CONDA_PREFIX=prefix, PATH=f"{prefix}/bin:{builder.path}")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith(f"environment {prefix} can be used by user ")


def test_an_environment_that_only_the_path_has_is_used(builder: Builder) -> None:
    """A Dockerfile that sets PATH alone, or activates in its entrypoint, sets no CONDA_PREFIX."""
    python(builder, 0)
    done = checked(builder)
    assert (done.returncode, done.stderr) == (0, "")
    assert f"environment {builder.prefix} can be used" in done.stdout


def test_an_image_that_tells_of_no_environment_only_has_to_start(builder: Builder) -> None:
    (builder.prefix / "conda-meta").rmdir()
    done = checked(builder)
    assert (done.returncode, done.stderr) == (0, "")
    assert "the image starts; neither CONDA_PREFIX nor" in done.stdout


@pytest.mark.parametrize(
    ("variables", "code", "message"),
    [
        ({"CONDA_PREFIX": "/absent"}, 0, "CONDA_PREFIX is /absent, which is not a folder"),
        ({"CONDA_PREFIX": "{prefix}"}, 0, "{prefix}/bin is not in PATH: "),
        (
            {"CONDA_PREFIX": "{prefix}", "PATH": "{prefix}/bin:/usr/bin:/bin"},
            1,
            "{prefix}/bin/python does not start",
        ),
        ({}, 1, "{prefix}/bin/python does not start"),
    ],
)
def test_what_cannot_be_used_fails(builder: Builder, variables: dict[str, str], code: int, message: str) -> None:
    python(builder, code)
    prefix = str(builder.prefix)
    done = checked(builder, **{name: value.replace("{prefix}", prefix) for name, value in variables.items()})
    assert done.returncode == 1
    assert done.stderr.startswith("check of the image: ")
    assert message.replace("{prefix}", prefix) in done.stderr


def test_what_the_user_cannot_read_fails_and_an_old_find_is_no_trouble(builder: Builder) -> None:
    finds = builder.root / "finds"
    write(finds / "find", f"#!/bin/sh\necho {builder.prefix}/secret\n", 0o755)
    done = checked(builder, PATH=f"{finds}:/usr/bin:/bin")
    assert done.returncode == 1
    assert f"cannot read {builder.prefix}/secret" in done.stderr
    write(finds / "find", "#!/bin/sh\necho 'find: unrecognized: -readable' >&2\nexit 1\n", 0o755)
    assert checked(builder, PATH=f"{finds}:/usr/bin:/bin").returncode == 0
