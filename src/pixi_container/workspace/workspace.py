"""What an image needs to know of a workspace: manifest, lock and other files, for one environment."""

from __future__ import annotations

import re
from dataclasses import asdict, dataclass, replace
from functools import cached_property
from itertools import islice
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any, Protocol

from pixi_container.errors import UserError
from pixi_container.paths import (
    check_possible,
    checked_path,
    exists,
    is_below,
    is_file,
    is_folder,
    leads_out,
    read_text,
)
from pixi_container.shortening import listed, shortened
from pixi_container.suggestions import did_you_mean
from pixi_container.versions import version_order
from pixi_container.workspace import machine
from pixi_container.workspace.folder import (
    below,
    context_entries,
    covers,
    default_includes,
    how_to_be_inside,
    in_context,
)
from pixi_container.workspace.included import IncludedCopy, IncludeRule, include_rules, included_copies
from pixi_container.workspace.local_packages import (
    GitSource,
    OwnSource,
    SourcePlace,
    git_source,
    is_inside,
    local_path,
    own_source,
    place_of,
    source_places,
)
from pixi_container.workspace.lock import DOCKER_PLATFORMS, LOCK_NAME, Lock, LockedPlatform, LockRow, read_lock
from pixi_container.workspace.lock_commands import add_platform_commands, lock_command
from pixi_container.workspace.manifest import Environment, Manifest, read_manifest
from pixi_container.workspace.pixi_config import PixiConfig, pixi_config
from pixi_container.workspace.platforms import Platform, environment_platforms
from pixi_container.workspace.stale_lock import stale_reasons
from pixi_container.workspace.together import together

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from pixi_container.inputs import Inputs

_BUILD_DESCRIPTIONS = ("pyproject.toml", "setup.py", "setup.cfg")
_UV_WORKSPACE = re.compile(r"^\s*\[tool\.uv\.workspace\]|^\s*(?:uv\.)?workspace(?:\.members)?\s*=", re.MULTILINE)
_SCM_PLUGINS = re.compile(r"setuptools[-_]scm|hatch-vcs|poetry-dynamic-versioning|source *= *[\"']scm[\"']")

MOST_PROBLEMS = 20
"""The maximum number of problems of one kind to report."""


