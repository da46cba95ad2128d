#!/bin/bash
# Let another image, in which this one is mounted, use the git of this one: write programs that start it with this
# image's own libraries, and print the variables that it needs there. Arguments: MOUNT, where this image is mounted;
# FOLDER, which gets the programs.
set -euo pipefail
mount=$1
folder=$2
programs=$(git --exec-path)
mkdir -p "$folder"

# The dynamic loader, and the folders of the libraries.
needed=$(ldd "$(command -v git)" "$programs/git-remote-http")
# Some images name the loader by an absolute link, which leads elsewhere in another one.
loader=$mount$(realpath "$(awk '$1 ~ /^\/.*[^:]$/ { print $1; exit }' <<< "$needed")")
libraries=$(awk -v mount="$mount" '$3 ~ /^\// { sub("/[^/]*$", "", $3); print mount $3 }' <<< "$needed" \
  | sort -u | paste -sd :)
for program in "$programs"/git* "$(command -v git)"; do
  name=$folder/${program##*/}
  if [ -d "$program" ]; then continue; fi
  if [ "$(head -c 4 "$program" | tail -c 3)" = ELF ]; then
    # shellcheck disable=SC2016  # the arguments are those of the program
    printf '#!/bin/sh\nexec %q --library-path %q %q "$@"\n' "$loader" "$libraries" "$mount$program" > "$name"
    chmod 755 "$name"
  else
    ln -sf "$mount$program" "$name"
  fi
done

there=$mount$folder
echo "export PATH=$there:\$PATH GIT_EXEC_PATH=$there GIT_TEMPLATE_DIR= GIT_CONFIG_SYSTEM=$mount/etc/gitconfig"
# Git's own libraries look for certificates at their place in this image.
if [ -z "${GIT_SSL_CAINFO:-}" ] && [ -e /etc/ssl/certs/ca-certificates.crt ]; then
  echo "export GIT_SSL_CAINFO=$mount/etc/ssl/certs/ca-certificates.crt"
fi
