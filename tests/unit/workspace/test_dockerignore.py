"""`.dockerignore`: the builder's own cases, its quirks, hostile patterns, and the digest of what is not hidden."""

from __future__ import annotations

import os
import re
import socket
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from pixi_container.errors import UserError
from pixi_container.workspace.build_context import digest_of, read_docker_ignore, sent_paths
from pixi_container.workspace.dockerignore import DockerIgnore
from pixi_container.workspace.ignore_patterns import MatchKind, Pattern, expression_of

WHEEL = "dist/proxy.py-2.4.0rc3.dev36+g08acad9-py3-none-any.whl"

# https://github.com/moby/patternmatcher/blob/5a6d842/patternmatcher_test.go, TestMatches
MATCHES = [
    ("**", "file", True),
    ("**", "file/", True),
    ("**/", "file", True),
    ("**/", "file/", True),
    ("**", "/", True),
    ("**/", "/", True),
    ("**", "dir/file", True),
    ("**/", "dir/file", True),
    ("**", "dir/file/", True),
    ("**/", "dir/file/", True),
    ("**/**", "dir/file", True),
    ("**/**", "dir/file/", True),
    ("dir/**", "dir/file", True),
    ("dir/**", "dir/file/", True),
    ("dir/**", "dir/dir2/file", True),
    ("dir/**", "dir/dir2/file/", True),
    ("**/dir", "dir", True),
    ("**/dir", "dir/file", True),
    ("**/dir2/*", "dir/dir2/file", True),
    ("**/dir2/*", "dir/dir2/file/", True),
    ("**/dir2/**", "dir/dir2/dir3/file", True),
    ("**/dir2/**", "dir/dir2/dir3/file/", True),
    ("**file", "file", True),
    ("**file", "dir/file", True),
    ("**/file", "dir/file", True),
    ("**file", "dir/dir/file", True),
    ("**/file", "dir/dir/file", True),
    ("**/file*", "dir/dir/file", True),
    ("**/file*", "dir/dir/file.txt", True),
    ("**/file*txt", "dir/dir/file.txt", True),
    ("**/file*.txt", "dir/dir/file.txt", True),
    ("**/file*.txt*", "dir/dir/file.txt", True),
    ("**/**/*.txt", "dir/dir/file.txt", True),
    ("**/**/*.txt2", "dir/dir/file.txt", False),
    ("**/*.txt", "file.txt", True),
    ("**/**/*.txt", "file.txt", True),
    ("a**/*.txt", "a/file.txt", True),
    ("a**/*.txt", "a/dir/file.txt", True),
    ("a**/*.txt", "a/dir/dir/file.txt", True),
    ("a/*.txt", "a/dir/file.txt", False),
    ("a/*.txt", "a/file.txt", True),
    ("a/*.txt**", "a/file.txt", True),
    ("a[b-d]e", "ae", False),
    ("a[b-d]e", "ace", True),
    ("a[b-d]e", "aae", False),
    ("a[^b-d]e", "aze", True),
    (".*", ".foo", True),
    (".*", "foo", False),
    ("abc.def", "abcdef", False),
    ("abc.def", "abc.def", True),
    ("abc.def", "abcZdef", False),
    ("abc?def", "abcZdef", True),
    ("abc?def", "abcdef", False),
    ("a\\\\", "a\\", True),
    ("**/foo/bar", "foo/bar", True),
    ("**/foo/bar", "dir/foo/bar", True),
    ("**/foo/bar", "dir/dir2/foo/bar", True),
    ("abc/**", "abc", False),
    ("abc/**", "abc/def", True),
    ("abc/**", "abc/def/ghi", True),
    ("**/.foo", ".foo", True),
    ("**/.foo", "bar.foo", False),
    ("a(b)c/def", "a(b)c/def", True),
    ("a(b)c/def", "a(b)c/xyz", False),
    ("a.|)$(}+{bc", "a.|)$(}+{bc", True),
    (WHEEL, WHEEL, True),
    ("dist/*.whl", WHEEL, True),
    ("a\\*b", "a*b", True),
    ("**\n!util/docker/web", "util/docker/web/foo", False),
    ("**\n!util/docker/web\nutil/docker/web/foo", "util/docker/web/foo", True),
    (f"**\n!{WHEEL}", WHEEL, False),
    ("**\n!dist/*.whl", WHEEL, False),
    ("*", "fileutils.go", True),
    ("*.go", "fileutils.go", True),
    ("!fileutils.go\n*.go", "fileutils.go", True),
    ("*.go\n!fileutils.go", "fileutils.go", False),
    ("docs\n!docs/README.md", "docs/README.md", False),
    ("docs/\n!docs/README.md", "docs/README.md", False),
    ("docs/*\n!docs/README.md", "docs/README.md", False),
    ("", "any/path/there", False),
]  # fmt: skip

