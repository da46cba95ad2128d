#!/bin/bash
# Prepare the build stage for `pixi install`. Sourced in the workspace, for the variables that it exports.
# Arguments: CACHE, the builder's folder of downloaded packages; [PACKAGE…], those that the install skips.
here=${BASH_SOURCE[0]%/*}
# shellcheck source=tidy.sh
. "$here/tidy.sh"

touch "$here/start"
export SOURCE_DATE_EPOCH=$earliest PIXI_CACHE_DIR=$1 PIXI_CACHE_NETFS_REDIRECT=never PIXI_NO_WRAP=true
# Keep packages only in a builder that comes back: pixi copies them out of a mount, and links them out of a folder.
# Until 0.64 a copy had the time of the copying, which made Python's compiled modules invalid.
if [ ! -e "$1/used" ] || pixi_is_older_than 64; then
  touch "$1/used"
  PIXI_CACHE_DIR=$here/cache
fi
if [ $# -gt 1 ]; then
  awk -f "$here/skip.awk" "${@:2}" pixi.lock > "$here/pixi.lock"
  cp "$here/pixi.lock" .
fi
