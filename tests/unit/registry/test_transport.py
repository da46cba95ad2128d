"""How a registry is asked: tokens for what is done, redirects, waits, limits, and what a refusal tells."""

from __future__ import annotations

import base64
import gzip
import time
from collections.abc import Iterator
from email.utils import formatdate

import httpx
import pytest

from pixi_container.errors import RegistryRefusedError, RegistryUnavailableError
from pixi_container.registry import transport
from pixi_container.registry.call import RegistryCall
from pixi_container.registry.client import Registry
from pixi_container.registry.connections import _proxy
from pixi_container.registry.credentials import Credential
from pixi_container.registry.immutable_tags import HOW_WITH_IMMUTABLE_TAGS
from pixi_container.registry.reference import ImageReference
from pixi_container.registry.transport import (
    _challenges,
    _content,
    _is_of,
    _message,
    _permission_hint,
    _realm,
    _require_encryption,
    _seconds,
)
from tests.unit.loopback import Reply, Request, as_json
from tests.unit.registry_server import PASSWORD, USER, RegistryServer

BASIC = "Basic " + base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode()


def tokens(server: RegistryServer) -> list[list[str]]:
    """Return the scopes of each token that was asked for."""
    return [request.query["scope"] for request in server.server.requests if request.path == "/token"]


def test_one_token_for_each_right(server: RegistryServer) -> None:
    server.put_image("lab/study", "one", labels={"a": "b"})
    server.logs_in = True
    with server.client(PASSWORD) as registry:
        registry.get_labels(server.name().tagged("one"))
        registry.get_digest(server.name().tagged("one"))
        assert tokens(server) == [["repository:lab/study:pull"]]
        registry.check_push(server.name())
        registry.tag(server.name().tagged("one"), [server.name("lab/copy").tagged("one")])
    assert tokens(server) == [
        ["repository:lab/study:pull"],
        ["repository:lab/study:pull,push"],
        ["repository:lab/copy:pull,push"],
        ["repository:lab/copy:pull,push", "repository:lab/study:pull"],
    ]
    asked = [request for request in server.server.requests if request.path == "/token"]
    assert {request.headers["authorization"] for request in asked} == {BASIC}
    assert {request.query["service"][0] for request in asked} == {"the registry"}


def test_without_an_account_the_token_is_anonymous(server: RegistryServer) -> None:
    image = server.put_image("lab/study", "one")
    server.logs_in = True
    with server.client() as registry:
        assert registry.get_digest(server.name().tagged("one")) == image["digest"]
        with pytest.raises(RegistryRefusedError, match="anonymous access, because no credentials are set"):
            registry.check_push(server.name())
    assert not any(
        "authorization" in request.headers for request in server.server.requests if request.path == "/token"
    )


def test_a_wrong_password_is_refused_with_what_to_check(server: RegistryServer) -> None:
    server.put_image("lab/study", "one")
    server.logs_in = True
    with server.client("wrong") as registry, pytest.raises(RegistryRefusedError) as caught:
        registry.get_digest(server.name().tagged("one"))
    assert f"denied permission to read {server.address}/lab/study: user '{USER}'" in caught.value.message
    assert "Check 'username' and 'password', or 'registry-auth'" in caught.value.hint


def test_basic_authentication_is_sent_after_the_challenge_alone(server: RegistryServer) -> None:
    def answer(request: Request) -> Reply:
        if request.headers.get("authorization") == BASIC:
            return as_json({"tags": ["a"]})
        return as_json({}, 401, www_authenticate='Basic realm="registry"')

    server.interfere = answer
    with server.client(PASSWORD) as registry:
        assert registry.get_tags(server.name()) == registry.get_tags(server.name()) == ("a",)
    assert [request.headers.get("authorization", "") for request in server.server.requests] == ["", BASIC, BASIC]
    with server.client() as registry, pytest.raises(RegistryRefusedError):
        registry.get_tags(server.name())


