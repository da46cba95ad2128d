#!/bin/sh
# Check an image of a user's own Dockerfile, as far as it tells where its environment is. POSIX, no entrypoint.
fail() { echo "check of the image: $1" >&2; exit 1; }
seen=0
usable() {
  seen=1
  # Not every find knows -readable.
  unreadable=$(find "$1" ! -type l ! -readable -print -quit 2>/dev/null) || unreadable=
  [ -z "$unreadable" ] || fail "user $(id -u) cannot read $unreadable"
  if [ -x "$1/bin/python" ]; then "$1/bin/python" -I -B -c "" || fail "$1/bin/python does not start"; fi
  echo "environment $1 can be used by user $(id -u)"
}
if [ -n "${CONDA_PREFIX:-}" ]; then
  [ -d "$CONDA_PREFIX" ] || fail "CONDA_PREFIX is $CONDA_PREFIX, which is not a folder"
  case ":$PATH:" in *":$CONDA_PREFIX/bin:"*) ;; *) fail "$CONDA_PREFIX/bin is not in PATH: $PATH" ;; esac
  usable "$CONDA_PREFIX"
else
  for folder in "$PWD"/.pixi/envs/*; do
    if [ -d "$folder/conda-meta" ]; then usable "$folder"; fi
  done
fi
[ "$seen" = 1 ] || echo "the image starts; neither CONDA_PREFIX nor $PWD/.pixi/envs tells where an environment is"
