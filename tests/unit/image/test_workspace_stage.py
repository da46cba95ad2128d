"""Packages from the workspace's own source: what is left out first, what is mounted, what is refused."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest

from pixi_container.errors import UserError
from pixi_container.image.base_images import DEFAULT_PIXI
from pixi_container.image.dockerfile import ImageSettings, render_dockerfile, scripts
from pixi_container.image.stages import environment_stages, read_stages, text_of
from pixi_container.image.workspace_stage import workspace_stage
from pixi_container.inputs import Inputs
from pixi_container.plan.problems import problems_of
from pixi_container.registry.reference import parse_reference
from pixi_container.workspace.local_packages import GitSource, OwnSource, SourcePlace
from pixi_container.workspace.lock import LockedPackage
from pixi_container.workspace.workspace import Workspace, read_workspace
from tests.unit.conftest import Folder


@pytest.fixture
def workspace(folder: Folder) -> Workspace:
    """The workspace, in whose folder are packages that the tests add to its lock."""
    for path in (
        "packages/tools/pyproject.toml",
        "packages/other/pyproject.toml",
        "wheels/a.whl",
        "my package/setup.py",
    ):
        folder.write(path, "")
    folder.write("wheels/pointer.whl", "version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 5\n")
    (folder.path / "packages/submodule").mkdir()
    return read_workspace(Inputs(context=str(folder.path)), "linux/amd64")


PLACE_OF = {
    "pypi-path": "pypi-folder",
    "pypi-editable": "pypi-folder",
    "wheel": "pypi-file",
    "conda-source": "conda-source",
    "conda-file": "conda-file",
}


def with_own(
    workspace: Workspace, *packages: tuple[str, str, str], others: tuple[SourcePlace, ...] = ()
) -> Workspace:
    own = tuple(OwnSource(name=name, kind=kind, path=path, reason="test") for name, kind, path in packages)
    places = tuple(sorted({SourcePlace(package.path, PLACE_OF[package.kind]) for package in own} | set(others)))
    return replace(workspace, own_source=own, source_places=places, lock_version=7)


GIT = "git+https://git.example/tool.git?rev=main#" + "0a" * 20


def with_fetched(workspace: Workspace, *packages: tuple[str, str, str]) -> Workspace:
    """Add packages, by name, kind and location, to the lock."""
    locked = tuple(
        LockedPackage(
            name=name,
            version="1",
            build="",
            kind=kind,
            size=None,
            sha256="",
            md5="",
            location=location,
            from_source=kind == "conda",
        )
        for name, kind, location in packages
    )
    platform = replace(workspace.platform, packages=(*workspace.platform.packages, *locked))
    git = tuple(GitSource(name, location) for name, _, location in packages if location.startswith("git+"))
    return replace(workspace, platform=platform, git_source=git, lock_version=7)


def test_source_of_other_places_is_added_like_that_of_the_workspace(workspace: Workspace) -> None:
    own = with_own(workspace, ("tools", "pypi-path", "packages/tools"))
    sdist = "direct+https://files.example/sdist-1.0.tar.gz"
    stage = workspace_stage(
        with_fetched(own, ("tool", "pypi", GIT), ("sdist", "pypi", sdist), ("built", "conda", GIT)), DEFAULT_PIXI
    )
    assert stage
    assert stage.skip == ("tools", "tool", "sdist", "built")
    assert stage.skipped_records == 1
    assert stage.distributions == ("tools", "tool", "sdist")
    assert (stage.mounts, stage.locked, stage.git) == (("packages/tools",), True, True)


def test_git_is_there_only_where_source_is_fetched_with_it(workspace: Workspace) -> None:
    image = parse_reference("ghcr.io/prefix-dev/pixi:1", source="test")
    places = {"git": GIT, "sdist": "https://files.example/tool-1.0.tar.gz"}
    texts = {}
    for name, location in places.items():
        texts[name] = render_dockerfile(
            with_fetched(workspace, ("tool", "pypi", location)),
            builder_image=image,
            runtime_image=image,
            settings=ImageSettings(git_auth=True),
        )
        stages = {stage.name: "".join(stage.lines) for stage in read_stages(texts[name])}
        assert "--skip tool" in stages["build"]
        assert not re.search(r"\bgit\b", text_of(environment_stages(read_stages(texts[name]))))
        for part in ("apt-get install --yes --no-install-recommends git", "lend-git.sh /mnt/pixi"):
            assert (part in stages["own-source"]) == (name == "git")
        assert ("--mount=type=secret,id=git-auth" in stages["workspace"]) == (name == "git")


@pytest.mark.parametrize("name", ["python", "Python", "tool --all"])
def test_what_cannot_be_left_out_is_installed_with_everything_else(workspace: Workspace, name: str) -> None:
    fetched = with_fetched(workspace, (name, "pypi", GIT))
    assert workspace_stage(fetched, DEFAULT_PIXI) is None
    image = parse_reference("ghcr.io/prefix-dev/pixi:1", source="test")
    text = render_dockerfile(
        fetched, builder_image=image, runtime_image=image, settings=ImageSettings(git_auth=True, conda_auth=True)
    )
    build = next("".join(stage.lines) for stage in read_stages(text) if stage.name == "build")
    assert "apt-get install --yes --no-install-recommends git" in text
    assert build.index("id=git-auth") < build.index("id=conda-auth") < build.index("git-auth.sh /run/secrets")
    assert "--skip" not in text


def test_without_own_packages_there_is_no_stage(workspace: Workspace) -> None:
    assert workspace_stage(workspace, DEFAULT_PIXI) is None
    assert workspace_stage(with_own(workspace, ("a", "conda-file", "wheels/a.conda")), DEFAULT_PIXI) is None


def test_the_environment_does_not_depend_on_how_own_packages_are_added(workspace: Workspace) -> None:
    base = parse_reference("ghcr.io/prefix-dev/pixi:0.77.0-noble", source="test")
    text = render_dockerfile(
        with_own(workspace, ("tools", "pypi-path", "packages/tools")),
        builder_image=base,
        runtime_image=base,
        settings=ImageSettings(),
    )
    environment = text_of(environment_stages(read_stages(text)))
    for name in ("workspace.sh", "builder-variables.sh"):
        assert scripts()[name] in text
        assert scripts()[name] not in environment
    assert scripts()["skip.awk"] in environment


def test_only_what_is_needed_is_mounted(workspace: Workspace) -> None:
    own = with_own(workspace, ("tools", "pypi-path", "packages/tools"), ("a", "wheel", "wheels/a.whl"))
    stage = workspace_stage(own, DEFAULT_PIXI)
    assert stage
    assert stage.skip == ("tools", "a")
    assert stage.mounts == ("packages/tools", "wheels/a.whl")
    assert stage.copies == ()
    assert stage.locked
    assert stage.skipped_records == 0
    assert stage.distributions == ("tools", "a")


def test_the_workspace_itself_needs_its_whole_folder_but_manifest_and_lock(workspace: Workspace) -> None:
    stage = workspace_stage(with_own(workspace, ("study", "pypi-path", ".")), DEFAULT_PIXI)
    assert stage
    assert stage.mounts == ("packages", "src", "wheels")


def test_the_check_of_the_lock_sees_the_metadata_of_other_environments_packages(workspace: Workspace) -> None:
    own = ("tools", "pypi-path", "packages/tools")
    stage = workspace_stage(
        with_own(
            workspace,
            own,
            others=(
                SourcePlace("packages/absent", "pypi-folder"),
                SourcePlace("packages/other", "pypi-folder"),
                SourcePlace("wheels/a.whl", "pypi-file"),
            ),
        ),
        DEFAULT_PIXI,
    )
    assert stage
    assert stage.mounts == ("packages/other/pyproject.toml", "packages/tools", "wheels/a.whl")
    assert stage.folders == ("packages/absent",)
    assert stage.locked


@pytest.mark.parametrize(
    "place",
    [
        SourcePlace("../elsewhere", "pypi-folder"),
        SourcePlace("packages/with space", "pypi-folder"),
        SourcePlace("wheels/absent.whl", "pypi-file"),
        SourcePlace("recipes/tool", "conda-source"),
        SourcePlace("git+https://example.org/tool", "conda-git"),
    ],
)
def test_the_lock_is_not_checked_where_pixi_would_miss_something(workspace: Workspace, place: SourcePlace) -> None:
    own = ("tools", "pypi-path", "packages/tools")
    stage = workspace_stage(with_own(workspace, own, others=(place,)), DEFAULT_PIXI)
    assert stage
    assert (stage.locked, stage.folders) == (False, ())
    assert stage.mounts == ("packages/tools",)


@pytest.mark.parametrize(("links", "locked"), [("wheels", True), ("./wheels/", True), ("elsewhere", False)])
def test_building_a_package_opens_the_folders_of_wheels(folder: Folder, links: str, locked: bool) -> None:
    folder.write("wheels/a.whl", "")
    folder.replace(
        "pixi.toml",
        "[activation.env]",
        f"[pypi-options]\nfind-links = [{{ path = '{links}' }}]\n\n[activation.env]",
    )
    own = with_own(
        replace(read_workspace(Inputs(context=str(folder.path)), "linux/amd64"), find_links=("wheels",)),
        ("tools", "pypi-path", "packages/tools"),
    )
    stage = workspace_stage(own, DEFAULT_PIXI)
    assert stage
    assert stage.mounts == ("packages/tools", "wheels")
    assert stage.locked is locked


def test_editable_packages_are_released_where_pixi_allows_it(workspace: Workspace) -> None:
    own = with_own(workspace, ("tools", "pypi-editable", "packages/tools"))
    released, kept = workspace_stage(own, DEFAULT_PIXI), workspace_stage(own, "0.61.0")
    assert released
    assert (released.release_manifest, released.copies) == (True, ())
    assert kept
    assert (kept.release_manifest, kept.copies) == (False, ("packages/tools",))


def test_conda_source_packages_are_counted_out_of_the_first_install(workspace: Workspace) -> None:
    stage = workspace_stage(with_own(workspace, ("tools", "conda-source", "packages/tools")), DEFAULT_PIXI)
    assert stage
    assert (stage.skipped_records, stage.distributions) == (1, ())


@pytest.mark.parametrize(
    ("package", "message"),
    [
        (("tools", "pypi-path", "../tools"), "outside of the context"),
        (("tools", "pypi-path", "/abs/tools"), "outside of the context"),
        (("tools", "pypi-path", "packages/absent"), "does not exist"),
        (("tools", "pypi-editable", "packages/submodule"), "an empty folder"),
        (("tools", "wheel", "wheels/pointer.whl"), "a Git LFS pointer"),
        (("tools", "pypi-path", "my package"), "cannot name in a mount"),
        (("tools --all", "pypi-path", "packages/tools"), "has an invalid name"),
    ],
)
def test_what_cannot_be_built_is_said_and_never_rendered(
    workspace: Workspace, package: tuple[str, str, str], message: str
) -> None:
    own = with_own(workspace, package)
    (problem,) = problems_of(own)
    assert message in problem.message
    assert problem.hint
    stage = workspace_stage(own, DEFAULT_PIXI)
    assert stage is None or all(".." not in path and " " not in path for path in (*stage.mounts, *stage.skip))


@pytest.mark.parametrize(
    ("script", "message"),
    [
        (b"export A=1\nexport B='a\rb'\n", ""),
        (b"export NAME=caf\xe9\n", ""),
        (b"export A=1\r\n", "has Windows line endings"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 5\n", "is a Git LFS pointer"),
    ],
)
def test_a_script_that_bash_cannot_read_is_never_shipped(folder: Folder, script: bytes, message: str) -> None:
    folder.replace("pixi.toml", "[activation.env]", '[activation]\nscripts = ["set up.sh"]\n\n[activation.env]')
    folder.write("set up.sh", "").write_bytes(script)
    problems = problems_of(read_workspace(Inputs(context=str(folder.path)), "linux/amd64"))
    assert [problem.message for problem in problems] == (
        [f"the activation script 'set up.sh' {message}" + problems[0].message.partition(message)[2]]
        if message
        else []
    )
    assert all(problem.hint and problem.file.endswith("set up.sh") for problem in problems)


def test_all_say_with_which_inputs_the_context_has_what_lies_outside(folder: Folder, workspace: Workspace) -> None:
    packages = problems_of(with_own(workspace, ("tools", "pypi-path", "../libs/tools")))
    wheels = problems_of(replace(workspace, find_links=("../wheels",)))
    folder.replace("pixi.toml", "[activation.env]", '[activation]\nscripts = ["../up.sh"]\n[activation.env]')
    (folder.path.parent / "up.sh").write_text("")
    with pytest.raises(UserError) as script:
        read_workspace(Inputs(context=str(folder.path)))
    errors = (*packages, *wheels, script.value)
    hints = {error.hint.removeprefix("Paths are relative to 'context'. ") for error in errors}
    place = f"Set 'context' to '{folder.path.parent}' and 'manifest-path' to 'a workspace/pixi.toml'"
    assert hints == {f"{place}: a build can only use files in 'context'."}


def test_an_old_lock_cannot_leave_out_what_conda_builds(workspace: Workspace) -> None:
    old = replace(with_own(workspace, ("tools", "conda-source", "packages/tools")), lock_version=6)
    (problem,) = problems_of(old)
    assert "version 6 of the lock is too old" in problem.message
    assert "pixi lock" in problem.hint


def test_a_file_that_the_manifest_insists_on(folder: Folder) -> None:
    folder.replace("pixi.toml", 'name = "study"', 'name = "study"\nreadme = "README.md"')
    (problem,) = problems_of(read_workspace(Inputs(context=str(folder.path)), "linux/amd64"))
    assert "the manifest names 'README.md', which does not exist" in problem.message


@pytest.mark.parametrize(
    ("kind", "is_distribution"),
    [("wheel", True), ("sdist", True), ("pypi-path", True), ("pypi-editable", True), ("conda-source", False)],
)
def test_packages_of_python_are_installed_afterwards(
    workspace: Workspace, kind: str, is_distribution: bool
) -> None:
    own = (OwnSource(name="tools", kind=kind, path="packages/tools", reason="test"),)
    stage = workspace_stage(replace(workspace, own_source=own), DEFAULT_PIXI)
    assert stage
    assert stage.distributions == (("tools",) if is_distribution else ())
    assert stage.skipped_records == (0 if is_distribution else 1)


def test_an_editable_workspace_stays_as_a_whole(workspace: Workspace) -> None:
    stage = workspace_stage(with_own(workspace, ("study", "pypi-editable", ".")), "0.61.0")
    assert stage
    assert stage.copies == tuple(sorted(workspace.context_entries))
    stage = workspace_stage(with_own(workspace, ("study", "pypi-editable", ".")), "0.62.0")
    assert stage
    assert (stage.copies, stage.release_manifest) == ((), True)


BUILDER_SETTINGS = [
    *("CURL_CA_BUNDLE", "GIT_SSL_CAINFO", "HTTP_TIMEOUT", "NETRC"),
    *("REQUESTS_CA_BUNDLE", "SSL_CERT_DIR", "SSL_CERT_FILE"),
]
PROXIES = ("HTTP_PROXY", "HTTPS_PROXY", "FTP_PROXY", "ALL_PROXY", "NO_PROXY")


def test_a_build_from_source_has_the_certificates_and_proxies_of_the_builder(workspace: Workspace) -> None:
    image = parse_reference("ghcr.io/prefix-dev/pixi:1", source="test")
    own = with_own(workspace, ("tools", "pypi-path", "packages/tools"))
    text = render_dockerfile(own, builder_image=image, runtime_image=image, settings=ImageSettings())
    arguments = text.partition("builder-variables.sh /mnt/pixi ")[2].partition("\\")[0]
    assert arguments.split() == BUILDER_SETTINGS
    proxies = text.partition('PROXIES="')[2].partition('"')[0]
    assert set(proxies.split()) == {*PROXIES, *map(str.lower, PROXIES)}