@dataclass(frozen=True, kw_only=True)
class Workspace:
    """One environment of a workspace; every path is relative to the context, with forward slashes.

    ``declared`` is the platform in the manifest, ``platform`` the one in the lock. ``all_platforms`` are the
    manifest's names of the environment's platforms; ``docker_platforms`` are Docker's names of the locked ones.
    ``cuda`` is the value of ``CONDA_OVERRIDE_CUDA``, empty without CUDA, and ``glibc`` the lowest version that the
    environment runs with; ``cuda_source`` and ``glibc_source`` say why.
    ``install_files`` are the files that Pixi reads to install: manifest, lock and files that the manifest
    requires. ``source_places`` are those of all environments, as ``pixi install --locked`` checks them all.
    ``context_entries`` are the paths that make up the context, without those that are never copied into an image:
    the names in it and, instead of a folder with the workspace in it, the names in that.
    ``scm_versioned`` is true if one of the workspace's own packages takes its version from Git.
    ``config`` is the workspace's own Pixi configuration.
    ``stale`` are the reasons why Pixi would refuse the lock, determined from manifest and lock alone.
    ``missing_files`` are named by the manifest but do not exist; Pixi refuses a manifest without them.
    ``missing_scripts`` are activation scripts that do not exist; Pixi ignores them.
    Without ``is_locked`` there is no lock, so that the packages are not known.
    ``more`` are the further environments of the image, each as a workspace of its own.
    """

    context: Path
    manifest: Manifest
    environment: str
    features: tuple[str, ...]
    solve_group: str
    declared: Platform
    platform: LockedPlatform
    all_platforms: tuple[str, ...]
    docker_platforms: tuple[str, ...]
    lock_version: int
    cuda: str
    cuda_source: str
    glibc: str
    glibc_source: str
    own_source: tuple[OwnSource, ...]
    git_source: tuple[GitSource, ...]
    find_links: tuple[str, ...]
    source_places: tuple[SourcePlace, ...]
    context_entries: tuple[str, ...]
    scm_versioned: bool
    unknown_environments: tuple[str, ...]
    install_files: tuple[str, ...]
    config: PixiConfig
    stale: tuple[UserError, ...]
    activation_scripts: tuple[str, ...]
    missing_files: tuple[str, ...]
    missing_scripts: tuple[str, ...]
    activation_env: tuple[tuple[str, str], ...]
    include_rules: tuple[IncludeRule, ...]
    include_copies: tuple[IncludedCopy, ...]
    is_locked: bool = True
    more: tuple[Workspace, ...] = ()

    @property
    def all_environments(self) -> tuple[Workspace, ...]:
        """It and, for each further environment of the image, the workspace with that one."""
        return (self, *self.more)

    @property
    def environment_names(self) -> tuple[str, ...]:
        """The names of the image's environments, of which the first is active."""
        return tuple(each.environment for each in self.all_environments)

    @property
    def all_activation_scripts(self) -> tuple[str, ...]:
        """The activation scripts of all environments of the image."""
        return tuple(dict.fromkeys(path for each in self.all_environments for path in each.activation_scripts))

    @property
    def include(self) -> tuple[str, ...]:
        """The files and folders that are copied after the environment."""
        return tuple(dict.fromkeys(path for copy in self.include_copies for path in copy.sources))

    @property
    def local_channels(self) -> tuple[str, ...]:
        """What the first install needs besides ``install_files``: local conda packages and folders of wheels."""
        own = (package for each in self.all_environments for package in each.own_source)
        files = (package.path for package in own if package.kind == "conda-file")
        find_links = (path for each in self.all_environments for path in each.find_links)
        return tuple(dict.fromkeys(path for path in (*files, *find_links) if is_inside(path)))

    @property
    def config_files(self) -> tuple[str, ...]:
        """The Pixi configuration, if used: the build reads it, but it is not part of the image."""
        return (self.config.path,) if self.config.path else ()

    @property
    def folder(self) -> str:
        """The workspace's folder, to which the paths in manifest and lock are relative: ``.`` or below it."""
        return self.manifest.folder

    def place(self, workdir: str) -> str:
        """Return the workspace's folder in an image that has the context at ``workdir``."""
        return below(workdir, self.folder)

    def parts_of(self, path: str) -> tuple[str, ...]:
        """Return a path of the context or, if the workspace is in it, what it contains instead.

        Put into an image one by one, these leave the environment visible, which is in the workspace's folder.
        """
        if not covers(path, self.folder):
            return (path,)
        return tuple(entry for entry in self.context_entries if is_below(entry, {path}))

    @cached_property
    def uv_workspaces(self) -> tuple[str, ...]:
        """The files that may declare a uv workspace with packages as members, beside the manifest or above it.

        Source: https://docs.astral.sh/uv/concepts/projects/workspaces/
        """
        folders = (self.folder, *map(str, PurePosixPath(self.folder).parents))
        files = dict.fromkeys(str(PurePosixPath(folder, "pyproject.toml")) for folder in folders)
        return tuple(
            path
            for path in files
            if is_file(self.context, path)
            and not leads_out(self.context, path)
            and _UV_WORKSPACE.search(read_text(self.context, path, what=f"'{path}'"))
        )

    def as_json(self) -> dict[str, Any]:
        """Return the workspace as JSON values, each derived one with its reason."""
        return {
            "manifest": self.manifest.file,
            "environment": self.environment,
            "features": self.features,
            "solve_group": self.solve_group,
            "platform": {
                "docker": self.platform.docker,
                "conda": self.platform.subdir,
                "name": self.declared.name,
                "name_in_lock": self.platform.name,
                "virtual_packages": [str(package) for package in self.declared.virtual_packages],
                "reason": self.declared.reason,
            },
            "platforms": self.all_platforms,
            "docker_platforms": self.docker_platforms,
            "lock_version": self.lock_version,
            "requires_pixi": self.manifest.requires_pixi,
            "cuda": {"version": self.cuda, "reason": self.cuda_source},
            "glibc": {"version": self.glibc, "reason": self.glibc_source},
            "packages": [asdict(package) for package in self.platform.packages],
            "own_source": [asdict(package) for package in self.own_source],
            "git": [asdict(package) for package in self.git_source],
            "find_links": self.find_links,
            "source_places": [asdict(place) for place in self.source_places],
            "unknown_environments": self.unknown_environments,
            "install_files": self.install_files,
            "config": self.config.path,
            "activation": {
                "scripts": self.activation_scripts,
                "missing_scripts": self.missing_scripts,
                "env": dict(self.activation_env),
            },
            "include": self.include,
        }


@dataclass(frozen=True)
class ManifestAndLock:
    """The manifest, the lock, the reasons why Pixi would refuse it, and the workspace's own Pixi configuration."""

    manifest: Manifest
    lock: Lock
    stale: tuple[UserError, ...]
    config: PixiConfig


class ReadFiles(Protocol):
    """What reads manifest and lock, or has read them before."""

    def __call__(self, inputs: Inputs, *, needed: bool = True) -> ManifestAndLock:
        """Return them, as ``read_manifest_and_lock`` does."""


