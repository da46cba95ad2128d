"""A stand-in for the pixi program, on py-rattler, the bindings of the Rust libraries that pixi is made of.

For machines that cannot fetch the official builder image. It knows the few sub-commands that container builds
use, behaves in them as pixi 0.77.0 does, and refuses everything else.
"""

VERSION = "0.77.0"
