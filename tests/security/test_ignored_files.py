"""What is hidden from a build: the same as for the real builder, and nothing hostile is opened or followed."""

from __future__ import annotations

import os
import random
import socket
import subprocess
from collections.abc import Iterator
from contextlib import AbstractContextManager
from pathlib import Path, PurePosixPath

import pytest

from pixi_container.errors import UserError
from pixi_container.workspace.build_context import digest_of, read_docker_ignore, sent_paths
from pixi_container.workspace.dockerignore import DockerIgnore
from tests.rig.rig import Rig

ROUNDS = 40
NAMES = [
    *("a", "b", "c", "ab", "abc", "a.py", "b.py", "docs", "src", ".env", "A1"),
    *("a b", "[a]", "a\\b", "é", "!a", "#a", "^a", "x\ny"),
]
PARTS = [
    *("a", "b", "ab", "docs", "src", ".py", ".", "é", "/", "/"),
    *("*", "*", "**", "**/", "?", "[a-c]", "[^a]", "[!a]", "\\*", "\\["),
]
ODD_PARTS = [
    *PARTS,
    "^",
    "{1,2}",
    "{a,b}",
    "|",
    "\\d",
    "\\b",
    "[*]",
    "[[:alpha:]]",
    "\\",
    " ",
    "!",
    "#",
    "$",
    "\\Q",
]


def build(rig: Rig, context: Path, out: Path, dockerfile: str, *options: str) -> subprocess.CompletedProcess[str]:
    """Build without an image; what it has is in `out`."""
    return subprocess.run(
        [
            *(
                "docker",
                "buildx",
                "build",
                "--no-cache",
                "--progress",
                "plain",
                "--file",
                str(context / dockerfile),
            ),
            *("--output", f"type=local,dest={out}", *options, str(context)),
        ],
        env={**os.environ, **rig.environment()},
        capture_output=True,
        text=True,
        check=False,
    )


def paths_in(folder: Path) -> set[str]:
    """Return all that is in a folder."""
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*")}


def expected(context: Path, ignore: DockerIgnore) -> set[str]:
    """Return all that the builder should send: what is not hidden, and the folders that lead there."""
    sent = sent_paths(context, ".", ignore, with_never_copied=True)
    return {str(path) for name in sent for path in (PurePosixPath(name), *PurePosixPath(name).parents)} - {"."}


def grow(chance: random.Random, folder: Path, depth: int = 0) -> None:
    """Fill a folder with files, links and folders, some of them empty."""
    folder.mkdir()
    for name in chance.sample(NAMES, chance.randint(0 if depth else 3, 5)):
        if depth < 3 and chance.random() < 0.5:
            grow(chance, folder / name, depth + 1)
        elif chance.random() < 0.15:
            (folder / name).symlink_to(chance.choice(["a", "..", "/etc", "nowhere"]))
        else:
            (folder / name).write_text("")


def patterns(chance: random.Random) -> str:
    """Return a text that is not refused."""
    parts = chance.choice([PARTS, ODD_PARTS])
    while True:
        lines = [
            chance.choice(["", "", "!"]) + "".join(chance.choices(parts, k=chance.randint(1, 5)))
            for _ in range(chance.randint(1, 6))
        ]
        try:
            DockerIgnore.parse("\n".join(lines))
        except UserError:
            continue
        return "\n".join(lines)


@pytest.mark.engine
def test_the_builder_sends_exactly_what_is_not_hidden(rig: Rig, tmp_path: Path) -> None:
    chance = random.Random(20250807)  # noqa: S311 - the same trees each time
    texts = {}
    options = []
    copies = ["FROM scratch", "COPY . /main/"]
    for number in range(ROUNDS):
        context = tmp_path / f"context{number}"
        grow(chance, context)
        texts[number] = patterns(chance)
        (context / ".dockerignore").write_text(texts[number])
        options.append(f"--build-context=other{number}={context}")
        copies.append(f"COPY --from=other{number} . /{number}/")
    main = tmp_path / "context0"
    (main / "Dockerfile").write_text("\n".join(copies))
    done = build(rig, main, tmp_path / "out", "Dockerfile", *options)
    assert done.returncode == 0, done.stderr
    hiding = 0
    for number, text in texts.items():
        context = tmp_path / f"context{number}"
        ignore, _ = read_docker_ignore(context)
        sent = paths_in(tmp_path / "out" / str(number))
        assert sent == expected(context, ignore), text
        hiding += sent != paths_in(context)
    assert hiding > ROUNDS / 4
    assert paths_in(tmp_path / "out/main") == paths_in(tmp_path / "out/0")


