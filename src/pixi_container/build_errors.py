"""What went wrong in a build: from the last lines of buildx to one message with what to do."""

from __future__ import annotations

import re
from dataclasses import dataclass

from pixi_container.errors import UserError
from pixi_container.lock import LOCK_NAME


@dataclass(frozen=True)
class _Cause:
    pattern: str
    message: str
    hint: str
    file: str = ""


_CAUSES = (
    _Cause(
        r"lock[- ]file not up-to-date with the (workspace|project)",
        "the lock is out of date: it does not fit the manifest",
        f"Run `pixi lock` and commit {LOCK_NAME}.",
        LOCK_NAME,
    ),
    _Cause(
        r"lock[- ]file version \d+ is newer than supported",
        "the lock was written by a newer pixi than the builder image has",
        "Set 'pixi-version' to the version that wrote the lock, or newer.",
        LOCK_NAME,
    ),
    _Cause(
        r"Virtual package '(?P<what>[^']+)' does not match any of the available virtual packages",
        "the environment asks for {what}, which the builder does not offer",
        "For CUDA set 'cuda-version' to at least that version; for glibc choose a newer builder image.",
    ),
    _Cause(
        r"pixi installed \d+ conda packages, the lock has \d+",
        "{match}",
        "The environment is not whole, so no image is made of it. Is the platform in the lock?",
        LOCK_NAME,
    ),
    _Cause(
        r"requires pixi '(?P<what>[^']+)'",
        "the workspace requires pixi {what}, the builder image has another",
        "Leave 'pixi-version' and 'pixi-image' empty, or choose a version that fits.",
    ),
    _Cause(r"no space left on device", "the disk is full", "Free space on the runner before this step."),
    _Cause(
        r"the runtime image has no /bin/bash",
        "{match}",
        "Choose a 'runtime-image' with bash, such as debian:bookworm-slim.",
    ),
    _Cause(
        r"(?:unauthorized|denied|403 Forbidden|401 Unauthorized)[^\n]*",
        "a registry refuses access: {match}",
        "Check 'username' and 'password' or 'registry-auth'; for ghcr.io the job needs `packages: write`.",
    ),
    _Cause(
        r'failed to (?:calculate checksum|compute cache key)[^\n]*"/(?P<what>[^"\n]+)": not found',
        "'{what}' is in the checkout but not in the build context",
        "A pattern in .dockerignore hides it; add the line '!{what}' to the end of that file.",
        ".dockerignore",
    ),
    _Cause(
        r"ERROR: failed to (?:solve|build|push)[^\n]*not found",
        "an image was not found: {match}",
        "Check 'pixi-version', 'pixi-image' and 'runtime-image'.",
    ),
    _Cause(
        r"(?:connection refused|no such host|i/o timeout|connection reset by peer)",
        "a host could not be reached from the builder: {match}",
        "If it is a passing fault, run the job again.",
    ),
)


def explain(output: str, *, purpose: str, code: int) -> UserError:
    """Give the error for a buildx command that failed; ``output`` is the last that it printed."""
    for cause in _CAUSES:
        found = re.search(cause.pattern, output, re.IGNORECASE)
        if found:
            parts = {"match": found[0].strip(), **{k: v or "" for k, v in found.groupdict().items()}}
            return UserError(cause.message.format(**parts), hint=cause.hint.format(**parts), file=cause.file)
    last = [line for line in output.splitlines() if line.strip()][-8:]
    said = next((line for line in reversed(last) if line.startswith("ERROR:")), "")
    return UserError(
        f"the {purpose} failed with exit code {code}" + (f": {said.removeprefix('ERROR: ')}" if said else ""),
        hint="\n".join(last),
    )
