"""Explain a failed build: turn the last lines of buildx into one message with a hint.

The same words need different fixes depending on who prints them: a 403 from a channel, a PyPI index or a registry,
or "denied" from a shell. The speaker is therefore determined first, and each cause names its speakers.
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
    """Who prints an error. The first three speak in pixi's report, the shell in a step's last lines."""

    PIXI = "pixi, about the workspace or a conda channel"
    UV = "uv inside pixi, about PyPI packages"
    GIT = "the git that pixi calls"
    SHELL = "a build step without a report from pixi"
    BUILDER = "buildx, BuildKit or the engine"


_PIXI, _UV, _GIT, _SHELL, _BUILDER = ((speaker,) for speaker in _Speaker)
_INSTALL = (*_PIXI, *_UV, *_GIT)


@dataclass(frozen=True)
class _Cause:
    """A known error: a pattern in the words of ``speakers``, and how to report it.

    ``message`` and ``hint`` may contain ``{text}``, the whole error text, ``{match}`` and the pattern's named
    groups. ``error`` is the exception class.
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
    "log in to its registry before this step, for example with docker/login-action; on events that may run "
    "untrusted code, the build has no credentials."
)
_AGAIN = "If the failure is temporary, run the job again."
_MEMORY = "Use a runner, or a builder, with more memory."
_IMAGES = "Check 'pixi-version', 'pixi-image' and 'runtime-image'."
_BASH = "Choose a 'runtime-image' that contains Bash, such as debian:bookworm-slim."
_NEWER_PIXI = "Set 'pixi-version' to the version that wrote the lock file, or newer."
_VIRTUAL_PACKAGES = "For CUDA, set 'cuda-version' to at least that version; for glibc, use a newer builder image."
_APT = (
    "Check 'apt-packages' against the distribution of 'runtime-image': packages.debian.org or packages.ubuntu.com."
)
_CREDENTIALS = "Check 'username' and 'password' or 'registry-auth'"

