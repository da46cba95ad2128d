"""What users put on the environment: files, configuration, instructions; built, tested, and run as they run it."""

from __future__ import annotations

import json
import time
from typing import Any

import pytest

from tests.end_to_end.conftest import Step
from tests.end_to_end.images import STRANGER

pytestmark = pytest.mark.engine

INSTRUCTIONS = """\
# Compiled once, and no longer writable.
RUN python -m compileall -q src && test "$CONDA_DEFAULT_ENV" = example:gpu
COPY <<EOF /etc/motd.txt
FROM here on
EOF
COPY --chown=1000:1000 notes/*.md /notes/
RUN <<EOF
set -u
python -c "import numpy, os; open('/made', 'w').write(os.environ['MEANS_COLUMNS'] + os.environ['GREETING'])"
pixi run means > /means
EOF
ENV api_token=nothing
"""


def config(step: Step, image: str) -> dict[str, Any]:
    step.docker("pull", "--quiet", image)
    (inspected,) = json.loads(step.docker("image", "inspect", image))
    return dict(inspected["Config"])


def test_a_users_instructions_run_in_the_environment(step: Step) -> None:
    study = step.repository.study
    (study / "notes").mkdir()
    (study / "notes/a.md").write_text("a note")
    (study / "docker").mkdir()
    (study / "docker/more.docker").write_text(INSTRUCTIONS)
    step.repository.commit()
    inputs: dict[str, Any] = {"instructions": "docker/more.docker", "env": "GREETING=hello", "user": "1000"}
    first = step.run(**inputs)
    assert first.code == 0, first.log
    image = first.outputs["image"]
    assert step.docker("run", "--rm", image, "id", "-u") == "1000"
    shown = step.docker("run", "--rm", image, "cat", "/made", "/etc/motd.txt", "/notes/a.md")
    assert shown == "3helloFROM here on\na note"
    assert "column means" in step.docker("run", "--rm", image, "cat", "/means")
    assert step.docker("run", "--rm", image, "ls", "/app/src/__pycache__").startswith("means.")
    (warning,) = (line for line in first.log.splitlines() if line.startswith("::warning") and "line 12" in line)
    assert "docker/more.docker, line 12: SecretsUsedInArgOrEnv: " in warning

    (study / "notes/a.md").write_text("another note")
    step.repository.commit()
    second = step.run(**inputs)
    assert second.code == 0, second.log
    assert "Make the environment" not in second.log
    assert step.docker("run", "--rm", second.outputs["image"], "cat", "/notes/a.md") == "another note"


@pytest.mark.parametrize(
    ("instructions", "message"),
    [
        ("RUN true\nRUN exit 7", "the instruction in input 'instructions', line 2 failed with exit code 1"),
        ("RUN echo because >&2; exit 7", "input 'instructions', line 1 failed: because"),
        ("COPY nothing /x", "input 'instructions', line 1: 'nothing' does not exist"),
        ("USER nobody-here\nRUN true", "nobody-here"),
    ],
)
def test_an_instruction_that_fails_is_said_and_pushes_nothing(step: Step, instructions: str, message: str) -> None:
    outcome = step.run(instructions=instructions)
    assert outcome.code in {3, 6}, outcome.log
    assert message in "\n".join(outcome.errors)
    assert step.tags() == {}
    assert outcome.left_in_temp == []


def test_a_tool_as_entrypoint_is_tested_and_used(step: Step) -> None:
    outcome = step.run(
        **{  # type: ignore[arg-type]
            "entrypoint": "python -X dev",
            "test_command": "python -c 'import numpy' && test $PWD = /app/src",
            "working-directory": "src",
            "volumes": "/scratch",
            "stop-signal": "SIGINT",
            "expose": "8000",
        }
    )
    assert outcome.code == 0, outcome.log
    image = outcome.outputs["image"]
    settings = config(step, image)
    assert (settings["WorkingDir"], settings["StopSignal"]) == ("/app/src", "SIGINT")
    assert (settings["Volumes"].keys(), settings["ExposedPorts"].keys()) == ({"/scratch"}, {"8000/tcp"})
    code = "import sys, os; print(sys.flags.dev_mode, os.environ['CONDA_PREFIX'])"
    done = step.docker("run", "--rm", *STRANGER, image, "-c", code)
    assert done == "True /app/.pixi/envs/gpu"
    assert step.docker("run", "--rm", image, "--version").startswith("Python 3.11")


def test_an_engine_checks_a_containers_health_in_the_environment(step: Step) -> None:
    check = "--interval=1s --retries=1 python -c 'import numpy' && test -e /tmp/ready"
    outcome = step.run(healthcheck=check)
    assert outcome.code == 0, outcome.log
    name = step.docker("run", "--detach", outcome.outputs["image"], "bash", "-c", "touch /tmp/ready; sleep 60")
    try:
        health, deadline = "starting", time.monotonic() + 30
        while health == "starting" and time.monotonic() < deadline:
            health = step.docker("inspect", "--format", "{{.State.Health.Status}}", name)
        assert health == "healthy", step.docker("inspect", "--format", "{{json .State.Health}}", name)
    finally:
        step.docker("rm", "--force", name)


def test_files_go_where_the_user_says(step: Step) -> None:
    study = step.repository.study
    for name in ("data/1.csv", "data/2.csv", "data/raw/big.bin", "run.sh", "tests/x.py", "config/app.toml"):
        (study / name).parent.mkdir(parents=True, exist_ok=True)
        (study / name).write_text(name)
    (study / ".dockerignore").write_text("config\n")
    step.repository.commit()
    lines = [".", "!tests", "!data/raw", "--chown=1000:1000 --chmod=700 run.sh => /usr/local/bin/start"]
    inputs: dict[str, Any] = {"include": "\n".join([*lines, "data/*.csv => /tables"]), "user": "1000:1000"}
    outcome = step.run(**inputs)
    assert outcome.code == 0, outcome.log
    image = outcome.outputs["image"]
    listed = step.docker(
        "run", "--rm", image, "find", "/app", "/tables", "-not", "-path", "/app/.pixi*", "-type", "f"
    )
    ours = {path for path in listed.splitlines() if not path.endswith("entrypoint.sh")}
    top = {"pixi.toml", "pixi.lock", "run.sh", "workflow.yml", ".dockerignore", "src/means.py"}
    assert ours == {
        *(f"/app/{name}" for name in (*top, "data/1.csv", "data/2.csv")),
        *("/tables/1.csv", "/tables/2.csv"),
    }
    shown = step.docker("run", "--rm", image, "stat", "--format", "%u:%g %a", "/usr/local/bin/start")
    assert shown == "1000:1000 700"
    for name, decision in (("tests/x.py", "promote"), ("data/2.csv", "build")):
        (study / name).write_text("changed")
        step.repository.commit()
        assert step.run(**inputs).outputs["decision"] == decision