def test_an_identity_token_is_exchanged(server: RegistryServer) -> None:
    given: list[Request] = []

    def answer(request: Request) -> Reply | None:
        if request.path != "/token":
            return None
        given.append(request)
        return as_json({"access_token": base64.b64encode(b'["repository:lab/study:pull"]').decode()})

    image = server.put_image("lab/study", "one")
    server.logs_in, server.interfere = True, answer
    credential = Credential(registry=server.address, username="<token>", password="identity token")
    with Registry({server.address: credential}.get) as registry:
        assert registry.get_digest(server.name().tagged("one")) == image["digest"]
    (request,) = given
    assert request.method == "POST"
    assert "authorization" not in request.headers
    assert request.content.decode() == (
        "grant_type=refresh_token&client_id=pixi-container&service=the+registry"
        "&scope=repository%3Alab%2Fstudy%3Apull&refresh_token=identity+token"
    )


def test_a_redirect_is_followed_without_what_authorizes(server: RegistryServer, other: RegistryServer) -> None:
    image = server.put_image("lab/study", "one", labels={"a": "b"})
    blobs = server.blobs["lab/study"]

    def storage(request: Request) -> Reply:
        return Reply(200, blobs[request.path.removeprefix("/storage/")])

    def answer(request: Request) -> Reply | None:
        digest = request.path.rpartition("/blobs/")[2]
        place = f"http://{other.address}/storage/{digest}?signature=1"
        return Reply(307, b"moved", {"location": place}) if "/blobs/sha256" in request.path else None

    server.logs_in, server.interfere, other.interfere = True, answer, storage
    with server.client(PASSWORD) as registry:
        assert registry.get_labels(server.name().pinned(image["digest"])) == {"a": "b"}
    assert "authorization" in server.server.requests[-1].headers
    assert ["authorization" in request.headers for request in other.server.requests] == [False]


@pytest.mark.parametrize(("redirects", "ends_well"), [(20, True), (21, False)])
def test_redirects_have_an_end(server: RegistryServer, redirects: int, ends_well: bool) -> None:
    def answer(request: Request) -> Reply:
        if len(server.asked) > redirects:
            return as_json({"tags": ["a"]})
        return Reply(302, b"", {"location": f"/v2/lab/study/{len(server.asked)}"})

    server.interfere = answer
    with server.client() as registry:
        if ends_well:
            assert registry.get_tags(server.name()) == ("a",)
        else:
            with pytest.raises(RegistryUnavailableError, match="redirected more than 20 times"):
                registry.get_tags(server.name())


@pytest.mark.parametrize("status", [429, 500, 502, 503])
def test_trouble_that_passes_is_waited_for(server: RegistryServer, waits: list[float], status: int) -> None:
    server.interfere = lambda _: (
        as_json({"tags": ["a"]}) if len(server.asked) == 4 else Reply(status, b"", {"retry-after": "7"})
    )
    with server.client() as registry:
        assert registry.get_tags(server.name()) == ("a",)
    assert len(waits) == 3
    assert all(7 <= wait < 8 for wait in waits)


def test_trouble_that_lasts_is_told_with_how_often_it_was_asked(
    server: RegistryServer, waits: list[float]
) -> None:
    server.interfere = lambda _: as_json({"errors": [{"message": "out of order"}]}, 503)
    with server.client() as registry, pytest.raises(RegistryUnavailableError) as caught:
        registry.get_tags(server.name())
    assert caught.value.message == (f"the registry {server.address} cannot be used: HTTP status 503: out of order")
    assert caught.value.hint.startswith(
        f"All 4 requests for http://{server.address}/v2/lab/study/tags/list failed."
    )
    assert len(server.asked) == 4
    # Each wait doubles, and has up to a second of jitter.
    assert [0 <= wait - least < 1 for wait, least in zip(waits, (0.3, 0.6, 1.2), strict=True)] == [True] * 3


def test_an_answer_that_is_final_is_asked_for_once(server: RegistryServer) -> None:
    server.interfere = lambda _: as_json({"errors": [{"code": "UNSUPPORTED"}]}, 400)
    with server.client() as registry, pytest.raises(RegistryUnavailableError) as caught:
        registry.get_tags(server.name())
    assert caught.value.message == (
        f"the registry {server.address} answered 400 to an attempt to read {server.address}/lab/study: UNSUPPORTED"
    )
    assert len(server.asked) == 1


