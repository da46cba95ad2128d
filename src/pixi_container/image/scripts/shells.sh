#!/bin/sh
# Write start-up files of shells, which activate the environment, to /shells. Run in the runtime image, by any shell.
# Arguments: WORKDIR PREFIX [ROOT], where ROOT is the folder of the image in place of /.
set -eu
workdir=$1 prefix=$2 root=${3:-}
# shellcheck source=tidy.sh
. "${0%/*}/tidy.sh"

if [ ! -x "$root/bin/bash" ]; then
  echo "the runtime image has no /bin/bash, which the entrypoint needs" >&2
  exit 1
fi
mkdir -p "$root/shells/etc/profile.d" "$root/shells$workdir"
cat > "$root/shells/etc/profile.d/pixi-container.sh" << PROFILE
if [ -n "\${BASH_VERSION:-}" ]; then
  . $workdir/.pixi/activate.sh
else
  case ":\$PATH:" in
    *":$prefix/bin:"*) ;;
    *) export PATH="$prefix/bin:\$PATH" ;;
  esac
fi
PROFILE
if [ -e "$root/etc/bash.bashrc" ]; then cp "$root/etc/bash.bashrc" "$root/shells/etc/"; fi
echo ". $workdir/.pixi/activate.sh" >> "$root/shells/etc/bash.bashrc"
set_times "$root/shells"