# The same file, TestMatch, which has them from Go's filepath.Match
GLOB_MATCHES = [
    ("abc", "abc", True),
    ("*", "abc", True),
    ("*c", "abc", True),
    ("a*", "a", True),
    ("a*", "abc", True),
    ("a*", "ab/c", True),
    ("a*/b", "abc/b", True),
    ("a*/b", "a/c/b", False),
    ("a*b*c*d*e*/f", "axbxcxdxe/f", True),
    ("a*b*c*d*e*/f", "axbxcxdxexxx/f", True),
    ("a*b*c*d*e*/f", "axbxcxdxe/xxx/f", False),
    ("a*b*c*d*e*/f", "axbxcxdxexxx/fff", False),
    ("a*b?c*x", "abxbbxdbxebxczzx", True),
    ("a*b?c*x", "abxbbxdbxebxczzy", False),
    ("ab[c]", "abc", True),
    ("ab[b-d]", "abc", True),
    ("ab[e-g]", "abc", False),
    ("ab[^c]", "abc", False),
    ("ab[^b-d]", "abc", False),
    ("ab[^e-g]", "abc", True),
    ("a\\*b", "a*b", True),
    ("a\\*b", "ab", False),
    ("a?b", "a☺b", True),
    ("a[^a]b", "a☺b", True),
    ("a???b", "a☺b", False),
    ("a[^a][^a][^a]b", "a☺b", False),
    ("[a-ζ]*", "\u03b1", True),
    ("*[a-ζ]", "A", False),
    ("a?b", "a/b", False),
    ("a*b", "a/b", False),
    ("[\\]a]", "]", True),
    ("[\\-]", "-", True),
    ("[x\\-]", "x", True),
    ("[x\\-]", "-", True),
    ("[x\\-]", "z", False),
    ("[\\-x]", "x", True),
    ("[\\-x]", "-", True),
    ("[\\-x]", "a", False),
    ("*x", "xxx", True),
]

# What the program of that commit answered; nothing documents these.
QUIRKS = [
    ("*.{js,ts}", "a.js", False),
    ("*.{js,ts}", "a.{js,ts}", True),
    ("?{2}", "ab", True),
    ("?{2}", "a{2}", False),
    ("[a]{2,}", "aaa", True),
    ("[a]{2,}", "a", False),
    ("a*|b", "axb", True),
    ("a*|b", "xb", True),
    ("a*|b", "xbx", False),
    ("[!x]ain.py", "main.py", False),
    ("[!x]ain.py", "xain.py", True),
    ("[!x]ain.py", "!ain.py", True),
    ("src/**.py", "src/main.py", False),
    ("src/**.py", "src/.py", True),
    ("src/**.py", "src/a/.py", True),
    ("src/**.py", "src/a/b.py", False),
    ("a[^b]c", "a/c", True),
    ("[*]a", "*a", False),
    ("[*]a", "[]a", True),
    ("[?]", "?", False),
    ("[?]", "[]", True),
    ("file\\d", "file1", True),
    ("file\\d", "filed", False),
    ("a*\\", "a$x", True),
    ("a*\\", "a", False),
    ("^a*", "a", True),
    ("^a", "^a", True),
    ("**/a?", "x\ny/ab", False),
    ("**/a", "x\ny/a", True),
    ("x/**/a?", "x/\n/ab", False),
    ("[\u03b1-ω]", "β", True),
    ("app\\bin", "app/bin", False),
    ("app\\bin", "appbin", False),
    ("a\\b*", "a-b", True),
    ("a\\b*", "ab", False),
    ("a*\\B", "a-", True),
    ("**\\b", "b", False),
    ("app\\x64", "appd", True),
    ("[[:upper:]]*", "Ab", True),
    ("[[:upper:]]*", "ab", False),
    ("[[:^upper:]]", "a", True),
    ("[[:digit:]x]*", "x1", True),
    ("[[:digit:]x]*", "1x", True),
    ("[[:digit:]x]*", "y", False),
    ("[\\dx]*", "x1", True),
    ("[\\dx]*", "y1", False),
    ("[x\\d]*", "1x", True),
    ("\\Qa*", "a", False),
    ("\\Qa*", "a[^/]*$", True),
    ("\ufeff*.a", "x.a", True),
    ("b\n\ufeff*.a", "x.a", True),
    ("b\n\ufeff**/a", "a", False),
    ("b\n\ufeff**/?", "a", True),
    ("docs\n!docs/a\ndocs", "docs/a", False),
    ("docs\n!docs/a\n**/a", "docs/a", True),
]

