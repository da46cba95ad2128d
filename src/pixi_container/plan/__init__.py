"""All that was read and asked in, one value out that says what will happen and why."""
