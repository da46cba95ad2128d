"""Each secret has a marker, and after a run of every command, event and failure it is only where it belongs."""

from __future__ import annotations

import json
import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from pixi_container.child_environment import child_environment
from tests.end_to_end.conftest import Step
from tests.security.conftest import Victim, job
from tests.security.recorders import BUILD_SECRETS, MARKERS, SECRETS, Recorders, markers_in, recorders

EVENTS = {
    "push": "refs/heads/main",
    "pull_request": "refs/pull/7/merge",
    "pull_request_target": "refs/heads/main",
    "workflow_run": "refs/heads/main",
    "merge_group": "refs/heads/gh-readonly-queue/main/pr-7",
    "release": "refs/tags/v1.0.0",
}
COMMANDS = (["run"], ["plan"], ["plan", "--offline"], ["render"], ["tags"], ["changes"], ["build"])


def inputs(**more: str) -> dict[str, str]:
    """Return the variables of the secret inputs, and of a secret that an earlier step of the job has set."""
    given = {**SECRETS, "username": "me", "images": "127.0.0.1:9/lab/study", **more}
    return {
        **{f"INPUT_{name.upper().replace('-', '_')}": value for name, value in given.items()},
        "AWS_SECRET_ACCESS_KEY": "marker-of-the-job-0b1d",
        "NPM_TOKEN": "marker-of-the-job-0b1d",
        "DOCKER_AUTH_CONFIG": "marker-of-the-job-0b1d",
        "GIT_CONFIG_COUNT": "1",
        "GIT_CONFIG_KEY_0": "http.extraheader",
        "GIT_CONFIG_VALUE_0": "marker-of-the-job-0b1d",
    }


def check(calls: Recorders, log: str, *folders: Path) -> None:
    """Look for the markers in all that a run has shown, started and left."""
    for call in calls.calls():
        assert markers_in(" ".join(call.argv)) == [], call.argv
        known = dict(call.env)
        if call.argv[0] == "git" and "fetch" in call.argv:
            # The one place where the token belongs: the header of the fetch from GitHub.
            known.pop("GIT_CONFIG_VALUE_1")
        assert markers_in(json.dumps(known)) == [], known
        assert [name for name in call.env if name.startswith("INPUT_")] == []
    shown = "\n".join(line for line in log.splitlines() if not line.startswith("::add-mask::"))
    assert markers_in(shown) == []
    for folder in folders:
        for file in folder.rglob("*"):
            if file.is_file():
                assert markers_in(file.read_text(errors="replace")) == [], file


OWN_DOCKERFILE = """\
FROM environment
RUN --mount=type=secret,id=token --mount=type=secret,id=key --mount=type=secret,id=file \\
    cat /run/secrets/token /run/secrets/key /run/secrets/file | wc --chars > /secrets
"""


@pytest.mark.parametrize("event", [*EVENTS, "local"])
@pytest.mark.parametrize("own", [False, True], ids=["rendered", "own"])
def test_no_child_process_gets_a_secret(victim: Victim, tmp_path: Path, event: str, own: bool) -> None:
    calls = recorders(tmp_path / "recorders", real=("git",))
    (victim.path / "Dockerfile").write_text(OWN_DOCKERFILE)
    (tmp_path / "secret-file").write_text("marker-secret-file-d13c")
    given = {**BUILD_SECRETS, "secret-files": f"file={tmp_path}/secret-file"} if own else {}
    sha = victim.commit()
    temp = tmp_path / "temp"
    temp.mkdir()
    files = {name: tmp_path / name for name in ("output", "summary")}
    for file in files.values():
        file.touch()
    payload = tmp_path / "event.json"
    payload.write_text(json.dumps({"before": "1" * 40, "after": sha, "number": 7}))
    env = {
        **(job(sha, event, EVENTS[event]) if event in EVENTS else {}),
        **inputs(**given),
        "PATH": calls.path,
        "RUNNER_TEMP": str(temp),
        "GITHUB_SERVER_URL": "http://127.0.0.1:9",
        "GITHUB_API_URL": "http://127.0.0.1:9",
        "GITHUB_EVENT_PATH": str(payload),
        "GITHUB_OUTPUT": str(files["output"]),
        "GITHUB_STEP_SUMMARY": str(files["summary"]),
    }
    # Side by side, as most of the time is spent waiting for servers that are not there.
    with ThreadPoolExecutor(len(COMMANDS)) as pool:
        outcomes = list(pool.map(lambda command: victim.run(*command, env=env), COMMANDS))
    for done in outcomes:
        check(calls, done.stdout, temp)
        assert "Traceback" not in done.stdout
    for file in files.values():
        assert markers_in(file.read_text()) == []
    assert calls.calls()
    assert [path.name for path in temp.iterdir()] == []


