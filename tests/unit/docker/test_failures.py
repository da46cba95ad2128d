"""What buildx printed to one message with what to do."""

from __future__ import annotations

import pytest

from pixi_container.docker.failures import explain
from pixi_container.errors import UserError

# The rendered script of the step that adds own packages has 3.4 KB; in BuildKit's error it is one line.
SCRIPT = (
    r"touch /tmp/start\nenv -i HOME=/tmp/home \"PATH=$PATH\"\n  pixi install --locked\n" + r"echo padding\n" * 200
)
STEPS = """\
#0 building with "default" instance using docker driver

#1 [internal] load build definition from Dockerfile
#1 transferring dockerfile: 451B done
#1 DONE 0.1s

#4 [build 1/9] FROM ghcr.io/prefix-dev/pixi:noble@sha256:885a5306aecda3943c95aea5e129
#4 resolve ghcr.io/prefix-dev/pixi:noble@sha256:885a5306aecda3943c95aea5e129 0.1s done
#4 CACHED

"""


def of_step(text: str, code: int = 1) -> str:
    """Return what buildx prints when a RUN step printed ``text`` and ended with ``code``."""
    lines = text.split("\n")
    command = f'process "/bin/bash -euo pipefail -c {SCRIPT}" did not complete successfully: exit code: {code}'
    return (
        f"{STEPS}#9 [workspace 3/3] RUN --mount=type=bind,from=pixi <<WORKSPACE (touch /tmp/start...)\n"
        + "".join(f"#9 {number}.572 {line}\n" for number, line in enumerate(lines))
        + f"#9 ERROR: {command}\n------\n > [workspace 3/3] RUN <<WORKSPACE (touch /tmp/start...):\n"
        + "".join(f"{number}.572 {line}\n" for number, line in list(enumerate(lines))[-10:])
        + "------\nDockerfile:12\n--------------------\n  11 |     \n  12 | >>> RUN <<WORKSPACE\n"
        + f"--------------------\nERROR: failed to build: failed to solve: {command}"
    )


def of_builder(error: str) -> str:
    """Return what buildx prints when BuildKit itself, or a registry that it asks, says ``error``."""
    step, _, _ = error.partition("\n")
    return (
        f"{STEPS}#6 exporting to image\n#6 pushing layers 0.0s done\n#6 ERROR: {step}\n"
        f"------\n > exporting to image:\n------\nERROR: failed to build: failed to solve: {error}"
    )


def explained(output: str, code: int = 1) -> UserError:
    return explain(output, purpose="build", code=code)


# As miette draws it for pixi, with the lines folded at 80 columns.
BACKEND = """\
Error:   × Failed to update PyPI packages for environment 'default'
  ├─▶ Failed to prepare distributions
  ├─▶ Failed to build `beta @ file:///work/libs/
  │   beta`
  ├─▶ The build backend returned an error
  ╰─▶ Call to `hatchling.build.build_wheel` failed (exit status: 1)

      [stderr]
      Traceback (most recent call last):
        File "<string>", line 11, in <module>
      ValueError: Unable to determine which files to ship inside the wheel

      hint: This usually indicates a problem with the package or the build
      environment."""


def test_the_report_of_pixi_is_one_text_and_never_the_script() -> None:
    error = explained(of_step(f" WARN pixi: something\n{BACKEND}"))
    assert error.message == (
        "pixi failed: Failed to update PyPI packages for environment 'default': Failed to prepare distributions: "
        "Failed to build `beta @ file:///work/libs/beta`: The build backend returned an error: "
        "Call to `hatchling.build.build_wheel` failed (exit status: 1)"
    )
    assert error.hint.splitlines()[-3:] == [
        "ValueError: Unable to determine which files to ship inside the wheel",
        "hint: This usually indicates a problem with the package or the build",
        "environment.",
    ]
    assert "padding" not in str(error)