def test_a_tag_that_cannot_be_moved_is_told_apart(server: RegistryServer) -> None:
    server.put_image("lab/study", "one")
    refusal = as_json({"errors": [{"message": "the tag is immutable"}]}, 403)
    server.interfere = lambda request: refusal if request.method == "PUT" else None
    with server.client() as registry, pytest.raises(RegistryUnavailableError) as caught:
        registry.tag(server.name().tagged("one"), [server.name().tagged("two")])
    assert "answered 403 to an attempt to push to" in caught.value.message
    assert caught.value.hint == HOW_WITH_IMMUTABLE_TAGS


@pytest.mark.parametrize(
    ("size", "is_read"), [(transport._ANSWER_BYTES, True), (transport._ANSWER_BYTES + 1, False)]
)
@pytest.mark.parametrize("encoding", ["", "gzip"])
def test_an_answer_has_a_largest_size(server: RegistryServer, size: int, is_read: bool, encoding: str) -> None:
    content = b'{"tags": ["a"]}'.ljust(size)
    headers = {"content-encoding": encoding} if encoding else {}
    packed = gzip.compress(content, 1) if encoding else content
    server.interfere = lambda _: Reply(200, packed, headers)
    with server.client() as registry:
        if is_read:
            assert registry.get_tags(server.name()) == ("a",)
        else:
            with pytest.raises(RegistryUnavailableError, match=f"more than {transport._ANSWER_BYTES} bytes"):
                registry.get_tags(server.name())


@pytest.mark.parametrize("content", [b"[]", b"<html>", b'{"tags": NaN}', b"\xff"])
def test_something_else_than_an_object_is_no_answer(server: RegistryServer, content: bytes) -> None:
    server.interfere = lambda _: Reply(200, content)
    with (
        server.client() as registry,
        pytest.raises(RegistryUnavailableError, match="did not return a JSON object"),
    ):
        registry.get_tags(server.name())


def test_a_registry_that_is_gone_is_asked_again_and_then_told(server: RegistryServer, waits: list[float]) -> None:
    gone = ImageReference("127.0.0.1:1", "lab/study")
    with server.client() as registry, pytest.raises(RegistryUnavailableError, match=r"cannot be used: .*refused"):
        registry.get_tags(gone)
    assert len(waits) == 3


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("0", 0), ("7", 7), ("30", 30), ("31", 30), ("9" * 30, 0), ("-1", 0), ("soon", 0), ("", 0), ("1.5", 0)],
)
def test_retry_after_in_seconds(text: str, seconds: float) -> None:
    assert _seconds(text) == seconds


def test_retry_after_as_a_date() -> None:
    now = time.time()
    assert 15 < _seconds(formatdate(now + 20, usegmt=True)) <= 20
    assert _seconds(formatdate(now + 2000, usegmt=True)) == 30
    assert _seconds(formatdate(now - 20, usegmt=True)) == 0


@pytest.mark.parametrize(
    ("registry", "base"),
    [
        ("docker.io", "https://registry-1.docker.io/v2/lab/study/"),
        ("ghcr.io", "https://ghcr.io/v2/lab/study/"),
        ("localhost:5000", "http://localhost:5000/v2/lab/study/"),
        ("registry.example:5000", "https://registry.example:5000/v2/lab/study/"),
    ],
)
def test_where_a_registry_is_asked(registry: str, base: str) -> None:
    assert RegistryCall("GET", ImageReference(registry, "lab/study"), "").base == base


@pytest.mark.parametrize(
    ("push", "expected"),
    [
        (
            True,
            "`permissions: packages: write`. If the package exists already, give this repository the role 'Write'",
        ),
        (False, "`permissions: packages: read`. If the package is private, give this repository the role 'Read'"),
    ],
)
def test_what_github_s_registry_needs(push: bool, expected: str) -> None:
    assert expected in _permission_hint("ghcr.io", push=push)
    assert ("push to" if push else "read") in _permission_hint("quay.io", push=push)


REMOTE = RegistryCall("GET", ImageReference("r.example:5000", "lab/study"), "")
OWN = RegistryCall("GET", ImageReference("localhost:5000", "lab/study"), "")


