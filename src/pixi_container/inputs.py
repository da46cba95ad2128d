"""The parsed inputs."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from pixi_container.build_inputs import (
    BuildContext,
    Pairs,
    build_arguments,
    build_contexts,
    build_secrets,
    secret_files,
    ssh_agents,
    stage_names,
)
from pixi_container.builder_nodes import parse_nodes
from pixi_container.debian_packages import parse_packages
from pixi_container.errors import UserError
from pixi_container.git_credentials import parse_git_auth, secrets_in
from pixi_container.image_choice import (
    ENVIRONMENT_EXPRESSION,
    emulation,
    environment_patterns,
    manifest_globs,
    platforms,
)
from pixi_container.input_rules import check_rules
from pixi_container.input_table import INPUTS, MOST_ENVIRONMENTS, MOST_LAYERS
from pixi_container.input_values import (
    Healthcheck,
    Variable,
    environment_names,
    healthcheck,
    lines_of,
    malformed,
    stop_signal,
    user,
    variables,
    volumes,
    words,
    working_directory,
)
from pixi_container.registry.credentials import Credential
from pixi_container.registry.reference import is_image_name, parse_reference
from pixi_container.runners import Runners, runners
from pixi_container.shortening import shortened
from pixi_container.suggestions import did_you_mean

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pixi_container.builder_nodes import BuilderNode
    from pixi_container.registry.reference import ImageReference


@dataclass(frozen=True, kw_only=True)
class Inputs:
    """The parsed inputs."""

    context: str = "."
    manifest_path: str = ""
    environment: str = "default"
    more_environments: tuple[str, ...] = ()
    environment_patterns: tuple[str, ...] = ()
    platforms: tuple[str, ...] = ()
    emulation: str = ""
    images: str = ""
    tags: str = ""
    flavor: str = ""
    labels: str = ""
    annotations: str = ""
    push: bool = True
    push_untagged: bool = False
    credentials: tuple[Credential, ...] = ()
    username: str = ""
    password: str = ""
    pixi_version: str = ""
    pixi_image: str = ""
    runtime_image: str = ""
    apt_packages: tuple[str, ...] = ()
    base_instructions: str = ""
    refresh: bool = False
    cuda_version: str = ""
    include: tuple[str, ...] | None = None
    workdir: str = "/app"
    working_directory: str = ""
    env: tuple[Variable, ...] = ()
    user: str = ""
    expose: tuple[str, ...] = ()
    command: tuple[str, ...] = ()
    entrypoint: tuple[str, ...] = ()
    healthcheck: Healthcheck | None = None
    volumes: tuple[str, ...] = ()
    stop_signal: str = ""
    instructions: str = ""
    layers: int = MOST_LAYERS
    compression: str = "gzip"
    test_command: str = ""
    dockerfile: str = ""
    target: str = ""
    test_target: tuple[str, ...] = ()
    build_args: Pairs = ()
    build_contexts: tuple[BuildContext, ...] = ()
    build_secrets: Pairs = ()
    secret_files: Pairs = ()
    ssh: Pairs = ()
    template: str = ""
    conda_auth: str = ""
    git_auth: str = ""
    paths: tuple[str, ...] = ()
    skip_unchanged: bool = True
    reuse_environment: bool = True
    promote: bool = True
    environment_builder: str = "auto"
    builder: str = ""
    nodes: tuple[BuilderNode, ...] = ()
    layer_cache: str = ""
    sif: bool = False
    contexts: tuple[str, ...] = ()
    runners: Runners = field(default_factory=Runners)
    digests: tuple[ImageReference, ...] = ()
    github_token: str = ""

    @property
    def environments(self) -> tuple[str, ...]:
        """The environments of the image, of which the first is active."""
        return (self.environment, *self.more_environments)

    @property
    def secrets(self) -> tuple[str, ...]:
        """Every text that must not appear in a log."""
        secrets = (
            self.password,
            self.github_token,
            self.conda_auth,
            *_texts_in(self.conda_auth),
            *(credential.password for credential in self.credentials),
            *secrets_in(self.git_auth),
            *(value for _, value in self.build_secrets),
        )
        return tuple(dict.fromkeys(secret for secret in secrets if secret))

    def __repr__(self) -> str:
        return f"Inputs(context={self.context!r}, environment={self.environment!r}, …)"


def texts_in(env: Mapping[str, str]) -> dict[str, str]:
    """Return the input texts in the environment, by input name; GitHub's own variable names keep the hyphens."""
    spellings = ((row.name, name) for row in INPUTS for name in ("INPUT_" + row.name.upper(), row.variable))
    return {name: env[variable] for name, variable in spellings if variable in env}


