"""The plan: from event, inputs, workspace and a few look-ups to one value that says all that will happen."""

from __future__ import annotations

import hashlib
import json
import re
import shlex
from dataclasses import asdict, dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Any

from pixi_container.addresses import GITHUB_REGISTRY
from pixi_container.dockerfile import ImageSettings, render_dockerfile
from pixi_container.errors import UserError
from pixi_container.event import LOCAL
from pixi_container.fingerprint import environment_fingerprint
from pixi_container.inputs import Credential
from pixi_container.metadata import compute_metadata, published_names

if TYPE_CHECKING:
    from collections.abc import Collection

    from pixi_container.base_images import BaseImages
    from pixi_container.event import Event
    from pixi_container.image_reference import ImageReference
    from pixi_container.inputs import Inputs
    from pixi_container.tags import Facts
    from pixi_container.workspace import Workspace

WORK = "$WORK"
"""Stands in a command line for the temporary folder that exists only while the plan is carried out."""

ACTIVATION_CHECK = r"""
fail() { echo "activation check: $1" >&2; exit 1; }
[ -n "${CONDA_PREFIX:-}" ] || fail "CONDA_PREFIX is not set"
[ "${PATH%%:*}" = "$CONDA_PREFIX/bin" ] || fail "PATH does not start with $CONDA_PREFIX/bin but is $PATH"
unreadable=$(find "$CONDA_PREFIX" ! -readable -print -quit)
[ -z "$unreadable" ] || fail "user $(id -u) cannot read $unreadable"
if [ -x "$CONDA_PREFIX/bin/python" ]; then python -I -B -c "" || fail "python does not start"; fi
echo "environment $CONDA_PREFIX is active for user $(id -u)"
""".strip()
"""What is run when the user gives no ``test-command``, as a user that the image does not know."""

# Annotations have no place in Docker's own media types, which are BuildKit's default.
_PUSH = "type=registry,oci-mediatypes=true"
_CHECK_AS = ("--user", "54321:54321", "--read-only", "--env", "HOME=/nonexistent")


@dataclass(frozen=True, kw_only=True)
class BuilderKind:
    """What the buildx builder can do that changes a command line."""

    driver: str = "docker-container"
    annotations: bool = True


@dataclass(frozen=True, kw_only=True)
class Lookups:
    """What the outside world had to be asked for.

    ``published_tags`` is None when nobody was asked. ``dockerfile`` and ``template`` are the texts of the user's
    own files, ``source_version`` the checkout's version.
    """

    bases: BaseImages
    facts: Facts
    published_tags: Collection[str] | None = None
    dockerfile: str = ""
    template: str = ""
    source_version: str = ""
    builder: BuilderKind = BuilderKind()


@dataclass(frozen=True)
class Command:
    """One process: what it is for and its argument list."""

    purpose: str
    argv: tuple[str, ...]

    def in_folder(self, work: str) -> tuple[str, ...]:
        """Give the argument list with the temporary folder's name put in."""
        return tuple(argument.replace(WORK, work) for argument in self.argv)


@dataclass(frozen=True, kw_only=True)
class Plan:
    """Everything that will happen, and why. No secret is part of it.

    ``notes`` tell of entries of the inputs that gave nothing although they were meant to.
    """

    decision: str
    reason: str
    push: bool
    environment: str
    platform: str
    cuda: str
    cuda_source: str
    pixi_version: str
    pixi_reason: str
    builder_image: str
    runtime_image: str
    conda_packages: int
    pypi_packages: int
    fingerprint: str
    download_size: int
    version: str
    tags: tuple[str, ...]
    labels: tuple[tuple[str, str], ...]
    annotations: tuple[str, ...]
    json: str
    notes: tuple[str, ...]
    local_image: str
    keep_local_image: bool
    test_container: str
    dockerfile: str
    build: Command
    test: Command
    push_command: Command | None
    workspace: dict[str, Any]

    def as_json(self) -> dict[str, Any]:
        """Give the plan as JSON values."""
        return {**asdict(self), "labels": dict(self.labels)}

    def as_text(self) -> str:
        """Give the plan for a person, a fact per line."""
        packages = f"{self.conda_packages} from conda ({self.download_size / 1e6:.0f} MB to download)"
        if self.pypi_packages:
            packages += f", {self.pypi_packages} from PyPI"
        lines = [
            f"decision     {self.decision}: {self.reason}",
            f"environment  {self.environment} on {self.platform}",
            f"packages     {packages}",
            f"cuda         {self.cuda or 'none'} ({self.cuda_source})",
            f"pixi         {self.pixi_version} ({self.pixi_reason})",
            f"builder      {self.builder_image}",
            f"runtime      {self.runtime_image}",
            f"fingerprint  {self.fingerprint} of the environment",
            f"version      {self.version or 'none'}",
            *(f"tag          {tag}" for tag in self.tags),
            *(
                f"{command.purpose:<12} {shlex.join(command.argv)}"
                for command in (self.build, self.test, self.push_command)
                if command
            ),
        ]
        return "\n".join(lines)


