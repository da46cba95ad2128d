"""What is on the registry is known by its fingerprint, whatever its tag says, and for its own name alone."""

from __future__ import annotations

import pytest

from pixi_container.errors import UserError
from pixi_container.image.definition import ImageDefinition
from pixi_container.image.fingerprint_labels import (
    APT_PACKAGES,
    BASE,
    BASE_REFRESHED,
    ENVIRONMENT,
    IMAGE,
    PARTS,
    base_labels,
    fingerprint_labels,
)
from pixi_container.plan.existing import (
    ExistingBase,
    ExistingImages,
    compare,
    find_base,
    find_environment,
    find_images,
)
from pixi_container.registry.reference import ImageReference
from tests.unit.conftest import Folder
from tests.unit.loopback import as_json
from tests.unit.plan.test_plan import PUSH, plan_of
from tests.unit.registry_server import RegistryServer

STUDY, COPY = "lab/study", "lab/copy"


@pytest.fixture
def wanted(folder: Folder) -> ImageDefinition:
    return plan_of(folder, PUSH).definition


def labels_of(image: ImageDefinition) -> dict[str, object]:
    return {**fingerprint_labels(image.environment_fingerprint, image.fingerprint)}


class Search:
    """Looks for images, and keeps what is said meanwhile."""

    def __init__(self, server: RegistryServer, wanted: ImageDefinition) -> None:
        self.server, self.wanted, self.said = server, wanted, list[str]()

    def images(self, repositories: tuple[str, ...], *tags: str) -> ExistingImages:
        names = tuple(self.server.name(repository) for repository in repositories)
        with self.server.client() as registry:
            planned = tuple(name.tagged(tag) for name in names for tag in tags)
            return find_images(registry, names, self.wanted, planned, self.said.append)

    def environment(self, *repositories: str) -> ImageReference | None:
        names = tuple(self.server.name(repository) for repository in repositories)
        with self.server.client() as registry:
            return find_environment(registry, names, self.wanted, self.said.append)

    def base(self, *repositories: str) -> ExistingBase | None:
        names = tuple(self.server.name(repository) for repository in repositories)
        assert self.wanted.base
        with self.server.client() as registry:
            return find_base(registry, names, self.wanted.base, "linux/amd64", self.said.append)


@pytest.fixture
def search(server: RegistryServer, wanted: ImageDefinition) -> Search:
    return Search(server, wanted)


def test_nothing_there(search: Search, server: RegistryServer) -> None:
    existing = search.images((STUDY,), "main", "latest")
    assert existing.images == ()
    name = server.name()
    assert existing.tags == {
        name.tagged(search.wanted.image_tag): "",
        name.tagged("main"): "",
        name.tagged("latest"): "",
    }
    assert (existing.compared, existing.differences, search.said) == (None, (), [])


def test_an_image_is_known_by_our_tag_and_by_any_of_its_own(
    search: Search, server: RegistryServer, wanted: ImageDefinition
) -> None:
    image = server.put_image(STUDY, "main", labels=labels_of(wanted))
    name = server.name()
    by_tag = search.images((STUDY,), "main", "latest")
    assert by_tag.images == (name.pinned(image["digest"]),)
    assert by_tag.tags == {name.tagged("main"): image["digest"], name.tagged("latest"): ""}
    server.manifests[STUDY][wanted.image_tag] = server.manifests[STUDY].pop("main")
    by_ours = search.images((STUDY,), "main")
    assert by_ours.images == by_tag.images
    assert by_ours.tags == {name.tagged("main"): ""}


def test_a_tag_that_points_elsewhere_is_told(
    search: Search, server: RegistryServer, wanted: ImageDefinition
) -> None:
    server.put_image(STUDY, wanted.image_tag, labels=labels_of(wanted))
    other = server.put_image(STUDY, "main", labels={"other": "image"})
    assert search.images((STUDY,), "main").tags == {server.name().tagged("main"): other["digest"]}


@pytest.mark.parametrize("label", [IMAGE, ENVIRONMENT])
@pytest.mark.parametrize("value", ["0" * 64, None])
def test_a_tag_alone_proves_nothing(
    search: Search, server: RegistryServer, wanted: ImageDefinition, label: str, value: str | None
) -> None:
    server.put_image(STUDY, wanted.image_tag, labels={**labels_of(wanted), label: value})
    assert search.images((STUDY,)).images == ()


