#!/bin/bash
# Have git, when this user runs it, take its credentials from a file, and reach the hosts in it by HTTP, also where an
# address is for SSH. Arguments: FILE, with one URL for each host, such as https://user:token@host
set -euo pipefail
file=$1

# git-credential-store would also write: it forgets what a host refuses, and here the file cannot change.
git config --global credential.helper "!lookup() { [ \"\$1\" != get ] || git credential-store --file='$file' get; }; lookup"
while IFS= read -r line; do
  host=${line##*@}
  for ssh in "ssh://git@${host%:*}/" "git@${host%:*}:"; do
    git config --global --add "url.${line%%://*}://$host/.insteadOf" "$ssh"
  done
done < "$file"
