"""The inputs: the table that drives action.yml, the command line and docs/inputs.md, and the parsed values."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

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
from pixi_container.debian_packages import parse_packages
from pixi_container.errors import UserError
from pixi_container.git_credentials import parse_git_auth, secrets_in
from pixi_container.input_values import (
    Healthcheck,
    Variable,
    healthcheck,
    malformed,
    stop_signal,
    user,
    variables,
    volumes,
    words,
    working_directory,
)
from pixi_container.registry.credentials import Credential
from pixi_container.registry.reference import is_image_name
from pixi_container.shortening import shortened
from pixi_container.suggestions import did_you_mean

if TYPE_CHECKING:
    from collections.abc import Mapping


MOST_LAYERS = 65
"""Maximum number of environment layers: of an image's 100, 20 are left for the base and 15 for the workspace."""


MOST_ENVIRONMENTS = 8
"""Maximum number of environments in one image, among which the layers are divided."""


Kind = Literal["text", "flag", "lines", "words", "pairs"]
"""What an input is: one value, ``true`` or ``false``, an entry or a ``KEY=value`` per line, or a command."""


COMMANDS_WITH_EVERY_INPUT = ("run", "build", "plan")
"""The commands that use every input; other commands use the inputs whose ``also_for`` names them."""


@dataclass(frozen=True)
class Input:
    """One input: its name in a workflow, its default and its meaning.

    ``also_for`` names the commands that use it in addition to those that use every input. ``kind`` decides what a
    value looks like in the manifest's settings, ``choices`` are all accepted words if they can be listed, and
    ``not_in_settings`` says why the manifest cannot set it; a secret never can.
    """

    name: str
    default: str
    help: str
    is_secret: bool = False
    workflow_default: str | None = None
    also_for: tuple[str, ...] = ()
    kind: Kind = "text"
    choices: tuple[str, ...] = ()
    not_in_settings: str = ""

    @property
    def is_setting(self) -> bool:
        """Whether the manifest can set it."""
        return not self.is_secret and not self.not_in_settings

    @property
    def action_default(self) -> str:
        """The default in action.yml: empty for a setting, so that a value that was given can be told from it."""
        if self.workflow_default is not None:
            return self.workflow_default
        return "" if self.is_setting else self.default

    @property
    def action_help(self) -> str:
        """The description in action.yml, which has the default where ``action_default`` does not."""
        return f"{self.help} Default: `{self.default}`." if self.default and not self.action_default else self.help

    @property
    def variable(self) -> str:
        """The environment variable in which action.yml passes it; a shell may drop names with hyphens."""
        return "INPUT_" + self.name.upper().replace("-", "_")

    @property
    def commands(self) -> tuple[str, ...]:
        """The commands that use it."""
        return (*COMMANDS_WITH_EVERY_INPUT, *self.also_for)