def test_parts_that_differ_are_of_the_first_image_that_tells(
    search: Search, server: RegistryServer, wanted: ImageDefinition, folder: Folder
) -> None:
    folder.write("src/main.py", "print('goodbye')\n")
    before = plan_of(folder, PUSH).definition
    folder.write(".dockerignore", "*.tmp\n")
    server.put_image(STUDY, "silent", labels={"no": "fingerprint"})
    server.put_image(STUDY, "main", labels=labels_of(before))
    server.put_image(STUDY, "latest", labels=labels_of(plan_of(folder, PUSH).definition))
    existing = search.images((STUDY,), "silent", "main", "latest")
    assert existing.images == ()
    assert existing.compared == server.name().tagged("main")
    assert existing.differences == ("included files",)


def test_the_same_image_under_two_tags_is_looked_at_once(search: Search, server: RegistryServer) -> None:
    server.put_image(STUDY, "main", "latest", labels={"no": "fingerprint"})
    search.images((STUDY,), "main", "latest")
    assert len([asked for asked in server.asked if "/blobs/" in asked]) == 1


def test_every_name_has_to_have_it(search: Search, server: RegistryServer, wanted: ImageDefinition) -> None:
    image = server.put_image(STUDY, wanted.image_tag, "main", labels=labels_of(wanted))
    existing = search.images((STUDY, COPY), "main")
    assert existing.images == (), "of what one name has nothing may be put under another"
    assert existing.tags[server.name(COPY).tagged("main")] == ""
    server.put_image(COPY, "main", labels=labels_of(wanted))
    existing = search.images((STUDY, COPY), "main")
    assert existing.images == tuple(
        server.name(repository).pinned(image["digest"]) for repository in (STUDY, COPY)
    )
    assert set(existing.tags.values()) == {image["digest"]}


def test_a_tag_of_another_name_is_not_asked_for(search: Search, server: RegistryServer) -> None:
    search.images((STUDY, COPY), "main")
    assert not any(f"/{COPY}/" in asked for asked in server.asked), "the first name has none already"


def test_a_registry_in_trouble_has_nothing(search: Search, server: RegistryServer) -> None:
    server.interfere = lambda request: (
        as_json({"errors": [{"message": "no"}]}, 403) if "/lab/copy/" in request.path else None
    )
    image = server.put_image(STUDY, search.wanted.image_tag, labels=labels_of(search.wanted))
    existing = search.images((STUDY, COPY))
    assert existing.images == ()
    assert image["digest"] not in existing.tags.values()
    (said,) = search.said
    assert said.startswith(f"could not look for an existing image: the registry {server.address} denied")


def environment_labels(image: ImageDefinition) -> dict[str, object]:
    return {**fingerprint_labels(image.environment_fingerprint)}


def test_an_environment_is_used_by_digest(search: Search, server: RegistryServer, wanted: ImageDefinition) -> None:
    image = server.put_image(STUDY, wanted.environment_tag, labels=environment_labels(wanted))
    server.put_image(STUDY, wanted.moving_environment_tag, labels={"older": "1"})
    assert search.environment(STUDY) == server.name().pinned(image["digest"])
    assert search.said == []


@pytest.mark.parametrize("labels", [{}, {ENVIRONMENT: "0" * 64}, None])
def test_an_environment_that_is_not_what_its_tag_says_is_told_and_not_used(
    search: Search, server: RegistryServer, wanted: ImageDefinition, labels: dict[str, object] | None
) -> None:
    server.put_image(STUDY, wanted.environment_tag, labels=labels)
    assert search.environment(STUDY) is None
    claimed = server.name().tagged(wanted.environment_tag)
    assert search.said == [f"{claimed} is ignored: its fingerprint does not match its tag"]


def test_all_names_have_to_have_the_same_environment(
    search: Search, server: RegistryServer, wanted: ImageDefinition
) -> None:
    labels = environment_labels(wanted)
    image = server.put_image(STUDY, wanted.environment_tag, labels=labels)
    assert search.environment(STUDY, COPY) is None
    server.put_image(COPY, wanted.environment_tag, labels={**labels, "more": "1"})
    assert search.environment(STUDY, COPY) is None, "nor does another one of the same fingerprint do"
    # The same content that a registry compressed in another way.
    media_type, content = server.manifests[STUDY][wanted.environment_tag]
    server.manifests[COPY][wanted.environment_tag] = (media_type, content + b" ")
    assert search.environment(STUDY, COPY) == server.name(STUDY).pinned(image["digest"])


