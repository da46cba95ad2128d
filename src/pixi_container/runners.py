"""Which runner has the jobs for each platform, and what it runs without emulation."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from pixi_container.errors import UserError
from pixi_container.image_choice import PLATFORMS
from pixi_container.input_values import lines_of, malformed

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

Label = str | tuple[str, ...]
"""A runner's label, or several that it has at once, as those of an installation's own runners."""

LABELS: Mapping[str, Label] = {
    "linux/amd64": "ubuntu-24.04",
    "linux/arm64": "ubuntu-24.04-arm",
    "linux/ppc64le": "ubuntu-24.04",
}
"""The labels of GitHub's runners by platform:
https://docs.github.com/actions/reference/runners/github-hosted-runners
"""

_NATIVE = frozenset({"linux/amd64", "linux/arm64"})
"""The platforms whose runner in ``LABELS`` is one itself."""

_LABEL = re.compile(r"[A-Za-z0-9][A-Za-z0-9 ._/:=@-]{0,199}")
_ACCEPTED = (
    "a platform and its label per line, such as linux/arm64=ubuntu-24.04-arm, or "
    'linux/arm64=["self-hosted","arm64"]'
)


@dataclass(frozen=True)
class Runners:
    """The runners: labels by platform for those that are not GitHub's own."""

    labels: Mapping[str, Label] = field(default_factory=dict)

    @property
    def platform(self) -> str:
        """The platform of an image that is asked for without one."""
        return PLATFORMS[0]

    def label(self, platform: str) -> Label:
        """Return the label of the runner for a platform."""
        return self.labels.get(platform) or LABELS[platform]

    def native_platform(self, platform: str) -> str:
        """Return the platform of the runner itself. One with a label of its own is taken to be what it is for."""
        return platform if platform in self.labels or platform in _NATIVE else self.platform


def runners(text: str) -> Runners:
    """Return the runners of the input ``runners``. Raises ``UserError`` for a line of another form."""
    labels: dict[str, Label] = {}
    for line in lines_of(text):
        platform, _, label = (part.strip() for part in line.partition("="))
        if platform not in PLATFORMS or not label:
            raise malformed("runners", line, f"{_ACCEPTED}; the platforms are {', '.join(PLATFORMS)}")
        if platform in labels:
            raise UserError(f"input 'runners' has '{platform}' twice", hint="Name each platform once.")
        labels[platform] = _label(line, label)
    return Runners(labels)


def _label(line: str, text: str) -> Label:
    if not text.startswith("["):
        return _checked(line, (text,))[0]
    try:
        words = json.loads(text)
    except (ValueError, RecursionError):
        words = None
    if not isinstance(words, list) or not words:
        raise malformed("runners", line, _ACCEPTED)
    return _checked(line, words)


def _checked(line: str, words: Iterable[object]) -> tuple[str, ...]:
    checked = tuple(word for word in words if isinstance(word, str) and _LABEL.fullmatch(word))
    if len(checked) != len(tuple(words)):
        raise malformed("runners", line, _ACCEPTED)
    return checked
