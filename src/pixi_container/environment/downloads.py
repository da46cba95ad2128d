"""Archives of packages, downloaded by rattler's own client, with its credentials, mirrors and proxies.

This is the one place that runs what py-rattler does asynchronously. A process that ends right after such a call
may crash, as threads of its library still give their result to Python; so it ends a moment later.
"""

from __future__ import annotations

import asyncio
import atexit
import hashlib
import json
import re
import tempfile
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote, urlsplit

from pixi_container.display import one_line
from pixi_container.errors import UserError
from pixi_container.retries import retry
from pixi_container.shortening import shortened

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Mapping, Sequence
    from typing import BinaryIO

    from rattler import Client

    from pixi_container.environment.shared_archives import SharedArchives
    from pixi_container.workspace.lock import LockedPackage

_ATTEMPTS = 5
_STALLED_SECONDS = 60.0
"""How long a server may send nothing. A download has no limit in all, as a package may have gigabytes."""

_WATCHED_SECONDS = 0.2
_BUSY_SECONDS = 10.0
"""The least wait after an answer of 429: rattler does not tell what the server asks for."""

_MOST_BYTES = 16 << 30
"""The most that a package may have whose size the lock does not tell, as that of a wheel."""

_SETTLED_SECONDS = 0.2
_PART_BYTES = 1 << 20
_STATUS = re.compile(r"\((\d{3}) [^()]*\) for url")


class DownloadError(UserError):
    """A package that could not be downloaded."""

    exit_code = 8


class _PassingError(Exception):
    """Trouble of one attempt that may be over at the next, with the least seconds until then."""

    def __init__(self, problem: str, wait: float = 0) -> None:
        super().__init__(problem)
        self.wait = wait


@dataclass(frozen=True)
class Downloads:
    """Downloads packages, for any number of threads.

    ``check`` is called often and may raise, to stop what is going on; ``count`` gets the bytes as they come, and
    ``spare`` the size that the lock tells of an archive that is ``shared`` and need not be downloaded again.
    """

    client: Client
    check: Callable[[], None] = lambda: None
    count: Callable[[int], None] = lambda _: None
    spare: Callable[[int], None] = lambda _: None
    shared: SharedArchives | None = None

    def download(self, package: LockedPackage, folder: Path) -> Path:
        """Return the archive as a new file in ``folder``, with the name that the lock's URL has.

        It may be a link to a shared one, which is not to be changed. Raises ``DownloadError`` when there is no
        such file, or one that is not what the lock says.
        """
        location = package.location.removeprefix("direct+")
        path = folder / Path(unquote(urlsplit(location).path)).name

        def download(to: Path) -> None:
            self._download(package, location, to)

        if self.shared is None:
            download(path)
        elif not self.shared.have(package.sha256, package.size, path, download, self.check):
            self.spare(package.size or 0)
        return path

    def _download(self, package: LockedPackage, location: str, path: Path) -> None:
        try:
            retry(
                lambda: self._download_once(package, location, path),
                on=_PassingError,
                attempts=_ATTEMPTS,
                least_wait=lambda trouble: trouble.wait,
                check=self.check,
            )
        except BaseException as error:
            path.unlink(missing_ok=True)
            if not isinstance(error, _PassingError):
                raise
            raise _failed(package, location, f"{error}, {_ATTEMPTS} times") from error

    def _download_once(self, package: LockedPackage, location: str, path: Path) -> None:
        with path.open("wb") as file:
            target = _Target(file, package.size or _MOST_BYTES, self)
            if urlsplit(location).scheme == "file":
                self._copy(package, location, target)
            else:
                self._fetch(package, location, target)
        if package.size is not None and target.size != package.size:
            raise _PassingError(f"it has {target.size} bytes, and the lock says {package.size}")
        if target.sha256.hexdigest() != package.sha256:
            raise _failed(
                package,
                location,
                f"its sha256 is {target.sha256.hexdigest()}, and the lock says {package.sha256}",
                "The file was changed after the lock was written, or a proxy in between changes it. "
                "If the change is meant, run `pixi update` and commit the lock.",
            )

    def _copy(self, package: LockedPackage, location: str, target: _Target) -> None:
        path = unquote(urlsplit(location).path)
        try:
            with Path(path).open("rb") as file:
                while part := file.read(_PART_BYTES):
                    target.write(part)
        except _TooLargeError as error:
            raise _failed(package, location, str(error)) from error
        except (FileNotFoundError, IsADirectoryError, PermissionError) as error:
            raise _failed(package, location, error.strerror or str(error)) from error

    def _fetch(self, package: LockedPackage, location: str, target: _Target) -> None:
        from rattler.package_streaming import download_to_writer

        try:
            run(_watched(download_to_writer(self.client, location, target), target))
        except _TooLargeError as error:
            raise _failed(package, location, str(error)) from error
        except RuntimeError as error:
            raise _refusal(package, location, str(error)) from error
        except OSError as error:
            # What has a number is of this machine's disk, else it is of the connection.
            if error.errno is not None:
                raise
            raise _PassingError("the connection broke") from error