# Escapes of Go's expressions: https://github.com/golang/go/blob/go1.23.0/src/regexp/syntax/parse.go (``escape``)
ESCAPES = [
    ("app\\144", "appd", True),
    ("app\\0144", "app\x0c4", True),
    ("app\\01", "app\x01", True),
    ("app\\08", "app\x008", True),
    ("app\\15", "app\r", True),
    ("app\\x0C", "app\x0c", True),
    ("app\\a\\f\\n\\r\\t\\v", "app\a\f\n\r\t\v", True),
]


def hides(ignore: DockerIgnore, path: str) -> bool:
    """Return whether the build does not see what is at ``path``, relative to the context."""
    *folders, name = path.split("/")
    verdict = ignore.top()
    for folder in folders:
        verdict = ignore.below(verdict, folder)
        if ignore.is_skipped(verdict):
            return True
    return ignore.below(verdict, name).is_hidden


def test_the_builders_own_answers() -> None:
    answers = [*MATCHES, *GLOB_MATCHES, *QUIRKS, *ESCAPES]
    assert [(text, path, hides(DockerIgnore.parse(text), path)) for text, path, _ in answers] == answers


@pytest.mark.parametrize(
    "pattern",
    [
        # TestMatch of the builder and others of its tests
        *(
            "[]a]",
            "[-]",
            "[x-]",
            "[-x]",
            "\\",
            "[a-b-c]",
            "[",
            "[^",
            "[^bc",
            "a[",
            "!",
            "! ",
            "!/",
            "[Local-Only]/",
        ),
        # What passes its check of patterns and is no regular expression
        *(
            "a*[",
            "[z-a]",
            "\\o",
            "a\\é",
            "[\\b]",
            "[[:vowel:]]",
            "*{2}",
            "?{1001}",
            "?{2,1}",
            "a*|{2}",
            "\\8",
            "\\1",
        ),
        *("[[:alpha:]", "\\C", "\\E", "\\xg1"),
    ],
)
def test_a_pattern_that_stops_the_build_is_an_error_with_its_line(pattern: str) -> None:
    with pytest.raises(UserError) as caught:
        DockerIgnore.parse(f"# comment\n\n  {pattern}\nlast", "folder/.dockerignore")
    assert (caught.value.file, caught.value.line) == ("folder/.dockerignore", 3)


# The same file, TestCompile
@pytest.mark.parametrize(
    ("pattern", "kind", "expression"),
    [
        ("*", MatchKind.EXPRESSION, "^[^/]*$"),
        ("file*", MatchKind.EXPRESSION, "^file[^/]*$"),
        ("*file", MatchKind.EXPRESSION, "^[^/]*file$"),
        ("a*/b", MatchKind.EXPRESSION, "^a[^/]*/b$"),
        ("**", MatchKind.SUFFIX, ""),
        ("**/**", MatchKind.EXPRESSION, "^(.*/)?.*$"),
        ("dir/**", MatchKind.PREFIX, ""),
        ("**/dir", MatchKind.SUFFIX, ""),
        ("**/dir2/*", MatchKind.EXPRESSION, "^(.*/)?dir2/[^/]*$"),
        ("**/dir2/**", MatchKind.EXPRESSION, "^(.*/)?dir2/.*$"),
        ("**file", MatchKind.SUFFIX, ""),
        ("**/file*txt", MatchKind.EXPRESSION, "^(.*/)?file[^/]*txt$"),
        ("**/**/*.txt", MatchKind.EXPRESSION, "^(.*/)?(.*/)?[^/]*\\.txt$"),
        ("a[b-d]e", MatchKind.EXPRESSION, "^a[b-d]e$"),
        (".*", MatchKind.EXPRESSION, "^\\.[^/]*$"),
        ("abc.def", MatchKind.EXACT, ""),
        ("abc?def", MatchKind.EXPRESSION, "^abc[^/]def$"),
        ("**/foo/bar", MatchKind.SUFFIX, ""),
        ("a(b)c/def", MatchKind.EXACT, ""),
        ("a.|)$(}+{bc", MatchKind.EXACT, ""),
    ],
)
def test_how_a_pattern_is_compared(pattern: str, kind: MatchKind, expression: str) -> None:
    assert expression_of(pattern) == (kind, expression)


