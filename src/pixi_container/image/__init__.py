"""Define the image: its Dockerfile, base images, layers, fingerprints, tags and labels."""