class _TooLargeError(Exception):
    pass


class _Target:
    """A file that counts and hashes what is written to it."""

    def __init__(self, file: BinaryIO, most: int, downloads: Downloads) -> None:
        self._file = file
        self._most = most
        self._downloads = downloads
        self.sha256 = hashlib.sha256()
        self.size = 0
        self.written_at = time.monotonic()

    def check(self) -> None:
        """Raise ``_PassingError`` when nothing came for long, and what the caller's own check raises."""
        self._downloads.check()
        if time.monotonic() - self.written_at > _STALLED_SECONDS:
            raise _PassingError(f"nothing came for {_STALLED_SECONDS:.0f} seconds")

    def write(self, part: bytes) -> int:
        self._downloads.check()
        self.size += len(part)
        self.written_at = time.monotonic()
        if self.size > self._most:
            raise _TooLargeError(f"it has more than {self._most} bytes")
        self.sha256.update(part)
        self._file.write(part)
        self._downloads.count(len(part))
        return len(part)


def rattler_client(mirrors: Mapping[str, Sequence[str]] | None = None, auth_file: Path | None = None) -> Client:
    """Return a client that is configured as pixi is on this machine, and by the ``mirrors`` of channels' URLs.

    Its credentials are those of ``auth_file``, else the machine's. It tries nothing again by itself. Raises
    ``UserError`` for a configuration that cannot be read.
    """
    from rattler import Client, Config
    from rattler.exceptions import ConfigError

    # JSON's strings are TOML's as well.
    rows = [f"{json.dumps(url)} = {json.dumps(list(places))}" for url, places in (mirrors or {}).items()]
    try:
        with tempfile.NamedTemporaryFile("w", suffix=".toml") as own:
            override = [f"authentication-override-file = {json.dumps(str(auth_file))}"] if auth_file else []
            own.write("\n".join([*override, "[mirrors]", *rows, ""]))
            own.flush()
            places = [place for place in Config.config_search_paths("pixi") if place[0].is_file()]
            config = Config.load_from_locations([*places, (own.name, False)])
    except ConfigError as error:
        raise UserError(f"the configuration of pixi cannot be read: {one_line(str(error))}") from error
    return Client.from_config(config, max_retries=0)


def run(work: Coroutine[Any, Any, None]) -> None:
    """Run what py-rattler does asynchronously, in any thread."""
    _settled.register()
    try:
        asyncio.run(work)
    finally:
        _settled.ended_at = time.monotonic()


class _Settled:
    """Has the process end no sooner than a moment after the last call."""

    def __init__(self) -> None:
        self.ended_at = 0.0
        self._registered = False
        self._lock = threading.Lock()

    def register(self) -> None:
        with self._lock:
            if not self._registered:
                self._registered = True
                atexit.register(self.wait)

    def wait(self) -> None:
        # The interpreter is whole until the last of these functions has returned.
        time.sleep(max(0.0, self.ended_at + _SETTLED_SECONDS - time.monotonic()))


_settled = _Settled()


async def _watched(work: Coroutine[Any, Any, None], target: _Target) -> None:
    """Do the work, for as long as the target does not raise."""
    task = asyncio.ensure_future(work)
    try:
        while not (await asyncio.wait({task}, timeout=_WATCHED_SECONDS))[0]:
            target.check()
    except BaseException:
        task.cancel()
        await asyncio.wait({task})
        raise
    task.result()


def _refusal(package: LockedPackage, location: str, said: str) -> Exception:
    """Return what an answer with a status, or none at all, means."""
    match = _STATUS.search(said)
    status = int(match[1]) if match else 0
    if status == 429 or status >= 500:
        return _PassingError(f"the server answers {status}", _BUSY_SECONDS if status == 429 else 0)
    if status in {401, 403}:
        return _failed(
            package,
            location,
            f"the server answers {status}, which is no access",
            "Give credentials for its host: the input 'conda-auth', or RATTLER_AUTH_FILE on a laptop.",
        )
    if status:
        hint = "Was it removed from its channel? Run `pixi update`, and commit the lock." if status == 404 else ""
        return _failed(package, location, f"the server answers {status}", hint)
    if "error sending request" in said:
        return _PassingError("the server cannot be reached")
    return _failed(package, location, shortened(one_line(said.replace(location, "the URL")), 200))


def _failed(package: LockedPackage, location: str, problem: str, hint: str = "") -> DownloadError:
    return DownloadError(
        f"package '{shortened(package.name)}' cannot be downloaded from {shown(location)}: {problem}", hint=hint
    )


def shown(location: str) -> str:
    """Return a URL without what may be secret: user, password, a token in its path or its query."""
    try:
        url = urlsplit(location)
    except ValueError:
        return "a URL that is none"
    # A token of anaconda.org's: https://docs.anaconda.com/anacondaorg/user-guide/work-with-accounts/
    path = re.sub(r"^/t/[^/]+/", "/t/***/", url.path)
    if not url.scheme:
        return shortened(one_line(url.path), 300)
    return shortened(one_line(f"{url.scheme}://{url.netloc.rpartition('@')[2]}{path}"), 300)