def parse_inputs(given: Mapping[str, str]) -> Inputs:
    """Return the parsed inputs from texts by input name; an absent or blank input has its default.

    Raises ``UserError`` with the input, its value and the accepted forms.
    """
    table = {row.name: row for row in INPUTS}
    for name in given:
        if name not in table:
            raise UserError(
                f"unknown input '{name}'{did_you_mean(name, table)}",
                hint="Accepted inputs: " + ", ".join(table) + ".",
            )
    text = {row.name: given.get(row.name, "").strip() or row.default for row in INPUTS}
    check_rules(text)
    environments = _environments(text["environment"])
    return Inputs(
        context=_path("context", text["context"]),
        manifest_path=_path("manifest-path", text["manifest-path"]) if text["manifest-path"] else "",
        environment=environments[0],
        more_environments=environments[1:],
        environment_patterns=environment_patterns(text["environments"]),
        platforms=platforms(text["platforms"]),
        emulation=emulation(text["emulation"]),
        images=ENVIRONMENT_EXPRESSION.sub(environments[0], text["images"]),
        tags=text["tags"],
        flavor=text["flavor"],
        labels=text["labels"],
        annotations=text["annotations"],
        push=_push(text["push"]) != "false",
        push_untagged=_push(text["push"]) == "untagged",
        username=text["username"],
        password=text["password"],
        credentials=_credentials(text["registry-auth"]),
        pixi_version=_optional(
            "pixi-version", text["pixi-version"], r"v?\d+\.\d+\.\d+", "a version such as 0.77.0"
        ).removeprefix("v"),
        pixi_image=text["pixi-image"],
        runtime_image=text["runtime-image"],
        apt_packages=parse_packages(text["apt-packages"]),
        base_instructions=text["base-instructions"],
        refresh=_flag("refresh", text["refresh"]),
        cuda_version=_optional(
            "cuda-version", text["cuda-version"], r"\d{1,3}(\.\d{1,3}){0,2}", "a version such as 12 or 12.9"
        ),
        include=_include(text["include"]),
        workdir=_matching(
            "workdir",
            text["workdir"],
            r"(/[A-Za-z0-9_][A-Za-z0-9._-]*)+",
            "an absolute path of letters, digits and . _ -, other than the root",
        ),
        expose=tuple(_port(port) for port in text["expose"].replace(",", " ").split()),
        working_directory=working_directory(text["working-directory"], text["workdir"])
        if text["working-directory"]
        else "",
        env=variables(lines_of(text["env"])),
        user=user(text["user"]) if text["user"] else "",
        command=words("command", text["command"]),
        entrypoint=words("entrypoint", text["entrypoint"]),
        healthcheck=healthcheck(text["healthcheck"]) if text["healthcheck"] else None,
        volumes=volumes(text["volumes"]),
        stop_signal=stop_signal(text["stop-signal"]) if text["stop-signal"] else "",
        instructions=text["instructions"],
        layers=_layers(text["layers"]),
        compression=_matching("compression", text["compression"], "gzip|zstd", "gzip or zstd"),
        test_command=text["test-command"],
        dockerfile=_path("dockerfile", text["dockerfile"]) if text["dockerfile"] else "",
        target=_target(text["target"]),
        test_target=stage_names("test-target", text["test-target"]),
        build_args=build_arguments(text["build-args"]),
        build_contexts=build_contexts(text["build-contexts"]),
        build_secrets=build_secrets(text["secrets"]),
        secret_files=secret_files(text["secret-files"]),
        ssh=ssh_agents(text["ssh"]),
        template=_path("template", text["template"]) if text["template"] else "",
        conda_auth=_conda_auth(text["conda-auth"]),
        git_auth=parse_git_auth(lines_of(text["git-auth"])),
        paths=tuple(_glob(line) for line in lines_of(text["paths"])),
        skip_unchanged=_flag("skip-unchanged", text["skip-unchanged"]),
        reuse_environment=_flag("reuse-environment", text["reuse-environment"]),
        promote=_flag("promote", text["promote"]),
        environment_builder=_matching(
            "environment-builder", text["environment-builder"], "auto|direct|docker", "auto, direct or docker"
        ),
        builder=""
        if text["builder"] == "auto"
        else _matching(
            "builder", text["builder"], r"[A-Za-z0-9][A-Za-z0-9._-]*", "the name of a buildx builder, or auto"
        ),
        nodes=parse_nodes(lines_of(text["nodes"])),
        layer_cache=_image_name("layer-cache", text["layer-cache"]) if text["layer-cache"] else "",
        sif=_flag("sif", text["sif"]),
        contexts=manifest_globs(text["contexts"]),
        runners=runners(text["runners"]),
        digests=tuple(image_by_digest(line, "input 'digests'") for line in lines_of(text["digests"])),
        github_token=text["github-token"],
    )


def image_by_digest(text: str, source: str) -> ImageReference:
    """Return the reference, which has a digest. Raises ``UserError`` that names ``source`` for another one."""
    reference = parse_reference(text, source=source)
    if not reference.digest:
        raise UserError(f"{source}: '{reference}' has no digest", hint="Accepted: name@sha256:….")
    return reference.tagged("").pinned(reference.digest)


