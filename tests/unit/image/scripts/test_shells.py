"""shells.sh: shells of every kind find the environment."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.unit.image.scripts.conftest import EARLIEST, Builder, shellcheck, write


@pytest.fixture
def image(builder: Builder) -> Path:
    """The root of a runtime image with bash."""
    root = builder.root / "image"
    write(root / "bin/bash", mode=0o755)
    return root


def made(builder: Builder, image: Path) -> Path:
    """Run the script, and give the folder that it writes."""
    done = builder.run("shells.sh", str(builder.workdir), str(builder.prefix), str(image))
    assert done.returncode == 0, done.stderr
    return image / "shells"


def test_an_image_without_bash_is_an_error(builder: Builder) -> None:
    (builder.root / "empty").mkdir()
    done = builder.run("shells.sh", "/app", "/app/.pixi/envs/default", str(builder.root / "empty"))
    assert done.returncode == 1
    assert done.stderr == "the runtime image has no /bin/bash, which the entrypoint needs\n"


def test_bash_activates_the_environment(builder: Builder, image: Path) -> None:
    folder = made(builder, image)
    write(builder.workdir / ".pixi/activate.sh", "echo activated\n")
    for name in ("etc/profile.d/pixi-container.sh", "etc/bash.bashrc"):
        assert builder.shell("bash", "-euc", '. "$0"', str(folder / name)).stdout == "activated\n"


@pytest.mark.parametrize(
    ("path", "expected"),
    [("/usr/bin:/bin", "{prefix}/bin:/usr/bin:/bin"), ("/usr/bin:{prefix}/bin", "/usr/bin:{prefix}/bin")],
)
def test_another_login_shell_has_the_environment_in_path(
    builder: Builder, image: Path, path: str, expected: str
) -> None:
    profile = made(builder, image) / "etc/profile.d/pixi-container.sh"
    path, expected = (text.replace("{prefix}", str(builder.prefix)) for text in (path, expected))
    done = builder.shell("/bin/sh", "-euc", '. "$0"; echo "$PATH"', str(profile), PATH=path)
    assert (done.stdout, done.stderr) == (f"{expected}\n", "")


def test_the_images_own_start_up_file_comes_first(builder: Builder, image: Path) -> None:
    write(image / "etc/bash.bashrc", "echo own\n")
    text = (made(builder, image) / "etc/bash.bashrc").read_text()
    assert text == f"echo own\n. {builder.workdir}/.pixi/activate.sh\n"


def test_they_have_the_same_time_in_each_build(builder: Builder, image: Path) -> None:
    folder = made(builder, image)
    assert folder.joinpath(str(builder.workdir).lstrip("/")).is_dir()
    assert {path.stat().st_mtime for path in (folder, *folder.rglob("*"))} == {EARLIEST}


def test_shellcheck_finds_nothing_in_the_profile(builder: Builder, image: Path) -> None:
    profile = made(builder, image) / "etc/profile.d/pixi-container.sh"
    assert shellcheck("--shell=sh", "--exclude=SC1091", str(profile)) == ""
