"""References, credentials and calls: images on a registry are read, tagged and checked."""