# What pixi 0.77 prints in a build step; "said twice" is the form of older ones.
FORMS = {
    "nested": (
        """\
Error:   × failed to solve requirements of environment 'default' for platform 'linux-
  │ 64'
  ├─▶   × could not find subdir 'noarch' in channel
  │     │ 'http://c.example.org/x/'
  │
  ╰─▶ the server has no such file (http://c.example.org/x/linux-64/
      repodata.json)
""",
        (
            "failed to solve requirements of environment 'default' for platform 'linux-64': could not find subdir "
            "'noarch' in channel 'http://c.example.org/x/': the server has no such file "
            "(http://c.example.org/x/linux-64/repodata.json)"
        ),
        "",
    ),
    "said twice": (
        """\
  × failed to fetch numpy-2.1-py.conda
  ├─▶ Request error: it has no end for url (https://c/n.conda)
  ╰─▶ it has no end for url (https://c/n.conda)""",
        "failed to fetch numpy-2.1-py.conda: Request error: it has no end for url (https://c/n.conda)",
        "",
    ),
    "place and help": (
        """\
Error:   × Unexpected keys, expected only 'workspace', 'package', 'pypi-options', 'system-
  │ requirements'
   ╭─[/work/pixi.toml:5:2]
 4 │ platforms=["linux-64"]
 5 │ [dependenciez]
   ·  ──────┬─────
   ·        ╰── 'dependenciez' was not expected here
 6 │ python="*"
   ╰────
  help: Did you mean
        'dependencies'?
""",
        (
            "Unexpected keys, expected only 'workspace', 'package', 'pypi-options', 'system-requirements' "
            "(/work/pixi.toml:5:2)"
        ),
        "Did you mean 'dependencies'?",
    ),
}


@pytest.mark.parametrize(("report", "message", "hint"), FORMS.values(), ids=FORMS)
def test_forms_of_a_report(report: str, message: str, hint: str) -> None:
    error = explained(of_step(report))
    assert (error.message, error.hint) == (f"pixi failed: {message}", hint)


OUTDATED = "Error:   × lock file not up-to-date with the workspace"
REASON = (
    "the pypi dependencies of environment 'default' for platform linux-64 are out of date because the requirement "
    "'rich' could not be satisfied (required by '<environment>')"
)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (OUTDATED, "it does not match the manifest"),
        ("  × lock-file not up-to-date with the project", "it does not match the manifest"),
        (f"{OUTDATED}\n INFO pixi_core::lock_file::outdated: {REASON}\n{OUTDATED}", REASON),
        (f"{OUTDATED}\n INFO pixi::lock_file::outdated: {REASON}\n INFO next: what\n{OUTDATED}", REASON),
        (f" INFO verify{{environment=default}}: pixi_core::lock_file::outdated: {REASON}\n{OUTDATED}", REASON),
        (
            "\n".join(f" INFO pixi: environment '{name}' is out of date because it is new." for name in "aabcde")
            + f"\n{OUTDATED}",
            "; ".join(f"environment '{name}' is out of date because it is new" for name in "abc") + "; and 2 more",
        ),
        (
            (
                " INFO pixi: the locked conda packages in solve group g are not consistent for all environments "
                "for "
                f"platform linux-64\n{OUTDATED}"
            ),
            (
                "the locked conda packages in solve group g are not consistent for all environments for "
                "platform linux-64"
            ),
        ),
    ],
)
def test_the_reason_why_the_lock_is_out_of_date(text: str, message: str) -> None:
    error = explained(of_step(text))
    assert error.message == f"the lock is out of date: {message}"
    assert "`pixi lock`" in error.hint
    assert error.file == "pixi.lock"


CHANNEL = """\
Error:   × failed to solve requirements of environment 'default' for platform 'linux-
  │ 64'
  ╰─▶   × HTTP status client error ({}) for url
        │ (https://conda.example.org/x/linux-64/repodata_shards.msgpack.zst)
      """
INDEX = (
    "Error:   × Failed to update PyPI packages for environment 'default'\n  ├─▶ Failed to prepare distributions\n"
    "  ├─▶ Failed to fetch: `https://pypi.example.org/simple/tool/`\n"
    "  ╰─▶ HTTP status client error ({}) for url (https://pypi.example.org/simple/tool/)"
)
GIT = (
    "Error:   × failed to solve the pypi requirements of environment 'default'\n  ├─▶ Git operation failed\n"
    "  ╰─▶ failed to fetch branch: process didn't exit successfully: `git fetch` (exit status: 128)\n"
    "      --- stderr\n      fatal: {}"
)
UNREACHABLE = (
    "Error:   × failed to fetch repodata\n  ├─▶ error sending request for url "
    "(https://conda.example.org/noarch/r.zst)\n"
    "  ├─▶ client error (Connect)\n  ╰─▶ {}"
)
HELP_FOR_ALL = {"'conda-auth'", "'registry-auth'", "packages: write", "docker/login-action", "'git-auth'"}


