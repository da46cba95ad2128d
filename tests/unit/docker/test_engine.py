"""The commands of a build on the engine: what they are given, what is made of their answers, what is cleaned."""

from __future__ import annotations

import json
import signal
from base64 import b64encode
from pathlib import Path

import pytest

from pixi_container.docker.command import BUILDER, WORK, Command
from pixi_container.docker.engine import NOTE, Build, Engine, Pushed
from pixi_container.errors import BuildFailedError, ImageTestFailedError, ToolUnavailableError, UserError
from pixi_container.image.own_lines import OwnLines
from pixi_container.interrupts import Interrupted
from pixi_container.log import TerminalLog
from pixi_container.processes import Finished
from tests.unit.docker_program import DockerProgram

METADATA = ("--metadata-file", f"{WORK}/build.json")
BUILD = Command(
    "build",
    ("docker", "buildx", "build", *METADATA, "--file", f"{WORK}/Dockerfile", "--output", "type=docker", "."),
)
PUSH = Command("push", tuple(word.replace("build.json", "push.json") for word in BUILD.argv))
TEST = Command("test", ("docker", "run", "--rm", "--name", "box", "local/image:1", "true"))
CONFIG = f"sha256:{'c' * 64}"
DIGEST = f"sha256:{'d' * 64}"


@pytest.fixture
def work(tmp_path: Path) -> Path:
    folder = tmp_path / "work"
    folder.mkdir()
    return folder


@pytest.fixture
def engine(docker: DockerProgram, work: Path) -> Engine:
    return engine_of(docker, work, leftover=("local/image:1", "local/other:1"), container="box")


def engine_of(docker: DockerProgram, work: Path, *, leftover: tuple[str, ...], container: str) -> Engine:
    build = Build(
        dockerfile="FROM scratch\n",
        own_lines=(OwnLines(1, 1, "docker/more"),),
        local_image="local/image:1",
        leftover_images=leftover,
        test_container=container,
    )
    env = {"PATH": docker.path, "INPUT_PASSWORD": "hunter2", "DOCKER_CONFIG": "/of/the/machine"}
    return Engine(build, work, env, {"DOCKER_CONFIG": "/of/this/run"}, TerminalLog())


def test_a_build_gives_the_configurations_digest(engine: Engine, docker: DockerProgram, work: Path) -> None:
    docker.behave(build={"metadata": {"containerimage.config.digest": CONFIG, "other": {"a": 1}}})
    assert engine.build(BUILD) == CONFIG
    (start,) = docker.starts
    assert start.words[3] == f"{work}/build.json", "the folder of this run is put in"
    assert start.dockerfile == "FROM scratch\n"
    assert start.env["DOCKER_CONFIG"] == "/of/this/run"
    assert "INPUT_PASSWORD" not in start.env


def test_warnings_about_the_users_lines_are_noted_once(engine: Engine, docker: DockerProgram) -> None:
    warning = {"short": b64encode(b"Legacy: use =").decode(), "range": [{"start": {"line": 1}}]}
    does = {"metadata": {"buildx.build.warnings": [warning]}}
    docker.behave(build=does, push=does, check=does)
    engine.build(BUILD)
    engine.push(PUSH)
    assert engine.notes == ["docker/more, line 1: Legacy: use ="]
    assert {start.env["BUILDX_METADATA_WARNINGS"] for start in docker.starts} == {"true"}


def test_the_lines_of_another_dockerfile_are_not_the_users(engine: Engine, docker: DockerProgram) -> None:
    warning = {"short": b64encode(b"Legacy: use =").decode(), "range": [{"start": {"line": 1}}]}
    docker.behave(check={"metadata": {"buildx.build.warnings": [warning]}})
    check = Command("check", ("docker", "buildx", "build", "--metadata-file", "$WORK/check.json", "--output", "-"))
    engine.check_environment(check, {})
    assert engine.notes == []
    docker.behave(check={"prints": f"Dockerfile:1\n{'-' * 20}\n", "code": 1})
    with pytest.raises(BuildFailedError) as caught:
        engine.check_environment(check, {})
    assert "docker/more" not in str(caught.value)


def test_a_build_that_keeps_nothing_has_no_digest(engine: Engine, docker: DockerProgram) -> None:
    docker.behave(build={"written": "{}"})
    assert engine.build(BUILD) == ""


