# Sourced first by each script: no program is looked up in the checkout, nor in a folder relative to it.
# Programs are found by PATH alone, which earlier steps of a job may have put folders of the checkout on.
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
