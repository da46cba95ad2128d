#!/bin/bash
# Do for the further environments of an image what finish.sh does for the first, before it, and have activate.sh choose
# one of them. Arguments: [ENVIRONMENT RECORDS]…, with the number of conda packages as in finish.sh. Variables:
#   WORKDIR, FIRST  the workspace's folder, and the first environment's name
#   CUDA            version that the environments are locked for, or empty
set -euo pipefail
here=${BASH_SOURCE[0]%/*}
# shellcheck source=tidy.sh
. "$here/tidy.sh"

environments=$FIRST
: > "$here/further-notes"
while [ "$#" -gt 0 ]; do
  name=$1 records=$2
  shift 2
  environments+=" $name"
  prefix=$WORKDIR/.pixi/envs/$name hook=$WORKDIR/.pixi/hook-$name.sh
  check_records "$prefix" "$records"
  strip_records "$prefix"
  env -i HOME=/root PATH="$PATH" ${CUDA:+"CONDA_OVERRIDE_CUDA=$CUDA"} \
    pixi shell-hook --as-is --no-completions --change-ps1 false --shell bash --environment "$name" \
    | awk -f "$here/hook.awk" > "$hook"
  digest=$(cat "$hook" <(ls "$prefix/conda-meta") | sha256sum)
  {
    cat "$here/exports-$name.sh"
    sed -e "s|@workdir@/.pixi/hook.sh|$hook|g" -e "s|@workdir@|$WORKDIR|g" -e "s|@prefix@|$prefix|g" \
      -e "s|@activation@|$prefix@${digest:0:16}|g" "$here/activate.sh"
  } > "$WORKDIR/.pixi/activate-$name.sh"
  for script in "$prefix"/bin/.*-post-link.sh; do
    package=${script##*/.}
    if [ -e "$script" ]; then
      echo "pixi-container: not run: the post-link script of ${package%-post-link.sh} in the environment $name" \
        >> "$here/further-notes"
    fi
  done
done
sed -e "s|@workdir@|$WORKDIR|g" -e "s|@environments@|$environments|g" -e "s|@first@|$FIRST|g" "$here/select.sh" \
  >> "$here/exports.sh"