def test_what_is_not_named_does_not_pass() -> None:
    env = {
        "PATH": "/usr/bin:relative::/work/checkout/bin:/bin",
        "HOME": "/root",
        "GITHUB_WORKSPACE": "/work/checkout",
        "INPUT_PASSWORD": "x",
        "GITHUB_TOKEN": "x",
        "ACTIONS_RUNTIME_TOKEN": "x",
        "ACTIONS_ID_TOKEN_REQUEST_TOKEN": "x",
        "LD_PRELOAD": "/work/checkout/evil.so",
        "GIT_EXEC_PATH": "/work/checkout",
        "GIT_SSH_COMMAND": "evil",
        "GIT_TRACE_CURL": "1",
        "SOURCE_DATE_EPOCH": "1",
        "DOCKER_HOST": "unix:///run/docker.sock",
        "https_proxy": "http://proxy",
    }
    base = {"PATH": "/usr/bin:/bin", "HOME": "/root", "https_proxy": "http://proxy"}
    git, docker = child_environment("git", env), child_environment("/usr/bin/docker", env)
    assert git == {**base, "LC_ALL": "C", "GIT_TERMINAL_PROMPT": "0"}
    assert docker == {**base, "DOCKER_HOST": "unix:///run/docker.sock", "BUILDX_GIT_INFO": "false"}
    assert child_environment("anything", env) == base


def test_a_program_of_the_checkout_is_never_started(victim: Victim, tmp_path: Path) -> None:
    mark = tmp_path / "mark"
    for name in ("git", "docker"):
        program = victim.path / "bin" / name
        program.parent.mkdir(exist_ok=True)
        program.write_text(f"#!/bin/sh\ntouch '{mark}'\n")
        program.chmod(0o755)
    sha = victim.git("rev-parse", "HEAD")
    for path in (
        f"{victim.path}/bin:{os.environ['PATH']}",
        f"bin:{os.environ['PATH']}",
        f":.:bin:{os.environ['PATH']}",
    ):
        env = {**job(sha), "PATH": path, "GITHUB_WORKSPACE": str(victim.path), "DOCKER_HOST": "tcp://127.0.0.1:9"}
        victim.run("run", env=env)
    assert not mark.exists()