def make_plan(event: Event, inputs: Inputs, workspace: Workspace, found: Lookups, *, keep: bool = False) -> Plan:
    """Decide everything. ``keep`` leaves the image in the local engine under its tags.

    Raises ``UserError`` for tags, names or values that cannot be used.
    """
    push, reason = may_push(event, inputs)
    if push and not published_names(inputs.images, event.repository):
        raise UserError(
            "there is no image name",
            hint="Set 'images', such as ghcr.io/owner/name; no repository is known.",
        )
    dockerfile = found.dockerfile or render_dockerfile(
        workspace,
        builder_image=found.bases.builder,
        runtime_image=found.bases.runtime,
        settings=ImageSettings(
            workdir=inputs.workdir,
            expose=inputs.expose,
            command=inputs.command,
            template=found.template,
            conda_auth=bool(inputs.conda_auth),
            source_version=found.source_version,
        ),
        pixi_version=found.bases.pixi_version,
    )
    fingerprint = environment_fingerprint(workspace, dockerfile)
    facts = replace(found.facts, expressions={**found.facts.expressions, "fingerprint": fingerprint})
    metadata = compute_metadata(event, inputs, facts, found.published_tags)
    if push and not metadata.tags:
        raise UserError(
            f"no tag results from the input 'tags' for {event.name} on {event.ref or 'no ref'}",
            hint="An image without a tag cannot be pulled by name. Add a rule that fits this event, such as "
            "'type=sha', or set 'push' to false.",
        )
    local = _local_image(workspace, dockerfile)
    labels = tuple(sorted(metadata.labels.items()))
    annotations = metadata.annotations if found.builder.annotations else ()
    build_command = partial(_build_command, inputs, workspace, found, labels)
    return Plan(
        decision="build",
        reason=reason,
        push=push,
        environment=workspace.environment,
        platform=workspace.platform.docker,
        cuda=workspace.cuda,
        cuda_source=workspace.cuda_source,
        pixi_version=found.bases.pixi_version,
        pixi_reason=found.bases.pixi_reason,
        builder_image=str(found.bases.builder),
        runtime_image=str(found.bases.runtime),
        conda_packages=workspace.platform.conda_packages,
        pypi_packages=workspace.platform.pypi_packages,
        fingerprint=fingerprint,
        download_size=workspace.platform.download_size,
        version=metadata.version,
        tags=metadata.tags,
        labels=labels,
        annotations=annotations,
        json=json.dumps(metadata.as_json()["json"]),
        notes=metadata.notes,
        local_image=local,
        keep_local_image=keep,
        test_container=_test_container(local),
        dockerfile=dockerfile,
        build=build_command("build", "type=docker", *_flags("--tag", (local, *(metadata.tags if keep else ())))),
        test=_test_command(inputs, local),
        push_command=build_command(
            "push",
            _PUSH,
            *_flags("--tag", metadata.tags),
            *_flags("--annotation", _for_one_manifest(annotations)),
        )
        if push
        else None,
        workspace=workspace.as_json(),
    )


def may_push(event: Event, inputs: Inputs) -> tuple[bool, str]:
    """Decide whether this run may publish, and say why. What is not known to be safe may not."""
    if event.is_pull_request:
        return False, "a pull request is built and tested, never pushed"
    if not event.may_push:
        return False, f"the event '{event.name}' is built and tested; it is not known to be safe to push from"
    if not inputs.push:
        return False, "built and tested; 'push' is false"
    what = f"tag {event.tag}" if event.tag else f"branch {event.branch}" if event.branch else "this checkout"
    return True, f"{what} is built, tested and pushed" + (" from here" if event.name == LOCAL else "")


