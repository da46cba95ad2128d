"""The registry client against registries that lie, flood, trickle and send it to other places."""

from __future__ import annotations

import base64
import gzip
import hashlib
import itertools
import json
import re
import socket
import threading
import time
import traceback
import tracemalloc
import zlib
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import httpx
import pytest

from pixi_container.errors import RegistryRefusedError, RegistryUnavailableError, UserError
from pixi_container.registry import call as registry_call
from pixi_container.registry import transport as registry_transport
from pixi_container.registry.client import Registry
from pixi_container.registry.credentials import Credential
from pixi_container.registry.reference import ImageReference, is_loopback, parse_reference

INDEX = "application/vnd.oci.image.index.v1+json"
MANIFEST = "application/vnd.oci.image.manifest.v1+json"
Body = bytes | str | dict[str, Any]
PASSWORD = "a-password-of-ours"
DIGEST = f"sha256:{'1' * 64}"
SECONDS = 5
MEMORY = 300_000_000
CONTROLS = re.compile("[\x00-\x09\x0b-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069\ud800-\udfff]")


def digest_of(content: bytes) -> str:
    return f"sha256:{hashlib.sha256(content).hexdigest()}"


def reply(
    body: Body = b"",
    *headers: str,
    status: int | str = 200,
    media_type: str = "application/json",
) -> bytes:
    """Return an answer as it goes over the wire."""
    content = (
        json.dumps(body).encode() if isinstance(body, dict) else body.encode() if isinstance(body, str) else body
    )
    lines = (
        f"HTTP/1.1 {status} Some",
        f"content-type: {media_type}",
        f"content-length: {len(content)}",
        "connection: close",
        *headers,
    )
    return "".join(f"{line}\r\n" for line in lines).encode("utf-8", "surrogateescape") + b"\r\n" + content


@dataclass
class Hostile:
    """A registry in this process; ``answer`` gives the bytes of an answer for a method and a path."""

    answer: Callable[[str, str], bytes | Iterable[bytes]] = lambda *_: reply()
    address: str = ""
    requests: list[str] = field(default_factory=list)
    authorizations: list[str] = field(default_factory=list)
    cookies: list[str] = field(default_factory=list)

    @property
    def reference(self) -> ImageReference:
        return ImageReference(self.address, "lab/study", "one")

    def gives(self, document: Body, media_type: str = MANIFEST) -> None:
        """Answer everything with this."""
        self.answer = lambda *_: reply(document, media_type=media_type)

    def client(self, account: tuple[str, str] | None = ("someone", PASSWORD)) -> Registry:
        """Return a client that has an account at this registry alone."""
        return client(self.address, account)


def client(registry: str, account: tuple[str, str] | None) -> Registry:
    credential = Credential(registry=registry, username=account[0], password=account[1]) if account else None
    return Registry({registry: credential}.get)


class Handler(BaseHTTPRequestHandler):
    hostile: Hostile

    def handle_one_request(self) -> None:
        self.close_connection = True
        self.raw_requestline = self.rfile.readline(65537)
        if not self.raw_requestline or not self.parse_request():
            return
        self.rfile.read(int(self.headers.get("content-length", 0)))
        self.hostile.requests.append(f"{self.command} {self.path}")
        self.hostile.authorizations.append(self.headers.get("authorization", ""))
        self.hostile.cookies.append(self.headers.get("cookie", ""))
        answer = self.hostile.answer(self.command, self.path)
        try:
            for part in [answer] if isinstance(answer, bytes) else answer:
                self.wfile.write(part)
        except OSError:
            pass


@contextmanager
def serving() -> Iterator[Hostile]:
    hostile = Hostile()
    with ThreadingHTTPServer(("127.0.0.1", 0), type("Handler", (Handler,), {"hostile": hostile})) as server:
        server.block_on_close = False
        hostile.address = f"127.0.0.1:{server.server_address[1]}"
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield hostile
        finally:
            server.shutdown()
            thread.join()


@pytest.fixture
def hostile() -> Iterator[Hostile]:
    with serving() as made:
        yield made


@pytest.fixture
def elsewhere() -> Iterator[Hostile]:
    """Another host, of somebody else."""
    with serving() as made:
        yield made


