#!/bin/bash
# Add the packages built from source. Runs in the environment image, with the builder image mounted.
# Arguments: [NAME=VALUE…], variables for the builds; --; [DISTRIBUTION…], Python packages to expect. Variables:
#   WORKDIR, ENVIRONMENT  the workspace's folder, and the environment's name
#   RECORDS               number of conda packages by architecture: "amd64=12"
#   LOCK                  "locked" to have pixi check the lock, else "frozen"
#   RELEASE               the manifest if its editable packages are installed like regular ones, else empty
#   GIT_AUTH              file with credentials for Git hosts, or empty
#   PROXIES               names of the proxy variables that the builds get
#   CACHE, TMPDIR         the builder's folder of downloaded packages, and a folder for temporary files
set -euo pipefail
export -n WORKDIR ENVIRONMENT RECORDS LOCK RELEASE GIT_AUTH PROXIES CACHE TMPDIR
here=$(dirname "${BASH_SOURCE[0]}")
builder=${here%/*}
prefix=$WORKDIR/.pixi/envs/$ENVIRONMENT
# shellcheck source=tidy.sh
. "$here/tidy.sh"
assignments=()
while [ "$1" != -- ]; do
  assignments+=("$1")
  shift
done
shift

touch "$TMPDIR/start"
# An image is a release: install what is editable on a laptop like any other package.
if [ -n "$RELEASE" ]; then sed -i -E 's/(editable *= *)true/\1false/g' "$WORKDIR/$RELEASE"; fi
# While packages are built, the environment is not active, and pixi is configured as in the builder image.
(
  for name in $(compgen -e); do
    case " $PROXIES " in *" $name "*) ;; *) unset "$name" ;; esac
  done
  export HOME="$TMPDIR/home" XDG_CONFIG_HOME="$builder/etc" SSL_CERT_DIR="$builder/etc/ssl/certs"
  export PATH="$builder/usr/local/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
  # shellcheck source=/dev/null  # builder-variables.sh prints it
  . "$here/variables.sh"
  if [ -n "$GIT_AUTH" ]; then mkdir -p "$HOME" && bash "$here/git-auth.sh" "$GIT_AUTH"; fi
  export PIXI_CACHE_DIR="$CACHE" PIXI_CACHE_NETFS_REDIRECT=never PIXI_NO_WRAP=true
  for assignment in "${assignments[@]}"; do declare -x "$assignment"; done
  bash "$here/install.sh" "--$LOCK" --environment "$ENVIRONMENT"
)
for distribution do
  "$prefix/bin/python" -I -B -c 'import importlib.metadata as m, sys; m.version(sys.argv[1])' "$distribution"
done
check_records "$prefix" "$RECORDS"

# Change only files that this step created, so that the layer contains nothing else.
strip_records "$prefix" -newer "$TMPDIR/start"
remove_pixi_state "$WORKDIR" ! -name task-cache-v0 ! -name config.toml
find "$WORKDIR/.pixi" ! -type l \( ! -perm -444 -o -perm /022 -o -type d ! -perm -555 \) -exec chmod a+rX,go-w {} +
rm -rf "$WORKDIR/build" "$WORKDIR/dist" "$WORKDIR"/*.egg-info "${TMPDIR:?}/home" "$TMPDIR"/uv-*.lock
set_times "$WORKDIR/.pixi" -newer "$TMPDIR/start"
rm "$TMPDIR/start"
