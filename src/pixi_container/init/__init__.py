"""Propose a workflow and settings for a repository, from what it has: workspace, Dockerfile and workflow."""
