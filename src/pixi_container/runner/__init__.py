"""What the runner, or the checkout on a laptop, tells of an event, and the files by which a step answers it."""
