#!/bin/bash
# Prepare the build stage for `pixi install`, and run it. Arguments: CACHE, the builder's folder of downloaded packages;
# [PACKAGE…], those that the install skips; --; the command.
set -euo pipefail
here=${BASH_SOURCE[0]%/*}
# shellcheck source=tidy.sh
. "$here/tidy.sh"

# Tell whether pixi is older than the release 0.MINOR. Arguments: MINOR
pixi_is_older_than() {
  local version major minor
  version=$(pixi --version) || exit
  IFS='. ' read -r _ major minor _ <<< "$version"
  [ "$major" -eq 0 ] && [ "$minor" -lt "$1" ]
}

cache=$1
shift
skipped=()
while [ "$1" != -- ]; do
  skipped+=("$1")
  shift
done
shift

touch "$here/start"
# Use the builder's cache only if an earlier build used it: pixi must copy packages out of a mount, but can link them
# from a folder. Before 0.64, copies got the current time, which made Python's compiled modules invalid.
if [ ! -e "$cache/used" ] || pixi_is_older_than 64; then
  touch "$cache/used"
  cache=$here/cache
fi
if [ "${#skipped[@]}" -gt 0 ]; then
  awk -f "$here/skip.awk" "${skipped[@]}" pixi.lock > "$here/pixi.lock"
  cp "$here/pixi.lock" .
fi
export SOURCE_DATE_EPOCH=$earliest PIXI_CACHE_DIR=$cache PIXI_CACHE_NETFS_REDIRECT=never PIXI_NO_WRAP=true
exec "$@"