INPUTS = (
    Input(
        "context",
        ".",
        "Folder with everything that goes into the image: the build context, to which other paths are relative. "
        "The workspace's folder, or one above it.",
        also_for=("render", "changes", "tags", "init"),
        not_in_settings="it says where the manifest is",
    ),
    Input(
        "manifest-path",
        "",
        "Manifest file in `context` or below it, such as `container/pixi.toml`, with the lock beside it. When "
        "empty: the first that exists in `context` of `pixi.toml`, `pyproject.toml` with `[tool.pixi]`, and "
        "`mojoproject.toml`.",
        also_for=("render", "changes", "tags", "init"),
        not_in_settings="it says where the manifest is",
    ),
    Input(
        "environment",
        "default",
        "Pixi environment to ship. Of several, such as `prod tools`, all are in the image, the first is active; "
        "see docs/environments.md.",
        also_for=("render", "changes", "tags", "init"),
        kind="lines",
    ),
    Input(
        "images",
        "",
        "Image names without a tag, one per line, on any registry. When empty: `ghcr.io/<owner>/<repository>`.",
        also_for=("tags",),
        kind="lines",
    ),
    Input(
        "tags",
        "",
        "Tag rules, one per line, in docker/metadata-action's syntax. When empty: the version and "
        "`latest` on a version tag, the branch name and `latest` on the default branch, and always "
        "`sha-<7>`; `pr-<number>` alone on a pull request.",
        also_for=("tags",),
        kind="lines",
    ),
    Input("flavor", "", "`latest=…`, `prefix=…` and `suffix=…` for all tags.", also_for=("tags",), kind="lines"),
    Input("labels", "", "Additional labels, one `key=value` per line.", also_for=("tags",), kind="pairs"),
    Input(
        "annotations", "", "Additional annotations, one `key=value` per line.", also_for=("tags",), kind="pairs"
    ),
    Input(
        "push",
        "auto",
        "`auto` pushes if the event may push; `false` never pushes. Pull requests never push.",
        not_in_settings="who starts a run decides whether it may publish",
    ),
    Input(
        "username",
        "",
        "User name for the registries in `images`. When empty: the actor's, for ghcr.io only.",
        not_in_settings="it belongs to the credentials of who starts a run",
    ),
    Input(
        "password",
        "",
        "Password or token for the registries in `images`. When empty: `github-token`, for ghcr.io only.",
        is_secret=True,
    ),
    Input(
        "registry-auth",
        "",
        "Credentials per registry, one per line: `registry=…,username=…,password=…`.",
        is_secret=True,
    ),
    Input(
        "pixi-version",
        "",
        "Pixi version of the builder image. When empty: a version that fits the lock and `requires-pixi`.",
        also_for=("render", "changes", "tags"),
    ),
    Input(
        "pixi-image",
        "",
        "Builder image. A repository such as `ghcr.io/prefix-dev/pixi` gets the tag `<pixi "
        "version>-noble`; a name with a tag or digest is used as is.",
        also_for=("render", "changes", "tags"),
    ),
    Input(
        "runtime-image",
        "",
        "Base of the final image; must contain Bash. When empty: the builder image.",
        also_for=("render",),
    ),
    Input(
        "apt-packages",
        "",
        "Debian or Ubuntu packages to install in the runtime image with `apt-get`, before the environment: "
        "`name`, `name=version`, `name/release` or `name:architecture`, on one line or several.",
        also_for=("render",),
        kind="lines",
    ),
    Input(
        "base-instructions",
        "",
        "Dockerfile instructions to run on the runtime image, before the environment and after `apt-packages`; or "
        "the path of a file with them in `context`, which is one word.",
        also_for=("render", "changes"),
    ),
    Input(
        "refresh",
        "false",
        "`true` builds the base of `apt-packages` and `base-instructions` anew although it exists, for newer "
        "versions of what they install.",
        kind="flag",
    ),
    Input(
        "cuda-version",
        "",
        "Value of `CONDA_OVERRIDE_CUDA` in the build and in the image. When empty: from the lock or the manifest.",
        also_for=("render", "changes", "tags"),
    ),
    Input(
        "include",
        "",
        "Paths and globs in `context` to copy into the image after the environment, one per line, with exceptions "
        "(`!data/raw`) and destinations (`run.sh => /opt/run.sh`); see docs/content.md. When empty: `src` beside "
        "the manifest, else `src` in `context`, if it exists; `none` copies nothing.",
        also_for=("render", "changes"),
        kind="lines",
    ),
    Input(
        "workdir",
        "/app",
        "Folder in the image that has the files of `context`, and in which containers start.",
        also_for=("render",),
    ),
    Input(
        "working-directory",
        "",
        "Folder in which a container starts, absolute or relative to `workdir`. When empty: `workdir`.",
        also_for=("render",),
    ),
    Input(
        "env",
        "",
        "Variables of the image, one `NAME=value` per line. `$PATH` and `${PATH}` stand for the image's own "
        "value, and `\\$` for a dollar sign.",
        also_for=("render",),
        kind="pairs",
    ),
    Input(
        "user",
        "",
        "User as whom a container starts, such as `1000`, `1000:100` or a name that the base has. When empty: the "
        "base's.",
        also_for=("render",),
    ),
    Input("expose", "", "Ports to expose, such as `8000` or `53/udp`.", also_for=("render",), kind="lines"),
    Input(
        "command",
        "",
        "Default command of the image, as words or as a JSON list. When empty: `bash`.",
        also_for=("render",),
        kind="words",
    ),
    Input(
        "entrypoint",
        "",
        "Program that every command is given to, as words or as a JSON list; the environment is active for it. "
        "When empty: commands start as they are.",
        also_for=("render",),
        kind="words",
    ),
    Input(
        "healthcheck",
        "",
        "Command that tells whether a container works, in the syntax of a Dockerfile's HEALTHCHECK: "
        "`--interval=30s --timeout=3s CMD curl --fail http://localhost:8000/`. `NONE` switches off the base's.",
        also_for=("render",),
    ),
    Input("volumes", "", "Folders of the image to declare as volumes.", also_for=("render",), kind="lines"),
    Input(
        "stop-signal",
        "",
        "Signal that stops a container. When empty: the base's, or SIGTERM.",
        also_for=("render",),
    ),
    Input(
        "instructions",
        "",
        "Dockerfile instructions for the end of the image, or the path of a file with them in `context`. The "
        "environment is active for them; see docs/content.md.",
        also_for=("render", "changes"),
    ),
    Input(
        "layers",
        "auto",
        f"Maximum number of environment layers, split by package: up to {MOST_LAYERS}, which is `auto`. When a "
        "package changes, only its layer is pushed and pulled. `1` keeps the environment in one layer, as it "
        "always is where Pixi installs it in the build; use it where storage without overlay, such as "
        "Podman's `vfs`, keeps a copy of the image for each layer.",
    ),
    Input(
        "compression",
        "gzip",
        "Compression of layers, `gzip` or `zstd`. Apptainer up to 1.4, which has umoci 0.4.7, cannot pull "
        "`zstd`; 1.5 and Debian's package of 1.4.5, which have umoci 0.6, can. See docs/using-images.md.",
        choices=("gzip", "zstd"),
    ),
    Input(
        "test-command",
        "",
        "Bash commands to run in the built image before it is pushed. When empty: a check that the environment "
        "is active for an unknown user; of the image of your own `dockerfile`, that its environment can be used.",
    ),
    Input(
        "dockerfile",
        "",
        "Your own Dockerfile in `context`, built as is. It gets the environment with `FROM environment`; see "
        "docs/template.md.",
        also_for=("render", "changes", "tags"),
    ),
    Input("target", "", "Stage of `dockerfile` to ship. When empty: the last one."),
    Input(
        "test-target",
        "",
        "Stages of `dockerfile` to build before anything is pushed, one per line: tests that run in the build.",
        kind="lines",
    ),
    Input(
        "build-args",
        "",
        "Build arguments for `dockerfile` or `template`, one `KEY=value` per line. They take precedence over "
        "those that the action offers.",
        kind="pairs",
    ),
    Input(
        "build-contexts",
        "",
        "Further build contexts for `dockerfile` or `template`, one `name=value` per line: a folder of the "
        "checkout, relative to `context`, `docker-image://…`, or the `https://` address of a Git repository or an "
        "archive.",
        also_for=("changes",),
        kind="pairs",
    ),
    Input(
        "secrets",
        "",
        "BuildKit secrets for `dockerfile` or `template`, one `id=value` per line. Like `conda-auth`, they are "
        "withheld on events that would expose them to untrusted code.",
        is_secret=True,
    ),
    Input(
        "secret-files",
        "",
        "BuildKit secrets from files, one `id=path` per line, relative to `context` or absolute; withheld like "
        "`secrets`.",
        not_in_settings="it names files of the machine",
    ),
    Input(
        "ssh",
        "",
        "SSH agent or keys for `dockerfile` or `template`, one per line: `default`, or `id=/path` of a key or a "
        "socket; withheld like `secrets`.",
        not_in_settings="it names keys of the machine",
    ),
    Input(
        "template",
        "",
        "Your own Dockerfile template in `context`; see docs/template.md.",
        also_for=("render", "changes"),
    ),
    Input(
        "conda-auth",
        "",
        "Content of a rattler credentials file (JSON) for private channels. The action downloads packages with "
        "it; it is also a BuildKit secret of the build, `conda-auth`, for `pixi install` or your own Dockerfile. "
        "It is withheld on events that would expose it to untrusted code.",
        is_secret=True,
        also_for=("render",),
    ),
    Input(
        "git-auth",
        "",
        "Credentials for packages from private Git repositories, a URL for each host, one per line, such as "
        "`https://x-access-token:TOKEN@github.com`. It is a BuildKit secret, `git-auth`, of the step that fetches "
        "them, and of your own Dockerfile. It is withheld on events that would expose it to untrusted code.",
        is_secret=True,
        also_for=("render",),
    ),
    Input(
        "paths",
        "",
        "Extra globs that count as changes, relative to `context`, one per line; a leading `!` excludes. "
        "The workspace's own files always count.",
        also_for=("changes",),
        kind="lines",
    ),
    Input(
        "skip-unchanged",
        "true",
        "Skip the build when no relevant file changed. A push still adds its tags to the existing image.",
        kind="flag",
    ),
    Input(
        "reuse-environment",
        "true",
        "Publish the environment as its own image, and reuse it, or its layers, in later runs.",
        kind="flag",
    ),
    Input("promote", "true", "Retag a matching, tested image instead of rebuilding.", kind="flag"),
    Input(
        "environment-builder",
        "auto",
        "`direct` makes the environment's image straight from the lock, package by package, without an engine; "
        "`docker` has Pixi install it in a Docker build. `auto` is `direct` wherever the lock allows it; the plan "
        "says which, and why.",
        choices=("auto", "direct", "docker"),
    ),
    Input(
        "builder",
        "auto",
        "Name of a buildx builder; `auto` selects the current one. `none` puts the image's layers on the "
        "environment's and pushes it without Docker, where no step has to run in the image; `auto` does so "
        "where there is no engine.",
        not_in_settings="it names something of the machine",
    ),
    Input(
        "layer-cache",
        "",
        "Repository of an organisation's environment layers, such as `ghcr.io/lab/layers`: a run takes from it "
        "the layers that other repositories made, and a run that pushes adds its own. Trust everyone who may "
        "write to it. When empty: none.",
    ),
    Input(
        "github-token",
        "",
        "Token for ghcr.io and for asking GitHub what changed.",
        is_secret=True,
        workflow_default="${{ github.token }}",
        also_for=("changes",),
    ),
)


