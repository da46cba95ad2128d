"""What ends a download: silence, more bytes than the lock says, and the one who asked for it."""

from __future__ import annotations

import io

import pytest

from pixi_container.environment import downloads as module
from pixi_container.environment.downloads import Downloads, _PassingError, _refusal, _Target, _TooLargeError
from pixi_container.workspace.lock import LockedPackage

PACKAGE = LockedPackage(
    name="a", version="1", build="0", kind="conda", size=1, sha256="00", md5="", location="https://h/a.conda"
)


class Asked(BaseException):
    """What the caller's own check raises."""


def target(most: int = 10, counted: list[int] | None = None) -> tuple[_Target, io.BytesIO]:
    file = io.BytesIO()
    count = (counted if counted is not None else []).append
    return _Target(file, most, Downloads(client=None, count=count)), file  # type: ignore[arg-type]


@pytest.mark.parametrize(("seconds", "is_over"), [(0, False), (60, False), (60.5, True)])
def test_a_server_may_say_nothing_for_a_minute(
    monkeypatch: pytest.MonkeyPatch, seconds: float, is_over: bool
) -> None:
    now = [1000.0]
    monkeypatch.setattr("pixi_container.environment.downloads.time.monotonic", lambda: now[0])
    made, _ = target()
    now[0] += 100
    made.write(b"x")
    now[0] += seconds
    if is_over:
        with pytest.raises(_PassingError, match=r"^nothing came for 60 seconds$"):
            made.check()
    else:
        made.check()


def test_a_package_is_not_larger_than_the_lock_says() -> None:
    counted: list[int] = []
    made, file = target(10, counted)
    assert made.write(b"12345") == 5
    assert made.write(b"67890") == 5
    with pytest.raises(_TooLargeError, match=r"^it has more than 10 bytes$"):
        made.write(b"x")
    assert (file.getvalue(), counted) == (b"1234567890", [5, 5])


def test_a_package_of_unknown_size_has_a_limit_too() -> None:
    assert 10 << 30 < module._MOST_BYTES < 100 << 30


@pytest.mark.parametrize("method", ["check", "write"])
def test_the_one_who_asked_may_stop_it(method: str) -> None:
    def check() -> None:
        raise Asked

    made = _Target(io.BytesIO(), 10, Downloads(client=None, check=check))  # type: ignore[arg-type]
    with pytest.raises(Asked):
        getattr(made, method)(*([b"x"] if method == "write" else []))


@pytest.mark.parametrize(
    ("said", "passes", "wait", "text"),
    [
        ("HTTP status client error (429 Too Many Requests) for url x", True, 10, "the server answers 429"),
        ("HTTP status server error (500 Internal Server Error) for url x", True, 0, "the server answers 500"),
        ("HTTP status server error (503 Service Unavailable) for url x", True, 0, "the server answers 503"),
        ("HTTP status client error (499 Odd) for url x", False, 0, "the server answers 499"),
        ("HTTP status client error (401 Unauthorized) for url x", False, 0, "answers 401, which is no access"),
        ("HTTP status client error (403 Forbidden) for url x", False, 0, "answers 403, which is no access"),
        ("HTTP status client error (404 Not Found) for url x", False, 0, "Run `pixi update`"),
        ("error sending request for url x", True, 0, "the server cannot be reached"),
        ("something else", False, 0, "something else"),
        ("odd of https://h/a.conda", False, 0, "odd of the URL"),
    ],
)
def test_which_answer_may_be_another_at_the_next_attempt(said: str, passes: bool, wait: float, text: str) -> None:
    error = _refusal(PACKAGE, PACKAGE.location, said)
    assert isinstance(error, _PassingError) is passes
    assert getattr(error, "wait", 0) == wait
    assert text in str(error)
