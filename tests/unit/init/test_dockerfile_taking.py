"""What is taken over from a Dockerfile, what is not needed, and what is left; line by line."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pixi_container.errors import UserError
from pixi_container.init.dockerfile_taking import INPUT_OF, take_dockerfile
from pixi_container.init.verdicts import LEFT, NOT_NEEDED, TAKEN, Proposal, Value
from pixi_container.input_table import INPUTS

NAMES = {row.name for row in INPUTS}
FILES = {"src/main.py", "run.sh", "pixi.toml", "pixi.lock", "data/a.csv"}
PIXI = "FROM ghcr.io/prefix-dev/pixi:0.50.0-noble"
INSTALL = "WORKDIR /app\nCOPY pixi.toml pixi.lock ./\nRUN pixi install --locked\n"
FROM_BUILD = "COPY --from=build /app/.pixi/envs/default /app/.pixi/envs/default\n"
BUILD = f"{PIXI} AS build\n{INSTALL}FROM ubuntu:24.04\n{FROM_BUILD}"


def taken(text: str) -> Proposal:
    proposal = Proposal()
    take_dockerfile(text, "Dockerfile", FILES, {"serve": "python -m study", "all": ""}, proposal)
    return proposal


def outcomes(text: str) -> list[tuple[int, str]]:
    return [(verdict.line, verdict.outcome) for verdict in taken(text).verdicts]


@pytest.mark.parametrize(
    ("line", "settings"),
    [
        ("RUN apt-get update && apt-get install -y --no-install-recommends \\\n  curl \\\n  # why\n  tini=0.19-1", {"apt-packages": ["curl", "tini=0.19-1"]}),  # noqa: E501
        ("RUN <<EOF\napt-get update\napt-get install -y git\nrm -rf /var/lib/apt/lists/*\nEOF", {"apt-packages": ["git"]}),  # noqa: E501
        ("RUN apt-get update\nRUN apt-get -y install git\nRUN DEBIAN_FRONTEND=x apt-get install -y curl", {"apt-packages": ["git", "curl"]}),  # noqa: E501
        ("RUN useradd --uid 1000 lab", {"base-instructions": "RUN useradd --uid 1000 lab\n"}),
        ("ARG VERSION=3\nRUN fetch $VERSION", {"base-instructions": "ARG VERSION=3\nRUN fetch $VERSION\n"}),
        ("COPY --from=node:22 /usr/bin/node /usr/bin/node", {"base-instructions": "COPY --from=node:22 /usr/bin/node /usr/bin/node\n"}),  # noqa: E501
        ("ADD https://x.org/a /x", {"base-instructions": "ADD https://x.org/a /x\n"}),
        ("COPY <<EOF /x\ntext\nEOF", {"base-instructions": "COPY <<EOF /x\ntext\nEOF\n"}),
        (f"{INSTALL}RUN make install", {"instructions": "RUN make install\n"}),
        ('ENV A=1 B="x y" \\\n    C=\'z\'', {"env": {"A": "1", "B": "x y", "C": "z"}}),
        ("ENV OLD some words", {"env": {"OLD": "some words"}}),
        ("ENV PATH=/opt/bin:/app/.pixi/envs/default/bin:$PATH", {"env": {"PATH": "/opt/bin:$PATH"}}),
        ("ENV PATH=/app/.pixi/envs/default/bin:$PATH CONDA_PREFIX=/x DEBIAN_FRONTEND=noninteractive", {}),
        ("ARG PORT=80\nEXPOSE $PORT 53/udp", {"expose": ["80", "53/udp"]}),
        ('VOLUME ["/data"]\nVOLUME /a /b', {"volumes": ["/data", "/a", "/b"]}),
        ("HEALTHCHECK --interval=3s CMD curl -f x", {"healthcheck": "--interval=3s CMD curl -f x"}),
        ("STOPSIGNAL SIGINT", {"stop-signal": "SIGINT"}),
        ("USER root\nUSER lab", {"user": "lab"}),
        ("USER root", {}),
        ('LABEL maintainer="a b" org.opencontainers.image.revision=1', {"labels": {"maintainer": "a b"}}),
        ("MAINTAINER me", {"labels": {"org.opencontainers.image.authors": "me"}}),
        ('CMD ["python", "-m", "study"]', {"command": ["python", "-m", "study"]}),
        ("CMD exec python -m study", {"command": ["python", "-m", "study"]}),
        ("CMD a & b", {"command": ["/bin/sh", "-c", "a & b"]}),
        ("CMD a\nCMD b", {"command": ["b"]}),
        ("CMD bash", {}),
        ("CMD pixi run --frozen -e gpu serve --port 1", {"command": ["pixi", "run", "serve", "--port", "1"]}),
        ("CMD pixi run python x.py", {"command": ["python", "x.py"]}),
        ('ENTRYPOINT ["pixi", "run"]\nCMD ["serve"]', {"command": ["pixi", "run", "serve"]}),
        ('ENTRYPOINT ["/app/entrypoint.sh"]', {}),
        ('ENTRYPOINT ["/bin/bash", "/shell-hook.sh"]', {}),
        ('ENTRYPOINT ["/app/entrypoint.sh", "python"]', {"entrypoint": ["python"]}),
        ('ENTRYPOINT ["tini", "--", "/run.sh"]', {"entrypoint": ["tini", "--", "/run.sh"]}),
        ("WORKDIR /work", {"working-directory": "/work"}),
        ("WORKDIR /app\nCOPY src src", {"include": ["src"]}),
        ("WORKDIR /app\nCOPY ./src/ /app/src/", {"include": ["src"]}),
        ("WORKDIR /app\nCOPY run.sh pixi.toml ./", {"include": ["run.sh"]}),
        ("WORKDIR /app\nCOPY . .", {"include": ["."]}),
        ("WORKDIR /app\nCOPY run.sh bin/start", {"include": ["run.sh => bin/start"]}),
        ("WORKDIR /app\nCOPY data /data", {"include": ["data => /data"]}),
        ("COPY --chown=7:7 --chmod=755 data /d", {"include": ["--chown=7:7 --chmod=755 data => /d"]}),
        ("COPY --chown=me data /data", {"include": ["data => /data"]}),
        # A sign in the midst of a line is no comment.
        ("ENV COLOUR=#fff", {"env": {"COLOUR": "#fff"}}),
        ("LABEL note=a#b\nEXPOSE 80", {"labels": {"note": "a#b"}, "expose": ["80"]}),
        ("WORKDIR /app\nCOPY run.sh /usr/bin/", {"include": ["run.sh => /usr/bin/run.sh"]}),
    ],
)  # fmt: skip
def test_an_instruction_is_taken_over_as_the_input_that_does_the_same(
    line: str, settings: dict[str, Value]
) -> None:
    result = taken(f"{PIXI}\n{line}\n")
    assert {name: value for name, value in result.settings.items() if value != "none"} == settings
    assert LEFT not in {verdict.outcome for verdict in result.verdicts}


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("ARG TOKEN", "it has no default"),
        ('SHELL ["/bin/bash", "-c"]', "there is no input for it"),
        ("ONBUILD RUN x", "there is no input for it"),
        ("RUN pixi install && make all", "put what you need of this into 'instructions': make all"),
        ("COPY absent /x", "'absent' is not in the context"),
        ("COPY ../secret /x", "'../secret' is not in the context"),
        ("EXPOSE 99999", "input 'expose' has an invalid value: '99999'"),
    ],
)  # fmt: skip
def test_what_is_left_has_a_reason(line: str, reason: str) -> None:
    left = [verdict for verdict in taken(f"{PIXI}\n{line}\n").verdicts if verdict.outcome == LEFT]
    assert [verdict.line for verdict in left] == [2]
    assert reason in left[0].reason


@pytest.mark.parametrize(
    ("line", "reasons"),
    [
        ("ENV PATH=/app/.pixi/envs/default/bin:$PATH", ["the environment's PATH is set for every process"]),
        (
            "ENV CONDA_PREFIX=/x DEBIAN_FRONTEND=noninteractive",
            ["the environment is active, and apt asks nothing"] * 2,
        ),
        ("ARG VERSION=3", ["its default is used"]),
    ],
)
def test_what_is_not_needed_has_a_reason(line: str, reasons: list[str]) -> None:
    verdicts = [verdict for verdict in taken(f"{PIXI}\n{line}\n").verdicts if verdict.line == 2]
    assert [(verdict.outcome, verdict.reason) for verdict in verdicts] == [
        (NOT_NEEDED, f": {reason}") for reason in reasons
    ]


def test_the_stage_that_installs_the_environment_is_not_needed() -> None:
    assert [outcome for _, outcome in outcomes(BUILD)] == [NOT_NEEDED] * 4 + [TAKEN, NOT_NEEDED]
    assert taken(BUILD).settings == {"runtime-image": "ubuntu:24.04", "include": "none"}


def test_another_stage_is_left() -> None:
    text = f"FROM node:22 AS web\nRUN npm build\n{PIXI}\nCOPY --from=web /dist /app/web\n"
    assert outcomes(text) == [(1, LEFT), (2, LEFT), (3, NOT_NEEDED), (4, LEFT)]


def test_a_last_stage_that_builds_on_another_has_all_of_it() -> None:
    result = taken(f"{PIXI} AS a\nEXPOSE 80\nFROM other\nEXPOSE 81\nFROM a AS b\nEXPOSE 82\n")
    assert result.settings["expose"] == ["80", "82"]


def test_files_that_the_stage_copied_from_the_context_are_included() -> None:
    text = BUILD + "COPY --from=build /app/src /app/src\nCOPY --from=build /app/wheel.whl /x\n"
    result = taken(text)
    assert result.settings["include"] == ["src"]
    assert (
        "is made in the stage" in result.verdicts[-1].reason or "not in the context" in result.verdicts[-1].reason
    )


def test_environment_and_folder_are_those_of_the_installation() -> None:
    result = taken(f"{PIXI} AS build\nWORKDIR /work\nRUN pixi install -e gpu\nFROM debian:12\nCOPY --from=build /work/.pixi/envs/gpu /work/.pixi/envs/gpu\nWORKDIR /work\n")  # fmt: skip # noqa: E501
    assert result.settings["environment"] == "gpu"
    assert result.settings["workdir"] == "/work"
    assert "working-directory" not in result.settings


@pytest.mark.parametrize("base", ["scratch", "gcr.io/distroless/cc", "python:3-alpine", "$BASE"])
def test_a_base_that_cannot_be_the_runtime_image_is_left(base: str) -> None:
    assert outcomes(f"FROM {base}\nRUN pixi install\n")[0] == (1, LEFT)


@pytest.mark.parametrize(("task", "command"), [("serve", ["python", "-m", "study"]), ("all", None)])
def test_a_base_without_pixi_runs_the_command_of_a_task(task: str, command: list[str] | None) -> None:
    assert taken(f"{BUILD}CMD pixi run {task}\n").settings.get("command") == command


def test_the_lines_are_in_the_order_of_the_file() -> None:
    lines = [line for line, _ in outcomes(f"{BUILD}WORKDIR /work\nEXPOSE 80\n")]
    assert lines == sorted(lines)
    assert str(taken(f"{PIXI}\nEXPOSE 80\n").verdicts[-1]) == "Dockerfile:2: EXPOSE 80\n    taken over as 'expose'"


def test_a_file_without_a_stage_is_left() -> None:
    assert outcomes("RUN x\n") == outcomes("") == [(0, LEFT)]


@pytest.mark.parametrize(
    "text",
    [
        f"{PIXI}\nENV A=" + "${a:-" * 3000 + "}" * 3000,
        *(
            pytest.param(text, marks=pytest.mark.slow)
            for text in (f"{PIXI}\n" + "ONBUILD " * 20_000 + "RUN x", f"{PIXI}\nRUN " + "a && " * 10_000 + "b")
        ),
        f"{PIXI}\nRUN <<A\n" * 500,
    ],
)
def test_a_deep_or_long_dockerfile_gives_verdicts(text: str) -> None:
    assert len(taken(text).verdicts) > 1


def test_a_dockerfile_of_very_many_instructions_is_refused() -> None:
    with pytest.raises(UserError, match="more than 1000 instructions"):
        taken("FROM a AS a\n" * 15_000)


@given(st.text(st.characters(exclude_categories=["Cs"]), max_size=200))
def test_any_text_gives_verdicts(text: str) -> None:
    taken(text)
    taken(f"{PIXI}\nRUN {text}\nCOPY {text}\nENV {text}\nCMD {text}\n")


def test_every_input_that_is_mapped_to_exists() -> None:
    assert {*INPUT_OF.values()} <= NAMES
