"""Image references, credentials and the registry client."""