@pytest.mark.parametrize(
    ("text", "message", "hint"),
    [
        (CHANNEL.format("401 Unauthorized"), "401", "the channel's host into 'conda-auth'"),
        (CHANNEL.format("403 Forbidden"), "403", "the channel's host into 'conda-auth'"),
        (CHANNEL.format("401 "), "401", "the channel's host into 'conda-auth'"),
        (INDEX.format("403 Forbidden"), "403", "the index's host into 'conda-auth'"),
        (CHANNEL.format("429 Too Many Requests"), "429", "limits"),
        (INDEX.format("429 Too Many Requests"), "429", "limits"),
        (CHANNEL.format("404 Not Found"), "404", "'conda-auth'"),
        (CHANNEL.format("503 Service Unavailable"), "503", "run the job again"),
        (
            GIT.format("could not read Username for 'https://github.com': terminal prompts disabled"),
            "could not read Username",
            "'git-auth'",
        ),
        (
            GIT.format("unable to access 'https://x/': Could not resolve host: x"),
            "resolve host",
            "run the job again",
        ),
        (UNREACHABLE.format("invalid peer certificate: UnknownIssuer"), "UnknownIssuer", "'pixi-image'"),
        (UNREACHABLE.format("unable to get local issuer certificate"), "local issuer", "'pixi-image'"),
        (UNREACHABLE.format("dns error: failed to lookup address information"), "dns error", "run the job again"),
        (
            UNREACHABLE.format("tcp connect error: Connection refused (os error 111)"),
            "refused",
            "run the job again",
        ),
        (
            "Error:   × failed to link numpy\n  ╰─▶ No space left on device (os error 28)",
            "the disk is full",
            "Free space",
        ),
        (BACKEND.replace("(exit status: 1)", "(signal: 9 (SIGKILL))"), "memory ran out", "more memory"),
        (
            "Error:   × this project requires pixi '>=0.99', but you have pixi 0.77.0",
            "requires pixi >=0.99",
            "'pixi-version'",
        ),
        (
            (
                "Error:   × Virtual package '__cuda >=12.8' does not match any of the available virtual "
                "packages on your\n"
                "  │ machine: []"
            ),
            "__cuda >=12.8",
            "'cuda-version'",
        ),
        (
            (
                "Error: unsupported-platform\n\n  × Cannot install environment 'gpu'\n"
                "  ╰─▶ the environment 'gpu' does not support 'linux-64' on this machine.\n\n"
                "      Declared platforms and why none runs here:\n"
                "        - linux-64-cuda (subdir linux-64): missing virtual packages: __cuda >= 12\n\n"
                "      Unsatisfied requirements: __cuda >= 12\n\n"
                "      The installed packages also require: __cuda >=12\n"
                "  help: Mock the missing virtual packages via the environment, e.g.:\n"
                "          CONDA_OVERRIDE_CUDA=12"
            ),
            "requires __cuda >= 12, which",
            "'cuda-version'",
        ),
        (
            (
                "Error:   × Failed to load lock file from `/work/pixi.lock`\n  ╰─▶ Lock-file version 8 is newer "
                "than supported"
            ),
            "newer pixi",
            "'pixi-version'",
        ),
        (
            (
                "Error:   × Failed to load lock file from `/work/pixi.lock`\n  ╰─▶ missing `version` field in "
                "lock file"
            ),
            "newer pixi",
            "'pixi-version'",
        ),
    ],
)
def test_what_pixi_says_is_mended_where_pixi_gets_it(text: str, message: str, hint: str) -> None:
    error = explained(of_step(text))
    assert message in error.message
    assert hint in error.hint
    assert not [other for other in HELP_FOR_ALL if other in error.hint and other not in hint]


