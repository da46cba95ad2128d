"""An event in, the files that it changed out, and which of them matter."""