def test_lines_are_read_as_the_builder_reads_them() -> None:
    # https://github.com/moby/patternmatcher/blob/5a6d842/ignorefile/ignorefile_test.go, and what its code says
    text = (
        "\ufefftest1\n/test2\n/a/file/here\r\n\nlastfile\n# this is a comment\n ! /inverted/abs/path\n"
        " # no comment\n\u00a0spaces \t\n\x1cno space\n//two\n../up\n/../in\n./here/./x/../y/\n/!mark\n!/!/z\n"
        "a\\\\ \n/ b"
    )
    patterns = DockerIgnore.parse(text).patterns
    assert [f"{'!' if pattern.is_exception else ''}{pattern.text}" for pattern in patterns] == [
        *(
            "test1",
            "test2",
            "a/file/here",
            "lastfile",
            "!inverted/abs/path",
            "# no comment",
            "spaces",
            "\x1cno space",
        ),
        *("two", "../up", "in", "here/y", "!mark", "!!/z", "a\\\\", "b"),
    ]
    assert [pattern.line for pattern in patterns][:5] == [1, 2, 3, 5, 7]


@pytest.mark.slow
def test_lines_and_patterns_have_limits() -> None:
    for text, line in [
        ("\n" * 3 + "a" * 4097, 4),
        ("#" + "a" * 65535, 1),
        ("a\n" * 10_001, 10_001),
        (("a" * 4000 + "\n") * 66, 66),
        ("[a]{1000}" * 300, 1),
    ]:
        with pytest.raises(UserError) as caught:
            DockerIgnore.parse(text)
        assert caught.value.line == line
    assert hides(DockerIgnore.parse("#" + "a" * 65534 + "\n" + "a" * 4096), "a" * 4096)


def test_folders_are_skipped_when_no_exception_can_be_in_them() -> None:
    def skipped(text: str, *names: str) -> bool:
        ignore = DockerIgnore.parse(text)
        verdict = ignore.top()
        for name in names:
            verdict = ignore.below(verdict, name)
        return ignore.is_skipped(verdict)

    assert skipped("node_modules", "node_modules")
    assert not skipped("other", "node_modules")
    assert skipped("*\n!src", "node_modules")
    assert not skipped("*\n!node_modules/kept", "node_modules")
    assert not skipped("node_modules\n!node_modules/kept/**", "node_modules")
    assert skipped("node_modules\n!node_modules/kept/**", "node_modules", "other")
    assert skipped("node_modules\n!node_modules2", "node_modules")
    assert not skipped("node_modules\n!**/kept", "node_modules")


WORDS = ["a", "b", "ab", "/", "/", ".", "*", "**", "**/", "?", "[ab]", "[^a]", "[!a]", "\\*", "^", "$", "c"]
WILD = [
    *WORDS,
    "[",
    "]",
    "\\",
    "\\b",
    "\\d",
    "\\Q",
    "\\E",
    "{2}",
    "{0,1}",
    "|",
    "é",
    "-",
    " ",
    "!",
    "#",
    "[[:alpha:]]",
]
PATHS = st.lists(
    st.lists(st.sampled_from(["a", "b", "c", "ab", "a.b", "^", "*"]), min_size=1, max_size=4), max_size=8
)


def lines(words: list[str]) -> st.SearchStrategy[str]:
    """Return texts of a few patterns that are made of the words."""
    pattern = st.builds(
        lambda mark, parts: mark + "".join(parts),
        st.sampled_from(["", "!"]),
        st.lists(st.sampled_from(words), min_size=1, max_size=6),
    )
    return st.lists(pattern, max_size=6).map("\n".join)


def parsed(text: str) -> DockerIgnore:
    """Return the patterns of a text, none when they are refused."""
    try:
        return DockerIgnore.parse(text)
    except UserError:
        return DockerIgnore()


@given(st.one_of(st.text(), lines(WILD)))
@example("\ud800[\udcff")
def test_a_text_of_any_kind_is_read_or_refused(text: str) -> None:
    ignore = parsed(text)
    hides(ignore, "a/b")
    hides(ignore, "\udcff/\n")


