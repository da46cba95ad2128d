"""Command lines in, built and pushed images out, or an error that says what went wrong."""
