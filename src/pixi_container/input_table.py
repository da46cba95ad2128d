"""The table of inputs, which drives action.yml, the command line, the settings' schema and docs/inputs.md."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

MOST_LAYERS = 65
"""Maximum number of environment layers: of an image's 100, 20 are left for the base and 15 for the workspace."""


MOST_ENVIRONMENTS = 8
"""Maximum number of environments in one image, among which the layers are divided."""


Kind = Literal["text", "flag", "lines", "words", "pairs"]
"""What an input is: one value, ``true`` or ``false``, an entry or a ``KEY=value`` per line, or a command."""


COMMANDS_WITH_EVERY_INPUT = ("run", "build", "plan")
"""The commands that use every input of the action; others use the inputs whose ``also_for`` names them."""

JOB_COMMANDS = ("matrix", "merge")
"""The commands before and after a workflow's build jobs, which use every input that is not ``builds_only``."""


@dataclass(frozen=True)
class Input:
    """One input: its name in a workflow, its default and its meaning.

    ``also_for`` names the commands that use it in addition to those that use every input, ``builds_only`` tells
    that nothing but a build uses it, and ``only_for`` names the commands that alone use it, so that it is no input
    of the action itself. ``kind`` decides what a value looks like in the manifest's settings, ``choices`` are all
    accepted words if they can be listed, and ``not_in_settings`` says why the manifest cannot set it; a secret
    never can.
    """

    name: str
    default: str
    help: str
    is_secret: bool = False
    workflow_default: str | None = None
    also_for: tuple[str, ...] = ()
    builds_only: bool = False
    only_for: tuple[str, ...] = ()
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
        jobs = () if self.builds_only else JOB_COMMANDS
        return self.only_for or (*COMMANDS_WITH_EVERY_INPUT, *jobs, *self.also_for)


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
        "environments",
        "",
        "Environments to ship as an image each, by name or glob, such as `cpu gpu-* !*-dev`; see docs/many.md.",
        kind="lines",
        not_in_settings="the manifest's key of this name is for the settings of each environment",
    ),
    Input(
        "platforms",
        "",
        "Platforms to ship together as one image index, such as `linux/amd64 linux/arm64`. `auto`: all that the "
        "lock has for the environment and that the runtime image has. When empty: the builder's own platform.",
        kind="lines",
    ),
    Input(
        "emulation",
        "false",
        "Run the steps of platforms that the builder does not have under QEMU, which takes 5 to 20 times as long. "
        "`true` registers it by the image `tonistiigi/binfmt`; the name of another image takes its place.",
        not_in_settings="it has a privileged container change the machine that starts a run",
    ),
    Input(
        "images",
        "",
        "Image names without a tag, one per line, on any registry; `{{environment}}` in them stands for the "
        "environment. When empty: `ghcr.io/<owner>/<repository>`.",
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
        "`auto` pushes if the event may push; `false` never pushes; `untagged` pushes without the tags in `tags`, "
        "which `pixi-container merge` puts on the image later. Pull requests never push.",
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
        builds_only=True,
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
        builds_only=True,
        also_for=("render",),
    ),
    Input(
        "git-auth",
        "",
        "Credentials for packages from private Git repositories, a URL for each host, one per line, such as "
        "`https://x-access-token:TOKEN@github.com`. It is a BuildKit secret, `git-auth`, of the step that fetches "
        "them, and of your own Dockerfile. It is withheld on events that would expose it to untrusted code.",
        is_secret=True,
        builds_only=True,
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
        "Name of a buildx builder, which then builds the image. `none` puts the image's layers on the "
        "environment's and pushes it without Docker, where no step has to run in the image. `auto` adds them "
        "without a builder in such a push as well, and uses the current one for all else.",
        not_in_settings="it names something of the machine",
    ),
    Input(
        "nodes",
        "",
        "BuildKit daemons on other machines that run the build's steps, one `PLATFORM[,PLATFORM]=ENDPOINT` per "
        "line, such as `linux/arm64=tcp://arm.lab.example:1234`, and options such as `cacert=/run/ca.pem` after "
        "it; see docs/nodes.md.",
        kind="lines",
        not_in_settings="it names machines of whoever starts a run",
    ),
    Input(
        "layer-cache",
        "",
        "Repository of an organisation's environment layers, such as `ghcr.io/lab/layers`: a run takes from it "
        "the layers that other repositories made, and a run that pushes adds its own. Trust everyone who may "
        "write to it. When empty: none.",
        builds_only=True,
    ),
    Input(
        "sif",
        "false",
        "Publish a SIF beside the pushed image, under each tag with `-sif` at its end, so that Apptainer pulls it "
        "from `oras://` without converting anything. Needs `sqfstar` of squashfs-tools on the runner.",
        kind="flag",
    ),
    Input(
        "contexts",
        "",
        "Manifests of several workspaces below `context`, by glob, such as `*/pixi.toml !old/pixi.toml`; the "
        "folder of each is the build context of its images.",
        only_for=JOB_COMMANDS,
        kind="lines",
        not_in_settings="it says where the manifests are",
    ),
    Input(
        "runners",
        "",
        "Labels of the runners that jobs start on, one `platform=label` per line, such as "
        '`linux/arm64=ubuntu-24.04-arm`; several labels as JSON: `linux/arm64=["self-hosted","arm64"]`. A runner '
        "that is named runs its platform itself. When empty: `ubuntu-24.04`, and `ubuntu-24.04-arm` for "
        "linux/arm64.",
        only_for=JOB_COMMANDS,
        kind="lines",
        not_in_settings="who starts a workflow decides where it runs",
    ),
    Input(
        "digests",
        "",
        "Images that build jobs pushed, as `name@sha256:…` from their output `image`: each must be one that the "
        "tags go on. When empty: this is not checked.",
        only_for=("merge",),
        kind="lines",
        not_in_settings="it comes from the jobs of a workflow",
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