@dataclass(frozen=True, kw_only=True)
class Inputs:
    """The parsed inputs."""

    context: str = "."
    manifest_path: str = ""
    environment: str = "default"
    more_environments: tuple[str, ...] = ()
    images: str = ""
    tags: str = ""
    flavor: str = ""
    labels: str = ""
    annotations: str = ""
    push: bool = True
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
    layer_cache: str = ""
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
    return Inputs(
        context=_path("context", text["context"]),
        manifest_path=_path("manifest-path", text["manifest-path"]) if text["manifest-path"] else "",
        environment=_environments(text)[0],
        more_environments=_environments(text)[1:],
        images=text["images"],
        tags=text["tags"],
        flavor=text["flavor"],
        labels=text["labels"],
        annotations=text["annotations"],
        push=_push(text["push"]),
        username=text["username"],
        password=text["password"],
        credentials=_credentials(text["registry-auth"]),
        pixi_version=_optional(
            "pixi-version", text["pixi-version"], r"v?\d+\.\d+\.\d+", "a version such as 0.77.0"
        ).removeprefix("v"),
        pixi_image=text["pixi-image"],
        runtime_image=text["runtime-image"],
        apt_packages=parse_packages(text["apt-packages"]),
        base_instructions=_base_instructions(text),
        refresh=_refresh(text),
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
        dockerfile=_own_dockerfile(text),
        target=_target(text["target"]),
        test_target=stage_names("test-target", text["test-target"]),
        build_args=build_arguments(text["build-args"]),
        build_contexts=_build_contexts(text),
        build_secrets=_build_secrets(text),
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
        layer_cache=_image_name("layer-cache", text["layer-cache"]) if text["layer-cache"] else "",
        github_token=text["github-token"],
    )