def test_what_a_killed_run_leaves_is_named_for_the_cleanup_step(engine: Engine, work: Path) -> None:
    engine.build(BUILD)
    assert (work / "images").read_text() == "local/image:1\nlocal/other:1\n"
    assert (work / "container").read_text() == "box"
    assert not (work / "build-process-group").exists()


def test_without_a_test_no_container_is_named(docker: DockerProgram, work: Path) -> None:
    engine_of(docker, work, leftover=(), container="").build(BUILD)
    assert not (work / "container").exists()


@pytest.mark.parametrize(
    ("does", "message"),
    [
        ({"no metadata": True}, "wrote no metadata"),
        ({"written": "{"}, "wrote no metadata"),
        ({"metadata": {"containerimage.digest": None}}, "did not report containerimage.digest"),
        (
            {"written": "{}"},
            "did not report containerimage.config.digest or containerimage.digest",
        ),
    ],
)
def test_a_push_without_the_digests_is_an_error(
    engine: Engine, docker: DockerProgram, does: dict[str, object], message: str
) -> None:
    docker.behave(push=does)
    with pytest.raises(BuildFailedError, match=message):
        engine.push(PUSH)


@pytest.mark.slow
def test_what_was_pushed_has_to_be_what_was_tested(engine: Engine, docker: DockerProgram) -> None:
    docker.behave(push={"metadata": {"containerimage.config.digest": CONFIG, "containerimage.digest": DIGEST}})
    assert engine.push(PUSH) == engine.push(PUSH, tested=CONFIG) == Pushed(DIGEST, CONFIG)
    with pytest.raises(BuildFailedError) as caught:
        engine.push(PUSH, tested=DIGEST)
    assert f"the pushed configuration is {CONFIG}, the tested one {DIGEST}" in caught.value.message


def test_a_failed_build_is_explained_by_its_output(engine: Engine, docker: DockerProgram) -> None:
    docker.behave(build={"code": 1, "prints": "#5 ERROR: no space\nERROR: no space left on device\n"})
    with pytest.raises(UserError) as caught:
        engine.build(BUILD)
    assert "no space left" in str(caught.value)


def test_a_failed_test_tells_its_code_and_last_lines(engine: Engine, docker: DockerProgram) -> None:
    docker.behave(**{"run --rm": {"code": 42, "prints": "".join(f"line {n}\n" for n in range(1, 9))}})
    with pytest.raises(ImageTestFailedError) as caught:
        engine.test(TEST)
    assert "exit code 42; the image was not pushed" in caught.value.message
    assert caught.value.hint == "line 4\nline 5\nline 6\nline 7\nline 8"


def test_a_test_that_passes_says_nothing(
    engine: Engine, docker: DockerProgram, capsys: pytest.CaptureFixture[str]
) -> None:
    docker.behave(**{"run --rm": {"prints": "fine\n"}})
    engine.test(TEST)
    (start,) = docker.starts
    assert start.words == list(TEST.argv[1:])
    assert start.env["DOCKER_CONFIG"] == "/of/this/run"
    assert "fine\n" in capsys.readouterr().err


def test_what_the_build_notes_is_told_once(engine: Engine, docker: DockerProgram) -> None:
    note = "#12 0.31 pixi-container: not run: post-link scripts of a\n"
    other = "#12 0.4 pixi-container: not run: post-link scripts of b\n"
    docker.behave(
        build={"prints": f"{note}{note}#13 1.0 pixi-container: else\n{other}pixi-container: not run: x\n"}
    )
    engine.build(BUILD)
    docker.behave(push={"prints": note})
    engine.push(PUSH)
    assert engine.notes == ["not run: post-link scripts of a", "not run: post-link scripts of b"]


@pytest.mark.parametrize(
    ("does", "size"),
    [({"prints": "12345\n"}, 12345), ({"prints": "none\n"}, 0), ({"prints": "12345\n", "code": 1}, 0), ({}, 0)],
)
def test_the_images_size(engine: Engine, docker: DockerProgram, does: dict[str, object], size: int) -> None:
    docker.behave(**{"image inspect": does})
    assert engine.image_size() == size
    assert docker.starts[0].words[-1] == "local/image:1"


def test_a_signal_during_the_test_removes_its_container(docker: DockerProgram, work: Path) -> None:
    class InterruptedLog(TerminalLog):
        def say(self, text: str) -> None:
            if text == "tests run":
                raise Interrupted(signal.SIGTERM)

    engine = engine_of(docker, work, leftover=("local/image:1",), container="box")
    engine._log = InterruptedLog()
    docker.behave(**{"run --rm": {"prints": "tests run\n"}})
    with pytest.raises(Interrupted):
        engine.test(TEST)
    assert docker.starts[0].words == list(TEST.argv[1:])
    assert docker.starts[1].words == ["rm", "--force", "box"]


