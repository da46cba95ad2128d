"""The event and the checkout, from the runner or from a laptop, and the files in which a step reports results."""
