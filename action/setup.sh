#!/usr/bin/env bash
# Finds a Python, and installs the locked dependencies where only this action uses them: in the runner's tool cache,
# once per content of the lock file. Writes `python` and `packages` to GITHUB_OUTPUT.
set -euo pipefail

action=$(cd "${BASH_SOURCE[0]%/*}/.." && pwd)
. "$action/action/search_path.sh"
locks="$action/requirements"

fail() {
  echo "::error title=pixi-container::$1"
  exit 1
}

# A job's settings for its own Python must not affect this one. Index addresses, certificates and proxies stay.
for name in "${!PYTHON@}" "${!PIP_@}" "${!UV_@}" VIRTUAL_ENV CONDA_PREFIX; do
  case "$name" in
    *INDEX_STRATEGY) unset "$name" ;;
    *INDEX* | *FIND_LINKS | *CERT* | *TLS | *PROXY* | *HOST* | *TIMEOUT | *RETRIES | *KEYRING* | *CONFIG_FILE | *CACHE*) ;;
    *) unset "$name" ;;
  esac
done
# Variables take precedence over a configuration file.
export PIP_USER=0 PIP_REQUIRE_VIRTUALENV=0 PIP_ROOT_USER_ACTION=ignore PIP_DISABLE_PIP_VERSION_CHECK=1
if [ -n "${PIP_INDEX_URL:-}" ]; then
  export UV_DEFAULT_INDEX="${UV_DEFAULT_INDEX:-$PIP_INDEX_URL}"
fi

# Prints the path of the interpreter, and the folder name for packages that it can load. The interpreter's own path
# avoids shims, which are slower than Python itself; the suffix of its modules identifies its version and C library.
probe='import sys
sys.version_info >= (3, 10) or sys.exit(1)
import hashlib, importlib.machinery, os
key = hashlib.sha256(open(sys.argv[1], "rb").read()).hexdigest()[:16]
print(sys.executable)
print(key + "-" + os.uname().machine + importlib.machinery.EXTENSION_SUFFIXES[0])'

found=
for candidate in python3 python3.14 python3.13 python3.12 python3.11 python3.10 python \
  "${RUNNER_TOOL_CACHE:-/nowhere}"/Python/3.1[0-9]*/*/bin/python3; do
  found=$("$candidate" -I -S -c "$probe" "$locks/runtime.txt" 2>/dev/null) && break
  found=
done
[ -n "$found" ] \
  || fail "This runner has no Python 3.10 or newer. Install one before this step, for example with actions/setup-python."
python=${found%%$'\n'*}

cache="${RUNNER_TOOL_CACHE:-${RUNNER_TEMP:?is not set: this script runs in a workflow}}/pixi-container"
if ! mkdir -p "$cache" 2>/dev/null || [ ! -w "$cache" ]; then
  # The clean-up step must not remove this folder, so the name differs from those that it removes.
  cache="$RUNNER_TEMP/_pixi_container"
  mkdir -p "$cache"
fi
packages="$cache/${found##*$'\n'}"

with_pip() {
  "$python" -I -m pip install --quiet --require-hashes --no-deps --no-compile "$@"
}

with_uv() {
  "$1" pip install --quiet --require-hashes --no-deps --python "$python" --target "$new/packages" \
    --requirement "$locks/runtime.txt"
}

# Fetching uv first takes less time than pip alone, which installs one package after the other.
fetch_uv() {
  # Without an explicit tag, pip compares each of thousands of files with each of hundreds of tags.
  case "$packages" in
    *-x86_64.*-linux-gnu.* | *-aarch64.*-linux-gnu.*)
      with_pip --target "$new/uv" --requirement "$locks/uv.txt" --only-binary :all: --implementation py --abi none \
        --platform "manylinux2014_$(uname -m)" 2>/dev/null && return
      ;;
  esac
  with_pip --target "$new/uv" --requirement "$locks/uv.txt"
}

install() {
  if uv --version >/dev/null 2>&1; then
    with_uv uv && return
  fi
  "$python" -I -c 'import importlib.util, sys; sys.exit(not importlib.util.find_spec("pip"))' \
    || fail "$python has neither a working uv nor pip. Install one of them, for example with actions/setup-python."
  fetch_uv || fail "uv could not be installed from the package index; see the lines above."
  # If uv fails, try pip: the index may be set only in pip's configuration file.
  UV_CACHE_DIR="$new/cache" with_uv "$new/uv/bin/uv" \
    || { rm -rf "$new/packages" && with_pip --target "$new/packages" --requirement "$locks/runtime.txt"; } \
    || fail "The dependencies could not be installed from the package index; see the lines above."
}

if [ ! -d "$packages" ]; then
  echo "Installing the locked dependencies into $packages"
  new=$(mktemp -d "$cache/.new-XXXXXX")
  trap 'rm -rf "$new"' EXIT
  # Leave the checkout, whose files would be read as configuration.
  cd "$new"
  install
  # Another job on this machine may have installed the same packages first.
  "$python" -I -S -c 'import os, sys; os.rename(*sys.argv[1:])' "$new/packages" "$packages" 2>/dev/null \
    || [ -d "$packages" ]
fi

{
  echo "python=$python"
  echo "packages=$packages"
} >> "$GITHUB_OUTPUT"
