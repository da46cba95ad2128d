"""Run docker and buildx: build, test and push images, and explain failures."""