def alone(pattern: Pattern, path: str) -> bool:
    """Return whether a pattern matches a path as a whole, whatever is above it."""
    one = DockerIgnore((replace(pattern, is_exception=False),))
    return one.below(one.top(), path).is_hidden


def one_by_one(patterns: tuple[Pattern, ...], parts: list[str]) -> bool:
    """Return what the builder's loop over patterns and folders says of a path, see MatchesUsingParentResults."""
    above = [False] * len(patterns)
    hidden = False
    for end in range(1, len(parts) + 1):
        hidden = False
        matches = []
        for pattern, was_matched in zip(patterns, above, strict=True):
            is_asked = pattern.is_exception == hidden
            matches.append(was_matched or (is_asked and alone(pattern, "/".join(parts[:end]))))
            if matches[-1]:
                hidden = not pattern.is_exception
        above = matches
    return hidden


@given(lines(WILD), PATHS)
@settings(max_examples=3 * settings().max_examples)
def test_all_patterns_at_once_are_the_same_as_one_by_one(text: str, paths: list[list[str]]) -> None:
    ignore = parsed(text)
    for parts in paths:
        assert hides(ignore, "/".join(parts)) == one_by_one(ignore.patterns, parts)


@given(lines(WORDS), st.lists(st.text("ab/*^c\n.", min_size=1), max_size=8))
@settings(max_examples=3 * settings().max_examples)
def test_the_automaton_is_the_same_as_the_regular_expression(text: str, paths: list[str]) -> None:
    for pattern in parsed(text).patterns:
        kind, expression = expression_of(pattern.text)
        if kind is MatchKind.EXPRESSION:
            regex = re.compile(expression.removesuffix("$") + r"\Z")
            for path in paths:
                assert alone(pattern, path) == bool(regex.search(path)), (pattern.text, path)


HOSTILE = {
    "stars": "*a" * 2000 + "b",
    "folders": "**/" * 1300 + "x",
    "stars and folders": "**/*a*/" * 500 + "x",
    "classes": "[ab]*" * 800 + "c",
    "repetitions": "[a]{0,1000}" * 100 + "b",
    "words": "\\b*" * 1300,
    "many": "\n".join(f"*{number}*a*" for number in range(9_999)),
    "many exceptions": "*\n!*\n" * 4_999,
    "exceptions as deep as can be": "\n".join("!" + "a/" * 2000 + str(number) for number in range(50)),
}
TAKES_LONGER = HOSTILE.keys() - {"stars and folders", "repetitions"}


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=pytest.mark.slow if name in TAKES_LONGER else ()) for name in HOSTILE]
)
def test_no_pattern_takes_long(name: str) -> None:
    begin = time.process_time()
    ignore = DockerIgnore.parse(HOSTILE[name])
    for number in range(20):
        hides(ignore, "a" * 250 + f"/{number}/" + "a" * 250)
    assert time.process_time() - begin < 5


def test_a_large_context_takes_little_time() -> None:
    names = [
        "node_modules",
        "*.pyc",
        "**/__pycache__",
        "docs/**/*.md",
        "src/[a-m]*.tmp",
        "!docs/**/index.md",
        "a?b/*",
    ]
    ignore = DockerIgnore.parse("\n".join(f"{name}{number}" for number in range(15) for name in names))
    begin = time.process_time()
    for folder in range(100):
        below = ignore.below(ignore.below(ignore.top(), "docs"), f"package{folder}")
        for number in range(50):
            assert ignore.below(below, f"chapter{number}.md3").is_hidden
    assert time.process_time() - begin < 0.5