@pytest.mark.engine
@pytest.mark.parametrize(
    ("event", "more"),
    [
        ("push", {"builder": "default"}),
        ("push", {}),
        ("push", {"test_command": "exit 3"}),
        ("push", {"runtime_image": "127.0.0.1:9/nothing:there"}),
        ("pull_request", {}),
        ("pull_request_target", {}),
        ("workflow_run", {"test_command": "env"}),
        ("push", BUILD_SECRETS),
        ("pull_request_target", BUILD_SECRETS),
    ],
    ids=[
        "push",
        "assembled",
        "failing-test",
        "failing-build",
        "pull-request",
        "target",
        "workflow-run",
        "own",
        "own-target",
    ],
)
def test_no_secret_is_left_anywhere(step: Step, tmp_path: Path, event: str, more: dict[str, str]) -> None:
    """On the real engine and registry: children, log, outputs, summary, files, image layers and history."""
    calls = recorders(tmp_path / "recorders", real=("git", "docker"))
    own = "dockerfile" in more
    (tmp_path / "secret-file").write_text("marker-secret-file-d13c")
    (step.repository.study / "Dockerfile").write_text(OWN_DOCKERFILE)
    step.repository.commit()
    given = {"secret_files": f"file={tmp_path}/secret-file", **more} if own else more
    environment = step.environment(event, EVENTS[event], {"number": 7}, {"environment": "default", **given})
    env = {**environment, **inputs(), "PATH": calls.path, "INPUT_IMAGES": f"{step.rig.registry}/{step.image}"}
    env["GITHUB_SERVER_URL"] = env["GITHUB_API_URL"] = "http://127.0.0.1:9"
    done = Victim(step.repository.path).run("run", env=env, seconds=300)
    outcome = step.outcome(done.returncode, done.stdout)
    check(calls, outcome.log, step.folder / "temp", step.repository.study)
    assert markers_in(json.dumps(outcome.outputs) + outcome.summary) == []
    assert outcome.left_in_temp == []
    for call in calls.calls():
        # buildx asks git about the checkout unless it is told not to.
        assert call.argv[0] != "git" or any(word.startswith("--git-dir=") for word in call.argv), call.argv
    builds = [call for call in calls.calls() if call.argv[1:3] == ["buildx", "build"]]
    assert builds or "failing" in str(more)
    has_auth = [any("id=conda-auth" in word for word in call.argv) for call in builds]
    # The build that starts an environment downloads nothing, and gets no secret at any event.
    is_assembled = event == "push" and not more
    assert any(has_auth) == (bool(builds) and event in {"push", "pull_request"} and not is_assembled)
    has_secret = [any("id=token" in word for word in call.argv) for call in builds]
    assert any(has_secret) == (own and event == "push")
    if own:
        assert outcome.code == 0, outcome.log
    if outcome.code == 0 and event == "push":
        image = outcome.outputs["image"]
        step.docker("pull", "--quiet", image)
        archive = tmp_path / "image.tar"
        step.docker("save", "--output", str(archive), image)
        assert [marker for marker in MARKERS if marker.encode() in archive.read_bytes()] == []
        assert markers_in(step.docker("history", "--no-trunc", image)) == []
        name = f"{tmp_path.name[:20]}-files"
        step.docker("create", "--name", name, image)
        files = tmp_path / "files.tar"
        step.docker("export", "--output", str(files), name)
        step.docker("rm", name)
        assert [marker for marker in MARKERS if marker.encode() in files.read_bytes()] == []


def test_the_markers_are_looked_for_in_every_form() -> None:
    assert markers_in("Basic " + "bWU6bWFya2VyLXBhc3N3b3JkLTlmMmM=") == ["marker-password-9f2c"]


HELPER = """\
#!/bin/sh
# Gives credentials to whoever has the cloud's variable, as docker-credential-ecr-login does.
[ "$1" = get ] && [ -n "$AWS_ACCESS_KEY_ID" ] || { echo "credentials not found in native keychain"; exit 1; }
printf '{"Username": "%s", "Secret": "%s"}' 'USERNAME' 'PASSWORD'
"""


@pytest.mark.engine
def test_a_clouds_credential_helper_logs_in_where_the_run_may_use_it(step: Step, tmp_path: Path) -> None:
    """A private registry is pushed to with no password of ours: the configured helper is asked."""
    rig = step.rig
    helper = tmp_path / "bin/docker-credential-rig"
    helper.parent.mkdir()
    helper.write_text(HELPER.replace("USERNAME", rig.username).replace("PASSWORD", rig.password))
    helper.chmod(0o755)
    docker = tmp_path / "docker"
    docker.mkdir()
    if rig.docker_config:
        (docker / "cli-plugins").symlink_to(Path(rig.docker_config) / "cli-plugins")
    (docker / "config.json").write_text(json.dumps({"credHelpers": {rig.password_registry: "rig"}}))
    environment = step.environment("push", "refs/heads/main", {}, {"environment": "default"})
    env = {
        **environment,
        "PATH": f"{helper.parent}{os.pathsep}{environment['PATH']}",
        "DOCKER_CONFIG": str(docker),
        "INPUT_IMAGES": f"{rig.password_registry}/{step.image}",
    }
    without = Victim(step.repository.path).run("run", env=env, seconds=300)
    assert without.returncode == 4
    assert "denied permission to push" in without.stdout
    with_it = Victim(step.repository.path).run("run", env={**env, "AWS_ACCESS_KEY_ID": "key"}, seconds=300)
    assert with_it.returncode == 0, with_it.stdout
    assert rig.password not in with_it.stdout
