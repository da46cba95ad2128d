"""From facts and inputs to tags, labels and annotations."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from pixi_container.errors import UserError
from pixi_container.tags.candidates import candidate
from pixi_container.tags.defaults import default_is_latest, default_tags
from pixi_container.tags.entries import accepted, entries
from pixi_container.tags.flavor import flavor_of
from pixi_container.tags.labels import annotations_of, labels_of
from pixi_container.tags.references import MAX_TAG, image_names, sanitised, tag_problem
from pixi_container.tags.rules import rules
from pixi_container.tags.versions import SCHEMES

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from pixi_container.tags.candidates import Candidate
    from pixi_container.tags.facts import Facts
    from pixi_container.tags.flavor import Flavor
    from pixi_container.tags.rules import Rule

LATEST = "latest"


@dataclass(frozen=True)
class Metadata:
    """What an image is called and what it says of itself.

    ``version`` is the first of ``tag_names``; ``tags`` are ``image:tag``, image by image, or the bare tags where
    the input names no image. ``annotations`` are ``level:key=value``. ``notes`` tell of rules that gave nothing
    although they were meant to.
    """

    version: str
    tag_names: tuple[str, ...]
    tags: tuple[str, ...]
    labels: Mapping[str, str]
    annotations: tuple[str, ...]
    notes: tuple[str, ...] = ()

    def as_json(self) -> dict[str, Any]:
        """Return the outputs by their names, ready for ``json.dumps``."""
        lists: dict[str, Any] = {
            "tags": list(self.tags),
            "tag-names": list(self.tag_names),
            "labels": dict(self.labels),
            "annotations": list(self.annotations),
        }
        return {"version": self.version, **lists, "json": lists}


def compute(
    facts: Facts,
    *,
    images: str,
    tags: str,
    flavor: str = "",
    labels: str = "",
    annotations: str = "",
    annotation_levels: str = "",
    published: Collection[str] | None = None,
) -> Metadata:
    """Compute all metadata from the texts of the inputs.

    ``published`` are the tags that the registry already has, None when that is not known; ``latest=auto``
    leaves ``latest`` alone when a higher stable version is among them. Raises ``UserError`` for whatever is
    malformed in an input and for a tag or image name that a registry would refuse.
    """
    names = image_names(images)
    chosen = flavor_of(flavor)
    if entries(tags, "tags"):
        chosen_rules = rules(tags)
    else:
        chosen_rules = rules(default_tags(facts), "default tags")
        if chosen.latest == "auto" and default_is_latest(facts):
            chosen = replace(chosen, latest="true")
    tag_names, notes = _tag_names(chosen_rules, facts, chosen, published)
    version = tag_names[0] if tag_names else ""
    of_image, label_notes = labels_of(facts, version, labels)
    of_manifest, annotation_notes = labels_of(facts, version, annotations, "annotations")
    return Metadata(
        version=version,
        tag_names=tag_names,
        tags=_tags(names, tag_names, anonymous=not entries(images, "images")),
        labels=of_image,
        annotations=annotations_of(of_manifest, annotation_levels),
        notes=(*notes, *label_notes, *annotation_notes),
    )


def _tags(images: tuple[str, ...], tag_names: tuple[str, ...], *, anonymous: bool) -> tuple[str, ...]:
    return tag_names if anonymous else tuple(f"{image}:{name}" for image in images for name in tag_names)


def _tag_names(
    chosen_rules: list[Rule], facts: Facts, flavor: Flavor, published: Collection[str] | None
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    names: dict[str, None] = {}
    notes: list[str] = []
    latest = False
    for rule in chosen_rules:
        if not _enabled(rule, facts):
            continue
        made = candidate(rule, facts)
        if made.note:
            notes.append(f"input {rule.entry.input!r}, line {rule.entry.line}: {made.note}")
        if not made.value:
            continue
        prefix = (flavor.prefix if rule.prefix is None else rule.prefix).render(facts)
        suffix = (flavor.suffix if rule.suffix is None else rule.suffix).render(facts)
        if not names:
            latest = flavor.latest == "true" or (flavor.latest == "auto" and made.latest)
            if latest and flavor.latest == "auto":
                higher = _higher(made, rule, published or (), sanitised(prefix), sanitised(suffix))
                if higher:
                    latest = False
                    notes.append(f"{LATEST} stays where it is: the registry has {higher}")
        name = sanitised(f"{prefix}{made.value}{suffix}")
        if problem := tag_problem(name):
            raise rule.entry.error(f"the tag {name!r} {problem}", _tag_hint(facts))
        names[name] = None
    if latest:
        names[_latest(flavor, facts)] = None
    return tuple(names), tuple(notes)


def _enabled(rule: Rule, facts: Facts) -> bool:
    enabled = rule.enable.render(facts)
    if enabled not in {"true", "false"}:
        raise rule.entry.error(f"enable is {enabled!r}", accepted(enabled, ["true", "false"]))
    return enabled == "true"


def _latest(flavor: Flavor, facts: Facts) -> str:
    prefix = flavor.prefix.render(facts) if flavor.prefix_on_latest else ""
    suffix = flavor.suffix.render(facts) if flavor.suffix_on_latest else ""
    name = sanitised(f"{prefix}{LATEST}{suffix}")
    if problem := tag_problem(name):
        raise UserError(f"input 'flavor': the tag {name!r} {problem}", hint=_tag_hint(facts))
    return name


def _higher(made: Candidate, rule: Rule, published: Collection[str], prefix: str, suffix: str) -> str:
    """Name a published stable version of the same scheme, prefix and suffix that is higher, else nothing."""
    if made.version is None:
        return ""
    for tag in sorted(published):
        if len(tag) < len(prefix) + len(suffix) or not (tag.startswith(prefix) and tag.endswith(suffix)):
            continue
        other = SCHEMES[rule.type](tag[len(prefix) : len(tag) - len(suffix)])
        # A lone number is a date or a moving major version.
        if other and other.stable and other.components > 1 and other.order > made.version.order:
            return tag
    return ""


def _tag_hint(facts: Facts) -> str:
    return (
        f"A tag has at most {MAX_TAG} characters and starts with a letter, a digit or '_'. The ref is"
        f" {facts.ref!r}; an expression that does not fit it, such as {{{{branch}}}} for a git tag, is empty."
    )