@pytest.mark.parametrize(
    ("text", "code", "message", "hint"),
    [
        ("pixi installed 0 conda packages, the lock has 26", 1, "installed 0 conda packages", "incomplete"),
        (
            "the runtime image has no /bin/bash, which the entrypoint needs",
            1,
            "the runtime image has no /bin/bash",
            "'runtime-image'",
        ),
        ("/bin/sh: 1: apt-get: not found", 127, "the runtime image has no apt-get", "Debian or Ubuntu"),
        ("/bin/bash: line 1: apt-get: command not found", 127, "the runtime image has no apt-get", "Debian"),
        ("E: Unable to locate package gti", 100, "apt-get knows no package 'gti'", "'apt-packages'"),
        ("E: Couldn't find any package by regex 'a.b'", 100, "apt-get knows no package 'a.b'", "distribution"),
        (
            "E: Version '9' for 'git' was not found",
            100,
            "apt-get has no version or release '9' of the package 'git'",
            "only the newest",
        ),
        ("E: Release 'sid' for 'git' was not found", 100, "no version or release 'sid'", "'apt-packages'"),
        ("E: Package 'awk' has no installation candidate", 100, "cannot install it", "'apt-packages'"),
        ("E: Failed to fetch http://deb.x/a  404  Not Found", 100, "apt-get could not download", "again"),
        (
            (
                'runc run failed: unable to start container process: exec: "/bin/sh": stat /bin/sh: no such '
                "file or directory"
            ),
            1,
            "has no /bin/sh",
            "'runtime-image'",
        ),
        ("exec /bin/sh: exec format error", 255, "programs for this platform", "the builder's own architecture"),
        (
            "standard_init_linux.go:228: exec user process caused: exec format error",
            1,
            "programs for this platform",
            "the builder's own architecture",
        ),
        ("/bin/bash: line 12: ./setup.sh: Permission denied", 126, "./setup.sh", "executable bit"),
        ("/bin/sh: 1: ./setup.sh: Permission denied", 126, "./setup.sh", "executable bit"),
        ("cp: error writing '/x': No space left on device", 1, "the disk is full", "Free space"),
        ("Killed", 137, "memory ran out", "more memory"),
    ],
)
def test_what_a_step_says_without_pixi(text: str, code: int, message: str, hint: str) -> None:
    error = explained(of_step(f"some words before\n{text}", code))
    assert message in error.message
    assert hint in error.hint
    assert not [other for other in HELP_FOR_ALL if other in error.hint and other not in hint]


def test_an_unknown_failure_of_a_step_shows_its_last_lines() -> None:
    error = explained(of_step("\n".join(f"line {number}\n" for number in range(50)), 3))
    assert error.message == "a step of the build failed: line 49"
    assert error.hint.splitlines()[-1] == "line 48"
    assert len(error.hint.splitlines()) < 20
    assert "padding" not in str(error)


@pytest.mark.parametrize(
    ("output", "code"),
    [
        (of_step("make: nothing to be done"), 6),
        (of_step(BACKEND), 6),
        (of_builder("failed to push ghcr.io/lab/study:v1: 403 Forbidden: denied: no"), 4),
        (of_builder("failed to push ghcr.io/lab/study:v1: dial tcp: connection refused"), 8),
        ("ERROR: Cannot connect to the Docker daemon at unix:///run/docker.sock.", 5),
        ("ERROR: failed to build: context deadline exceeded", 5),
        ("ERROR: context deadline exceeded", 5),
        ("unknown flag: --annotation", 5),
    ],
)
def test_what_was_wrong_decides_the_exit_code(output: str, code: int) -> None:
    assert explained(output).exit_code == code


PUSH = "failed to push ghcr.io/lab/study:v1: "
BASE = "debian:trixie: failed to resolve source metadata for docker.io/library/debian:trixie: "


