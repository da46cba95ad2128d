"""Manifest, lock and files of a folder in, one environment's packages and needs out."""