@pytest.mark.parametrize(
    ("call", "url", "problem"),
    [
        (REMOTE, "https://a.example/x", ""),
        (OWN, "https://a.example/x", ""),
        (OWN, "http://127.0.0.1:1/x", ""),
        (REMOTE, "http://127.0.0.1/x", "is not encrypted"),
        (OWN, "http://a.example/x", "redirects to http://a.example, which is not encrypted"),
        (REMOTE, "ftp://a.example/x?secret=1", "redirects to ftp://a.example/x, which is not HTTPS"),
        (REMOTE, "https:///x", "which is not HTTPS"),
    ],
)
def test_only_what_is_encrypted_leaves_this_machine(call: RegistryCall, url: str, problem: str) -> None:
    if not problem:
        _require_encryption(call, httpx.URL(url))
        return
    with pytest.raises(RegistryUnavailableError, match=problem) as caught:
        _require_encryption(call, httpx.URL(url))
    assert caught.value.message.startswith(f"the registry {call.reference.registry} redirects to ")


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("https://auth.example/token?a=b", ""),
        ("/token", "names '/token' as its token server, which is not a valid URL"),
        ("https://me:secret@auth.example/token", "names 'https://auth.example/token' as its token server"),
        ("https://a.example:port/", "as its token server, which is not a valid URL"),
        ("http://auth.example/token", "is not encrypted"),
    ],
)
def test_where_a_password_may_be_sent(text: str, problem: str) -> None:
    if not problem:
        assert _realm(REMOTE, text) == httpx.URL(text)
        return
    with pytest.raises(RegistryUnavailableError) as caught:
        _realm(REMOTE, text)
    assert problem in caught.value.message
    assert "secret" not in caught.value.message


@pytest.mark.parametrize(
    ("url", "is_own"),
    [
        ("https://r.example:5000/x", True),
        ("https://R.EXAMPLE:5000/", True),
        ("http://r.example:5000/x", False),
        ("https://r.example/x", False),
        ("https://a.r.example:5000/x", False),
    ],
)
def test_which_address_is_the_registry_s_own(url: str, is_own: bool) -> None:
    assert _is_of(REMOTE, httpx.URL(url)) is is_own


def test_every_challenge_is_read() -> None:
    offered = [
        'Bearer realm="https://a/token",service="the, registry",scope="repository:a:pull",empty=""',
        "BASIC realm=x, alone, =y",
        "Negotiate",
    ]
    response = httpx.Response(401, headers=[("www-authenticate", challenge) for challenge in offered])
    assert _challenges(response) == {
        "bearer": {
            "realm": "https://a/token",
            "service": "the, registry",
            "scope": "repository:a:pull",
            "empty": "",
        },
        "basic": {"realm": "x"},
        "negotiate": {},
    }
    assert _challenges(httpx.Response(401)) == {}


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b'{"errors": [{"code": "DENIED", "message": "no"}, {"code": "OTHER", "message": ""}]}', "no; OTHER"),
        (b'{"errors": []}', ""),
        (b'{"errors": [' + b", ".join([b'{"code": "A"}'] * 6) + b"]}", "A; A; A; A; A"),
        (b'{"errors": [{}]}', '{"errors": [{}]}'),
        (b'{"errors": [7]}', '{"errors": [7]}'),
        (b'{"errors": 7}', '{"errors": 7}'),
        (b"[]", "[]"),
        (b"{}", "{}"),
        (b"plain \xff", "plain \ufffd"),
        (b"[" * 100_000, "[" * 100_000),
    ],
)
def test_what_a_registry_says_of_a_refusal(content: bytes, message: str) -> None:
    assert _message(content) == message