_CAUSES = (
    _Cause(
        _INSTALL,
        # The second is the error of pixi 0.67 and older for a lock file of version 7.
        r"lock[- ]file version \d+ is newer than supported|missing .version. field in lock file",
        _NEWER_PIXI,
        "the lock file was written by a newer pixi than the one in the builder image",
        LOCK_NAME,
    ),
    _Cause(
        _INSTALL,
        r"Virtual package '(?P<what>[^']+)' does not match any of the available virtual packages",
        _VIRTUAL_PACKAGES,
        "the environment requires {what}, which the builder image does not provide",
    ),
    _Cause(
        _INSTALL,
        r"does not support '[^']+' on this machine.*: Unsatisfied requirements: (?P<what>.*)",
        _VIRTUAL_PACKAGES,
        "the environment requires {what}, which the builder image does not provide",
    ),
    _Cause(
        _INSTALL,
        r"requires pixi '(?P<what>[^']+)'",
        "Leave 'pixi-version' and 'pixi-image' empty, or choose a matching version.",
        "the workspace requires pixi {what}, but the builder image has another version",
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
        "a program that pixi started was killed, probably because memory ran out: {text}",
    ),
    _Cause(
        _GIT,
        r"could not read (?:Username|Password)|Authentication failed|Permission denied|Repository not found",
        "Put credentials for the repository's host into 'git-auth'. It is withheld on events that may run "
        "untrusted code.",
    ),
    _Cause(
        _INSTALL,
        _CERTIFICATE,
        "Pixi does not trust the certificate of the server, or of a proxy or mirror. Set 'pixi-image' to an image "
        "that trusts it.",
    ),
    _Cause(
        _INSTALL,
        r"\(429[ )]|too many requests",
        "The server limits the number of requests. Run the job again later.",
    ),
    _Cause(
        _PIXI,
        _REFUSED,
        "Put credentials for the channel's host into 'conda-auth'. It is withheld on events that may run "
        "untrusted code.",
    ),
    _Cause(
        _UV,
        _REFUSED,
        "Put credentials for the index's host into 'conda-auth', which pixi also uses for PyPI indexes. It is "
        "withheld on events that may run untrusted code.",
    ),
    _Cause(
        (*_PIXI, *_UV),
        r"\(404[ )]",
        "A file in the lock no longer exists: run `pixi update` and commit the result. Some servers also answer "
        "404 if credentials are missing: put them into 'conda-auth'.",
    ),
    _Cause(_INSTALL, rf"\(5\d\d[ )]|{_UNREACHABLE}", _AGAIN),
    _Cause(
        _SHELL,
        r"^pixi installed \d+ conda packages, the lock has \d+$",
        "The environment is incomplete, so no image is made. Check that the lock contains the platform.",
        "{match}",
        LOCK_NAME,
    ),
    _Cause(_SHELL, r"^the runtime image has no /bin/bash, which the entrypoint needs$", _BASH, "{match}"),
    _Cause(
        _SHELL,
        r'^\S+ run failed: .*exec: "(?P<what>[^"]+)": stat \S+ no such file or directory$',
        _BASH,
        "a base image has no {what}",
    ),
    _Cause(
        _SHELL,
        r"apt-get: (?:command )?not found$",
        "Choose a 'runtime-image' of Debian or Ubuntu, or install packages with 'base-instructions'.",
        "the runtime image has no apt-get, which 'apt-packages' needs",
    ),
    _Cause(
        _SHELL,
        r"^E: (?:Unable to locate package|Couldn't find any package by \w+) '?(?P<what>[^\s']+)'?$",
        _APT,
        "apt-get knows no package '{what}'",
    ),
    _Cause(
        _SHELL,
        r"^E: (?:Version|Release) '(?P<version>[^']+)' for '(?P<what>[^']+)' was not found$",
        f"{_APT} Archives keep only the newest version of a package.",
        "apt-get has no version or release '{version}' of the package '{what}'",
    ),
    _Cause(
        _SHELL,
        r"^E: Package '(?P<what>[^']+)' has no installation candidate$",
        _APT,
        "apt-get knows the package '{what}' and cannot install it",
    ),
    _Cause(
        _SHELL,
        r"^E: (?:Failed to fetch|Some index files failed to download|The repository ).*",
        f"{_AGAIN} The builder may not reach the archive, or the archive may no longer have this release.",
        "apt-get could not download: {match}",
    ),
    _Cause(
        _SHELL,
        r"^exec \S+: exec format error$|^standard_init_linux.* exec format error$|^\.buildkit_qemu_emulator: .*",
        "Use images for the builder's own architecture: a digest may refer to a single platform, and "
        "DOCKER_DEFAULT_PLATFORM may select another one. Steps of another platform in 'platforms' run on a "
        "builder that has a node for it, or with 'emulation'.",
        "the builder cannot run programs for this platform: {match}",
    ),
    _Cause(
        _SHELL,
        r"^\S+: (?:line )?\d+: (?P<what>[^:]+): Permission denied$",
        "If it is a script, set its executable bit with `git update-index --chmod=+x`.",
        "a build step has no permission to use '{what}': {match}",
    ),
    _Cause(
        _BUILDER,
        r"^a build step ended with exit code: 137\b",
        _MEMORY,
        "a build step was killed (exit code 137), probably because memory ran out",
    ),
    _Cause(
        _BUILDER,
        r"cannot allocate memory|out of memory",
        _MEMORY,
        "the builder ran out of memory: {text}",
    ),
    _Cause(
        _BUILDER,
        r"\b429 too many requests|toomanyrequests",
        f"Use images from another registry, run the job again later, or {_LOG_IN}",
        "a registry's rate limit was exceeded: {text}",
        error=RegistryError,
    ),
    _Cause(
        _BUILDER,
        rf"failed to resolve source metadata for (?P<what>\S+): (?s:.)*{_REFUSED_BY_REGISTRY}",
        f"{_IMAGES} If the image is private, {_LOG_IN}",
        "the registry denied access to the image {what}: {text}",
        error=RegistryRefusedError,
    ),
    # Before the other refusals, because Docker Hub reports it with status 403.
    _Cause(
        _BUILDER,
        rf"failed to push (?P<what>\S+): (?s:.)*(?:{IMMUTABLE})",
        HOW_WITH_IMMUTABLE_TAGS,
        "the registry does not allow moving the tag {what}: {text}",
        error=RegistryRefusedError,
    ),
    _Cause(
        _BUILDER,
        rf"failed to push (?P<what>\S+): (?s:.)*{_REFUSED_BY_REGISTRY}",
        f"{_CREDENTIALS}. For ghcr.io, the job needs `packages: write`, and an existing package must give this "
        "repository write access in its settings.",
        "the registry denied the push of {what}: {text}",
        error=RegistryRefusedError,
    ),
    _Cause(
        _BUILDER,
        r"failed to push (?P<what>\S+): (?s:.)*(?:name unknown|NAME_UNKNOWN|404 Not Found|does not exist)",
        "Create the repository first: some registries, such as Amazon ECR, do not create it on a push.",
        "the registry has no repository for {what}: {text}",
        error=RegistryError,
    ),
    _Cause(
        _BUILDER,
        _REFUSED_BY_REGISTRY,
        f"{_CREDENTIALS}. For ghcr.io, the job needs `packages: write`.",
        "a registry denied access: {text}",
        error=RegistryRefusedError,
    ),
    _Cause(
        _BUILDER,
        r"failed to resolve source metadata for (?P<what>\S+): (?s:.)*no match for platform",
        "Use an image that exists for the builder's platform, or a runner of a platform that the image supports.",
        "the image {what} does not exist for a platform: {text}",
    ),
    _Cause(
        _BUILDER,
        r'failed to (?:calculate checksum|compute cache key)[^\n]*"/(?P<what>[^"\n]+)": not found',
        "A pattern in .dockerignore excludes it. Add the line '!{what}' to the end of that file.",
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
        "the builder does not trust a registry's certificate: {text}",
        error=RegistryError,
    ),
    _Cause(
        _BUILDER,
        r"first record does not look like a TLS handshake|server gave HTTP response to HTTPS client",
        "Add it to the engine's 'insecure-registries', or set `http = true` for it in the builder's "
        "configuration: https://docs.docker.com/build/ci/github-actions/configure-builder/",
        "a registry uses plain HTTP, which the builder does not accept: {text}",
        error=RegistryError,
    ),
    # https://github.com/moby/buildkit/issues/6977: caused by another build that failed or was cancelled meanwhile.
    _Cause(
        _BUILDER,
        r"snapshot \S+ does not exist: not found",
        "Empty the cache with `docker buildx prune`, with '--builder' for a builder other than the current one. "
        "Until then, every build with these layers fails.",
        "the builder's cache lost a layer because of a bug in BuildKit: {text}",
    ),
    _Cause(
        _BUILDER,
        r"cannot connect to the docker daemon|connect to the docker (?:API|daemon)|error during connect",
        "Start Docker, or point DOCKER_HOST or a Docker context at a running engine.",
        "the Docker engine does not answer: {text}",
        error=ToolUnavailableError,
    ),
    _Cause(
        _BUILDER,
        r"code = Unavailable|error reading from server|closing transport",
        "It may have run out of memory or disk space. Check both, and run the job again.",
        "the connection to the builder was lost: {text}",
    ),
    _Cause(
        _BUILDER,
        r"^(?:failed to build: )?context deadline exceeded$",
        "Check that the BuildKit daemon runs, that this machine reaches it, and the certificates of 'nodes': "
        "docs/nodes.md.",
        "the builder does not answer: {text}",
        error=ToolUnavailableError,
    ),
    _Cause(
        _BUILDER,
        r"^unknown (?:shorthand )?flag: |^docker: 'buildx' is not a docker command",
        "Install or update Docker's buildx plugin: https://docs.docker.com/go/buildx/",
        "docker buildx is missing or too old: {text}",
        error=ToolUnavailableError,
    ),
    _Cause(
        _BUILDER,
        r'no builder "',
        "List the builders with `docker buildx ls`, and choose one with the input 'builder'.",
        error=ToolUnavailableError,
    ),
    _Cause(
        _BUILDER,
        rf"{_UNREACHABLE}|unexpected status\S* (?s:.)*: 5\d\d|HTTP status: 5\d\d",
        _AGAIN,
        "the builder could not reach a registry: {text}",
        error=RegistryError,
    ),
)


