"""What registries say when a tag may not be moved, and what to do about it."""

from __future__ import annotations

IMMUTABLE = r"\b(?:is|are|as) immutable\b|\btag immutability\b"
"""Amazon ECR, Harbor, Google's Artifact Registry and Docker Hub, each with another status."""

HOW_WITH_IMMUTABLE_TAGS = (
    "With immutable tags choose 'tags' of which each is new, such as `type=sha`, and set 'reuse-environment' to "
    "false, as the newest environment is found by a tag that moves; or except `latest`, branches and `env-*` from "
    "the registry's rule."
)
