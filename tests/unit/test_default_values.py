"""Defaults of fields and parameters: empty, zero, false or None, but for those that are listed here."""

from __future__ import annotations

import dataclasses
import importlib
import inspect
import pkgutil
from collections.abc import Iterator
from typing import Any

import pixi_container
from pixi_container.image.base_images import DEFAULT_PIXI, OLDEST_PIXI

OTHERS: dict[str, object] = {
    "BuilderKind.annotations": True,
    "BuilderKind.driver": "docker-container",
    "Changes.source": "none",
    "CondaRequirement.applies": True,
    "EnvironmentImage.compression": "gzip",
    "Event.api_url": "https://api.github.com",
    "Event.server_url": "https://github.com",
    "Facts.short_sha_length": 7,
    "Flavor.latest": "auto",
    "Git.ask.protocol": "none",
    "Git.ask.seconds": 30,
    "Git.run.protocol": "none",
    "Git.run.seconds": 30,
    "ImageSettings.cache": "pixi-container",
    "ImageSettings.layers": 65,
    "ImageSettings.workdir": "/app",
    "Inputs.compression": "gzip",
    "Inputs.context": ".",
    "Inputs.environment": "default",
    "Inputs.layers": 65,
    "Inputs.promote": True,
    "Inputs.push": True,
    "Inputs.reuse_environment": True,
    "Inputs.skip_unchanged": True,
    "Inputs.workdir": "/app",
    "LayerWriter.__init__.compression": "gzip",
    "PathEntry.kind": "file",
    "PathEntry.mode": 0o644,
    "PathEntry.mtime": 315532800,
    "PypiRequirement.applies": True,
    "PypiRequirement.source": "index",
    "Registry.get_labels.platform": "linux/amd64",
    "RegistryCall.redirects": True,
    "Wheel.entries.installer": "uv-pixi",
    "_Limited.__init__.allowed": 8 * 1024**2,
    "_Limited.read.size": -1,
    "_PartsStream.read.size": -1,
    "_Readable.read.size": -1,
    "capture.errors": "replace",
    "choose_pixi.asked_by": "pixi-version",
    "choose_pixi.oldest": OLDEST_PIXI,
    "environment_layers.most": 65,
    "labels_of.name": "labels",
    "private_docker_config.keep_stored": True,
    "read_bytes.limit": 4 * 1024**2,
    "read_text.errors": "strict",
    "read_text.limit": 4 * 1024**2,
    "render_dockerfile.pixi_version": DEFAULT_PIXI,
    "rules.name": "tags",
    "shortened.longest": 120,
    "text_entry.mode": 0o644,
}


def defaults() -> Iterator[tuple[str, Any]]:
    """Yield each default that is a text, a number or a boolean, with the name of what has it."""
    for info in pkgutil.walk_packages(pixi_container.__path__, "pixi_container."):
        if info.name.endswith("__main__"):
            continue
        module = importlib.import_module(info.name)
        for name, value in vars(module).items():
            if getattr(value, "__module__", "") != module.__name__:
                continue
            if inspect.isfunction(value):
                yield from of_function(name, value)
            elif inspect.isclass(value):
                yield from of_class(value)


def of_class(kind: type) -> Iterator[tuple[str, Any]]:
    is_data = dataclasses.is_dataclass(kind)
    if is_data:
        yield from ((f"{kind.__name__}.{field.name}", field.default) for field in dataclasses.fields(kind))
    for name, method in inspect.getmembers(kind, inspect.isfunction):
        if name in vars(kind) and not (is_data and name == "__init__"):
            yield from of_function(f"{kind.__name__}.{name}", method)


def of_function(name: str, function: Any) -> Iterator[tuple[str, Any]]:  # noqa: ANN401
    parameters = inspect.signature(inspect.unwrap(function)).parameters.values()
    yield from ((f"{name}.{parameter.name}", parameter.default) for parameter in parameters)


def test_defaults_are_neutral_or_listed() -> None:
    simple = {name: value for name, value in defaults() if isinstance(value, str | int | float)}
    assert len(simple) > len(OTHERS)
    assert {name: value for name, value in simple.items() if value} == OTHERS