def read_workspace(
    inputs: Inputs,
    docker_platform: str = "",
    *,
    needs_environment: bool | None = None,
    read: ReadFiles | None = None,
) -> Workspace:
    """Return the workspace that the inputs name, for a platform such as ``linux/amd64``, or else the first locked.

    ``needs_environment`` tells whether the environment is installed from it; if it is not given, a user-supplied
    Dockerfile installs one in its own way, or none, and no lock is needed. ``read`` reads manifest and lock.
    Raises ``UserError`` for anything that prevents an image from being built.
    """
    needed = not inputs.dockerfile if needs_environment is None else needs_environment
    if not needed:
        from pixi_container.workspace.unlocked import unlocked_workspace

        if unlocked := unlocked_workspace(inputs, docker_platform):
            return unlocked
    files = (read or read_manifest_and_lock)(inputs, needed=needed)
    first = workspace_with(files, inputs, docker_platform)
    if not inputs.more_environments:
        return first
    # What is included belongs to the image, and not to each of its environments.
    others = (replace(inputs, environment=name, include=()) for name in inputs.more_environments)
    return together(first, tuple(workspace_with(files, each, first.platform.docker) for each in others))


def read_manifest_and_lock(inputs: Inputs, *, needed: bool = True) -> ManifestAndLock:
    """Return what is read once for all environments of the workspace that the inputs name.

    ``needed`` tells whether an environment is installed from it. Raises ``UserError`` for a manifest or a lock
    that cannot be read, and for an environment that does not exist.
    """
    context = Path(inputs.context)
    manifest = read_manifest(context, inputs.manifest_path)
    environment_of(manifest, inputs.environment, context)
    lock = read_lock(context, manifest.folder)
    stale = islice(stale_reasons(manifest, lock, inputs.pixi_version), MOST_PROBLEMS) if needed else ()
    # A user-supplied Dockerfile copies what it needs.
    config = pixi_config(context, manifest.folder) if needed else PixiConfig()
    return ManifestAndLock(manifest, lock, tuple(stale), config)


def workspace_with(files: ManifestAndLock, inputs: Inputs, docker_platform: str = "") -> Workspace:
    """Return the workspace with the first environment that the inputs name, as ``read_workspace`` does."""
    context, manifest, lock = Path(inputs.context), files.manifest, files.lock
    environment = environment_of(manifest, inputs.environment, context)
    folder = manifest.folder
    lock.check_environment(environment.name)
    platforms = environment_platforms(manifest, environment)
    rows = _rows(lock, environment, platforms, inputs.cuda_version)
    docker = docker_platform or min(rows, default="")
    if docker not in rows:
        if docker in (locked_rows := _rows(lock, environment, platforms, "")):
            wanted = shortened(locked_rows[docker][0].version("__cuda"))
            raise UserError(
                f"environment '{environment.name}' is for CUDA {wanted} or newer, not for {inputs.cuda_version}",
                file=str(context / manifest.file),
                hint=f"Leave 'cuda-version' empty, or set it to {wanted} or a newer version.",
            )
        raise _not_locked(lock, manifest, environment, platforms, rows, docker)
    declared, row = rows[docker]
    locked = lock.read(environment.name, row)
    names = (declared.name, declared.subdir)
    cuda = machine.cuda(declared, locked, inputs.cuda_version)
    glibc = machine.glibc(declared, locked)
    scripts = _in_context(manifest.activation_scripts(environment.name, names), folder)
    find_links = manifest.find_links(environment.name)
    parse_time_files = _in_context(manifest.parse_time_files, folder)
    for path in (*scripts, *find_links, *parse_time_files):
        check_possible(path, source="the manifest", file=str(context / manifest.file))
    missing = {script for script in scripts if not is_file(context, script)}
    missing_files = tuple(path for path in parse_time_files if not exists(context, path))
    known = set(manifest.environment_names)
    own = own_source(locked, lock, environment, names, context, folder)
    install_files = tuple(
        checked_path(context, path, source=manifest.file, how=_how(context, path, manifest))
        for path in (manifest.file, in_context(LOCK_NAME, folder), *parse_time_files)
        if path not in missing_files
    )
    rules = include_rules(_included(inputs, context, folder))
    return Workspace(
        context=context,
        manifest=manifest,
        environment=environment.name,
        features=environment.feature_names,
        solve_group=environment.solve_group,
        declared=declared,
        platform=locked,
        all_platforms=tuple(sorted(platform.name for platform in platforms)),
        docker_platforms=tuple(sorted(rows)),
        lock_version=lock.version,
        cuda=cuda.value,
        cuda_source=cuda.reason,
        glibc=glibc.value,
        glibc_source=glibc.reason,
        own_source=own,
        git_source=git_source(locked, lock),
        find_links=tuple(place_of(local_path(path, context, folder), context) for path in find_links),
        source_places=source_places(lock, context, folder),
        context_entries=context_entries(context, folder),
        scm_versioned=_takes_version_from_git(context, own),
        unknown_environments=tuple(name for name in lock.environment_names if name not in known),
        install_files=install_files,
        config=files.config,
        stale=files.stale,
        activation_scripts=tuple(
            checked_path(context, path, source="activation script", how=_how(context, path, manifest))
            for path in scripts
            if path not in missing
        ),
        missing_files=missing_files,
        missing_scripts=tuple(script for script in scripts if script in missing),
        activation_env=tuple(sorted(manifest.activation_env(environment.name, names).items())),
        include_rules=rules,
        include_copies=included_copies(context, rules, install_files),
    )