def explain(output: str, *, purpose: str, code: int, place: str = "") -> UserError:
    """Return the error for a failed buildx command; ``output`` holds the last lines that it printed.

    ``place`` is where the user wrote the instruction that failed; empty if it is none of the user's.
    """
    said = build_output(output)
    report = pixi_report(said.step)
    last = _last(report.after if report else said.step)
    failed = f"{f'the instruction in {place}' if place else f'the {purpose}'} failed with exit code {code}"
    return (
        # BuildKit reports how a step ended; a step killed for lack of memory may not say so itself.
        _known(_Speaker.BUILDER, said.builder, f"{failed}: {{text}}")
        or _known(_Speaker.SHELL, "\n".join(last[-_LAST_LINES:]), f"{failed}: {{text}}")
        or (_of_pixi(report, outdated_reasons(said.step)) if report else None)
        or (
            BuildFailedError(
                f"{place or f'a step of the {purpose}'} failed: {last[-1]}", hint="\n".join(last[:-1])
            )
            if last
            else BuildFailedError(": ".join(filter(None, [failed, shortened(said.builder, _LONGEST_MESSAGE)])))
        )
    )


def _of_pixi(report: PixiReport, outdated: Sequence[str]) -> UserError:
    if re.search(_OUTDATED, report.message, re.IGNORECASE):
        return UserError(
            f"the lock is out of date: {_shown(outdated) or 'it does not match the manifest'}",
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
    """Return the error for the first cause that matches, or None; ``message`` replaces a missing one."""
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
