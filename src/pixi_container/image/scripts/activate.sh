#!/bin/bash
# Activate the environment in bash. Sourced by the entrypoint, by login and interactive shells, and through BASH_ENV,
# behind the functions that export its variables. finish.sh fills in @workdir@, @prefix@ and @activation@.
#
# The first time activates. A later time only repairs what another activation, such as that of a host's conda, has
# changed since: always for the entrypoint, else where CONDA_PREFIX differs or PATH has lost the environment.
__pixi_container_ifs_set=${IFS+set} __pixi_container_ifs=${IFS-}
IFS=$' \t\n'
__pixi_container_rest=":$PATH:"
while [[ $__pixi_container_rest == *":@prefix@/bin:"* ]]; do
  __pixi_container_rest=${__pixi_container_rest/":@prefix@/bin:"/:}
done
if [ "$__pixi_container_rest" = ":$PATH:" ] || [ "${CONDA_PREFIX:-}" != @prefix@ ]; then
  __pixi_container_repair=1
fi
__pixi_container_rest=${__pixi_container_rest#:} __pixi_container_rest=${__pixi_container_rest%:}
if [ "${PIXI_CONTAINER_ACTIVE:-}" != @activation@ ]; then
  # Drop variables of another machine or environment, except those that PIXI_CONTAINER_KEEP names.
  for __pixi_container_name in PYTHONHOME PYTHONPATH "${!CONDA_@}" "${!PIXI_@}"; do
    case " PIXI_CONTAINER_KEEP PIXI_PROJECT_VERSION ${PIXI_CONTAINER_KEEP:-} " in
      *" $__pixi_container_name "*) ;;
      *) unset "$__pixi_container_name" ;;
    esac
  done
  export PIXI_CONTAINER_ACTIVE=@activation@ PATH="@prefix@/bin:$__pixi_container_rest"
  __pixi_container_image_variables
  __pixi_container_variables
  # Give a user without a home folders for caches, where only the folder for temporary files can be written.
  if [ ! -d "${HOME:-}" ] || [ ! -w "$HOME" ]; then
    __pixi_container_name=${TMPDIR:-/tmp}/pixi-container-$EUID
    if mkdir -m 700 "$__pixi_container_name" 2> /dev/null \
      || { [ ! -L "$__pixi_container_name" ] && [ -O "$__pixi_container_name" ]; }; then
      export PIXI_HOME="$__pixi_container_name/pixi"
      export XDG_CACHE_HOME="${XDG_CACHE_HOME:-$__pixi_container_name}"
      export MPLCONFIGDIR="${MPLCONFIGDIR:-$__pixi_container_name/matplotlib}"
      export NUMBA_CACHE_DIR="${NUMBA_CACHE_DIR:-$__pixi_container_name/numba}"
    fi
  fi
  if [ -z "${LOGNAME:-}${USER:-}" ] && ! id -un > /dev/null 2>&1; then export LOGNAME="uid-$EUID"; fi
  # Scripts of packages expect a shell without the user's options, and may leave other options, traps and another
  # working folder behind. Their output must not mix with that of the command; standard error may be closed.
  __pixi_container_options=$SHELLOPTS __pixi_container_shopts=$BASHOPTS __pixi_container_traps=$(trap -p)
  __pixi_container_folder=$PWD
  set +euCf +o pipefail
  # shellcheck disable=SC1091  # finish.sh makes the file, in the folder that it fills in
  if true >&2; then . @workdir@/.pixi/hook.sh >&2; else . @workdir@/.pixi/hook.sh > /dev/null; fi
  [ "$PWD" = "$__pixi_container_folder" ] || builtin cd -- "$__pixi_container_folder" > /dev/null || :
  IFS=:
  for __pixi_container_name in $SHELLOPTS; do
    case ":$__pixi_container_options:" in
      *":$__pixi_container_name:"*) ;;
      *) set +o "$__pixi_container_name" ;;
    esac
  done
  for __pixi_container_name in $BASHOPTS; do
    case ":$__pixi_container_shopts:" in
      *":$__pixi_container_name:"*) ;;
      *) shopt -u "$__pixi_container_name" ;;
    esac
  done
  for __pixi_container_name in $__pixi_container_shopts; do
    shopt -q "$__pixi_container_name" || shopt -s "$__pixi_container_name"
  done
  if [ "$(trap -p)" != "$__pixi_container_traps" ]; then
    trap - EXIT ERR DEBUG RETURN HUP INT QUIT ABRT PIPE ALRM TERM USR1 USR2 CHLD CONT TSTP TTIN TTOU WINCH
    eval "$__pixi_container_traps"
  fi
  case $PATH in
    *":$__pixi_container_rest") export PIXI_CONTAINER_PATH="${PATH%":$__pixi_container_rest"}" ;;
    *) export PIXI_CONTAINER_PATH="@prefix@/bin" ;;
  esac
  for __pixi_container_name in $__pixi_container_options; do
    [[ -o $__pixi_container_name ]] || set -o "$__pixi_container_name"
  done
elif [ -n "${__pixi_container_repair:-}" ]; then
  __pixi_container_variables
  export PATH="${PIXI_CONTAINER_PATH:-@prefix@/bin}:$__pixi_container_rest"
fi
if [ -n "$__pixi_container_ifs_set" ]; then IFS=$__pixi_container_ifs; else unset IFS; fi
unset -f __pixi_container_variables __pixi_container_image_variables
unset "${!__pixi_container_@}"