def lines_of(text: str) -> tuple[str, ...]:
    """Return the non-blank lines, trimmed, without those that start with ``#``."""
    stripped = (line.strip() for line in text.splitlines())
    return tuple(line for line in stripped if line and not line.startswith("#"))


def environment_names(text: str) -> tuple[str, ...]:
    """Return the names in the input ``environment``, of which the first is active; empty for a blank text."""
    return tuple(name for line in lines_of(text) for name in line.replace(",", " ").split())


def _environments(text: Mapping[str, str]) -> tuple[str, ...]:
    """Return the environments of the image. Raises ``UserError`` where it cannot have them."""
    value = text["environment"]
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
    for name in ("dockerfile", "template"):
        if len(names) > 1 and text[name]:
            raise UserError(
                f"input 'environment' has several environments, which '{name}' does not install",
                hint=f"Name one environment, or remove '{name}'.",
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


def _push(value: str) -> bool:
    if value not in {"auto", "false"}:
        raise malformed("push", value, "auto (push if the event may push) or false")
    return value == "auto"


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


def _own_dockerfile(text: Mapping[str, str]) -> str:
    """Return the path of the user-supplied Dockerfile, or empty.

    Raises ``UserError`` if another input only affects a rendered Dockerfile, or only a user-supplied one.
    """
    if not text["dockerfile"]:
        _check_that_something_uses(text, ("target", "test-target"), ("dockerfile",))
        _check_that_something_uses(text, _FOR_OWN_INSTRUCTIONS, ("dockerfile", "template"))
        return ""
    shaping = (
        *("template", "include", "working-directory", "env", "user", "expose", "command", "entrypoint"),
        *("healthcheck", "volumes", "stop-signal", "instructions"),
    )
    without_effect = [name for name in shaping if text[name]]
    if without_effect:
        raise UserError(
            f"input '{without_effect[0]}' has no effect together with 'dockerfile'",
            hint="Your own Dockerfile is built as is. Remove one of the two inputs.",
        )
    return _path("dockerfile", text["dockerfile"])


_FOR_OWN_INSTRUCTIONS = ("build-args", "build-contexts", "secrets", "secret-files", "ssh")


def _check_that_something_uses(text: Mapping[str, str], names: tuple[str, ...], users: tuple[str, ...]) -> None:
    """Raise ``UserError`` for one of the inputs ``names`` that is set although none of ``users`` is."""
    unused = next((name for name in names if text[name]), "")
    if unused and not any(text[user] for user in users):
        needs = " or ".join(f"'{user}'" for user in users)
        raise UserError(
            f"input '{unused}' has no effect without {needs}",
            hint=f"Remove it, or set {needs}: the instructions of the action's own Dockerfile do not use it.",
        )


def _target(value: str) -> str:
    names = stage_names("target", value)
    if len(names) > 1:
        raise malformed("target", value, "the name of one stage")
    return names[0] if names else ""


def _build_contexts(text: Mapping[str, str]) -> tuple[BuildContext, ...]:
    contexts = build_contexts(text["build-contexts"])
    if text["template"] and any(context.name.lower() == "environment" for context in contexts):
        raise UserError(
            "input 'build-contexts': 'environment' is a stage of the template",
            hint="Give the build context another name.",
        )
    return contexts


def _build_secrets(text: Mapping[str, str]) -> Pairs:
    secrets = build_secrets(text["secrets"])
    values, files = dict(secrets), dict(secret_files(text["secret-files"]))
    twice = values.keys() & files.keys()
    named = {name for name in ("conda-auth", "git-auth") if text[name]}
    twice |= named & (values.keys() | files.keys())
    if twice:
        raise UserError(
            f"the secret '{min(twice)}' is set by two inputs",
            hint="Of 'secrets', 'secret-files', 'conda-auth' and 'git-auth', only one can set a secret.",
        )
    return secrets


def _base_instructions(text: Mapping[str, str]) -> str:
    """Return the instructions, or a path, which has no white space, as every instruction has.

    Raises ``UserError`` if the user's own template would leave out what is added to the runtime image.
    """
    for name in ("apt-packages", "base-instructions"):
        if text[name] and text["template"]:
            raise UserError(
                f"input '{name}' has no effect together with 'template'",
                hint="Put the instructions into the template. Remove one of the two inputs.",
            )
    return text["base-instructions"]


def _refresh(text: Mapping[str, str]) -> bool:
    refresh = _flag("refresh", text["refresh"])
    if refresh and not text["apt-packages"] and not text["base-instructions"]:
        raise UserError(
            "input 'refresh' has no effect without 'apt-packages' or 'base-instructions'",
            hint="It builds anew what these add to the runtime image. Remove it, or set one of them.",
        )
    return refresh


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