@pytest.mark.parametrize(
    ("text", "message", "hint"),
    [
        (
            (
                f"{PUSH}unexpected status from POST request to https://ghcr.io/v2/lab/study/blobs/uploads/: 403 "
                f"Forbidden"
            ),
            "denied the push of ghcr.io/lab/study:v1",
            "packages: write",
        ),
        (
            f"{PUSH}denied: installation not allowed to Create organization package",
            "denied the push",
            "'password'",
        ),
        (f"{PUSH}unauthorized: authentication required", "denied the push", "'password'"),
        (
            (
                f"{PUSH}push access denied, repository does not exist or may require authorization: server "
                f"message: "
                "insufficient_scope: authorization failed"
            ),
            "denied the push",
            "'password'",
        ),
        (
            f"{PUSH}tag invalid: The image tag 'v1' already exists and cannot be moved: it is immutable",
            "does not allow moving the tag ghcr.io/lab/study:v1",
            "'reuse-environment'",
        ),
        (f"{PUSH}denied: tag v1 is immutable", "does not allow moving the tag", "`type=sha`"),
        (
            f"{PUSH.replace('study', 'immutable')}denied: requested access to the resource is denied",
            "denied the push",
            "'password'",
        ),
        (f"{PUSH}name unknown: The repository does not exist in the registry", "no repository", "Amazon ECR"),
        ("unexpected status: 403 Forbidden", "denied access", "packages: write"),
        (
            f"{BASE}pull access denied, repository does not exist or may require authorization",
            "denied access to the image docker.io/library/debian:trixie",
            "docker/login-action",
        ),
        (
            (
                f"{BASE}unexpected status from HEAD request to "
                f"https://registry-1.docker.io/v2/library/debian/manifests/t: "
                "429 Too Many Requests"
            ),
            "rate limit was exceeded",
            "docker/login-action",
        ),
        (
            (
                f"{BASE}failed to copy: httpReadSeeker: failed open: unexpected status code "
                f"https://r/v2/m/sha256:5: "
                "429 Too Many Requests - Server message: toomanyrequests: You have reached your unauthenticated "
                "pull rate "
                "limit. https://www.docker.com/increase-rate-limit"
            ),
            "rate limit was exceeded",
            "docker/login-action",
        ),
        (f"{BASE}docker.io/library/debian:trixie: not found", "an image was not found", "'runtime-image'"),
        (
            f"{BASE}no match for platform in manifest: not found",
            "does not exist for a platform",
            "the builder's platform",
        ),
        (
            "failed to finalize parent during merge: failed to commit a: snapshot wm42 does not exist: not found",
            "lost a layer",
            "docker buildx prune",
        ),
        (
            f'{PUSH}failed to do request: Head "https://r": tls: first record does not look like a TLS handshake',
            "uses plain HTTP",
            "insecure-registries",
        ),
        (
            f'{BASE}failed to do request: Head "https://r/v2/": http: server gave HTTP response to HTTPS client',
            "uses plain HTTP",
            "insecure-registries",
        ),
        (
            (
                f'{PUSH}failed to authorize: failed to fetch oauth token: Post "https://r/token": tls: failed to '
                f"verify "
                "certificate: x509: certificate signed by unknown authority"
            ),
            "does not trust a registry's certificate",
            "docs.docker.com",
        ),
        (
            f'{PUSH}failed to do request: Head "https://r/v2/": dial tcp: lookup r on 10.0.2.3:53: no such host',
            "could not reach a registry",
            "run the job again",
        ),
        (
            f'{PUSH}failed to do request: Head "https://r/v2/": dial tcp 127.0.0.1:1: connect: connection refused',
            "could not reach a registry",
            "run the job again",
        ),
        (
            "ResourceExhausted: write /var/lib/docker/overlay2/x: no space left on device",
            "the disk is full",
            "Free space",
        ),
        (
            (
                'failed to compute cache key: failed to calculate checksum of ref m9txja7yj8::nyschbx: "/src": '
                "not found"
            ),
            "'src' is in the checkout but not in the build context",
            "'!src'",
        ),
    ],
)
def test_what_the_builder_says_is_about_registries(text: str, message: str, hint: str) -> None:
    error = explained(of_builder(text))
    assert message in error.message
    assert hint in error.hint


@pytest.mark.parametrize(
    ("output", "message", "hint"),
    [
        ('ERROR: no builder "other" found', 'no builder "other" found', "'builder'"),
        (
            "unknown flag: --annotation\n\nUsage:  docker buildx build [OPTIONS] PATH",
            "--annotation",
            "buildx plugin",
        ),
        (
            (
                "ERROR: Multi-platform build is not supported for the docker driver.\nSwitch to a different "
                "driver, or turn "
                "on the containerd image store, and try again."
            ),
            "Switch to a different driver, or turn on the containerd image store",
            "",
        ),
        (
            (
                "ERROR: Cannot connect to the Docker daemon at unix:///var/run/docker.sock. Is the docker "
                "daemon running?"
            ),
            "does not answer",
            "Start Docker",
        ),
        (
            (
                f"{STEPS}ERROR: failed to receive status: rpc error: code = Unavailable desc = error reading "
                f"from server: EOF"
            ),
            "the connection to the builder was lost",
            "memory or disk space",
        ),
        (
            (
                "#1 [internal] booting buildkit\n#1 pulling image moby/buildkit:buildx-stable-1 0.1s done\n"
                "#1 ERROR: Error response from daemon: toomanyrequests: You have reached your pull rate "
                "limit.\n------\n"
                " > [internal] booting buildkit:\n------\n"
                "ERROR: Error response from daemon: toomanyrequests: You have reached your pull rate limit."
            ),
            "rate limit was exceeded",
            "docker/login-action",
        ),
    ],
)
def test_what_buildx_says_by_itself(output: str, message: str, hint: str) -> None:
    error = explained(output)
    assert message in error.message
    assert hint in error.hint