@pytest.mark.engine
@pytest.mark.parametrize(
    ("own", "sent"),
    [
        (None, {"b", "docker", "docker/Dockerfile"}),
        ("b", {"a", "docker", "docker/Dockerfile"}),
        ("", {"a", "b", "docker", "docker/Dockerfile"}),
        ("# only a comment\n", {"a", "b", "docker", "docker/Dockerfile"}),
        ("**\n!docker/Dockerfile", {"docker", "docker/Dockerfile"}),
    ],
)
def test_a_dockerfiles_own_file_comes_first_for_the_builder(
    rig: Rig, tmp_path: Path, own: str | None, sent: set[str]
) -> None:
    context = tmp_path / "context"
    (context / "docker").mkdir(parents=True)
    (context / "docker/Dockerfile").write_text("FROM scratch\nCOPY . /\n")
    for name in ("a", "b"):
        (context / name).write_text("")
    (context / ".dockerignore").write_text("a")
    if own is not None:
        (context / "docker/Dockerfile.dockerignore").write_text(own)
    done = build(rig, context, tmp_path / "out", "docker/Dockerfile")
    assert done.returncode == 0, done.stderr
    files = {".dockerignore", "docker/Dockerfile.dockerignore"}
    assert paths_in(tmp_path / "out") - files == sent
    assert paths_in(tmp_path / "out") == expected(context, read_docker_ignore(context, "docker/Dockerfile")[0])


@pytest.mark.engine
@pytest.mark.parametrize("pattern", ["[", "!", "a*[", "[z-a]", "a\\o", "*{2}"])
def test_the_builder_refuses_what_is_refused(rig: Rig, tmp_path: Path, pattern: str) -> None:
    (tmp_path / ".dockerignore").write_text(pattern)
    (tmp_path / "Dockerfile").write_text("FROM scratch\nCOPY . /\n")
    assert build(rig, tmp_path, tmp_path / "out", "Dockerfile").returncode != 0
    with pytest.raises(UserError):
        read_docker_ignore(tmp_path)


@pytest.fixture
def context(tmp_path: Path) -> Path:
    """A context beside a folder that is none of its business."""
    made = tmp_path / "context"
    (made / "src").mkdir(parents=True)
    (made / "src/main.py").write_text("")
    (tmp_path / "secret").mkdir()
    (tmp_path / "secret/key").write_text("hunter2")
    return made


@pytest.mark.parametrize(
    "path",
    [
        "..",
        "../secret",
        "src/../../secret/key",
        "/",
        "/etc/passwd",
        "out",
        "out/key",
        "everything",
        "nested",
        "loop",
        "nul\0",
        "a" * 300,
    ],
)
def test_what_leads_out_of_the_context_is_refused_before_it_is_read(
    context: Path, monkeypatch: pytest.MonkeyPatch, path: str
) -> None:
    (context / "out").symlink_to("../secret")
    (context / "everything").symlink_to("/")
    (context / "nested").symlink_to("src/up")
    (context / "src/up").symlink_to("../..")
    (context / "loop").symlink_to("loop")

    def never(*arguments: object, **options: object) -> Iterator[None]:
        raise AssertionError(arguments)

    monkeypatch.setattr(os, "scandir", never)
    monkeypatch.setattr(os, "open", never)
    with pytest.raises(UserError, match=r"leads out of the context|cannot be read"):
        digest_of(context, [path], DockerIgnore())


