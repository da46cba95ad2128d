#!/bin/bash
# Make layers of the environment that pixi has installed: check it, write what activates it, and remove what differs
# from build to build. Arguments: [SCRIPT…], the workspace's activation scripts, relative to WORKDIR. Variables:
#   WORKDIR, ENVIRONMENT  the workspace's folder, and the environment's name
#   RECORDS               number of conda packages by architecture: "amd64=12"
#   CUDA                  version that the environment is locked for, or empty
#   LAYERS                folder to write the layers to
set -euo pipefail
here=${BASH_SOURCE[0]%/*}
prefix=$WORKDIR/.pixi/envs/$ENVIRONMENT
# shellcheck source=tidy.sh
. "$here/tidy.sh"

rm -rf "$here/cache"
check_records "$prefix" "$RECORDS"
strip_records "$prefix"

# The scripts that activate it, named by what they depend on. Another name activates anew.
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

# Pixi runs post-link scripts only where its configuration allows it, and is silent about those that it leaves out.
: > "$here/notes"
not_run=
for script in "$prefix"/bin/.*-post-link.sh; do
  name=${script##*/.}
  if [ -e "$script" ]; then not_run+=" ${name%-post-link.sh}"; fi
done
if [ -n "$not_run" ] && ! grep -qs '^ *run-post-link-scripts *= *["'\'']insecure' "$WORKDIR/.pixi/config.toml" \
  /etc/pixi/config.toml "${XDG_CONFIG_HOME:-$HOME/.config}/pixi/config.toml" "${PIXI_HOME:-$HOME/.pixi}/config.toml"; then
  echo "pixi-container: not run: the post-link scripts of$not_run. If these packages do not work without," \
    "commit .pixi/config.toml after 'pixi config set --local run-post-link-scripts insecure'" > "$here/notes"
fi

remove_pixi_state "$WORKDIR"
# Pixi writes here when it runs tasks, as a user who may write nowhere else.
ln -s /tmp "$WORKDIR/.pixi/task-cache-v0"
rm -f "${TMPDIR:-/tmp}"/uv-*.lock
chmod -R a+rX,go-w "$WORKDIR/.pixi"
# Files that packages bring keep their times, which Python's compiled modules refer to.
touch "$here/end"
set_times "$WORKDIR/.pixi" \( -type d -o -newer "$here/start" ! -newer "$here/end" \)

cut -d ' ' -f 1 "$here/packages" | sed "s|^|$LAYERS/|" | xargs mkdir -p "$LAYERS/entrypoint"
cd /
for file in entrypoint.sh "$@"; do
  cp --parents --preserve=mode -t "$LAYERS/entrypoint" "${WORKDIR#/}/$file"
done
chmod -R a+rX,go-w "$LAYERS/entrypoint"
set_times "$LAYERS/entrypoint" -type f
# Until 0.69 pixi wrote the records in random order.
if pixi_is_older_than 69; then order=random; else order=fixed; fi
if [ "$(wc -l < "$here/packages")" -eq 1 ] \
  || ! bash "$here/split.sh" "$LAYERS" "$here/packages" "$order" "$WORKDIR" "$prefix" >> "$here/notes"; then
  rm -rf "$LAYERS"/*"$WORKDIR/.pixi"
  mkdir -p "$LAYERS/rest$WORKDIR"
  cp --recursive --no-dereference --link --preserve=mode,links "$WORKDIR/.pixi" "$LAYERS/rest$WORKDIR/.pixi"
fi
set_times "$LAYERS" -type d
