#!/bin/bash
# Check that the environment is active for a user without a home. Arguments: WORKDIR
set -euo pipefail
export HOME=/nonexistent BASH_ENV=$1/.pixi/activate.sh
# An activation script that ends the shell makes every command do nothing; in this shell it would end the check as well.
code=0
said=$(bash -c 'exit 42' 2>&1) || code=$?
if [ "$code" -ne 42 ]; then
  echo "activation check: an activation script ends the shell with exit code $code; it has to use 'return'" >&2
  exit 1
fi
case $said in *": syntax error"*) echo "activation check: $said" >&2; exit 1 ;; esac
# shellcheck source=/dev/null  # it is made in the build
. "$BASH_ENV"
# shellcheck source=active.sh
. "${BASH_SOURCE[0]%/*}/active.sh"
