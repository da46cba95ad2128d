"""What went wrong in a build: from the last lines of buildx to one message with what to do.

The same words mean something else from each speaker: a 403 of a channel, of a PyPI index and of a registry are
mended in three places, and "denied" by a shell in none of them. So who speaks is found out first, and each cause
names whose words it is about.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING

from pixi_container.docker.build_output import build_output
from pixi_container.docker.pixi_report import outdated_reasons, pixi_report
from pixi_container.errors import (
    BuildFailedError,
    RegistryError,
    RegistryRefusedError,
    ToolUnavailableError,
    UserError,
)
from pixi_container.registry.immutable_tags import HOW_WITH_IMMUTABLE_TAGS, IMMUTABLE
from pixi_container.shortening import shortened
from pixi_container.workspace.lock import LOCK_NAME

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pixi_container.docker.pixi_report import PixiReport

_LONGEST_MESSAGE = 1500
_LONGEST_LINE = 300
_LAST_LINES = 3
_SHOWN_LINES = 12
_SHOWN_REASONS = 3


class _Speaker(Enum):
    """Who says what is wrong. The first three speak in pixi's report, the shell in a step's last lines."""

    PIXI = "pixi, of the workspace or a conda channel"
    UV = "the uv in pixi, of PyPI packages"
    GIT = "the git that pixi calls"
    SHELL = "a build step without a report of pixi"
    BUILDER = "buildx, BuildKit or the engine"


_PIXI, _UV, _GIT, _SHELL, _BUILDER = ((speaker,) for speaker in _Speaker)
_INSTALL = (*_PIXI, *_UV, *_GIT)


@dataclass(frozen=True)
class _Cause:
    """What words mean from these speakers.

    ``message`` and ``hint`` may have ``{text}``, all that was said, ``{match}`` and the pattern's named groups.
    ``error`` is the kind that they are told as.
    """

    speakers: tuple[_Speaker, ...]
    pattern: str
    hint: str
    message: str = ""
    file: str = ""
    error: type[UserError] = BuildFailedError


_OUTDATED = r"lock[- ]file (?:is )?not up-to-date with"
_REFUSED = r"\((?:401|403)[ )]|\b(?:unauthorized|forbidden)\b|lack of valid authentication"
_REFUSED_BY_REGISTRY = (
    r"(?:\b401 unauthorized|\b403 forbidden|\bunauthorized:|\bdenied:|access denied|authorization failed"
    r"|authentication required|insufficient_scope|no basic auth credentials)"
)
_CERTIFICATE = (
    r"invalid peer certificate|UnknownIssuer|self[- ]signed certificate|unable to get local issuer certificate"
    r"|certificate verif\w+ failed|x509:"
)
_UNREACHABLE = (
    r"connection refused|connection reset|no such host|dns error|failed to lookup address|could not resolve host"
    r"|server misbehaving|i/o timeout|timed out|timeout exceeded|TLS handshake timeout|no route to host"
    r"|network is unreachable|error sending request|unexpected EOF"
)
_LOG_IN = (
    "log in to its registry before this step, such as with docker/login-action; on events whose code may be "
    "anybody's the build has no credentials."
)
_AGAIN = "If it is a passing fault, run the job again."
_MEMORY = "Use a runner, or a builder, with more memory."
_IMAGES = "Check 'pixi-version', 'pixi-image' and 'runtime-image'."
_BASH = "Choose a 'runtime-image' with bash, such as debian:bookworm-slim."
_NEWER_PIXI = "Set 'pixi-version' to the version that wrote the lock, or newer."
_VIRTUAL_PACKAGES = "For CUDA set 'cuda-version' to at least that version; for glibc choose a newer builder image."
_CREDENTIALS = "Check 'username' and 'password' or 'registry-auth'"

_CAUSES = (
    _Cause(
        _INSTALL,
        # The second is how a pixi speaks that knows no lock of version 7: prefix-dev/pixi 0.67 and older.
        r"lock[- ]file version \d+ is newer than supported|missing .version. field in lock file",
        _NEWER_PIXI,
        "the lock was written by a newer pixi than the builder image has",
        LOCK_NAME,
    ),
    _Cause(
        _INSTALL,
        r"Virtual package '(?P<what>[^']+)' does not match any of the available virtual packages",
        _VIRTUAL_PACKAGES,
        "the environment asks for {what}, which the builder does not offer",
    ),
    _Cause(
        _INSTALL,
        r"does not support '[^']+' on this machine.*: Unsatisfied requirements: (?P<what>.*)",
        _VIRTUAL_PACKAGES,
        "the environment asks for {what}, which the builder does not offer",
    ),
    _Cause(
        _INSTALL,
        r"requires pixi '(?P<what>[^']+)'",
        "Leave 'pixi-version' and 'pixi-image' empty, or choose a version that fits.",
        "the workspace requires pixi {what}, the builder image has another",
    ),
    _Cause(
        (*_INSTALL, *_SHELL, *_BUILDER),
        r".*no space left on device",
        "Free space on the runner before this step.",
        "the disk is full: {match}",
    ),
    _Cause(
        _INSTALL,
        r"signal: 9\b|SIGKILL",
        _MEMORY,
        "pixi had a program killed, as happens when memory runs out: {text}",
    ),
    _Cause(
        _GIT,
        r"could not read (?:Username|Password)|Authentication failed|Permission denied|Repository not found",
        "A build has no credentials for Git: publish the package to a channel or an index, or have its source "
        "below the workspace's folder.",
    ),
    _Cause(
        _INSTALL,
        _CERTIFICATE,
        "A proxy or mirror in between has a certificate that pixi does not trust: name a 'pixi-image' in which "
        "pixi trusts it.",
    ),
    _Cause(
        _INSTALL,
        r"\(429[ )]|too many requests",
        "The server limits how much it is asked: run the job again later.",
    ),
    _Cause(
        _PIXI,
        _REFUSED,
        "Give credentials for the channel's host in 'conda-auth'; it is left out on events whose code may be "
        "anybody's.",
    ),
    _Cause(
        _UV,
        _REFUSED,
        "Give credentials for the index's host in 'conda-auth', by which pixi knows PyPI indexes too; it is left "
        "out on events whose code may be anybody's.",
    ),
    _Cause(
        (*_PIXI, *_UV),
        r"\(404[ )]",
        "What the lock names is not there any more: run `pixi update` and commit the result. Some servers say so "
        "for want of credentials, too: these go into 'conda-auth'.",
    ),
    _Cause(_INSTALL, rf"\(5\d\d[ )]|{_UNREACHABLE}", _AGAIN),
    _Cause(
        _SHELL,
        r"^pixi installed \d+ conda packages, the lock has \d+$",
        "The environment is not whole, so no image is made of it. Is the platform in the lock?",
        "{match}",
        LOCK_NAME,
    ),
    _Cause(_SHELL, r"^the runtime image has no /bin/bash, which the entrypoint needs$", _BASH, "{match}"),
    _Cause(
        _SHELL,
        r'^\S+ run failed: .*exec: "(?P<what>[^"]+)": stat \S+ no such file or directory$',
        _BASH,
        "an image that is built on has no {what}",
    ),
    _Cause(
        _SHELL,
        r"^exec \S+: exec format error$|^standard_init_linux.* exec format error$|^\.buildkit_qemu_emulator: .*",
        "Name images of the builder's own architecture: a digest may be of one alone, and DOCKER_DEFAULT_PLATFORM "
        "asks for another.",
        "the builder cannot run programs of the platform: {match}",
    ),
    _Cause(
        _SHELL,
        r"^\S+: (?:line )?\d+: (?P<what>[^:]+): Permission denied$",
        "Is it a script without its executable bit? `git update-index --chmod=+x` sets it.",
        "a build step may not use '{what}': {match}",
    ),
    _Cause(
        _BUILDER,
        r"^a build step ended with exit code: 137\b",
        _MEMORY,
        "a build step was killed (exit code 137), as happens when memory runs out",
    ),
    _Cause(
        _BUILDER,
        r"cannot allocate memory|out of memory",
        _MEMORY,
        "the builder has not enough memory: {text}",
    ),
    _Cause(
        _BUILDER,
        r"\b429 too many requests|toomanyrequests",
        f"Name images of another registry, run again later, or {_LOG_IN}",
        "a registry limits how much it is asked: {text}",
        error=RegistryError,
    ),
    _Cause(
        _BUILDER,
        rf"failed to resolve source metadata for (?P<what>\S+): (?s:.)*{_REFUSED_BY_REGISTRY}",
        f"{_IMAGES} If the image is private, {_LOG_IN}",
        "the registry refuses the image {what}: {text}",
        error=RegistryRefusedError,
    ),
    # Before refusals, as Docker Hub says it by a 403.
    _Cause(
        _BUILDER,
        rf"failed to push (?P<what>\S+): (?s:.)*(?:{IMMUTABLE})",
        HOW_WITH_IMMUTABLE_TAGS,
        "the registry lets nobody move the tag {what}: {text}",
        error=RegistryRefusedError,
    ),
    _Cause(
        _BUILDER,
        rf"failed to push (?P<what>\S+): (?s:.)*{_REFUSED_BY_REGISTRY}",
        f"{_CREDENTIALS}; for ghcr.io the job needs `packages: write`, and a package that there is must give this "
        "repository write access in its settings.",
        "the registry refuses the push of {what}: {text}",
        error=RegistryRefusedError,
    ),
    _Cause(
        _BUILDER,
        r"failed to push (?P<what>\S+): (?s:.)*(?:name unknown|NAME_UNKNOWN|404 Not Found|does not exist)",
        "Make the repository first: some registries, such as Amazon ECR, make none on a push.",
        "the registry has no repository for {what}: {text}",
        error=RegistryError,
    ),
    _Cause(
        _BUILDER,
        _REFUSED_BY_REGISTRY,
        f"{_CREDENTIALS}; for ghcr.io the job needs `packages: write`.",
        "a registry refuses access: {text}",
        error=RegistryRefusedError,
    ),
    _Cause(
        _BUILDER,
        r"failed to resolve source metadata for (?P<what>\S+): (?s:.)*no match for platform",
        "Name an image that is there for the builder's platform, or use a runner of one that it is there for.",
        "the image {what} is not there for a platform: {text}",
    ),
    _Cause(
        _BUILDER,
        r'failed to (?:calculate checksum|compute cache key)[^\n]*"/(?P<what>[^"\n]+)": not found',
        "A pattern in .dockerignore hides it; add the line '!{what}' to the end of that file.",
        "'{what}' is in the checkout but not in the build context",
        ".dockerignore",
    ),
    _Cause(
        _BUILDER,
        r"failed to resolve source metadata for \S+ (?s:.)*not found",
        _IMAGES,
        "an image was not found: {text}",
    ),
    _Cause(
        _BUILDER,
        _CERTIFICATE,
        "Make the builder trust the registry's certificate authority: "
        "https://docs.docker.com/build/ci/github-actions/configure-builder/",
        "a registry's certificate is not trusted by the builder: {text}",
        error=RegistryError,
    ),
    _Cause(
        _BUILDER,
        r"first record does not look like a TLS handshake|server gave HTTP response to HTTPS client",
        "Name it among 'insecure-registries' of the engine, or as `http = true` in the builder's configuration: "
        "https://docs.docker.com/build/ci/github-actions/configure-builder/",
        "a registry speaks plain HTTP, which the builder does not take from it: {text}",
        error=RegistryError,
    ),
    # https://github.com/moby/buildkit/issues/6977: left by a build that failed or was cancelled beside the step.
    _Cause(
        _BUILDER,
        r"snapshot \S+ does not exist: not found",
        "Empty its cache with `docker buildx prune`, of another builder with '--builder': until then every "
        "build with these layers fails.",
        "the builder's cache has lost a layer, by a fault of BuildKit: {text}",
    ),
    _Cause(
        _BUILDER,
        r"cannot connect to the docker daemon|connect to the docker (?:API|daemon)|error during connect",
        "Start Docker, or point DOCKER_HOST or a Docker context at one.",
        "the Docker engine does not answer: {text}",
        error=ToolUnavailableError,
    ),
    _Cause(
        _BUILDER,
        r"code = Unavailable|error reading from server|closing transport",
        "It may have run out of memory or disk: look there, and run the job again.",
        "the builder went away: {text}",
    ),
    _Cause(
        _BUILDER,
        r"^unknown (?:shorthand )?flag: |^docker: 'buildx' is not a docker command",
        "Install Docker's buildx plugin, or a newer one: https://docs.docker.com/go/buildx/",
        "docker buildx is missing or too old: {text}",
        error=ToolUnavailableError,
    ),
    _Cause(
        _BUILDER,
        r'no builder "',
        "`docker buildx ls` lists the builders; the input 'builder' names one.",
        error=ToolUnavailableError,
    ),
    _Cause(
        _BUILDER,
        rf"{_UNREACHABLE}|unexpected status\S* (?s:.)*: 5\d\d|HTTP status: 5\d\d",
        _AGAIN,
        "a registry could not be reached from the builder: {text}",
        error=RegistryError,
    ),
)


def explain(output: str, *, purpose: str, code: int) -> UserError:
    """Return the error for a buildx command that failed; ``output`` is the last that it printed."""
    said = build_output(output)
    report = pixi_report(said.step)
    last = _last(report.after if report else said.step)
    failed = f"the {purpose} failed with exit code {code}"
    return (
        # Of a step BuildKit tells only how it ended, such as for want of memory, of which the step need not know.
        _known(_Speaker.BUILDER, said.builder, f"{failed}: {{text}}")
        or _known(_Speaker.SHELL, "\n".join(last[-_LAST_LINES:]), f"{failed}: {{text}}")
        or (_of_pixi(report, outdated_reasons(said.step)) if report else None)
        or (
            BuildFailedError(f"a step of the {purpose} failed: {last[-1]}", hint="\n".join(last[:-1]))
            if last
            else BuildFailedError(": ".join(filter(None, [failed, shortened(said.builder, _LONGEST_MESSAGE)])))
        )
    )


def _of_pixi(report: PixiReport, outdated: Sequence[str]) -> UserError:
    if re.search(_OUTDATED, report.message, re.IGNORECASE):
        return UserError(
            f"the lock is out of date: {_shown(outdated) or 'it does not fit the manifest'}",
            hint=f"Run `pixi lock` and commit {LOCK_NAME}.",
            file=LOCK_NAME,
        )
    unmet = [line.strip() for line in report.quoted if line.strip().startswith("Unsatisfied requirements: ")]
    message = ": ".join([report.message, *unmet])
    return _known(_speaker(report.message), message, "pixi failed: {text}") or BuildFailedError(
        f"pixi failed: {shortened(report.message, _LONGEST_MESSAGE)}",
        hint="\n".join((*_last(report.quoted), *filter(None, [report.help]))),
    )


def _speaker(report: str) -> _Speaker:
    if re.search(r"`git |git operation failed|\bfatal: ", report, re.IGNORECASE):
        return _Speaker.GIT
    if re.search(r"\bpypi\b|\bdistributions\b|failed to fetch: `", report, re.IGNORECASE):
        return _Speaker.UV
    return _Speaker.PIXI


def _known(speaker: _Speaker, text: str, message: str) -> UserError | None:
    """Return the error for the first cause that the words have, with ``message`` where the cause has none."""
    for cause in _CAUSES:
        match = re.search(cause.pattern, text, re.IGNORECASE | re.MULTILINE) if speaker in cause.speakers else None
        if match:
            parts = {
                "text": shortened(text, _LONGEST_MESSAGE),
                "match": shortened(match[0].strip(), _LONGEST_LINE),
                **{name: shortened(value or "") for name, value in match.groupdict().items()},
            }
            return cause.error(
                (cause.message or message).format(**parts), hint=cause.hint.format(**parts), file=cause.file
            )
    return None


def _last(lines: Sequence[str]) -> tuple[str, ...]:
    return tuple(shortened(line, _LONGEST_LINE) for line in lines if line.strip())[-_SHOWN_LINES:]


def _shown(reasons: Sequence[str]) -> str:
    more = len(reasons) - _SHOWN_REASONS
    shown = [shortened(reason, _LONGEST_LINE) for reason in reasons[:_SHOWN_REASONS]]
    return "; ".join(shown + ([f"and {more} more"] if more > 0 else []))
