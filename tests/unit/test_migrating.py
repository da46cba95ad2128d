"""What docs/migrating.md says to write instead of a Dockerfile's lines gives the image that these lines gave."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import pytest
import yaml

from pixi_container.image.base_images import DEFAULT_PIXI, choose_base_images
from pixi_container.image.definition import define_image
from pixi_container.image.files import read_image_files
from pixi_container.image.sources import read_sources
from pixi_container.input_table import INPUTS
from pixi_container.inputs import parse_inputs
from pixi_container.runner.event import Event
from pixi_container.tags import facts_from
from pixi_container.workspace.workspace import read_workspace
from tests.unit.conftest import Folder

DOCS = Path(__file__).parents[2] / "docs"
PAGE = (DOCS / "migrating.md").read_text("utf-8")
NAMES = {row.name for row in INPUTS}
CODE = re.compile(r"`([^`]+)`")
PUSH = Event(name="push", ref="refs/tags/v1.2.0", sha="0" * 40, repository="lab/study")
DATE = datetime(2026, 1, 1, tzinfo=timezone.utc)

FILES = {
    **dict.fromkeys(("data/1.csv", "scripts/wrapper.py", "site/dist/index.html", "start.sh"), "text"),
    "steps.docker": "RUN ./configure.sh\nRUN make\n",
}

PATH = 'ENV PATH="/app/.pixi/envs/default/bin:$PATH" \\'
BUILDER = f"FROM ghcr.io/prefix-dev/pixi:{DEFAULT_PIXI}-noble AS pixi"

EXPECTED: dict[str, tuple[tuple[str, ...], ...]] = {
    "FROM ghcr.io/prefix-dev/pixi:0.77.0 AS build": (
        (BUILDER,),
        ("FROM ghcr.io/prefix-dev/pixi:0.77.0-noble AS pixi",),
    ),
    "COPY pixi.toml pixi.lock ./": (('COPY --link ["pixi.toml", "pixi.lock", "/app/"]',),),
    "RUN pixi install --locked --environment gpu": (
        ("bash /pixi-container/install.sh --locked --environment gpu \\",),
    ),
    "RUN pixi shell-hook --environment gpu > /activate.sh": (
        ("BASH_ENV=/app/.pixi/activate.sh", 'ENTRYPOINT ["/app/entrypoint.sh"]'),
    ),
    "ENV PATH=/app/.pixi/envs/default/bin:$PATH": ((PATH,),),
    "RUN pixi clean cache && rm -rf /root/.cache": (
        ("COPY --link --from=build /image/environment/ /", "FROM environment AS production"),
    ),
    "FROM debian:bookworm-slim": (("FROM docker.io/library/debian:bookworm-slim AS base",),),
    "RUN apt-get update && apt-get install -y git libgl1 && rm -rf /var/lib/apt/lists/*": (
        ("git \\", "libgl1 \\", "FROM runtime AS base"),
    ),
    "RUN apt-get update && apt-get upgrade -y": (("RUN apt-get update && apt-get upgrade --yes",),),
    "ENV PYTHONUNBUFFERED=1": (('ENV PYTHONUNBUFFERED="1"',),),
    "ENV PATH=/opt/tool/bin:$PATH": (('ENV PATH="/opt/tool/bin:${PATH}"', PATH),),
    "ENV PYTHONPATH=/app/src": (('ENV PYTHONPATH="/app/src"', 'ENV PIXI_CONTAINER_KEEP="PYTHONPATH"'),),
    "COPY src src": (
        ('COPY --link ["src", "/app/src"]',),
        ('COPY --link ["scripts", "/app/scripts"]',),
    ),
    "COPY . .": (
        (
            *(f'COPY --link ["{name}", "/app/{name}"]' for name in ("data", "scripts", "site", "src")),
            'COPY --link ["start.sh", "steps.docker", "/app/"]',
        ),
    ),
    "COPY src/ /opt/study/": (('COPY --link ["src", "/opt/study"]',),),
    "COPY --chown=1000:1000 data /data": (('COPY --link --chown=1000:1000 ["data", "/data"]',),),
    "COPY --from=node:22 /usr/local/bin/node /usr/local/bin/": (
        ("COPY --from=node:22 /usr/local/bin/node /usr/local/bin/", "FROM runtime AS base"),
    ),
    "ADD https://example.org/model.bin /models/": (
        ("ADD https://example.org/model.bin /models/", "FROM runtime AS base"),
    ),
    "WORKDIR /opt/study": (("WORKDIR /opt/study", 'COPY --link ["src", "/opt/study/src"]'),),
    "WORKDIR /work": (("WORKDIR /work", 'COPY --link ["src", "/app/src"]'),),
    "RUN useradd --create-home --uid 1000 worker": (
        ("RUN useradd --create-home --uid 1000 worker", "USER worker"),
    ),
    "RUN mkdir /data && chown 1000:1000 /data": (("RUN install --directory --owner=1000 --group=1000 /data",),),
    'ENTRYPOINT ["fmriprep"]': (('ENTRYPOINT ["/app/entrypoint.sh", "fmriprep"]',),),
    'ENTRYPOINT ["pixi", "run", "serve"]': (
        ('ENTRYPOINT ["/app/entrypoint.sh", "pixi", "run", "serve"]',),
        (),
    ),
    'ENTRYPOINT ["tini", "--"]': (("tini \\", 'ENTRYPOINT ["/app/entrypoint.sh", "tini", "--"]'),),
    "COPY start.sh /usr/local/bin/": (
        (
            'COPY --link --chmod=755 ["start.sh", "/usr/local/bin/"]',
            'ENTRYPOINT ["/app/entrypoint.sh", "start.sh"]',
        ),
    ),
    'CMD ["python", "-m", "app"]': (('CMD ["python", "-m", "app"]',),),
    "CMD python api.py & python web.py & wait -n": (
        ('CMD ["bash", "-c", "python api.py & python web.py & wait -n"]',),
    ),
    "EXPOSE 8000": (("EXPOSE 8000",),),
    "VOLUME /data": (('VOLUME ["/data"]',),),
    "HEALTHCHECK --interval=30s CMD curl --fail http://localhost:8000/": (
        ('HEALTHCHECK --interval=30s CMD ["/bin/bash", "-c", "curl --fail http://localhost:8000/"]',),
    ),
    "STOPSIGNAL SIGINT": (("STOPSIGNAL SIGINT",),),
    'LABEL org.opencontainers.image.vendor="The Lab"': (("LABEL org.opencontainers.image.vendor=The Lab",),),
    "ARG VERSION": (('ENV VERSION="v1.2.0"', 'ENV PIXI_PROJECT_VERSION="1.2.0"'),),
    "RUN pixi run build": (("RUN pixi run build",),),
    "RUN python -m compileall -q src": (("RUN python -m compileall -q src",),),
    "RUN pip install --no-deps .": (
        (),
        ("RUN --mount=type=bind,target=/source,rw pip install --no-deps /source",),
    ),
    "RUN ./configure.sh && make": (("RUN ./configure.sh", "RUN make"),),
    'SHELL ["/bin/bash", "-c"]': ((),),
    "FROM node:22 AS site": (
        ('COPY --link ["site/dist", "/app/static"]',),
        ("COPY --from=ghcr.io/lab/site:1.4 /dist static",),
        ('COPY --link ["site", "/app/site"]', "RUN cd site && npm ci && npm run build"),
    ),
}
"""Lines of the Dockerfile by the first line of a row, for each alternative that the row gives."""

DOCKERS = {
    "metadata-action": "context images tags flavor labels annotations sep-tags sep-labels sep-annotations "
    "bake-target github-token",
    "login-action": "registry username password scope ecr logout registry-auth",
    "setup-buildx-action": "version driver driver-opts buildkitd-flags buildkitd-config buildkitd-config-inline "
    "use name endpoint platforms append keep-state cache-binary cleanup",
    "setup-qemu-action": "image platforms reset cache-image",
    "build-push-action": "add-hosts allow annotations attests build-args build-contexts builder cache-from "
    "cache-to call cgroup-parent context file labels load network no-cache no-cache-filters outputs platforms "
    "provenance pull push sbom secrets secret-envs secret-files shm-size ssh tags target ulimit github-token",
}
"""The inputs of Docker's actions: metadata 6, login 4, setup-buildx 4, setup-qemu 4, build-push 7."""