def test_links_in_a_folder_are_not_followed(context: Path, tmp_path: Path) -> None:
    (context / "src/everything").symlink_to("/")
    (context / "src/key").symlink_to("../../secret/key")
    before = digest_of(context, ["src"], DockerIgnore())
    (tmp_path / "secret/key").write_text("hunter3")
    assert digest_of(context, ["src"], DockerIgnore()) == before
    assert set(sent_paths(context, "src", DockerIgnore())) == {"src", "src/everything", "src/key", "src/main.py"}


@pytest.mark.parametrize("place", [".dockerignore", "docker/Dockerfile.dockerignore"])
def test_a_dockerignore_is_an_ordinary_file_of_the_context(context: Path, tmp_path: Path, place: str) -> None:
    file = context / place
    file.parent.mkdir(exist_ok=True)
    (tmp_path / "ignore").write_text("src")
    for target in (tmp_path / "ignore", Path("/dev/zero")):
        file.symlink_to(target)
        with pytest.raises(UserError, match="leads out of the context"):
            read_docker_ignore(context, "docker/Dockerfile")
        file.unlink()
    os.mkfifo(file)
    with pytest.raises(UserError, match="not a regular file"):
        read_docker_ignore(context, "docker/Dockerfile")
    file.unlink()
    with file.open("wb") as stream:
        stream.truncate(1 << 40)
    with pytest.raises(UserError, match="larger than"):
        read_docker_ignore(context, "docker/Dockerfile")


def test_a_folder_of_a_dockerfile_that_leads_out_is_not_read(context: Path) -> None:
    (context / "docker").symlink_to("../secret")
    with pytest.raises(UserError, match="leads out of the context"):
        read_docker_ignore(context, "docker/Dockerfile")


def test_pipes_and_sockets_are_not_opened(context: Path) -> None:
    plain = digest_of(context, ["src"], DockerIgnore())
    os.mkfifo(context / "src/pipe")
    piped = digest_of(context, ["src"], DockerIgnore())
    with socket.socket(socket.AF_UNIX) as made:
        made.bind(str(context / "src/pipe2"))
    assert len({plain, piped, digest_of(context, ["src"], DockerIgnore())}) == 3
    assert digest_of(context, ["src"], DockerIgnore.parse("**/pipe*")) == plain


def test_folders_may_be_as_deep_as_a_path_can_be_long(context: Path) -> None:
    place = context / "deep"
    place.mkdir()
    descriptor = os.open(place, os.O_RDONLY)
    try:
        for _ in range(1000):
            os.mkdir("d", dir_fd=descriptor)
            below = os.open("d", os.O_RDONLY, dir_fd=descriptor)
            os.close(descriptor)
            descriptor = below
        assert len(digest_of(context, ["."], DockerIgnore.parse("**/x"))) == 64
        assert len(sent_paths(context, ".", DockerIgnore())) == 1004
        for _ in range(1200):
            os.mkdir("d" * 9, dir_fd=descriptor)
            below = os.open("d" * 9, os.O_RDONLY, dir_fd=descriptor)
            os.close(descriptor)
            descriptor = below
    finally:
        os.close(descriptor)
    with pytest.raises(UserError, match="too long"):
        digest_of(context, ["."], DockerIgnore())
    assert len(digest_of(context, ["."], DockerIgnore.parse("deep"))) == 64
    subprocess.run(["rm", "-r", str(place)], check=True)


def test_what_may_not_be_read_is_an_error_unless_it_is_hidden(
    context: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    scandir = os.scandir

    def allowed(path: str) -> AbstractContextManager[Iterator[os.DirEntry[str]]]:
        if path.endswith("closed"):
            raise PermissionError(13, "Permission denied")
        return scandir(path)

    (context / "closed").mkdir()
    monkeypatch.setattr(os, "scandir", allowed)
    with pytest.raises(UserError, match="cannot be read: Permission denied"):
        digest_of(context, ["."], DockerIgnore())
    assert digest_of(context, ["."], DockerIgnore.parse("closed\n!**/x"))