def _environments(value: str) -> tuple[str, ...]:
    """Return the environments of the image. Raises ``UserError`` where it cannot have them."""
    names = environment_names(value)
    pattern = r"[a-z0-9]([a-z0-9-]*[a-z0-9])?"
    if not names or not all(re.fullmatch(pattern, name) for name in names):
        raise malformed("environment", value, "names of lower-case letters, digits and inner hyphens")
    if twice := next((name for name in names if names.count(name) > 1), ""):
        raise UserError(
            f"input 'environment' has '{shortened(twice)}' twice", hint="Name each environment of the image once."
        )
    if len(names) > MOST_ENVIRONMENTS:
        raise UserError(
            f"input 'environment' has {len(names)} environments, and an image has at most {MOST_ENVIRONMENTS}",
            hint="Make an image of each, or leave some out.",
        )
    return names


def _matching(name: str, value: str, pattern: str, accepted: str) -> str:
    if re.fullmatch(pattern, value):
        return value
    raise malformed(name, value, accepted)


def _optional(name: str, value: str, pattern: str, accepted: str) -> str:
    return _matching(name, value, pattern, accepted) if value else ""


def _path(name: str, value: str) -> str:
    return _matching(name, value, r"[^\x00-\x1f\x7f]+", "a path without control characters")


def _image_name(name: str, value: str) -> str:
    if not is_image_name(value):
        raise malformed(name, value, "an image name without a tag, such as ghcr.io/lab/layers")
    return value


def _push(value: str) -> str:
    if value not in {"auto", "untagged", "false"}:
        raise malformed("push", value, "auto (push if the event may push), untagged or false")
    return value


def _flag(name: str, value: str) -> bool:
    if value not in {"true", "false"}:
        raise malformed(name, value, "true or false")
    return value == "true"


def _glob(value: str) -> str:
    pattern = value.removeprefix("!")
    if not pattern or pattern.startswith("/"):
        raise malformed("paths", value, "globs relative to 'context', such as data/**/*.csv or ../shared/**")
    return value


def _port(value: str) -> str:
    port = re.fullmatch(r"(\d{1,5})(?:-(\d{1,5}))?(?:/(tcp|udp|sctp))?", value)
    if not port or not all(0 < int(end) < 65536 for end in port.groups()[:2] if end):
        raise malformed("expose", value, "ports from 1 to 65535, such as 8000, 53/udp or 6000-6010")
    return value


def _layers(value: str) -> int:
    most = MOST_LAYERS if value == "auto" else int(value) if re.fullmatch(r"[0-9]{1,3}", value) else 0
    if not 1 <= most <= MOST_LAYERS:
        raise malformed("layers", value, f"auto, or a number from 1 to {MOST_LAYERS}")
    return most


def _target(value: str) -> str:
    names = stage_names("target", value)
    if len(names) > 1:
        raise malformed("target", value, "the name of one stage")
    return names[0] if names else ""


def _conda_auth(value: str) -> str:
    import json

    try:
        content = json.loads(value) if value else {}
    except (ValueError, RecursionError):
        content = None
    if not isinstance(content, dict):
        raise UserError(
            "input 'conda-auth' is not a JSON object (not shown: it is a secret)",
            hint='Accepted: the content of a rattler credentials file, {"*.prefix.dev": {"BearerToken": "…"}}.',
        )
    return value


def _texts_in(conda_auth: str) -> list[str]:
    """Return the text values of the credentials, which may appear in a log without the surrounding JSON."""
    import json

    texts: list[str] = []
    todo = [json.loads(conda_auth)] if conda_auth else []
    while todo:
        value = todo.pop()
        if isinstance(value, dict):
            todo += value.values()
        elif isinstance(value, str) and len(value) > 3:
            texts.append(value)
    return texts


def _include(value: str) -> tuple[str, ...] | None:
    if not value:
        return None
    return () if value == "none" else lines_of(value)


def _credentials(value: str) -> tuple[Credential, ...]:
    """Parse ``registry=…,username=…,password=…`` lines; the password extends to the end of its line."""
    credentials = []
    for number, line in enumerate(lines_of(value), 1):
        match = re.fullmatch(
            r"registry=(?P<registry>[A-Za-z0-9][A-Za-z0-9.:-]*),\s*username=(?P<username>[^,]+),\s*password=(?P<password>.+)",
            line,
        )
        if not match:
            raise UserError(
                f"input 'registry-auth': entry {number} cannot be read (not shown: it may hold a secret)",
                hint="Accepted: one line per registry, registry=ghcr.io,username=me,password=my-token.",
            )
        credentials.append(Credential(**match.groupdict()))
    return tuple(credentials)
