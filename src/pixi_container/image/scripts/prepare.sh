#!/bin/bash
# Prepare the build stage for `pixi install`, and run it. Arguments: CACHE, the builder's folder of downloaded packages;
# [PACKAGE…], those that the install skips; --; the command.
set -euo pipefail
here=${BASH_SOURCE[0]%/*}
# shellcheck source=tidy.sh
. "$here/tidy.sh"
cache=$1
shift
skipped=()
while [ "$1" != -- ]; do
  skipped+=("$1")
  shift
done
shift

touch "$here/start"
# Keep packages only in a builder that comes back: pixi copies them out of a mount, and links them out of a folder.
# Until 0.64 a copy had the time of the copying, which made Python's compiled modules invalid.
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
