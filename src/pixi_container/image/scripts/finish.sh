#!/bin/bash
# Turn the environment that pixi has installed into files of an image: check it, write its activation, and remove what
# differs between builds. Arguments: [SCRIPT…], the workspace's activation scripts, relative to WORKDIR. Variables:
#   WORKDIR, ENVIRONMENT  the workspace's folder, and the environment's name
#   RECORDS               number of conda packages by architecture: "amd64=12"
#   CUDA                  version that the environment is locked for, or empty
#   IMAGE                 folder to write to: environment/ and, above it in the image, entrypoint/
set -euo pipefail
here=${BASH_SOURCE[0]%/*}
prefix=$WORKDIR/.pixi/envs/$ENVIRONMENT
# shellcheck source=tidy.sh
. "$here/tidy.sh"

rm -rf "$here/cache"
check_records "$prefix" "$RECORDS"
strip_records "$prefix"

# The activation's name contains a digest of its inputs: a shell with another name activates again.
env -i HOME=/root PATH="$PATH" ${CUDA:+"CONDA_OVERRIDE_CUDA=$CUDA"} \
  pixi shell-hook --as-is --no-completions --change-ps1 false --shell bash --environment "$ENVIRONMENT" \
  | awk -f "$here/hook.awk" > "$WORKDIR/.pixi/hook.sh"
digest=$(cat "$WORKDIR/.pixi/hook.sh" <(ls "$prefix/conda-meta") | sha256sum)
fill_in() {
  sed -e "s|@workdir@|$WORKDIR|g" -e "s|@prefix@|$prefix|g" -e "s|@activation@|$prefix@${digest:0:16}|g" "$1"
}
{ cat "$here/exports.sh" && fill_in "$here/activate.sh"; } > "$WORKDIR/.pixi/activate.sh"
fill_in "$here/entrypoint.sh" > "$WORKDIR/entrypoint.sh"
chmod 755 "$WORKDIR/entrypoint.sh"

# Pixi runs post-link scripts only if its configuration allows it, and does not report the skipped ones.
: > "$here/notes"
not_run=
for script in "$prefix"/bin/.*-post-link.sh; do
  name=${script##*/.}
  if [ -e "$script" ]; then not_run+=" ${name%-post-link.sh}"; fi
done
if [ -n "$not_run" ] && ! grep -qs '^ *run-post-link-scripts *= *["'\'']insecure' "$WORKDIR/.pixi/config.toml" \
  /etc/pixi/config.toml "${XDG_CONFIG_HOME:-$HOME/.config}/pixi/config.toml" "${PIXI_HOME:-$HOME/.pixi}/config.toml"; then
  echo "pixi-container: not run: the post-link scripts of$not_run. If these packages need them, run" \
    "'pixi config set --local run-post-link-scripts insecure' and commit .pixi/config.toml" > "$here/notes"
fi

remove_pixi_state "$WORKDIR"
# Pixi writes here when it runs tasks; the user may have no other writable folder.
ln -s /tmp "$WORKDIR/.pixi/task-cache-v0"
chmod -R a+rX,go-w "$WORKDIR/.pixi"

mkdir -p "$IMAGE/environment" "$IMAGE/entrypoint"
cd /
cp --parents --recursive --no-dereference --link --preserve=mode -t "$IMAGE/environment" "${WORKDIR#/}/.pixi"
for file in entrypoint.sh "$@"; do
  cp --parents --preserve=mode -t "$IMAGE/entrypoint" "${WORKDIR#/}/$file"
done
chmod -R a+rX,go-w "$IMAGE/entrypoint"
# Files from packages keep their times, because Python's compiled modules refer to them.
touch "$here/end"
set_times "$IMAGE" -newer "$here/start" ! -newer "$here/end"
