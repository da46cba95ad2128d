#!/bin/bash
# Print the builder image's settings for certificates and package indexes as exports, for another image that builds
# packages from source. Arguments: MOUNT, where that image mounts the builder; [NAME…], variables besides PIP_*, UV_*.
set -euo pipefail
mount=$1
shift
for name in "$@" "${!PIP_@}" "${!UV_@}"; do
  if [ -e "${!name:-}" ]; then
    printf 'export %s=%q\n' "$name" "$mount$(realpath "${!name}")"
  elif [ -n "${!name:-}" ]; then
    printf 'export %s=%q\n' "$name" "${!name}"
  fi
done