def response_with(content: bytes, **headers: str) -> httpx.Response:
    """Return an answer that is still to be read."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    request = httpx.Request("GET", "https://r.example/x?secret=1")
    return httpx.Response(200, headers=named, stream=httpx.ByteStream(content), request=request)


@pytest.mark.parametrize("encoding", ["gzip", " X-GZIP "])
def test_packed_content_is_unpacked(encoding: str) -> None:
    packed = gzip.compress(b"text")
    assert _content(response_with(packed, content_encoding=encoding)) == b"text"
    for broken in (packed[:-1], b"no gzip"):
        with pytest.raises(RegistryUnavailableError) as caught:
            _content(response_with(broken, content_encoding=encoding))
        name = encoding.strip().lower()
        assert caught.value.message == f"https://r.example/x returned content in an unusable encoding: {name}"


def test_content_in_an_encoding_that_nobody_asked_for_is_refused() -> None:
    for encoding in ("br", "gzip, gzip"):
        with pytest.raises(RegistryUnavailableError, match="in an unusable encoding"):
            _content(response_with(b"x", content_encoding=encoding))
    assert _content(response_with(b"", content_encoding="br")) == b""
    assert _content(response_with(b"x", content_encoding="Identity")) == b"x"
    assert _content(response_with(b"x")) == b"x"


@pytest.mark.parametrize(("parts", "is_read"), [(100_000, True), (100_001, False)])
def test_content_comes_in_so_many_parts(parts: int, is_read: bool) -> None:
    class Parts(httpx.SyncByteStream):
        def __iter__(self) -> Iterator[bytes]:
            return iter([b"x"] * parts)

    response = httpx.Response(200, stream=Parts(), request=httpx.Request("GET", "https://r.example/x"))
    if is_read:
        assert len(_content(response)) == parts
        return
    with pytest.raises(RegistryUnavailableError, match=r"https://r.example/x returned more than 4194304 bytes"):
        _content(response)


def test_the_limits_of_an_attempt_are_what_is_documented() -> None:
    assert transport._ANSWER_BYTES == 4 * 1024**2
    assert transport._ANSWER_SECONDS == 60
    assert transport._TIMEOUT_SECONDS == 20
    assert transport._UPLOAD_TIMEOUT_SECONDS == 300
    assert transport._LEAST_BYTES_PER_SECOND == 32 * 1024


@pytest.mark.parametrize(
    ("token", "is_taken"),
    [
        ("t" * 100, True),
        ("t" * 101, False),
        ("a\nb", False),
        ("\xe9", False),
        (7, False),
        (None, False),
    ],
)
def test_a_token_is_one_short_word(
    server: RegistryServer, monkeypatch: pytest.MonkeyPatch, token: object, is_taken: bool
) -> None:
    monkeypatch.setattr(transport, "_MOST_TOKEN_CHARACTERS", 100)
    seen = []

    def answer(request: Request) -> Reply:
        if request.path == "/token":
            return as_json({"token": token})
        seen.append(request.headers.get("authorization", ""))
        if seen[-1]:
            return as_json({"tags": ["a"]})
        return Reply(401, b"", {"www-authenticate": f'Bearer realm="http://{server.address}/token"'})

    server.interfere = answer
    with server.client() as registry:
        if is_taken:
            assert registry.get_tags(server.name()) == ("a",)
        else:
            with pytest.raises(RegistryRefusedError):
                registry.get_tags(server.name())
    assert seen == (["", f"Bearer {token}"] if is_taken else [""])


@pytest.mark.parametrize(
    ("url", "env", "proxy"),
    [
        ("https://ghcr.io/v2/", {"https_proxy": "http://proxy:3128"}, "http://proxy:3128"),
        ("https://ghcr.io/v2/", {"https_proxy": "proxy:3128"}, "http://proxy:3128"),
        ("https://ghcr.io/v2/", {"all_proxy": "socks5://proxy"}, "socks5://proxy"),
        ("https://ghcr.io/v2/", {"http_proxy": "http://proxy"}, ""),
        ("https://ghcr.io/v2/", {"https_proxy": "http://proxy", "no_proxy": "ghcr.io"}, ""),
        ("https://ghcr.io/v2/", {}, ""),
        ("http://127.0.0.1:5000/v2/", {"http_proxy": "http://proxy"}, ""),
        ("http://localhost/v2/", {"http_proxy": "http://proxy"}, ""),
    ],
)
def test_the_proxy_of_the_environment(
    monkeypatch: pytest.MonkeyPatch, url: str, env: dict[str, str], proxy: str
) -> None:
    for name in ("http_proxy", "https_proxy", "all_proxy", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)
    for name, value in env.items():
        monkeypatch.setenv(name, value)
    assert _proxy(httpx.URL(url)) == proxy