@pytest.fixture(autouse=True)
def waits(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The seconds that would have been waited between attempts."""
    waits: list[float] = []
    monkeypatch.setattr("pixi_container.retries.pause", lambda seconds, _: waits.append(seconds))
    return waits


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """An attempt may take half a second."""
    monkeypatch.setattr(registry_transport, "_ANSWER_SECONDS", 0.5)


ASKS: dict[str, Callable[[Registry, ImageReference], object]] = {
    "digest": Registry.get_digest,
    "digest that is known": lambda registry, reference: registry.get_digest(reference.pinned(DIGEST)),
    "labels": Registry.get_labels,
    "image": Registry.get_image,
    "tags": Registry.get_tags,
    "referrers": Registry.get_referrers,
    "check_push": Registry.check_push,
    "tag": lambda registry, reference: registry.tag(reference, [reference.tagged("new")]),
    "tag elsewhere": lambda registry, reference: registry.tag(
        reference, [ImageReference(reference.registry, "lab/other", "new")]
    ),
}


def outcome(ask: Callable[[], object]) -> UserError | None:
    """Return the error of a call, which is a clear one and came soon; None for a call that worked."""
    start, caught = time.monotonic(), None
    try:
        ask()
    except UserError as error:
        caught = error
    assert time.monotonic() - start < SECONDS
    if caught:
        text = str(caught)
        assert caught.message
        assert len(text) < 1000
        assert not CONTROLS.search(text), ascii(text)
        assert PASSWORD not in "".join(traceback.format_exception(caught))
        text.encode()
    return caught


def fails(ask: Callable[[], object]) -> UserError:
    """Return the error of a call that must not work."""
    error = outcome(ask)
    assert error
    return error


def manifest(**entries: object) -> dict[str, Any]:
    """Return an image's manifest, with entries in place of its own."""
    return {
        "schemaVersion": 2,
        "mediaType": MANIFEST,
        "config": {"digest": DIGEST, "size": 1},
        "layers": [{"digest": DIGEST, "size": 1}],
        **entries,
    }


def layer(size: str = "1", **entries: object) -> str:
    """Return a manifest whose layer has entries in place of its own; ``size`` is JSON as it is written."""
    document = json.dumps(manifest(layers=[{"digest": DIGEST, "size": "SIZE", **entries}]))
    return document.replace('"SIZE"', size)


UNREADABLE: dict[str, Body] = {
    "size Infinity": layer(size="Infinity"),
    "size -Infinity": layer(size="-Infinity"),
    "size NaN": layer(size="NaN"),
    "size 1e400": layer(size="1e400"),
    "size negative": layer(size="-1"),
    "size text": layer(size='"1"'),
    "size fraction": layer(size="1.5"),
    "size true": layer(size="true"),
    "size of 4000 digits": layer(size="9" * 4000),
    "size of a million digits": layer(size="9" * 1_000_000),
    "size beyond any blob": layer(size=str(2**63)),
    "size null": layer(size="null"),
    "digest number": layer(digest=7),
    "digest of another kind": layer(digest=f"sha512:{'1' * 128}"),
    "digest with a path": layer(digest="sha256:../../../../"),
    "digest with an end of line": layer(digest=f"{DIGEST}\n"),
    "media type list": layer(mediaType=["a"]),
    "artifact type object": layer(artifactType={"a": 1}),
    "annotations list": layer(annotations=["a"]),
    "annotation number": layer(annotations={"a": 1}),
    "urls text": layer(urls="abc"),
    "urls numbers": layer(urls=[1]),
    "platform text": layer(platform="linux"),
    "platform of lists": layer(platform={"os": ["linux"]}),
    "layers number": manifest(layers=3),
    "layers object": manifest(layers={}),
    "layers text": manifest(layers="abc"),
    "layers numbers": manifest(layers=[1, 2]),
    "layers null": manifest(layers=[None]),
    "layers without an end": manifest(layers=[{"digest": DIGEST, "size": 1}] * 20_000),
    "no config": manifest(config=None),
    "config list": manifest(config=[]),
    "config text": manifest(config="abc"),
    "config empty": manifest(config={}),
    "manifests object": {"mediaType": INDEX, "manifests": {}},
    "manifests number": {"mediaType": INDEX, "manifests": 7},
    "manifests text": {"mediaType": INDEX, "manifests": "abc"},
    "media type of the manifest a list": manifest(mediaType=[MANIFEST]),
    "media type of the manifest an object": manifest(mediaType={"a": 1}),
    "media type of a megabyte": manifest(mediaType="x\x1b\u202e" * 300_000),
    "deep arrays": "[" * 1_000_000,
    "deep arrays in a manifest": '{"layers": ' + "[" * 500_000 + "]" * 500_000 + "}",
    "deep objects": '{"a":' * 500_000,
    "invalid UTF-8": b'{"mediaType": "\xff\xfe"}',
    "surrogates in UTF-8": b'{"mediaType": "\xed\xa0\x80"}',
    "half a character": '{"mediaType": "\\ud800"}',
    "nothing": "",
    "an array": "[]",
    "null": "null",
    "HTML": "<html>",
}


@pytest.mark.parametrize("document", UNREADABLE.values(), ids=UNREADABLE.keys())
def test_what_is_no_manifest_is_one_error(hostile: Hostile, document: Body) -> None:
    hostile.gives(document)
    with hostile.client() as registry:
        for name in ("digest", "image", "labels", "tag"):
            fails(lambda ask=ASKS[name]: ask(registry, hostile.reference))  # type: ignore[misc]
        hostile.gives(document, INDEX)
        outcome(lambda: registry.get_referrers(hostile.reference.pinned(DIGEST)))


ERRORS: dict[str, Body] = {
    "deep": "[" * 1_000_000,
    "number": '{"errors": 7}',
    "numbers": '{"errors": [7]}',
    "list of messages": '{"errors": [{"message": ["a"]}]}',
    "many": '{"errors": [' + ",".join(['{"message": "a"}'] * 100_000) + "]}",
    "long": {"errors": [{"message": "a" * 1_000_000}]},
    "controls": {"errors": [{"message": "a\x1b[31m\x9b31m\r\n::error::b\u2028\u202e\x7f\ud800"}]},
    "controls that are no JSON": b"\x1b[2J\x00\x85\xff\xe2\x80\xae",
}


ANSWERS: dict[str, bytes] = {
    **{f"JSON: {name}": reply(document) for name, document in UNREADABLE.items()},
    "status 99": reply(status="099"),
    "status 100 alone": b"HTTP/1.1 100 Continue\r\n\r\n",
    "status 101": b"HTTP/1.1 101 Switching\r\nupgrade: x\r\nconnection: upgrade\r\n\r\n{}",
    "status 199": reply(status=199),
    "status 204": b"HTTP/1.1 204 No\r\nconnection: close\r\n\r\n",
    "status 206": reply(manifest(), status=206),
    "status 304": b"HTTP/1.1 304 No\r\nconnection: close\r\n\r\n",
    "status 600": reply(status=600),
    "status 999": reply(status=999),
    "status 9999": reply(status=9999),
    "status -1": reply(status="-1"),
    "status words": reply(status="fine"),
    "another protocol": b"SSH-2.0-OpenSSH_9\r\n",
    "status line of a megabyte": b"HTTP/1.1 200 " + b"a" * 1_000_000,
    "controls in the status line": b"\x1b[31m\x9b31m \xe2\x80\xae\r\n\r\n",
    "nothing": b"",
    "zeros": b"\0" * 1_000_000,
    "a header of a megabyte": reply(b"", f"x: {'a' * 1_000_000}"),
    "a hundred thousand headers": reply(b"", *["x: y"] * 100_000),
    "a header of control characters": reply(b"", "x: \x01\x1b"),
    "interim answers without an end": b"HTTP/1.1 100 Continue\r\n\r\n" * 1_000_000,
    "a length that is too long": reply(b"{}").replace(b"length: 2", b"length: 200"),
    "a length that is too short": reply(b'{"a": 1}').replace(b"length: 8", b"length: 2"),
    "a negative length": reply(b"{}").replace(b"length: 2", b"length: -2"),
    "a length of letters": reply(b"{}").replace(b"length: 2", b"length: two"),
    "a length of 30 digits": reply(b"{}").replace(b"length: 2", b"length: " + b"9" * 30),
    "two lengths": reply(b"{}", "content-length: 7"),
    "parts of negative length": b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n-1\r\n",
    "parts of any length": b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n" + b"f" * 100_000,
    "parts of one byte": b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n" + b"1\r\na\r\n" * 1_500_000,
    "ten megabytes": reply(b" " * 10_000_000),
    "gzip that is none": reply(b"{}", "content-encoding: gzip"),
    "gzip that is cut": reply(gzip.compress(b"{}")[:-4], "content-encoding: gzip"),
    "an encoding that nobody knows": reply(b"{}", "content-encoding: \x85some\u202e"),
    "a thousand encodings": reply(b"{}", f"content-encoding: {', '.join(['gzip'] * 1000)}"),
    "a digest that is none": reply(manifest(), "docker-content-digest: sha256:\x1b[31m", media_type=MANIFEST),
    "a digest that lies": reply(manifest(), f"docker-content-digest: sha256:{'2' * 64}", media_type=MANIFEST),
    **{
        f"challenge {name}": reply(status=401, *[f"www-authenticate: {challenge}"] * count)  # noqa: B026
        for name, challenge, count in [
            ("none", "", 1),
            ("garbage", '=,=,","=;\x7f', 1),
            ("quotes that do not end", 'Bearer realm="https://example.invalid', 1),
            ("one quote", 'Bearer realm="', 1),
            ("a quote alone", 'Bearer "', 1),
            ("thousands", "Bearer realm=", 3000),
            ("long", f"Bearer {','.join(['a=b'] * 20_000)}", 1),
            ("long quote", f'Bearer realm="{"a,b=" * 20_000}', 1),
            ("realm nothing", 'Bearer realm=""', 1),
            ("realm word", 'Bearer realm="token"', 1),
            ("realm path", 'Bearer realm="/token"', 1),
            ("realm file", 'Bearer realm="file:///etc/passwd"', 1),
            ("realm without host", 'Bearer realm="https:///token"', 1),
            ("realm brackets", 'Bearer realm="https://[::1"', 1),
            ("realm zone", 'Bearer realm="http://[::1%25eth0]/token"', 1),
            ("realm port", 'Bearer realm="http://127.0.0.1:99999/"', 1),
            ("realm port letters", 'Bearer realm="http://127.0.0.1:port/"', 1),
            ("realm punycode", 'Bearer realm="https://xn--a/"', 1),
            ("realm dots", 'Bearer realm="https://a..b/"', 1),
            ("realm long label", f'Bearer realm="https://{"a" * 70}.invalid/"', 1),
            ("realm letters", 'Bearer realm="https://\u2100/"', 1),
            ("realm user", 'Bearer realm="https://user:secret@example.invalid/"', 1),
            ("realm unencrypted", 'Bearer realm="http://example.invalid/"', 1),
            ("realm like this machine", 'Bearer realm="http://127.0.0.1.example.invalid/"', 1),
            ("realm at this machine", 'Bearer realm="http://127.0.0.1@example.invalid/"', 1),
            ("scope", f'Bearer error="insufficient_scope",scope="{chr(27)}[31m{"a" * 5000}"', 1),
        ]
    },
    **{
        f"location {name}": reply(f"location: {location}", f"location: {location}", status=status)
        for name, location in [
            ("nothing", ""),
            ("file", "file:///etc/passwd"),
            ("script", "javascript:alert(1)"),
            ("ftp", "ftp://127.0.0.1/"),
            ("brackets", "https://[::1"),
            ("bracket words", "http://[v1.x]/"),
            ("port", "http://127.0.0.1:99999/"),
            ("port letters", "http://127.0.0.1:port/"),
            ("punycode", "https://xn--a/"),
            ("dots", "https://a..b/"),
            ("long label", f"https://{'a' * 70}.invalid/"),
            ("letters", "https://\u2100/"),
            ("controls", "/\x7f\u202e\x1b"),
            ("long", "/" + "a" * 60_000),
            ("unencrypted", "http://example.invalid/?signature=secret"),
            ("colons", ":::::"),
            ("slashes", "//////"),
        ]
        for status in (202, 307)
    },
    **{
        f"Retry-After {name}": reply(f"retry-after: {value}", f"retry-after: {value}", status=429)
        for name, value in [
            ("a year", "31536000"),
            ("negative", "-31536000"),
            ("garbage", "\u202e,:;"),
            ("fraction", "1e300"),
            ("zone", "Mon, 01 Jan 2020 00:00:00 +99999999999999999999"),
            ("year 1", "Mon, 01 Jan 0001 00:00:00 -0000"),
            ("year 9999", "Fri, 31 Dec 9999 23:59:59 GMT"),
        ]
    },
    **{f"error {name}": reply(body, status=400) for name, body in ERRORS.items()},
}


@pytest.mark.slow
@pytest.mark.parametrize("user", ["someone", "<token>"])
@pytest.mark.parametrize("ask", ASKS.values(), ids=ASKS.keys())
def test_whatever_is_answered_is_one_clear_error(
    hostile: Hostile, ask: Callable[[Registry, ImageReference], object], user: str, waits: list[float]
) -> None:
    with hostile.client((user, PASSWORD)) as registry:
        for name, answer in ANSWERS.items():
            hostile.answer = lambda *_, answer=answer: answer
            hostile.requests.clear()
            waits.clear()
            try:
                outcome(lambda: ask(registry, hostile.reference))
            except Exception as error:
                raise AssertionError(name) from error
            assert len(hostile.requests) < 100, name
            assert len(waits) <= 3, name
            assert all(0 <= wait <= 30 for wait in waits), name


@pytest.mark.parametrize(
    "tags", ["7", "true", '"abc"', '{"a": 1}', "[" * 1000 + "]" * 1000, "1e400", "Infinity", "9" * 5000]
)
def test_tags_that_are_no_list(hostile: Hostile, tags: str) -> None:
    hostile.gives('{"tags": ' + tags + "}")
    with hostile.client() as registry:
        assert outcome(lambda: registry.get_tags(hostile.reference)) or registry.get_tags(hostile.reference) == ()


def test_only_tags_are_tags(hostile: Hostile) -> None:
    others: list[object] = [
        7,
        None,
        ["a"],
        {},
        "",
        "../x",
        "a b",
        "a\n",
        "-a",
        "a" * 129,
        "a?b",
        "\u202e",
        "\ud800",
    ]
    hostile.gives({"tags": [*others, "1.0", "a" * 128]})
    with hostile.client() as registry:
        assert registry.get_tags(hostile.reference) == ("1.0", "a" * 128)


@pytest.mark.parametrize("ask", [Registry.get_tags, Registry.get_referrers])
def test_pages_that_are_all_new_end(hostile: Hostile, ask: Callable[[Registry, ImageReference], object]) -> None:
    numbers = itertools.count()
    document = {"mediaType": INDEX, "tags": ["a"], "manifests": []}
    hostile.answer = lambda *_: reply(document, f'link: <?page={next(numbers)}>; rel="next"', media_type=INDEX)
    with hostile.client() as registry:
        error = fails(lambda: ask(registry, hostile.reference.pinned(DIGEST)))
    assert "too long or never ends" in error.message
    assert "100 pages" in error.hint
    assert len(hostile.requests) == 100


def test_tags_without_an_end(hostile: Hostile) -> None:
    numbers = itertools.count()
    page = json.dumps({"tags": [f"tag{number}" for number in range(30_000)]})
    hostile.answer = lambda *_: reply(page, f'link: <?page={next(numbers)}>; rel="next"')
    with hostile.client() as registry:
        assert "too long or never ends" in fails(lambda: registry.get_tags(hostile.reference)).message
    assert len(hostile.requests) == 4


def test_pages_that_take_their_time_end(hostile: Hostile, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pixi_container.registry.client._MOST_LIST_SECONDS", 0.2)
    pause = threading.Event()

    def answer(*_: str) -> bytes:
        pause.wait(0.05)
        return reply({"tags": ["a"]}, f'link: <?page={len(hostile.requests)}>; rel="next"')

    hostile.answer = answer
    with hostile.client() as registry:
        assert "too long or never ends" in fails(lambda: registry.get_tags(hostile.reference)).message
    assert len(hostile.requests) < 10


@pytest.mark.parametrize(
    "link",
    [
        "<" * 60_000,
        "<>" * 30_000,
        "<>;" * 20_000,
        "<>" + "; " * 30_000,
        f"<{'a' * 60_000}",
        '<http://[::1>; rel="next"',
        "<?\u202e\x7f>; rel=next",
    ],
)
def test_links_that_lead_nowhere(hostile: Hostile, link: str) -> None:
    hostile.answer = lambda *_: reply({"tags": ["a"]}, f"link: {link}")
    with hostile.client() as registry:
        outcome(lambda: registry.get_tags(hostile.reference))
    assert len(hostile.requests) <= 2


def labels_of(hostile: Hostile, config: str) -> Callable[[str, str], bytes]:
    content = config.encode()
    descriptor = {"digest": digest_of(content), "size": len(content)}
    return lambda _, path: (
        reply(content) if "/blobs/" in path else reply(manifest(config=descriptor), media_type=MANIFEST)
    )


@pytest.mark.parametrize(
    ("config", "labels"),
    [
        ('{"config": 7}', {}),
        ('{"config": {"Labels": 7}}', {}),
        ('{"config": {"Labels": ["a"]}}', {}),
        ('{"config": {"Labels": {"a": 7, "b": null, "c": ["x"], "d": {}, "e": "yes"}}}', {"e": "yes"}),
        ('{"config": {"Labels": {"a": "\\ud800", "\\udfff": "b"}}}', {"a": "?", "?": "b"}),
    ],
)
def test_labels_are_texts_that_can_be_shown(hostile: Hostile, config: str, labels: dict[str, str]) -> None:
    hostile.answer = labels_of(hostile, config)
    with hostile.client() as registry:
        assert registry.get_labels(hostile.reference) == labels


@pytest.mark.parametrize(
    "config",
    [
        "[" * 1_000_000,
        '{"config": {"Labels": {"a": ' + "[" * 400_000 + "]" * 400_000 + "}}}",
        '{"config": {"Labels": {"a": NaN}}}',
        "7",
    ],
)
def test_a_configuration_that_is_none(hostile: Hostile, config: str) -> None:
    hostile.answer = labels_of(hostile, config)
    with hostile.client() as registry:
        assert "did not return a JSON object" in fails(lambda: registry.get_labels(hostile.reference)).message


@pytest.mark.parametrize(
    "platform", [7, "linux", [], {"os": 7}, {"os": {}, "architecture": []}, {"os": "\x1b\ud800"}]
)
def test_labels_of_an_index_of_garbage(hostile: Hostile, platform: object) -> None:
    children = [{"mediaType": MANIFEST, "digest": DIGEST, "size": 1, "platform": platform}] * 2
    hostile.gives({"mediaType": INDEX, "manifests": children}, INDEX)
    with hostile.client() as registry:
        assert (
            outcome(lambda: registry.get_labels(hostile.reference))
            or registry.get_labels(hostile.reference) is None
        )


def test_the_digest_that_was_asked_for_is_the_digest_that_is_given(hostile: Hostile) -> None:
    other = f"sha256:{'2' * 64}"
    hostile.answer = lambda *_: reply(manifest(), f"docker-content-digest: {other}", media_type=MANIFEST)
    with hostile.client() as registry:
        assert registry.get_digest(hostile.reference) == other
        error = fails(lambda: registry.get_digest(hostile.reference.pinned(DIGEST)))
        assert f"content that does not match {DIGEST}" in error.message
        assert "content that does not match" in fails(lambda: registry.get_manifest(hostile.reference)).message


def nested(depth: int) -> dict[str, bytes]:
    """Return indexes by digest, the outermost last, each of which lists the one before many times."""
    content = json.dumps(manifest()).encode()
    contents = {digest_of(content): content}
    media_type = MANIFEST
    for _ in range(depth):
        entry = {"mediaType": media_type, "digest": digest_of(content), "size": len(content)}
        content = json.dumps({"mediaType": INDEX, "manifests": [entry] * 20}).encode()
        contents[digest_of(content)] = content
        media_type = INDEX
    return contents


@pytest.mark.parametrize(
    ("depth", "said"), [(3, ""), (12, "more than 8 levels deep"), (2000, "more than 8 levels deep")]
)
def test_an_index_of_indexes_of_indexes(hostile: Hostile, depth: int, said: str) -> None:
    contents = nested(depth)
    *_, outermost = contents

    def answer(method: str, path: str) -> bytes:
        name = path.rpartition("/")[2]
        if method == "POST":
            return reply(status=201)
        if method == "PUT" and name == "new":
            contents["new"] = contents[outermost]
        if "other" in path and method == "HEAD" and name != "new":
            return reply(status=404)
        if name not in contents and name != "one":
            return reply(status=404)
        content = contents.get(name, contents[outermost])
        digest = f"docker-content-digest: {digest_of(content)}"
        return reply(content, digest, media_type=INDEX if b"manifests" in content else MANIFEST)

    hostile.answer = answer
    with hostile.client() as registry:
        error = outcome(lambda: ASKS["tag elsewhere"](registry, hostile.reference))
    assert (error.message if error else "").endswith(said)
    assert len(hostile.requests) < 50


def test_an_index_of_more_than_anybody_means(hostile: Hostile, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pixi_container.registry.client._MOST_COPIED", 50)
    layers = [{"digest": digest_of(str(number).encode()), "size": 1} for number in range(100)]

    def answer(method: str, path: str) -> bytes:
        if method == "HEAD":
            return reply(status=404)
        return reply(status=201) if method == "POST" else reply(manifest(layers=layers), media_type=MANIFEST)

    hostile.answer = answer
    with hostile.client() as registry:
        error = fails(lambda: ASKS["tag elsewhere"](registry, hostile.reference))
    assert "more than 50 manifests and blobs" in error.message
    assert len(hostile.requests) < 60


def trickle(start: bytes, part: bytes, seconds: float = 0.02) -> Callable[..., Iterator[bytes]]:
    """Return what answers for half a minute, in small parts."""

    pause = threading.Event()

    def answer(*_: str) -> Iterator[bytes]:
        yield start
        for _number in range(int(30 / seconds)):
            pause.wait(seconds)
            yield part

    return answer


@pytest.mark.usefixtures("impatient")
@pytest.mark.parametrize(
    ("start", "part"),
    [
        (b"HTTP/1.1 200 OK\r\ncontent-length: 1000000\r\n\r\n", b" "),
        (b"HTTP/1.1 200 OK\r\n\r\n", b" "),
        (b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n", b"1\r\n \r\n"),
        (b"HTTP/1.1 200 OK\r\nx: ", b"a"),
        (b"", b"HTTP/1.1 100 Continue\r\n\r\n"),
        (b"HTTP/1.1 307 See\r\nlocation: /\r\n\r\n", b" "),
        (b'HTTP/1.1 401 No\r\nwww-authenticate: Basic realm="a"\r\n\r\n', b" "),
        (b"HTTP/1.1 503 Busy\r\n\r\n", b" "),
    ],
)
def test_an_answer_that_trickles_ends(hostile: Hostile, start: bytes, part: bytes, waits: list[float]) -> None:
    hostile.answer = trickle(start, part)
    with hostile.client() as registry:
        error = fails(lambda: registry.get_tags(hostile.reference))
    assert f"the registry {hostile.address} took more than" in error.message
    assert waits == [], "it is not asked again"


@pytest.mark.usefixtures("impatient")
def test_a_token_that_trickles_ends(hostile: Hostile) -> None:
    token = trickle(b"HTTP/1.1 200 OK\r\n\r\n", b" ")
    hostile.answer = lambda _, path: token() if "/token" in path else unauthorized(hostile.address)
    with hostile.client() as registry:
        assert "took more than" in fails(lambda: registry.get_tags(hostile.reference)).message


@pytest.mark.usefixtures("impatient")
def test_a_handshake_that_trickles_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (registry_call, registry_transport):
        monkeypatch.setattr(module, "is_loopback", lambda _: False)
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve() -> None:
            pause = threading.Event()
            with suppress(OSError):
                while True:
                    connection, _ = server.accept()
                    with connection, suppress(OSError):
                        connection.sendall(b"\x16\x03\x03\x40\x00")
                        while True:
                            pause.wait(0.02)
                            connection.sendall(b"\0")

        threading.Thread(target=serve, daemon=True).start()
        address = f"127.0.0.1:{server.getsockname()[1]}"
        with client(address, None) as registry:
            error = fails(lambda: registry.get_tags(ImageReference(address, "study")))
        server.shutdown(socket.SHUT_RDWR)
    assert "took more than" in error.message


@pytest.mark.usefixtures("impatient")
@pytest.mark.parametrize("slow", ["source", "target"])
def test_a_copy_that_trickles_ends(
    hostile: Hostile, elsewhere: Hostile, slow: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(registry_transport, "_UPLOAD_TIMEOUT_SECONDS", 0.2)
    blob = b"a" * 5000
    content = json.dumps(manifest(config={"digest": digest_of(blob), "size": len(blob)}, layers=[])).encode()
    taken: list[str] = []

    def source(_: str, path: str) -> bytes | Iterator[bytes]:
        if "/manifests/" in path:
            return reply(content, media_type=MANIFEST)
        return reply(blob) if slow == "target" else trickle(reply(blob)[:-5000], b"a")()

    def target(method: str, path: str) -> bytes | Iterator[bytes]:
        if method == "POST":
            return reply(b"", "location: /v2/lab/study/blobs/uploads/1", status=202)
        if method == "PUT" and "/uploads/" in path:
            taken.append(path)
            return trickle(b"HTTP/1.1 201 Created\r\nx: ", b"a")()
        return reply(status=404)

    hostile.answer, elsewhere.answer = source, target
    with hostile.client() as registry:
        error = fails(lambda: registry.tag(hostile.reference, [elsewhere.reference]))
    assert "took more than" in error.message
    assert len(taken) <= 1


def peak(ask: Callable[[], object]) -> int:
    """Return the most bytes that a call had, which may fail as it should."""
    tracemalloc.start(1)
    try:
        with pytest.raises(UserError):
            ask()
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def bomb(layers: int) -> bytes:
    """Return a few kilobytes, gzip in gzip, which are 60 megabytes and more."""
    made = zlib.compressobj(9, wbits=31)
    content = b"".join(made.compress(bytes(1_000_000)) for _ in range(60 if layers == 1 else 400)) + made.flush()
    for _ in range(layers - 1):
        content = gzip.compress(content)
    return content


@pytest.mark.parametrize("status", [200, 307, 400, 503])
@pytest.mark.parametrize("layers", [1, 2])
def test_what_is_compressed_does_not_explode(hostile: Hostile, status: int, layers: int) -> None:
    encoding = f"content-encoding: {', '.join(['gzip'] * layers)}"
    answer = reply(bomb(layers), encoding, "location: /", status=status)
    hostile.answer = lambda *_: answer
    with hostile.client() as registry:
        assert peak(lambda: registry.get_tags(hostile.reference)) < 30_000_000
    assert len(hostile.requests) == 1


def test_a_proxy_that_compresses_does_no_harm(hostile: Hostile) -> None:
    hostile.answer = lambda *_: reply(gzip.compress(b'{"tags": ["a"]}'), "content-encoding: gzip")
    with hostile.client() as registry:
        assert registry.get_tags(hostile.reference) == ("a",)


@pytest.mark.slow
@pytest.mark.parametrize(
    "content",
    [
        b"[" + b"[]," * 1_390_000 + b"1]",
        b'{"tags": [' + b"{}," * 1_390_000 + b"1]}",
        b'{"tags": [' + b'"ab",' * 830_000 + b"1]}",
        b"{" + b",".join(b'"%x":1' % number for number in range(400_000)) + b"}",
        b"[" * 4_000_000,
    ],
)
def test_four_megabytes_do_not_become_many(hostile: Hostile, content: bytes) -> None:
    numbers = itertools.count()
    hostile.answer = lambda *_: reply(content, f"link: <?page={next(numbers)}>; rel=next")
    with hostile.client() as registry:

        def ask() -> None:
            registry.get_tags(hostile.reference)
            raise UserError("a page that is one")

        assert peak(ask) < MEMORY


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_redirects_in_a_circle_end(hostile: Hostile, status: int, waits: list[float]) -> None:
    numbers = itertools.count()
    hostile.answer = lambda *_: reply(b"", f"location: /{next(numbers)}", status=status)
    with hostile.client() as registry:
        assert "redirected more than 20 times" in fails(lambda: registry.get_tags(hostile.reference)).message
    assert len(hostile.requests) == 21
    assert waits == []


def test_redirects_do_not_flood(hostile: Hostile) -> None:
    answer = b"HTTP/1.1 307 See\r\nlocation: /\r\n\r\n"
    hostile.answer = lambda *_: itertools.chain([answer], itertools.repeat(b" " * 65536))
    with hostile.client() as registry:
        assert peak(lambda: registry.get_tags(hostile.reference)) < 30_000_000


@pytest.mark.parametrize(
    "location", ["file:///etc/passwd", "ftp://127.0.0.1/", "gopher://127.0.0.1/", "unix:/run/x"]
)
def test_nobody_sends_us_to_something_else_than_the_web(
    hostile: Hostile, location: str, waits: list[float]
) -> None:
    hostile.answer = lambda *_: reply(b"", f"location: {location}", status=307)
    with hostile.client() as registry:
        assert "which is not HTTPS" in fails(lambda: registry.get_tags(hostile.reference)).message
    assert waits == []


def unauthorized(address: str) -> bytes:
    """Return the challenge to get a token of this address."""
    return reply(b"", f'www-authenticate: Bearer realm="http://{address}/token",service="s"', status=401)


TOKENS: list[str | bytes] = [
    '{"token": 7}',
    '{"token": true}',
    '{"token": ["a"]}',
    '{"token": {"a": "b"}}',
    '{"access_token": 7}',
    '{"token": ""}',
    '{"token": "a\\r\\nx: y"}',
    '{"token": "a\\u0000"}',
    '{"token": "\\u202e"}',
    '{"token": "\\ud800"}',
    '{"token": "' + "a" * 1_000_000 + '"}',
    b'{"token": "' + b"a" * 10_000_000 + b'"}',
    b'{"token": "\xff"}',
    "[" * 100_000,
    "7",
    "",
]


@pytest.mark.parametrize("token", TOKENS, ids=range(len(TOKENS)))
@pytest.mark.parametrize("user", ["someone", "<token>"])
def test_a_token_that_is_none(hostile: Hostile, token: str | bytes, user: str) -> None:
    hostile.answer = lambda _, path: reply(token) if "/token" in path else unauthorized(hostile.address)
    with hostile.client((user, PASSWORD)) as registry:
        error = fails(lambda: registry.get_tags(hostile.reference))
    assert isinstance(error, (RegistryRefusedError, RegistryUnavailableError))
    assert len(hostile.requests) == 2, "nothing is asked with it"


PLACES = [
    "http://registry.example/token",
    "http://localhost.example/token",
    "http://127.0.0.1.example/token",
    "http://127.0.0.1@auth.example/token",
    "https://someone:secret@auth.example/token",
    "http://[::1].example/token",
    "http://auth.example:443/token",
    "http://127.0.0.1:5000/token",
    "http://localhost/token",
    "http://[::1]/token",
    "//auth.example/token",
    "/token",
    "token",
    "ftp://auth.example/token",
    "https:auth.example",
    "https://",
    "",
]


@contextmanager
def on_the_web(
    monkeypatch: pytest.MonkeyPatch, answer: Callable[[httpx.Request], httpx.Response], account: tuple[str, str]
) -> Iterator[tuple[Registry, list[httpx.Request]]]:
    """Return a client of the registry ``registry.example``, which speaks HTTPS, and all requests that it makes."""
    requests: list[httpx.Request] = []

    def note(request: httpx.Request) -> httpx.Response:
        requests.append(request)
        return answer(request)

    with (
        client("registry.example", account) as registry,
        httpx.Client(transport=httpx.MockTransport(note)) as fake,
    ):
        monkeypatch.setattr(registry._transport, "_client", fake)
        yield registry, requests


def web(status: int, document: object = None, **headers: str) -> httpx.Response:
    """Return an answer whose content is still to be read."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return httpx.Response(status, headers=named, stream=httpx.ByteStream(json.dumps(document).encode()))


STUDY = ImageReference("registry.example", "lab/study", "one")


@pytest.mark.parametrize("user", ["someone", "<token>"])
@pytest.mark.parametrize("realm", PLACES)
def test_a_password_goes_nowhere_without_encryption(
    monkeypatch: pytest.MonkeyPatch, realm: str, user: str
) -> None:
    def answer(request: httpx.Request) -> httpx.Response:
        return web(401, www_authenticate=f'Bearer realm="{realm}"')

    with on_the_web(monkeypatch, answer, (user, PASSWORD)) as (registry, requests):
        fails(lambda: registry.get_tags(STUDY))
    assert [str(request.url.host) for request in requests] == ["registry.example"]
    assert "authorization" not in requests[0].headers


@pytest.mark.parametrize("user", ["someone", "<token>"])
def test_a_password_goes_to_the_token_server(monkeypatch: pytest.MonkeyPatch, user: str) -> None:
    def answer(request: httpx.Request) -> httpx.Response:
        if request.url.host == "auth.example":
            return web(200, {"token": "the token"})
        if request.headers.get("authorization") == "Bearer the token":
            return web(200, {"tags": ["a"]})
        return web(401, www_authenticate='Bearer realm="https://auth.example/token?a=b"')

    with on_the_web(monkeypatch, answer, (user, PASSWORD)) as (registry, requests):
        assert registry.get_tags(STUDY) == ("a",)
    _, token, _ = requests
    if user == "someone":
        assert token.method == "GET"
        assert token.headers["authorization"].startswith("Basic ")
        assert token.url.params["a"] == "b"
    else:
        assert token.method == "POST"
        assert PASSWORD in token.content.decode()


@pytest.mark.parametrize("user", ["someone", "<token>"])
@pytest.mark.parametrize(
    "location",
    [
        "https://elsewhere.example/token",
        "https://auth.example:444/token",
        "https://auth.example.elsewhere.example/token",
        "https://auth.example@elsewhere.example/token",
        "//elsewhere.example/token",
        "http://auth.example/token",
        "http://127.0.0.1/token",
        "http://elsewhere.example/token",
    ],
)
def test_a_redirected_request_for_a_token_has_no_password(
    monkeypatch: pytest.MonkeyPatch, location: str, user: str
) -> None:
    def answer(request: httpx.Request) -> httpx.Response:
        if request.url.host == "registry.example":
            return web(401, www_authenticate='Bearer realm="https://auth.example/"')
        if str(request.url).startswith("https://auth.example/"):
            return web(307, location=location)
        return web(200, {"token": "theirs"})

    with on_the_web(monkeypatch, answer, (user, PASSWORD)) as (registry, requests):
        fails(lambda: registry.get_tags(STUDY))
    secret = base64.b64encode(f"{user}:{PASSWORD}".encode()).decode()
    for request in requests:
        text = f"{request.url} {dict(request.headers)} {request.content.decode()}"
        has_secret = secret in text or PASSWORD in text
        assert has_secret == str(request.url).startswith("https://auth.example/")
        assert request.url.scheme == "https"


@pytest.mark.parametrize("path", ["redirect", "upload"])
@pytest.mark.parametrize(
    "place",
    [
        "http://127.0.0.1:9/",
        "http://localhost/",
        "http://registry.example/",
        "http://[::1]/",
        "http://127.0.0.1.x/",
    ],
)
def test_a_registry_elsewhere_sends_nobody_to_this_machine(
    monkeypatch: pytest.MonkeyPatch, place: str, path: str
) -> None:
    status = 307 if path == "redirect" else 202
    ask = Registry.get_tags if path == "redirect" else Registry.check_push

    def answer(_: httpx.Request) -> httpx.Response:
        return web(status, {"tags": []}, location=place)

    with on_the_web(monkeypatch, answer, ("someone", PASSWORD)) as (registry, requests):
        error = outcome(lambda: ask(registry, STUDY))
    assert {str(request.url.scheme) for request in requests} == {"https"}
    assert path == "upload" or (error and "not encrypted" in error.message)


@pytest.mark.parametrize("status", [302, 303, 307])
def test_what_a_token_opens_stays_at_its_registry(hostile: Hostile, elsewhere: Hostile, status: int) -> None:
    elsewhere.gives({"tags": ["a"]})

    def answer(_: str, path: str) -> bytes:
        if "/token" in path:
            return reply({"token": "the token"})
        if len(hostile.requests) < 3:
            return unauthorized(hostile.address)
        return reply(b"", f"location: http://someone:secret@{elsewhere.address}/", status=status)

    hostile.answer = answer
    with hostile.client() as registry:
        assert registry.get_tags(hostile.reference) == ("a",)
    assert hostile.authorizations[2] == "Bearer the token"
    assert elsewhere.authorizations == [""]


def test_a_user_in_an_address_is_not_ours(hostile: Hostile) -> None:
    hostile.answer = lambda *_: reply(b"", f"location: http://a:b@{hostile.address}/upload", status=202)
    with hostile.client() as registry:
        registry.check_push(hostile.reference)
    assert hostile.requests[1:] == ["DELETE /upload"]
    assert hostile.authorizations == ["", ""]


def test_cookies_are_not_kept(hostile: Hostile) -> None:
    hostile.answer = lambda *_: reply({"tags": []}, "set-cookie: a=b; path=/", f"set-cookie: {'c' * 60_000}=d")
    with hostile.client() as registry:
        registry.get_tags(hostile.reference)
        registry.get_tags(hostile.reference)
    assert hostile.cookies == ["", ""]


def test_this_machine_is_asked_without_a_proxy(
    hostile: Hostile, elsewhere: Hostile, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy"):
        monkeypatch.setenv(name, f"http://{elsewhere.address}")
    monkeypatch.setenv("no_proxy", "")
    hostile.gives({"tags": ["a"]})
    with hostile.client() as registry:
        assert registry.get_tags(hostile.reference) == ("a",)
    assert elsewhere.requests == []


def test_another_machine_is_asked_by_the_proxy(hostile: Hostile, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("https_proxy", "HTTPS_PROXY"):
        monkeypatch.setenv(name, f"http://{hostile.address}")
    monkeypatch.setenv("no_proxy", "ghcr.io")
    hostile.answer = lambda *_: reply(status=502)
    with client("registry.invalid", None) as registry:
        error = fails(lambda: registry.get_tags(ImageReference("registry.invalid", "study")))
    assert "502" in error.message
    assert hostile.requests == ["CONNECT registry.invalid:443"] * 4


@pytest.mark.usefixtures("impatient")
def test_a_proxy_that_trickles_ends(hostile: Hostile, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("https_proxy", "HTTPS_PROXY"):
        monkeypatch.setenv(name, f"http://{hostile.address}")
    hostile.answer = trickle(b"HTTP/1.1 200 OK\r\nx: ", b"a")
    with client("registry.invalid", None) as registry:
        error = fails(lambda: registry.get_tags(ImageReference("registry.invalid", "study")))
    assert "took more than" in error.message


@pytest.mark.usefixtures("impatient")
def test_a_name_with_many_addresses_is_left(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []

    class Backend:
        def connect_tcp(self, host: str, *_: object) -> None:
            asked.append(host)
            raise httpcore.ConnectTimeout("late")

    import httpcore

    addresses = [(2, 1, 6, "", (f"192.0.2.{number}", 443)) for number in range(200)]
    monkeypatch.setattr("socket.getaddrinfo", lambda *_, **__: addresses)
    monkeypatch.setattr("httpcore.SyncBackend", Backend)
    with client("registry.invalid", None) as registry:
        fails(lambda: registry.get_tags(ImageReference("registry.invalid", "study")))
    assert len(asked) == 4 * 8


@pytest.mark.parametrize("registry", ["a..b", "[:::]", "127.0.0.1:99999", f"{'a' * 70}.io", "xn--a.io", "[1:2]:5"])
def test_a_registry_that_is_no_host(registry: str) -> None:
    reference = parse_reference(f"{registry}/study:one", source="test")
    with client(registry, None) as asked:
        for ask in ASKS.values():
            fails(lambda ask=ask: ask(asked, reference))  # type: ignore[misc]


@pytest.mark.parametrize("status", [400, 403, 503])
def test_what_a_registry_repeats_is_not_told(hostile: Hostile, status: int) -> None:
    def answer(_: str, path: str) -> bytes:
        if "/token" in path:
            return reply({"token": "the-token-of-this-run"})
        if len(hostile.requests) == 1:
            return unauthorized(hostile.address)
        basic = base64.b64encode(f"someone:{PASSWORD}".encode()).decode()
        text = f"not {PASSWORD}, not {basic}, not the-token-of-this-run: {'x' * 150}{PASSWORD}"
        return reply({"errors": [{"message": text}]}, status=status)

    hostile.answer = answer
    with hostile.client() as registry:
        told = str(fails(lambda: registry.get_tags(hostile.reference)))
    assert "not ***, not ***, not ***: xxx" in told
    assert "a-pass" not in told


def test_a_signature_is_not_told(hostile: Hostile, elsewhere: Hostile) -> None:
    place = f"http://user:secret-name@{elsewhere.address}/blob?signature=secret-query#secret-part"
    hostile.answer = lambda *_: reply(b"", f"location: {place}", status=307)
    for answer in (reply("<html>"), reply(b" " * 5_000_000), reply(status=503), reply(status=403), b"", b"\xff"):
        elsewhere.answer = lambda *_, answer=answer: answer
        with hostile.client() as registry:
            error = fails(lambda: registry.get_tags(hostile.reference))
        assert "secret" not in str(error)
    for place in ("https://user:secret@[::1/", "ftp://user:secret@example.invalid/?secret#secret"):
        hostile.answer = lambda *_, place=place: reply(b"", f"location: {place}", status=307)
        with hostile.client() as registry:
            assert "secret" not in str(fails(lambda: registry.get_tags(hostile.reference)))


def test_what_a_registry_says_is_one_short_line(hostile: Hostile) -> None:
    said = "first\r\n::error::\x1b[31mred\x1b[0m \u202eright\u2069 \x9bC1 \u2028 \x7f end" + " more" * 10_000
    hostile.answer = lambda *_: reply({"errors": [{"message": said}] * 10}, status=403)
    with hostile.client() as registry:
        message = fails(lambda: registry.get_tags(hostile.reference)).message
    assert "\n" not in message
    assert "the registry said: first ::error::red" in message
    assert message.endswith("…")
    assert len(message) < 400


def test_waits_are_bounded_whatever_is_asked_for(hostile: Hostile, waits: list[float]) -> None:
    for value in ("31536000", "-5", "1e9", "\xff", "Mon, 01 Jan 2020 00:00:00 +99999999999999999999"):
        hostile.answer = lambda *_, value=value: reply(b"", f"retry-after: {value}", status=503)
        waits.clear()
        hostile.requests.clear()
        with hostile.client() as registry:
            fails(lambda: registry.get_tags(hostile.reference))
        assert len(hostile.requests) == 4
        assert len(waits) == 3
        assert all(0 <= wait <= 30 for wait in waits)


@pytest.mark.parametrize(
    ("registry", "is_this_machine"),
    [
        ("localhost", True),
        ("localhost:5000", True),
        ("127.0.0.1", True),
        ("127.255.255.254:1", True),
        ("[::1]", True),
        ("[::1]:5000", True),
        ("[0:0:0:0:0:0:0:1]", True),
        ("", False),
        (":5000", False),
        ("localhost.", False),
        ("localhost.example", False),
        ("study.localhost", False),
        ("localhost@example", False),
        ("localhost:5000@example", False),
        ("example@localhost", False),
        ("localhost/x", False),
        ("localhost\n", False),
        ("localhost:\u0665", False),
        ("127.0.0.1.example", False),
        ("127.0.0.1@example", False),
        ("127.0.0.1:80@example:80", False),
        ("127.0.0.256", False),
        ("127.999.0.1", False),
        ("127.0.0.\u0661", False),
        ("127.0.0.01", False),
        ("127.1", False),
        ("0127.0.0.1", False),
        ("2130706433", False),
        ("[127.0.0.1]", False),
        ("[::1].example", False),
        ("[::1]example:80", False),
        ("[::1%25eth0]", False),
        ("[::2]", False),
        ("::1", False),
        ("0.0.0.0", False),  # noqa: S104
        ("128.0.0.1", False),
    ],
)
def test_this_machine_is_known_by_the_whole_name(registry: str, is_this_machine: bool) -> None:
    assert is_loopback(registry) is is_this_machine


def test_a_long_text_that_is_no_reference_is_cut() -> None:
    with pytest.raises(UserError) as caught:
        parse_reference("é" * 1_000_000, source="test")
    assert len(str(caught.value)) < 1000


def test_every_status_has_an_end(hostile: Hostile) -> None:
    for status in HTTPStatus:
        hostile.answer = lambda *_, status=status: reply(manifest(), status=status.value)
        with hostile.client() as registry:
            outcome(lambda: registry.get_labels(hostile.reference))
