"""A child process gets the variables that it needs, by the name of its program, and no others."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from pixi_container.child_environment import CREDENTIAL_HELPER, child_environment, passing


@pytest.mark.parametrize(
    ("program", "variable", "passes"),
    [
        ("docker", "HOME", True),
        ("docker", "LC_ALL", True),
        ("docker", "XDG_CONFIG_HOME", True),
        ("docker", "HTTPS_PROXY", True),
        ("docker", "https_proxy", True),
        ("docker", "DOCKER_HOST", True),
        ("/usr/bin/docker", "DOCKER_HOST", True),
        ("docker", "BUILDX_BUILDER", True),
        ("docker", "SSH_AUTH_SOCK", True),
        ("docker", "SOURCE_DATE_EPOCH", False),
        ("docker", "GIT_CONFIG_GLOBAL", False),
        ("docker", "AWS_SECRET_ACCESS_KEY", False),
        ("docker", "INPUT_PASSWORD", False),
        ("docker", "GITHUB_TOKEN", False),
        ("docker", "DOCKER_HOSTS", False),
        ("git", "GIT_CONFIG_GLOBAL", True),
        ("git", "GIT_DIR", False),
        ("git", "DOCKER_HOST", False),
        ("git", "HOME", True),
        *(("git", f"GIT_CONFIG_{name}", True) for name in ("NOSYSTEM", "SYSTEM")),
        *(("git", f"GIT_SSL_{name}", True) for name in ("CAINFO", "CAPATH")),
        *(
            ("docker", name, True)
            for name in (
                "DOCKER_API_VERSION", "DOCKER_CERT_PATH", "DOCKER_CLI_HINTS", "DOCKER_CONFIG", "DOCKER_CONTEXT",
                "DOCKER_CUSTOM_HEADERS", "DOCKER_DEFAULT_PLATFORM", "DOCKER_TLS", "DOCKER_TLS_VERIFY",
                "BUILDKIT_COLORS", "BUILDKIT_HOST", "BUILDKIT_TTY_LOG_LINES", "BUILDX_CONFIG",
                "BUILDX_EXPERIMENTAL", "EXPERIMENTAL_BUILDKIT_SOURCE_POLICY", "KUBECONFIG",
            )
        ),
        *(
            ("python", name, True)
            for name in (
                "USER", "LOGNAME", "TMPDIR", "TZ", "LANG", "LANGUAGE", "SSL_CERT_FILE", "SSL_CERT_DIR",
                "HTTP_PROXY", "ALL_PROXY", "NO_PROXY", "no_proxy",
            )
        ),
        ("docker-credential-ecr-login", "AWS_PROFILE", True),
        ("docker-credential-acr-env", "AZURE_CLIENT_ID", True),
        ("docker-credential-gcr", "CLOUDSDK_CONFIG", True),
        ("docker-credential-gcr", "GOOGLE_APPLICATION_CREDENTIALS", True),
        ("docker-credential-pass", "PASSWORD_STORE_DIR", True),
        ("docker-credential-ecr-login", "DOCKER_CONFIG", True),
        ("docker-credential-ecr-login", "DOCKER_HOST", False),
        ("docker-credential-ecr-login", "INPUT_PASSWORD", False),
        ("python", "HOME", True),
        ("python", "PYTHONPATH", False),
    ],
)  # fmt: skip
def test_what_passes(program: str, variable: str, passes: bool) -> None:
    assert (variable in child_environment(program, {variable: "value"})) is passes


@pytest.mark.parametrize(
    ("program", "fixed"),
    [
        ("docker", {"BUILDX_GIT_INFO": "false"}),
        ("git", {"LC_ALL": "C", "GIT_TERMINAL_PROMPT": "0"}),
        ("python", {}),
    ],
)
def test_settings_that_are_always_the_same(program: str, fixed: dict[str, str]) -> None:
    assert child_environment(program, {"BUILDX_GIT_INFO": "true", "GIT_TERMINAL_PROMPT": "1"}) == fixed
    assert child_environment(program, {"LC_ALL": "de_DE"}) == {"LC_ALL": "de_DE"} | fixed


def test_no_program_is_looked_up_in_the_checkout(tmp_path: Path) -> None:
    (tmp_path / "checkout/bin").mkdir(parents=True)
    (tmp_path / "link").symlink_to(tmp_path / "checkout/bin")
    path = os.pathsep.join(["/usr/bin", "bin", "", ".", f"{tmp_path}/checkout/bin", f"{tmp_path}/link", "/bin"])
    env = {"PATH": path, "GITHUB_WORKSPACE": str(tmp_path / "checkout")}
    assert child_environment("git", env)["PATH"] == os.pathsep.join(["/usr/bin", "/bin"])
    assert child_environment("git", {"PATH": path})["PATH"].count(str(tmp_path)) == 2
    assert child_environment("git", {"PATH": "bin"})["PATH"] == os.defpath


def test_variables_of_credential_helpers() -> None:
    env = {"AWS_PROFILE": "a", "AZURE_CLIENT_ID": "b", "MY_AWS": "c", "GOOGLE_APPLICATION_CREDENTIALS": "d"}
    assert passing(CREDENTIAL_HELPER, env).keys() == env.keys() - {"MY_AWS"}
