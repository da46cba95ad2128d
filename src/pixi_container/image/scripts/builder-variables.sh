#!/bin/bash
# Print as exports what the builder image says of certificates and package indexes, for another image that builds
# packages from source. Arguments: MOUNT, where that image has the builder's files; [NAME…], variables beside PIP_*, UV_*.
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
