# Sourced first by each script: removes folders in the checkout, and relative folders, from PATH, so that no program is
# looked up there. Earlier steps of a job may have added such folders.
workspace=${GITHUB_WORKSPACE:-}
if [ -n "$workspace" ]; then
  workspace=$(cd -P -- "$workspace" 2>/dev/null && pwd -P) || workspace=$GITHUB_WORKSPACE
fi
kept_path=
IFS=: read -r -a path_folders <<< "$PATH"
for path_folder in "${path_folders[@]}"; do
  [[ $path_folder == /* ]] || continue
  real_folder=$(cd -P -- "$path_folder" 2>/dev/null && pwd -P) || continue
  [[ -n $workspace && $real_folder/ == "$workspace"/* ]] || kept_path=$kept_path:$path_folder
done
export PATH="${kept_path#:}"
