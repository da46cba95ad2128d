"""The bench: seconds and bytes of the flow against the usual recipe, in one run on the rig's components."""
