#!/bin/sh
# Functions for the other scripts: they check an installed environment, and make the same lock give the same bytes.

# The time of whatever a build makes, in seconds since 1970: the earliest that pixi accepts.
earliest=315532800

# Set that time. Arguments: PATH [TEST OF FIND…]
set_times() { find "$@" -exec touch -h -d "@$earliest" {} +; }

# Tell whether pixi is older than the release 0.MINOR. Arguments: MINOR
pixi_is_older_than() {
  version=$(pixi --version) || exit
  IFS='. ' read -r _ major minor _ << VERSION
$version
VERSION
  [ "$major" -eq 0 ] && [ "$minor" -lt "$1" ]
}

# Stop unless the environment is whole: another one must never become an image.
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

# Remove what pixi keeps beside the environments, such as builds from source. Arguments: WORKDIR [TEST OF FIND…]
remove_pixi_state() {
  folder=$1/.pixi
  shift
  find "$folder" -mindepth 1 -maxdepth 1 ! -name envs ! -name '*.sh' ! -name .gitignore ! -name .condapackageignore \
    "$@" -exec rm -rf {} +
}
