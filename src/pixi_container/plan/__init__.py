"""The plan: what a run will do, and why."""