def rows(marker: str) -> list[list[str]]:
    """Return the cells of a table's rows."""
    table = PAGE.partition(f"<!-- {marker} -->\n")[2].partition(f"<!-- /{marker} -->")[0]
    return [[cell.strip() for cell in line.strip("|").split(" | ")] for line in table.splitlines()[2:]]


@dataclass(frozen=True)
class Line:
    """A row of the first table: the first line of what a Dockerfile has, and the inputs of each alternative."""

    dockerfile: str
    alternatives: tuple[dict[str, Any], ...]

    def __str__(self) -> str:
        return self.dockerfile


def lines() -> list[Line]:
    table = []
    for old, new in rows("lines"):
        alternatives: list[dict[str, Any]] = []
        for alternative in re.split("; ", new):
            codes = (code for code in CODE.findall(alternative) if re.match("[a-z-]+: ", code))
            alternatives.append({name: text for code in codes for name, text in yaml.safe_load(code).items()})
        table.append(Line(CODE.findall(old)[0], tuple(alternatives)))
    return table


LINES = lines()


def as_a_runner_gives(value: object) -> str:
    """Return an input's text; the one expression is that of the tag."""
    assert isinstance(value, str), f"{value!r} needs quotes: YAML does not read it as text"
    return value.replace("${{ github.ref_name }}", "v1.2.0")