FORGED = "ERROR: failed to build: failed to solve: failed to push ghcr.io/lab/study:v1: denied: 403 Forbidden"


@pytest.mark.parametrize(
    "text",
    [
        FORGED,
        f"progress\r{FORGED}",
        f"a form feed\f{FORGED}\x0b{FORGED}\x85{FORGED}\u2028{FORGED}",
        f"#9 {FORGED}\n------\n{FORGED}",
        f"HTTP status client error (401 Unauthorized)\n{FORGED}",
    ],
)
def test_no_line_of_a_step_passes_for_the_builder(text: str) -> None:
    error = explained(of_step(f"{text}\nthe end"))
    assert error.message == "a step of the build failed: the end"


def test_no_continued_line_in_the_summary_passes_for_the_builder() -> None:
    # BuildKit leaves out number and time there where a step continued a line after a while.
    steps, _, end = of_step("the end").partition("------\nDockerfile:12")
    error = explained(f"{steps}#1 ERROR: forged\n------\n{FORGED}\n#9 1.0 forged\n------\nDockerfile:12{end}")
    assert error.message == "a step of the build failed: the end"


def test_only_the_step_that_failed_is_asked() -> None:
    other = f"#7 1.0 {OUTDATED}\n#7 DONE 1.0s\n"
    assert explained(other + of_step("the end")).message == "a step of the build failed: the end"


def test_what_goes_wrong_after_a_report_of_pixi_counts() -> None:
    error = explained(of_step(f"{OUTDATED}\n/bin/bash: line 2: ./setup.sh: Permission denied", 126))
    assert "./setup.sh" in error.message


def test_a_step_that_had_no_memory_need_not_know_it() -> None:
    output = of_step(BACKEND).replace("successfully: exit code: 1", "successfully: cannot allocate memory")
    error = explained(output.replace("solve: process", "solve: ResourceExhausted: process"))
    assert error.message.startswith("the builder ran out of memory")
    assert "padding" not in str(error)


def test_silence_is_reported_too() -> None:
    assert explain("", purpose="push", code=137).message == "the push failed with exit code 137"
    assert (
        explained(of_step("", 3)).message
        == "the build failed with exit code 1: a build step ended with exit code: 3"
    )


def test_twelve_lines_and_three_reasons_are_shown() -> None:
    error = explained(of_step("\n".join(f"line {number}" for number in range(20)), 3))
    assert error.hint.splitlines() == [f"line {number}" for number in range(8, 19)]
    long = explained(of_step("a" * 301, 3))
    assert long.message == f"a step of the build failed: {'a' * 299}…"
    reasons = "".join(
        f" INFO environment 'e{number}' is out of date because of {number}.\n" for number in range(5)
    )
    outdated = explained(of_step(f"{reasons}Error:   × lock-file not up-to-date with the workspace"))
    assert outdated.message == (
        "the lock is out of date: environment 'e0' is out of date because of 0; environment 'e1' is out of date "
        "because of 1; environment 'e2' is out of date because of 2; and 2 more"
    )


def test_help_of_a_report_may_go_on_in_the_next_line() -> None:
    error = explained(of_step("Error:   × something\n  help: Update it\n        of yours\n"))
    assert (error.message, error.hint) == ("pixi failed: something", "Update it of yours")


@pytest.mark.parametrize(
    ("output", "file"),
    [
        (of_builder('failed to calculate checksum of ref x::y: "/src/a": not found'), ".dockerignore"),
        (of_step("Error:   × lock-file version 9 is newer than supported"), "pixi.lock"),
        (of_step("Error:   × lock-file not up-to-date with the workspace"), "pixi.lock"),
        (of_step("pixi installed 1 conda packages, the lock has 2"), "pixi.lock"),
        (of_step("Killed", 137), ""),
    ],
)
def test_an_error_is_at_the_file_to_mend(output: str, file: str) -> None:
    assert explained(output).file == file