def push_credentials(event: Event, inputs: Inputs, images: Collection[ImageReference]) -> tuple[Credential, ...]:
    """Give the credentials for the registries of ``images``: by registry, else the pair, else GitHub's token."""
    by_registry = {credential.registry: credential for credential in inputs.credentials}
    found = []
    for registry in dict.fromkeys(image.registry for image in images):
        if registry in by_registry:
            found.append(by_registry[registry])
        elif inputs.password:
            username = inputs.username or (event.actor if registry == GITHUB_REGISTRY else "")
            if not username:
                raise UserError(f"there is a password for {registry} but no user name", hint="Set 'username'.")
            found.append(Credential(registry=registry, username=username, password=inputs.password))
        elif registry == GITHUB_REGISTRY and inputs.github_token:
            found.append(
                Credential(
                    registry=registry, username=event.actor or "x-access-token", password=inputs.github_token
                )
            )
    return tuple(found)


def _local_image(workspace: Workspace, dockerfile: str) -> str:
    """Name the image in the engine, so that jobs side by side on one machine do not meet."""
    key = hashlib.sha256(f"{workspace.context.resolve()}\n{dockerfile}".encode()).hexdigest()
    return f"pixi-container.local/{workspace.environment}:{key[:16]}"


def _build_command(
    inputs: Inputs,
    workspace: Workspace,
    found: Lookups,
    labels: tuple[tuple[str, str], ...],
    purpose: str,
    output: str,
    *more: str,
) -> Command:
    """Give the buildx command of one purpose: build and push must not differ but in ``more``."""
    # As an attribute of the output: the build argument of the same purpose would make every RUN and COPY depend on
    # the commit, and so keep nothing in the cache from one commit to the next.
    epoch = f"source-date-epoch={int(found.facts.commit_date.timestamp())}"
    argv = (
        "docker",
        "buildx",
        "build",
        *(("--builder", inputs.builder) if inputs.builder else ()),
        "--progress",
        "plain",
        "--file",
        str(workspace.context / inputs.dockerfile) if inputs.dockerfile else f"{WORK}/Dockerfile",
        "--metadata-file",
        f"{WORK}/{purpose}.json",
        "--provenance",
        "false",
        *_flags("--label", tuple(f"{key}={value}" for key, value in labels)),
        *(("--secret", f"id=conda-auth,src={WORK}/conda-auth") if inputs.conda_auth else ()),
        *(_flags("--build-arg", _arguments(workspace, found)) if inputs.dockerfile else ()),
        "--output",
        f"{output},{epoch}",
        *more,
        str(workspace.context),
    )
    return Command(purpose, argv)


def _arguments(workspace: Workspace, found: Lookups) -> tuple[str, ...]:
    """Tell a Dockerfile of the user's own what the plan found out."""
    return (
        f"ENVIRONMENT={workspace.environment}",
        f"CUDA_VERSION={workspace.cuda}",
        f"PIXI_VERSION={found.bases.pixi_version}",
        f"PIXI_IMAGE={found.bases.builder}",
    )


def _test_command(inputs: Inputs, local_image: str) -> Command:
    script = ("bash", "-euo", "pipefail", "-c", inputs.test_command or ACTIVATION_CHECK)
    user = () if inputs.test_command or inputs.dockerfile else _CHECK_AS
    return Command(
        "test", ("docker", "run", "--rm", "--name", _test_container(local_image), *user, local_image, *script)
    )


def _test_container(local_image: str) -> str:
    return "pixi-container-test-" + re.sub(r"[^a-z0-9]", "-", local_image.rpartition("/")[2])


def _flags(flag: str, values: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(word for value in values for word in (flag, value))


def _for_one_manifest(annotations: tuple[str, ...]) -> tuple[str, ...]:
    """An image of one platform has no index; buildx refuses what is meant for one."""
    return tuple(annotation for annotation in annotations if annotation.startswith("manifest:"))
