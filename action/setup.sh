#!/usr/bin/env bash
# Finds a Python, and puts the locked dependencies where only this action sees them: in the runner's tool cache,
# once per content of the lock file. Writes `python` and `packages` to GITHUB_OUTPUT.
set -euo pipefail

# What a job sets for its own Python must not steer ours. Index addresses, certificates and proxies stay.
unset PYTHONPATH PYTHONHOME PYTHONSTARTUP VIRTUAL_ENV CONDA_PREFIX PIP_REQUIRE_VIRTUALENV PIP_TARGET PIP_PREFIX \
  PIP_USER PIP_CONSTRAINT PIP_REQUIREMENT UV_SYSTEM_PYTHON UV_PYTHON UV_CONSTRAINT UV_OVERRIDE UV_TARGET UV_PREFIX
export PIP_ROOT_USER_ACTION=ignore

action=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
lock="$action/requirements/runtime.txt"

fail() {
  echo "::error title=pixi-container::$1"
  exit 1
}

find_python() {
  local candidate
  for candidate in python3 python3.14 python3.13 python3.12 python3.11 python3.10 python \
    "${RUNNER_TOOL_CACHE:-/nowhere}"/Python/3.1[0-9]*/*/bin/python3; do
    # Asking for the executable sees through shims, which cost more than Python's own start.
    "$candidate" -I -S -c 'import sys; sys.version_info >= (3, 10) or sys.exit(1); print(sys.executable)' \
      2>/dev/null && return
  done
  fail "There is no Python 3.10 or newer on this runner. Install one, for example with actions/setup-python before this step."
}

python=$(find_python) || { echo "$python"; exit 1; }
tag=$("$python" -I -S -c \
  'import os, sys; print(sys.platform, os.uname().machine, sys.implementation.cache_tag, sep="-")')
key=$(sha256sum < "$lock" | cut -c1-16)
cache="${RUNNER_TOOL_CACHE:-${RUNNER_TEMP:?is not set: this script runs in a workflow}}"
mkdir -p "$cache" 2>/dev/null && [ -w "$cache" ] || cache="$RUNNER_TEMP"
packages="$cache/pixi-container/$key-$tag"

if [ ! -d "$packages" ]; then
  echo "Installing the locked dependencies into $packages"
  mkdir -p "$cache/pixi-container"
  new=$(mktemp -d "$cache/pixi-container/.new-XXXXXX")
  trap 'rm -rf "$new"' EXIT
  uv=$(command -v uv || true)
  if [ -z "$uv" ]; then
    # Fetching uv first is faster than pip alone, which takes one package after the other.
    "$python" -m pip --version >/dev/null 2>&1 \
      || fail "There is neither uv nor pip for $python. Install one of them, for example with actions/setup-python."
    "$python" -m pip install --quiet --require-hashes --no-deps --no-compile --disable-pip-version-check \
      --target "$new/uv" --requirement "$action/requirements/uv.txt" \
      || fail "uv could not be installed from the package index; see the lines above."
    uv="$new/uv/bin/uv"
    export UV_CACHE_DIR="$new/cache"
  fi
  "$uv" pip install --quiet --no-config --require-hashes --no-deps --python "$python" --target "$new/packages" \
    --requirement "$lock" || fail "The dependencies could not be installed from the package index; see the lines above."
  # Another job on this machine may have been first; what it made is the same.
  mv -T "$new/packages" "$packages" 2>/dev/null || [ -d "$packages" ]
fi

{
  echo "python=$python"
  echo "packages=$packages"
} >> "$GITHUB_OUTPUT"
