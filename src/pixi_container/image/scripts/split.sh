#!/bin/bash
# Lays the environment out by layers as the file $2 has it: as hard links in the folder $1, one folder for each layer.
# What belongs to no package, or to several, goes to the last layer; so do all records when $3 is "random". Fails where
# something is not as it is known to be, and says so. The workspace is $4, the environment $5.
set -euo pipefail
export LC_ALL=C
layers=$1 packages=$2 records=$3 workdir=$4 prefix=$5
lists=$(mktemp -d)
why="splitting it failed"
trap 'rm -rf "$lists"; [ -z "$why" ] || { echo "pixi-container: one layer: $why"; exit 1; }' EXIT

find "$workdir/.pixi" \( ! -type d -o -empty \) -print > "$lists/all"
if [ -n "$(find "$workdir/.pixi" -name $'*\n*' -print -quit)" ]; then
  why="a file name has a line break"
  exit 1
fi
cd "$prefix"
shopt -s nullglob
installers=(lib/python*/site-packages/*.dist-info/INSTALLER)
mapfile -t wheels < <(grep -lx uv-pixi /dev/null "${installers[@]}" | sed 's|INSTALLER$|RECORD|')
mkdir "$lists/layers"
awk -v lists="$lists" -v top="$prefix/" -v records="$records" -f "${BASH_SOURCE[0]%/*}/split.awk" \
  kind=layer "$packages" count="$(find conda-meta -maxdepth 1 -name '*.json' | wc -l)" \
  kind=conda conda-meta/*.json kind=pypi "${wheels[@]}" kind=all "$lists/all" || {
  why=$(cat "$lists/why" || echo "$why")
  exit 1
}

cd /
# shellcheck disable=SC2016  # the inner shell expands its own arguments
find "$lists/layers" -type f -printf '%f\0' | xargs -0 -P "$(nproc)" -I {} sh -euc '
  mkdir -p "$2/$3"
  xargs -d "\n" cp --recursive --no-dereference --link --parents --preserve=mode,links -t "$2/$3" < "$1/$3"
' sh "$lists/layers" "$layers" {}
if [ "$(find "$layers"/*"$workdir/.pixi" \( ! -type d -o -empty \) -print | wc -l)" -ne "$(wc -l < "$lists/all")" ]; then
  why="not every file is in one layer"
  exit 1
fi
why=
