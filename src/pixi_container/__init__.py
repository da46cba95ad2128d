"""Ship Pixi environments as container images."""

__version__ = "0.1.0"
