# Sourced first by each script: no program is looked up in the checkout, nor in a folder relative to it.
# Programs are found by PATH alone, which earlier steps of a job may have put folders of the checkout on.
kept_path=
IFS=: read -r -a path_folders <<< "$PATH"
for path_folder in "${path_folders[@]}"; do
  case "$path_folder" in
    /*) ;;
    *) continue ;;
  esac
  real_folder=$(cd -P -- "$path_folder" 2>/dev/null && pwd -P) || continue
  if [ -n "${GITHUB_WORKSPACE:-}" ]; then
    real_workspace=$(cd -P -- "$GITHUB_WORKSPACE" 2>/dev/null && pwd -P) || real_workspace=$GITHUB_WORKSPACE
    case "$real_folder/" in
      "$real_workspace"/*) continue ;;
    esac
  fi
  kept_path=$kept_path:$path_folder
done
export PATH="${kept_path#:}"
