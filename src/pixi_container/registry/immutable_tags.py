"""How registries report that a tag is immutable, and what to do about it."""

from __future__ import annotations

IMMUTABLE = r"\b(?:is|are|as) immutable\b|\btag immutability\b"
"""The words of Amazon ECR, Harbor, Google Artifact Registry and Docker Hub, whose status codes differ."""

HOW_WITH_IMMUTABLE_TAGS = (
    "If tags must stay immutable, choose 'tags' that are new for each commit, such as `type=sha`, and set "
    "'reuse-environment' to false, because it needs a tag that moves. Otherwise exclude `latest`, branch names "
    "and `env-*` from the registry's rule."
)
