"""The application on top of an environment, made and pushed without a builder."""
