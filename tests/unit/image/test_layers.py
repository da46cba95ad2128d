"""Which layer a package is in: one, by what it is itself, whatever else is in the environment."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pixi_container.image.layers import OWN_LAYER_BYTES, REST, environment_layers, layer_budget, layer_budgets
from pixi_container.input_table import MOST_LAYERS
from pixi_container.workspace.lock import LockedPackage

NAMES = st.from_regex(r"[a-z][a-z0-9_.-]{0,12}", fullmatch=True)
SIZES = st.one_of(st.none(), st.integers(0, 3 * OWN_LAYER_BYTES))


def conda(name: str, size: int | None = 1000) -> LockedPackage:
    return LockedPackage(
        kind="conda",
        name=name,
        version="1",
        build="0",
        location=f"https://conda.anaconda.org/conda-forge/linux-64/{name}-1-0.conda",
        size=size,
        sha256="",
        md5="",
    )


def wheel(name: str, tag: str = "py3-none-any") -> LockedPackage:
    place = f"https://files.example/{name}-1-{tag}.whl"
    return replace(conda(name, None), kind="pypi", build="", location=place)


PACKAGES = st.lists(
    st.one_of(
        st.builds(conda, NAMES, SIZES),
        st.builds(wheel, NAMES, st.sampled_from(["py3-none-any", "cp311-cp311-manylinux_2_28_x86_64"])),
    ),
    max_size=60,
    unique_by=lambda package: (package.kind, package.name),
)


def places(packages: list[LockedPackage], most: int = MOST_LAYERS) -> dict[str, str]:
    return {package: layer.name for layer in environment_layers(packages, most) for package in layer.packages}


@pytest.mark.slow
@given(PACKAGES, st.integers(1, MOST_LAYERS))
def test_every_package_is_in_one_layer_of_a_bounded_number(packages: list[LockedPackage], most: int) -> None:
    layers = environment_layers(packages, most)
    assert len(layers) <= most
    assert len({layer.name for layer in layers}) == len(layers)
    assert layers[-1].name == REST
    members = [package for layer in layers for package in layer.packages]
    assert len(set(members)) == len(members)
    assert all(layer.packages for layer in layers[:-1])
    if most > 1:
        assert len(members) >= len({package.name for package in packages if package.kind == "conda"})


@given(PACKAGES, NAMES, SIZES)
def test_other_packages_do_not_move_it(packages: list[LockedPackage], name: str, size: int | None) -> None:
    one = conda(name, size)
    others = [package for package in packages if package.name != name]
    assert places([*others, one])[f"conda:{name}"] == places([one])[f"conda:{name}"]


@given(PACKAGES)
def test_the_order_in_the_lock_does_not_matter(packages: list[LockedPackage]) -> None:
    assert environment_layers(packages) == environment_layers(packages[::-1])


def test_a_bump_stays_in_its_layer() -> None:
    others = [conda(f"other-{number}") for number in range(50)]
    before, after = conda("tqdm", 80_000), replace(conda("tqdm", 90_000), version="2")
    assert environment_layers([*others, before]) == environment_layers([*others, after])


def test_the_largest_are_alone_and_lowest() -> None:
    layers = environment_layers(
        [conda("b", OWN_LAYER_BYTES), conda("a", 2 * OWN_LAYER_BYTES), conda("c"), wheel("d")]
    )
    assert [layer.name for layer in layers[:2]] == ["own-a", "own-b"]
    assert layers[0].packages == ("conda:a",)
    assert {package for layer in layers[2:] for package in layer.packages} == {"conda:c", "pypi:d"}


def test_compiled_wheels_are_apart_from_pure_ones() -> None:
    layers = places([wheel("numpy", "cp311-cp311-manylinux_2_28_x86_64"), wheel("rich"), wheel("Ruamel.yaml")])
    assert layers["pypi:numpy"].startswith("wheels-")
    assert layers["pypi:rich"].startswith("shared-")
    assert "pypi:ruamel-yaml" in layers


def test_one_layer_holds_everything() -> None:
    assert [layer.name for layer in environment_layers([conda("a", 2 * OWN_LAYER_BYTES)], 1)] == [REST]


@pytest.mark.parametrize(
    ("others", "asked", "most"), [(6, 65, 65), (15, 65, 65), (16, 65, 64), (16, 10, 10), (79, 65, 1), (200, 65, 1)]
)
def test_many_layers_of_the_workspace_leave_fewer_to_the_environment(others: int, asked: int, most: int) -> None:
    assert layer_budget(others, asked) == most


@pytest.mark.parametrize(
    ("name", "compiled"),
    [
        ("w-1-py3-none-any", False),
        ("w-1-py3-none-manylinux_2_28_x86_64", True),
        ("w-1-cp39-abi3-any", True),
        ("w-1-py2.py3-none-any", False),
        ("a name that says nothing", True),
    ],
)
def test_compiled_wheels_are_kept_apart(name: str, compiled: bool) -> None:
    package = replace(wheel("w"), location=f"https://files.example/{name}.whl")
    assert places([package])["pypi:w"].startswith("wheels-" if compiled else "shared-")


@pytest.mark.parametrize(
    ("most", "own", "wheels", "shared"),
    [(65, 40, 8, 16), (64, 41, 7, 15), (33, 20, 4, 8), (17, 10, 2, 4), (8, 6, 0, 1), (3, 1, 0, 1), (2, 0, 0, 1)],
)
def test_the_layers_are_shared_out(most: int, own: int, wheels: int, shared: int) -> None:
    large = [conda(f"large-{number}", OWN_LAYER_BYTES + number) for number in range(60)]
    small = [conda(f"small-{number}", OWN_LAYER_BYTES - 1) for number in range(200)]
    compiled = [wheel(f"wheel-{number}", "cp311-cp311-linux_x86_64") for number in range(100)]
    layers = environment_layers([*large, *small, *compiled], most)
    names = [layer.name for layer in layers]
    assert names[:own] == [f"own-large-{number}" for number in range(59, 59 - own, -1)]
    assert names[own:-1] == [
        *(f"wheels-{number}" for number in range(wheels)),
        *(f"shared-{number:02}" for number in range(shared)),
    ]
    assert sum(len(layer.packages) for layer in layers) == 360


def test_a_package_keeps_its_layer_from_one_version_of_this_program_to_the_next() -> None:
    packages = [conda("tqdm"), conda("zlib"), wheel("rich"), wheel("numpy", "cp311-cp311-linux_x86_64")]
    assert places(packages) == {
        "conda:tqdm": "shared-11",
        "conda:zlib": "shared-08",
        "pypi:rich": "shared-13",
        "pypi:numpy": "wheels-2",
    }


def test_a_name_that_cannot_be_a_folder_is_in_the_last_layer() -> None:
    assert places([conda("a/b"), conda("-a"), conda(""), conda("_a.b-C")]).keys() == {"conda:_a.b-C"}


def test_large_packages_of_one_size_are_in_the_order_of_their_names() -> None:
    names = [layer.name for layer in environment_layers([conda(name, OWN_LAYER_BYTES) for name in "cab"])]
    assert names == ["own-a", "own-b", "own-c", REST]


@pytest.mark.parametrize(
    ("most", "environments", "budgets"),
    [(65, 1, (65,)), (65, 2, (33, 32)), (65, 8, (9, *[8] * 7)), (3, 2, (2, 1)), (1, 1, (1,)), (1, 2, (1, 1))],
)
def test_the_layers_are_divided_among_environments(most: int, environments: int, budgets: tuple[int, ...]) -> None:
    assert layer_budgets(most, environments) == budgets
