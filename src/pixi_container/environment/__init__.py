"""The files of an environment and the layers that hold them, made from its packages without a container engine."""