def _in_context(paths: Iterable[str], folder: str) -> tuple[str, ...]:
    return tuple(in_context(path, folder) for path in paths)


def _how(context: Path, path: str, manifest: Manifest) -> str:
    return how_to_be_inside(context, path, manifest.file)


def _takes_version_from_git(context: Path, own: Iterable[OwnSource]) -> bool:
    """Return whether a package's build files name a plugin that takes the version from Git."""
    folders = {package.path for package in own if package.is_inside}
    named = (f"{folder}/{name}" for folder in sorted(folders) for name in _BUILD_DESCRIPTIONS)
    files = {(context / path).resolve(): path for path in named if is_file(context, path)}
    return any(
        _SCM_PLUGINS.search(read_text(context, path, what=f"the file '{path}'", errors="replace"))
        for path in files.values()
    )


def environment_of(manifest: Manifest, name: str, context: Path) -> Environment:
    """Return the environment of that name after checking all, as Pixi refuses a manifest with any invalid one."""
    names = manifest.environment_names
    if name not in names:
        raise UserError(
            f"there is no environment '{shortened(name)}'{did_you_mean(name, names)}",
            file=str(context / manifest.file),
            hint=f"Environments of this workspace: {listed(names)}.",
        )
    return {known: manifest.environment(known) for known in names}[name]


def _rows(
    lock: Lock, environment: Environment, platforms: Sequence[Platform], cuda: str
) -> dict[str, tuple[Platform, LockRow]]:
    """Return, by Docker platform, the manifest's platform that Pixi prefers there, and its row in the lock.

    Like Pixi, this excludes platforms that need a newer CUDA driver than ``cuda``.
    """
    rows: dict[str, tuple[Platform, LockRow]] = {}
    locked = lock.rows(environment.name)
    for platform in platforms:
        docker = DOCKER_PLATFORMS.get(platform.subdir, "")
        wanted = platform.version("__cuda")
        if not docker or docker in rows or (cuda and wanted and version_order(cuda) < version_order(wanted)):
            continue
        if row := lock.row(environment.name, locked, platform):
            rows[docker] = (platform, row)
    return rows


def _not_locked(
    lock: Lock,
    manifest: Manifest,
    environment: Environment,
    platforms: Sequence[Platform],
    rows: Iterable[str],
    docker: str,
) -> UserError:
    """Return the error for a Docker platform that is not locked; ``docker`` is empty if none is."""
    where = docker or "any of Docker's platforms"
    message = f"environment '{shortened(environment.name)}' is not locked for {where}"
    if lock.is_empty(environment.name):
        return UserError(
            f"{message}: it has no packages in the lock",
            file=lock.file,
            hint="There is nothing to install. Environments with packages: "
            + listed(name for name in lock.environment_names if not lock.is_empty(name))
            + ".",
        )
    subdirs = [conda for conda, known in DOCKER_PLATFORMS.items() if docker in {known, ""}]
    declared = [platform.name for platform in platforms if platform.subdir in subdirs]
    folder = Path(lock.file).parent
    if declared:
        hint = (
            f"The manifest has {listed(declared)} for it, so run `{lock_command(folder)}` and commit {LOCK_NAME}."
        )
    else:
        have = listed(platform.name for platform in platforms)
        commands = add_platform_commands(folder, manifest, environment, next(iter(subdirs), docker))
        run = " and ".join(f"`{command}`" for command in commands) or f"`{lock_command(folder)}`"
        hint = f"Its platforms in the manifest: {have}. Run {run}, and commit the manifest and {LOCK_NAME}."
    return UserError(
        f"{message}; it is locked for {', '.join(sorted(rows))}" if rows else message, file=lock.file, hint=hint
    )


def _included(inputs: Inputs, context: Path, folder: str) -> tuple[str, ...]:
    if inputs.include is not None:
        return inputs.include
    usual = next((path for path in default_includes(folder) if is_folder(context, path)), "")
    return (usual,) if usual else ()
