"""Several image names: whoever may write to one of them decides nothing for the others."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import httpx
import pytest

from pixi_container.image import fingerprint_labels
from tests.end_to_end.conftest import Step, registry_tags

MANIFEST = "application/vnd.oci.image.manifest.v1+json"


def plant(registry: str, name: str, tags: list[str], labels: dict[str, str]) -> str:
    """Push an image of nothing with these labels, as anybody who may write to the name can; return its digest."""
    with httpx.Client(base_url=f"http://{registry}/v2/{name}/") as client:

        def blob(content: bytes) -> dict[str, object]:
            digest = f"sha256:{hashlib.sha256(content).hexdigest()}"
            place = client.post("blobs/uploads/").raise_for_status().headers["location"]
            client.put(
                place, params={**httpx.URL(place).params, "digest": digest}, content=content
            ).raise_for_status()
            return {"digest": digest, "size": len(content)}

        config = json.dumps({"architecture": "amd64", "os": "linux", "config": {"Labels": labels}}).encode()
        described = {"mediaType": "application/vnd.oci.image.config.v1+json", **blob(config)}
        manifest = json.dumps({"schemaVersion": 2, "mediaType": MANIFEST, "config": described, "layers": []})
        for tag in tags:
            client.put(f"manifests/{tag}", content=manifest, headers={"content-type": MANIFEST}).raise_for_status()
    return f"sha256:{hashlib.sha256(manifest.encode()).hexdigest()}"


@pytest.mark.engine
@pytest.mark.parametrize("planted_under", ["first", "second"])
def test_an_image_planted_under_one_name_is_not_promoted_to_the_other(
    step: Step, tmp_path: Path, planted_under: str
) -> None:
    names = {"first": step.image, "second": f"{step.image}-mirror"}
    images = "\n".join(f"{step.rig.registry}/{name}" for name in names.values())
    planned = json.loads(step.run(images=images, push="false").outputs["metadata"])
    labels = {
        fingerprint_labels.IMAGE: planned["image_fingerprint"],
        fingerprint_labels.ENVIRONMENT: planned["fingerprint"],
    }
    environment = planned["environment"]
    ours = [
        f"img-{environment}-{planned['image_fingerprint'][:16]}",
        f"env-{environment}-{planned['fingerprint'][:16]}",
    ]
    planted = plant(step.rig.registry, names[planted_under], [*ours, f"env-{environment}", "latest"], labels)
    outcome = step.run(images=images)
    assert outcome.code == 0, outcome.log
    assert outcome.outputs["decision"] == "build"
    tags = {name: registry_tags(step.rig.registry, name) for name in names.values()}
    digests = {digest for of_name in tags.values() for digest in of_name.values()}
    assert digests == {outcome.outputs["digest"]}
    assert planted not in digests
    environments = [registry_tags(step.rig.registry, name, ours=True) for name in names.values()]
    assert environments[0] == environments[1]
    assert planted not in environments[0].values()

    again = step.run(images=images, tags="type=raw,value=again")
    assert again.outputs["decision"] in {"promote", "skip"}, again.log
    for name in names.values():
        assert registry_tags(step.rig.registry, name)["again"] == outcome.outputs["digest"]
