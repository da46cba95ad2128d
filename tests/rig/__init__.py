"""Real components for tests and the demo, on any machine: engine, registries, conda channel, base image.

`python -m tests.rig up|down|status|env`. Everything runs from two folders of its own (see `folders`), touches
no other part of the machine and is taken down again whole.
"""