def image_of(folder: Folder, inputs: dict[str, Any]) -> set[str]:
    """Return the lines of the Dockerfile, and the labels as such lines."""
    for name, text in FILES.items():
        folder.write(name, text)
    texts = {name: as_a_runner_gives(value) for name, value in inputs.items()}
    parsed = parse_inputs({**texts, "context": str(folder.path)})
    workspace = read_workspace(parsed, "linux/amd64")
    bases = choose_base_images(parsed, workspace, pin=lambda reference: reference)
    image = define_image(
        PUSH,
        parsed,
        read_sources(parsed, workspace, {}),
        bases,
        facts_from(PUSH, commit_date=DATE, now=DATE, expressions={}),
        read_image_files(workspace, parsed, bases.pixi_version),
    )
    labels = {f"LABEL {name}={text}" for name, text in image.metadata.labels.items()}
    return {line.strip() for line in image.dockerfile.splitlines()} | labels


def test_every_row_is_tried() -> None:
    assert [line.dockerfile for line in LINES] == list(EXPECTED)
    for line in LINES:
        assert len(line.alternatives) == len(EXPECTED[line.dockerfile]), line.dockerfile


@pytest.mark.slow
@pytest.mark.parametrize("line", LINES, ids=str)
def test_a_row_gives_what_the_dockerfile_had(folder: Folder, line: Line) -> None:
    for inputs, expected in zip(line.alternatives, EXPECTED[line.dockerfile], strict=True):
        assert set(expected) <= image_of(folder, inputs), inputs


def test_the_inputs_of_dockers_actions_are_all_there() -> None:
    told: dict[str, list[str]] = {name: [] for name in DOCKERS}
    for action, theirs, ours in rows("actions"):
        names = CODE.findall(theirs)
        told[action] += names
        given = {code for code in CODE.findall(ours) if re.fullmatch("[a-z-]+", code)} - {"auto", "digest"}
        assert given <= NAMES, ours
        if action == "build-push-action" and not given:
            assert not NAMES & set(names), f"{names} are inputs here as well"
    assert {action: sorted(names) for action, names in told.items()} == {
        action: sorted(names.split()) for action, names in DOCKERS.items()
    }


EXAMPLES = [yaml.safe_load(text) for text in re.findall(r"(?ms)^```yaml\n(.*?)^```$", PAGE)]


def step_of(example: dict[str, Any] | list[dict[str, Any]]) -> dict[str, Any]:
    step = example[-1] if isinstance(example, list) else example
    inputs: dict[str, Any] = step["with"]
    return inputs


def test_the_examples_are_the_images_of_their_dockerfiles(folder: Folder) -> None:
    service, tool, frontend = map(step_of, EXAMPLES)
    assert {
        "FROM docker.io/library/debian:bookworm-slim AS runtime",
        "curl \\",
        "RUN useradd --create-home --uid 1000 worker && install --directory --owner=worker /data",
        'COPY --link ["src", "/app/src"]',
        'ENV DATA="/data"',
        'ENV PYTHONUNBUFFERED="1"',
        "USER 1000",
        'VOLUME ["/data"]',
        "EXPOSE 8000",
        'HEALTHCHECK --interval=30s CMD ["/bin/bash", "-c", "curl --fail http://localhost:8000/health"]',
        'ENTRYPOINT ["/app/entrypoint.sh"]',
        'CMD ["python", "src/serve.py"]',
    } <= image_of(folder, service)

    folder.replace("pixi.toml", 'gpu = ["gpu"]', 'prod = ["gpu"]')
    folder.replace("pixi.lock", "  gpu:\n", "  prod:\n")
    assert {
        'COPY --link ["scripts", "/opt/tool/scripts"]',
        "RUN python -m compileall -q /opt/tool/scripts",
        'ENV TOOL_VERSION="v1.2.0"',
        "WORKDIR /work",
        'ENTRYPOINT ["/opt/tool/entrypoint.sh", "tini", "--", "python", "/opt/tool/scripts/wrapper.py"]',
        'CMD ["--help"]',
    } <= image_of(folder, tool)

    for name in ("pixi.toml", "pixi.lock"):
        folder.write(f"backend/{name}", (folder.path / name).read_text("utf-8"))
    folder.write("backend/app/main.py", "")
    folder.write("deploy/start.sh", "")
    assert {
        'COPY --link ["backend/app", "/app/backend/app"]',
        'COPY --link ["site/dist", "/app/static"]',
        'COPY --link --chmod=755 ["deploy/start.sh", "/usr/local/bin/start"]',
        'ENTRYPOINT ["/app/entrypoint.sh", "start"]',
    } <= image_of(folder, frontend)


def test_every_other_input_that_it_names_exists() -> None:
    for text in re.findall(r"`([a-z-]+): ", PAGE):
        assert text in NAMES


def test_links_lead_to_headings() -> None:
    links = re.findall(r"\]\(([a-z-]*(?:\.md)?)#([a-z-]+)\)", PAGE)
    assert len(links) > 4
    for file, heading in links:
        text = (DOCS / (file or "migrating.md")).read_text("utf-8")
        headings = re.findall(r"(?m)^##+ (.+)$", text)
        assert heading in {re.sub(r"[^\w -]", "", each.lower()).replace(" ", "-") for each in headings}
