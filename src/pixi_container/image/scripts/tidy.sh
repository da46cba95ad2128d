#!/bin/sh
# Functions for the other scripts: check an installed environment, and make its files reproducible.

# The time of all files that a build creates, in seconds since 1970: the earliest that pixi accepts.
earliest=315532800

# Set that time. Arguments: PATH [TEST OF FIND…]
set_times() { find "$@" -exec touch -h -d "@$earliest" {} +; }

# Fail if the environment is incomplete: it must never become an image.
# Arguments: PREFIX "ARCHITECTURE=PACKAGES …"
check_records() {
  expected=
  for entry in $2; do
    if [ "${entry%=*}" = "$TARGETARCH" ]; then expected=${entry#*=}; fi
  done
  if [ -z "$expected" ]; then
    echo "environment '${1##*/}' is not rendered for $TARGETARCH" >&2
    exit 1
  fi
  installed=$(find "$1/conda-meta" -maxdepth 1 -name '*.json' | wc -l)
  if [ "$installed" -ne "$expected" ]; then
    echo "pixi installed $installed conda packages, the lock has $expected" >&2
    exit 1
  fi
}

# Strip cache paths and link types from the records of conda packages. Arguments: PREFIX [TEST OF FIND…]
strip_records() {
  folder=$1/conda-meta
  shift
  find "$folder" -maxdepth 1 -name '*.json' "$@" -exec sed -i -e '/^  "extracted_package_dir": /d' \
    -e 's#^\( *"source": "\)/[^"]*#\1#' -e 's|^\(    "type": \)[0-9]*$|\13|' {} +
}

# Remove what pixi stores next to the environments, such as builds from source. Arguments: WORKDIR [TEST OF FIND…]
remove_pixi_state() {
  folder=$1/.pixi
  shift
  find "$folder" -mindepth 1 -maxdepth 1 ! -name envs ! -name '*.sh' ! -name .gitignore ! -name .condapackageignore \
    "$@" -exec rm -rf {} +
}