def test_an_index_is_no_environment_for_several_names(
    search: Search, server: RegistryServer, wanted: ImageDefinition
) -> None:
    index = {"mediaType": "application/vnd.oci.image.index.v1+json", "manifests": []}
    for repository in (STUDY, COPY):
        server.put_manifest(repository, index, wanted.environment_tag)
    assert search.environment(STUDY, COPY) is None


def test_trouble_with_the_environment_is_told(search: Search, server: RegistryServer) -> None:
    server.interfere = lambda _: as_json({}, 401)
    assert search.environment(STUDY) is None
    assert search.said[0].startswith("could not look for an environment image: ")


@pytest.mark.parametrize("reference", ["", ":main", "@digest"])
def test_an_image_is_explained(
    server: RegistryServer, wanted: ImageDefinition, folder: Folder, reference: str
) -> None:
    folder.write("src/main.py", "print('goodbye')\n")
    image = server.put_image(STUDY, "latest", "main", labels=labels_of(plan_of(folder, PUSH).definition))
    named = {
        "": server.name(),
        ":main": server.name().tagged("main"),
        "@digest": server.name().pinned(image["digest"]),
    }[reference]
    with server.client() as registry:
        parts = compare(registry, named, wanted)
        assert list(parts) == ["included files"]
        assert parts["included files"] != "a part that another version of pixi-container defines"
        server.put_image(STUDY, "same", labels=labels_of(wanted))
        assert compare(registry, server.name().tagged("same"), wanted) == {}


def test_a_part_that_only_another_version_knows_is_named(server: RegistryServer, wanted: ImageDefinition) -> None:
    labels = labels_of(wanted)
    labels[PARTS] = str(labels[PARTS]).replace("{", '{"phase of the moon": "0123456789abcdef", ', 1)
    server.put_image(STUDY, "latest", labels=labels)
    with server.client() as registry:
        assert compare(registry, server.name(), wanted) == {
            "phase of the moon": "a part that another version of pixi-container defines"
        }


def test_what_cannot_be_explained(server: RegistryServer, wanted: ImageDefinition) -> None:
    server.put_image(STUDY, "silent", labels={"a": "b"})
    with server.client() as registry:
        for reference, message in (
            (server.name(), "does not exist"),
            (server.name().pinned(f"sha256:{'0' * 64}"), "does not exist"),
            (server.name().tagged("silent"), "has no fingerprint labels"),
        ):
            with pytest.raises(UserError, match=message):
                compare(registry, reference, wanted)


@pytest.fixture
def based(folder: Folder, server: RegistryServer) -> Search:
    return Search(server, plan_of(folder, PUSH, apt_packages="git tini").definition)


def base_labels_of(search: Search, **others: str) -> dict[str, object]:
    assert search.wanted.base
    return {**base_labels(search.wanted.base), **others}


def test_a_base_is_known_by_its_label_with_what_is_in_it(based: Search, server: RegistryServer) -> None:
    assert based.wanted.base
    tag = based.wanted.base.tag
    assert based.base(STUDY) is None
    others = {BASE_REFRESHED: "2026-01-02T03:04:05Z", APT_PACKAGES: '{"tini": "0.19.0-1", "git": "1:2.39"}'}
    image = server.put_image(STUDY, tag, labels=base_labels_of(based, **others))
    assert based.base(STUDY) == ExistingBase(
        image=server.name().pinned(image["digest"]),
        refreshed="2026-01-02T03:04:05Z",
        packages=(("git", "1:2.39"), ("tini", "0.19.0-1")),
    )
    assert based.base(STUDY, COPY) is None, "every name has its own"
    assert based.said == []


@pytest.mark.parametrize("packages", ["[]", "{", '{"git": 1, "a b": "x\\n", "../x": "1"}', "null", "[" * 100_000])
def test_odd_labels_of_a_base_do_no_harm(based: Search, server: RegistryServer, packages: str) -> None:
    assert based.wanted.base
    labels = base_labels_of(based, **{BASE_REFRESHED: "now $(id)", APT_PACKAGES: packages})
    server.put_image(STUDY, based.wanted.base.tag, labels=labels)
    existing = based.base(STUDY)
    assert existing
    assert (existing.refreshed, existing.packages) in {("", ()), ("", (("git", "1"),))}


def test_a_base_of_another_fingerprint_is_ignored(based: Search, server: RegistryServer) -> None:
    assert based.wanted.base
    server.put_image(STUDY, based.wanted.base.tag, labels={BASE: "0" * 64})
    assert based.base(STUDY) is None
    assert based.said == [
        f"{server.name().tagged(based.wanted.base.tag)} is ignored: its fingerprint does not match its tag"
    ]
