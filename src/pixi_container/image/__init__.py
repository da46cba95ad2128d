"""An environment and the inputs in; the Dockerfile, fingerprints, tags and labels of its image out."""
