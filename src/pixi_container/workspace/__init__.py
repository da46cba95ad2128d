"""Read manifest, lock and files of a folder, and return one environment's packages and requirements."""