@pytest.fixture
def context(tmp_path: Path) -> Path:
    """A context with a file of each kind, and much that must not matter."""
    for name in ("src/main.py", "src/inner/data", "README.md", ".git/HEAD", ".pixi/env", "Dockerfile"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(name)
    (tmp_path / "src/link").symlink_to("/nowhere/./at/all")
    return tmp_path


def digest(context: Path, *paths: str, text: str = "", with_never_copied: bool = False) -> str:
    return digest_of(context, paths or (".",), DockerIgnore.parse(text), with_never_copied=with_never_copied)


def test_a_dockerfiles_own_file_comes_first_also_when_it_is_empty(context: Path) -> None:
    (context / "docker").mkdir()
    assert read_docker_ignore(context, "docker/Dockerfile") == (DockerIgnore(), "")
    (context / ".dockerignore").write_text("README.md")
    assert read_docker_ignore(context)[1] == read_docker_ignore(context, "docker/Dockerfile")[1] == "README.md"
    own = context / "docker/Dockerfile.dockerignore"
    own.write_text("src")
    assert hides(read_docker_ignore(context, "docker/Dockerfile")[0], "src/main.py")
    own.write_text("")
    assert read_docker_ignore(context, "docker/Dockerfile") == (DockerIgnore(), "")
    own.write_bytes(b"caf\xe9*")
    ignore, text = read_docker_ignore(context, "docker/Dockerfile")
    assert text == "caf\ufffd*"
    assert hides(ignore, os.fsdecode(b"caf\xe9"))
    own.write_text("a\n[")
    with pytest.raises(UserError, match="without a ']'") as caught:
        read_docker_ignore(context, "docker/Dockerfile")
    assert (caught.value.file, caught.value.line) == (str(own), 2)


def test_what_counts_in_a_digest(context: Path) -> None:
    seen = [digest(context)]

    def changes() -> bool:
        seen.append(digest(context))
        return seen[-1] not in seen[:-1]

    (context / "src/main.py").chmod(0o755)
    assert changes()
    (context / "src/main.py").chmod(0o4755)
    assert changes()
    (context / "src/empty").mkdir()
    assert changes()
    (context / "src/link").unlink()
    (context / "src/link").symlink_to("/nowhere/at/all")
    assert changes()
    os.mkfifo(context / "src/pipe")
    assert changes()
    (context / "src/pipe").unlink()
    with socket.socket(socket.AF_UNIX) as made:
        made.bind(str(context / "src/pipe"))
    assert changes()
    (context / "src/pipe").unlink()
    (context / os.fsdecode(b"caf\xe9")).write_text("not UTF-8")
    assert changes()
    (context / "README.md").rename(context / "READ\nME.md")
    assert changes()


def test_what_does_not_count_in_a_digest(context: Path) -> None:
    before = digest(context)
    for path in context.rglob("*"):
        if not path.is_symlink():
            path.chmod(0o700 if path.is_dir() else 0o600)
            os.utime(path, (1, 1))
    (context / ".git/HEAD").write_text("another commit")
    (context / ".pixi/more").write_text("another environment")
    assert digest(context) == before
    assert digest(context, "src", "README.md") == digest(context, "README.md", "src/", "src", "missing")


def test_a_name_cannot_be_taken_for_what_a_link_says(tmp_path: Path) -> None:
    digests = set()
    for number, (link, name) in enumerate([("x", "c\nb"), ("x\nc", "b")]):
        context = tmp_path / str(number)
        context.mkdir()
        (context / "a").symlink_to(link)
        (context / name).write_text("")
        digests.add(digest(context))
    assert len(digests) == 2


def test_git_and_pixi_count_when_they_are_asked_for_and_not_hidden(context: Path) -> None:
    def differing(text: str) -> bool:
        before = digest(context, text=text, with_never_copied=True)
        (context / ".git/HEAD").write_text(f"{text} {before}")
        return digest(context, text=text, with_never_copied=True) != before

    assert differing("")
    assert not differing(".git")
    assert differing(".git\n!.git/HEAD")
    assert ".git/HEAD" not in sent_paths(context, ".", DockerIgnore())


def test_a_path_is_hidden_by_where_it_leads(context: Path) -> None:
    (context / "alias").symlink_to("src")
    ignore = DockerIgnore.parse("src/inner\nalias/main.py")
    assert set(sent_paths(context, "alias", ignore)) == {"alias", "alias/main.py", "alias/link"}
    assert sent_paths(context, "src/inner/data", ignore) == {}
    assert sent_paths(context, "src/main.py", ignore) == {"src/main.py": str(context / "src/main.py")}


def test_a_folder_that_is_hidden_is_not_walked(context: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    walked: list[str] = []
    scandir = os.scandir

    def recorded(path: str) -> AbstractContextManager[Iterator[os.DirEntry[str]]]:
        walked.append(os.path.relpath(path, context))
        return scandir(path)

    monkeypatch.setattr(os, "scandir", recorded)
    assert digest(context, text="src")
    assert digest(context, "src/inner", text="src")
    assert walked == ["."]
    walked.clear()
    assert "src/main.py" in sent_paths(context, ".", DockerIgnore.parse("src\n!src/main.py"))
    assert walked == [".", "src"]
