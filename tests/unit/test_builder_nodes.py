"""The nodes of a builder, from lines of a workflow."""

from __future__ import annotations

import pytest

from pixi_container.builder_nodes import BuilderNode, node_for, parse_nodes
from pixi_container.errors import UserError

ARM = "linux/arm64=tcp://arm.lab.example:1234"


@pytest.mark.parametrize(
    ("line", "platforms", "endpoint", "options"),
    [
        (ARM, ("linux/arm64",), "tcp://arm.lab.example:1234", ()),
        ("linux/arm64=tcp://10.0.0.7:65535", ("linux/arm64",), "tcp://10.0.0.7:65535", ()),
        ("linux/arm64=tcp://[fd00::7]:1", ("linux/arm64",), "tcp://[fd00::7]:1", ()),
        (
            "linux/amd64,linux/ppc64le=unix:///run/b.sock",
            ("linux/amd64", "linux/ppc64le"),
            "unix:///run/b.sock",
            (),
        ),
        ("linux/amd64=docker-container://b_1.x", ("linux/amd64",), "docker-container://b_1.x", ()),
        ("linux/amd64=kube-pod://buildkitd-0", ("linux/amd64",), "kube-pod://buildkitd-0", ()),
        ("linux/amd64=kube-pod://b?namespace=ci-1", ("linux/amd64",), "kube-pod://b?namespace=ci-1", ()),
        (
            f"{ARM}   cacert=/run/ca.pem cert=/run/a-1/cert.pem\tkey=/run/key.pem servername=b.example",
            ("linux/arm64",),
            "tcp://arm.lab.example:1234",
            (
                *(("cacert", "/run/ca.pem"), ("cert", "/run/a-1/cert.pem"), ("key", "/run/key.pem")),
                ("servername", "b.example"),
            ),
        ),
        (
            "linux/amd64=unix:///b default-load=true",
            ("linux/amd64",),
            "unix:///b",
            (("default-load", "true"),),
        ),
    ],
)
def test_a_line_is_a_node(
    line: str, platforms: tuple[str, ...], endpoint: str, options: tuple[tuple[str, str], ...]
) -> None:
    assert parse_nodes([line]) == (BuilderNode(platforms=platforms, endpoint=endpoint, options=options),)


@pytest.mark.parametrize(
    "line",
    [
        *(
            "linux/arm64",
            "=tcp://a:1",
            "tcp://a:1",
            "arm64=tcp://a:1",
            "linux/arm64,=tcp://a:1",
            "linux/s390x=tcp://a:1",
        ),
        *("linux/arm64 = tcp://a:1", "linux/arm64=", "linux/arm64=a:1", "linux/arm64=http://a:1"),
        *("linux/arm64=tcp://a", "linux/arm64=tcp://a:", "linux/arm64=tcp://a:0", "linux/arm64=tcp://a:65536"),
        *("linux/arm64=tcp://:1", "linux/arm64=tcp://-a:1", "linux/arm64=tcp://a:1/x", "linux/arm64=tcp://u@a:1"),
        *("linux/arm64=tcp://a;id:1", "linux/arm64=tcp://$(id):1", "linux/arm64=tcp://a\x00:1"),
        *("linux/arm64=tcp://\u0661:1", "linux/arm64=tcp://a:\u0661"),
        *("linux/arm64=ssh://a", "linux/arm64=--bootstrap", "linux/arm64=-a", "--platform=tcp://a:1"),
        *(
            "linux/arm64=unix://b.sock",
            "linux/arm64=unix:///",
            "linux/arm64=unix:///a,b",
            "linux/arm64=unix:///a\x1bb",
        ),
        *(
            "linux/arm64=docker-container://",
            "linux/arm64=docker-container://-x",
            "linux/arm64=docker-container://a/b",
        ),
        *(
            "linux/arm64=kube-pod://",
            "linux/arm64=kube-pod://a?container=b",
            "linux/arm64=kube-pod://a?namespace=",
        ),
        *("linux/arm64=kube-pod://a?namespace=b&context=c", "linux/arm64=kube-pod://A"),
        *(f"{ARM} {option}" for option in ("cacert", "cacert=", "cacert=ca.pem", "cacert=/a,key=/b", "=/a")),
        *(f"{ARM} {option}" for option in ('cacert="/a"', "cacert=/$HOME/a", "cacert=/a:b", "CACERT=/a")),
        *(f"{ARM} {option}" for option in ("timeout=3s", "image=evil", "default-load=yes", "servername=-a")),
        *(
            f"{ARM} {option}"
            for option in ("--bootstrap", "cacert=/a cert=/b", "cacert=/a key=/b", "servername=a")
        ),
        *(f"{ARM} {option}" for option in ("cert=/a key=/b", "cacert=/a cacert=/b")),
        "linux/arm64=unix:///a cacert=/a",
    ],
)
def test_what_is_no_node_is_refused(line: str) -> None:
    with pytest.raises(UserError) as caught:
        parse_nodes([line])
    assert caught.value.message.startswith("input 'nodes' has ")
    assert caught.value.hint


@pytest.mark.parametrize(
    ("lines", "twice"),
    [
        ([ARM, "linux/amd64,linux/arm64=tcp://b:1"], "linux/arm64"),
        (["linux/arm64,linux/arm64=tcp://b:1"], "linux/arm64"),
        (["linux/amd64=tcp://b:1", "linux/arm64=tcp://b:1"], "tcp://b:1"),
    ],
)
def test_a_platform_has_one_node_and_a_node_one_line(lines: list[str], twice: str) -> None:
    with pytest.raises(UserError) as caught:
        parse_nodes(lines)
    assert caught.value.message == f"input 'nodes' has '{twice}' twice"


def test_the_node_for_a_platform() -> None:
    nodes = parse_nodes([ARM, "linux/amd64,linux/ppc64le=tcp://b:1"])
    assert [node_for(nodes, name) for name in ("linux/ppc64le", "linux/arm64")] == [nodes[1], nodes[0]]
    assert node_for(nodes, "linux/s390x") is None
    assert node_for((), "linux/amd64") is None