def test_nothing_is_cleaned_before_anything_is_built(engine: Engine, docker: DockerProgram) -> None:
    engine.clean()
    assert docker.starts == []


def test_nothing_is_cleaned_that_the_user_asked_for(docker: DockerProgram, work: Path) -> None:
    engine = engine_of(docker, work, leftover=(), container="box")
    engine.build(BUILD)
    engine.clean()
    assert docker.purposes == ["build"]


def test_container_and_images_are_removed_also_after_a_failure(engine: Engine, docker: DockerProgram) -> None:
    docker.behave(build={"code": 1})
    with pytest.raises(UserError):
        engine.build(BUILD)
    engine.clean()
    assert [start.words for start in docker.starts[1:]] == [
        ["rm", "--force", "box"],
        ["image", "rm", "local/image:1", "local/other:1"],
    ]
    assert {start.env["DOCKER_CONFIG"] for start in docker.starts[1:]} == {"/of/the/machine"}


@pytest.mark.slow
def test_an_engine_that_is_still_removing_is_asked_again(
    docker: DockerProgram, work: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine = engine_of(docker, work, leftover=("local/image:1",), container="")
    engine.build(BUILD)
    conflict = {"image rm": {"code": 1, "errors": "conflict: the image is in use"}}
    docker.behave(**conflict)
    waited: list[float] = []

    def wait(seconds: float) -> None:
        waited.append(seconds)
        docker.behave(**(conflict if len(waited) < 3 else {}))

    monkeypatch.setattr("pixi_container.docker.engine.time.sleep", wait)
    engine.clean()
    assert docker.purposes == ["build", *["image rm"] * 4]
    assert all(0 < seconds < 1 for seconds in waited)


def test_an_image_that_is_not_there_is_not_asked_for_again(docker: DockerProgram, work: Path) -> None:
    engine = engine_of(docker, work, leftover=("local/image:1",), container="")
    engine.build(BUILD)
    docker.behave(**{"image rm": {"code": 1, "errors": "No such image: local/image:1"}})
    engine.clean()
    assert docker.purposes == ["build", "image rm"]


def test_no_docker_is_told(work: Path, tmp_path: Path) -> None:
    engine = engine_of(DockerProgram(tmp_path / "nowhere"), work, leftover=("local/image:1",), container="")
    engine._env = {"PATH": str(tmp_path)}
    with pytest.raises(ToolUnavailableError, match="'docker' cannot be started"):
        engine.build(BUILD)


def test_the_metadata_of_another_build_is_not_taken(engine: Engine, docker: DockerProgram, work: Path) -> None:
    (work / "build.json").write_text(json.dumps({"containerimage.config.digest": CONFIG}))
    docker.behave(push={"no metadata": True})
    with pytest.raises(BuildFailedError, match="wrote no metadata"):
        engine.push(PUSH)


def test_an_environment_is_started_from_a_folder_of_its_own(
    engine: Engine, docker: DockerProgram, work: Path
) -> None:
    output = ("--metadata-file", f"{WORK}/check.json", "--output", "type=cacheonly")
    command = Command("check", ("docker", "buildx", "build", *output, f"{WORK}/check"))
    docker.behave(check={"written": "{}"})
    engine.check_environment(command, {"Dockerfile": "FROM environment\n", "a.sh": "\u00e4"})
    assert {file.name: file.read_text("utf-8") for file in (work / "check").iterdir()} == {
        "Dockerfile": "FROM environment\n",
        "a.sh": "\u00e4",
    }
    assert docker.starts[-1].words[-1] == f"{work}/check"
    engine.check_environment(command, {"a.sh": "again"})
    assert (work / "check/a.sh").read_text() == "again"


def test_an_engine_that_never_ends_removing_is_left_after_twenty_times(
    docker: DockerProgram, work: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[list[str]] = []

    def capture(argv: list[str], **_: object) -> Finished:
        asked.append(argv)
        return Finished(1, "", "conflict: in use")

    engine = engine_of(docker, work, leftover=("local/image:1",), container="")
    engine._prepare()
    waited: list[float] = []
    monkeypatch.setattr("pixi_container.docker.engine.capture", capture)
    monkeypatch.setattr("pixi_container.docker.engine.time.sleep", waited.append)
    engine.clean()
    assert asked == [["docker", "image", "rm", "local/image:1"]] * 20
    assert 1 < sum(waited) < 10


@pytest.mark.parametrize(
    ("line", "note"),
    [
        ("#1 0.3 pixi-container: not run: a", "not run: a"),
        ("#12 10.31 pixi-container: not run: a b", "not run: a b"),
        ("#1 pixi-container: not run: a", None),
        ("# 0.3 pixi-container: not run: a", None),
        ("#1 0.3 pixi-container: not run: ", None),
        ("#1 0.3  pixi-container: not run: a", None),
        (" #1 0.3 pixi-container: not run: a", None),
    ],
)
def test_only_what_a_step_prints_is_a_note(line: str, note: str | None) -> None:
    match = NOTE.match(line)
    assert (match[1] if match else None) == note


def test_a_metadata_that_is_not_there_tells_what_to_use(engine: Engine, docker: DockerProgram) -> None:
    docker.behave(push={"written": "{}"})
    with pytest.raises(BuildFailedError) as caught:
        engine.push(PUSH)
    assert "docker-container" in caught.value.hint


def test_a_builder_of_nodes_is_made_named_for_the_cleanup_step_and_removed(
    engine: Engine, docker: DockerProgram, work: Path
) -> None:
    first = Command("create-builder", ("docker", "buildx", "create", "--name", BUILDER, "tcp://a:1"))
    more = Command("create-builder", ("docker", "buildx", "create", "--append", "--name", BUILDER, "tcp://b:1"))
    engine.create_builder([first, more])
    assert (work / "builder").read_text() == work.name
    engine.clean()
    assert [start.words for start in docker.starts] == [
        ["buildx", "create", "--name", work.name, "tcp://a:1"],
        ["buildx", "create", "--append", "--name", work.name, "tcp://b:1"],
        ["buildx", "rm", "--force", work.name],
    ]
    assert {start.env["DOCKER_CONFIG"] for start in docker.starts} == {"/of/this/run"}, "where builders are kept"


def test_a_builder_that_cannot_be_made_is_told_and_removed(engine: Engine, docker: DockerProgram) -> None:
    docker.behave(buildx_create={"code": 1, "errors": "ERROR: tls enabled, but missing keys cacert\n"})
    with pytest.raises(ToolUnavailableError, match="cannot make a builder of 'nodes': ERROR: tls enabled"):
        engine.create_builder([Command("create-builder", ("docker", "buildx", "create"))] * 2)
    engine.clean()
    assert docker.purposes == ["buildx create", "buildx rm"]


def test_placeholders_of_a_command_are_filled_in_wherever_they_are() -> None:
    command = Command("x", ("a=$WORK/b", "$ENVIRONMENT", "c@$ENVIRONMENT", "$OTHER"))
    assert command.in_folder("/w") == ("a=/w/b", "$ENVIRONMENT", "c@$ENVIRONMENT", "$OTHER")
    assert Command("x", (BUILDER, f"A={BUILDER}")).in_folder("/t/w") == ("w", f"A={BUILDER}")
    assert command.on_environment("sha256:1") == Command("x", ("a=$WORK/b", "sha256:1", "c@sha256:1", "$OTHER"))


def test_an_image_without_a_shell_is_not_tested_and_that_is_said(engine: Engine, docker: DockerProgram) -> None:
    docker.behave(run_image={"code": 127, "errors": 'exec: "sh": executable file not found in $PATH'})
    engine.test(Command("test", ("docker", "run", "image")), may_lack_shell=True)
    (note,) = engine.notes
    assert note.startswith("the image was not tested: it has no shell. Set 'test-target' to a stage that tests it")
    with pytest.raises(ImageTestFailedError, match="exit code 127"):
        engine.test(Command("test", ("docker", "run", "image")))


def test_a_stage_that_fails_is_a_failed_test(engine: Engine, docker: DockerProgram) -> None:
    argv = ("docker", "buildx", "build", "--metadata-file", f"{WORK}/test-unit.json", "--output", "a")
    engine.test_stage(Command("test-unit", argv))
    docker.behave(**{"test-unit": {"code": 1, "prints": "#5 [unit 1/1] RUN pytest\n#5 0.1 FAILED one\n"}})
    with pytest.raises(ImageTestFailedError, match=r"the test-unit .*; the image was not pushed"):
        engine.test_stage(Command("test-unit", argv))
