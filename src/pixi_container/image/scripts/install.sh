#!/bin/bash
# Run `pixi install` with these arguments. If pixi rejects the lock, run it again with -v, which logs the reasons.
set -o pipefail
log=$(mktemp)
trap 'rm "$log"' EXIT
pixi install "$@" 2>&1 | tee "$log" && exit
code=$?
if grep -q 'lock[- ]file not up-to-date' "$log"; then pixi install -v "$@"; fi
exit "$code"
