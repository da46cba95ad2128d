#!/bin/bash
# Choose one of the image's environments: that of PIXI_CONTAINER_ENVIRONMENT; else the one that is active; else the
# first. further.sh puts this before the first one's activate.sh, and fills in @workdir@, @environments@ and @first@.
# shellcheck disable=SC2043  # there are several names

__pixi_container_chosen=
for __pixi_container_name in @environments@; do
  if [ "${PIXI_CONTAINER_ENVIRONMENT:-}" = "$__pixi_container_name" ]; then
    __pixi_container_chosen=$__pixi_container_name
  fi
done
if [ -z "$__pixi_container_chosen" ] && [ -n "${PIXI_CONTAINER_ENVIRONMENT:-}" ]; then
  # A job must not run in an environment that it did not ask for.
  echo "PIXI_CONTAINER_ENVIRONMENT is '$PIXI_CONTAINER_ENVIRONMENT'; the image's environments: @environments@" >&2
  exit 1
fi
unset PIXI_CONTAINER_ENVIRONMENT
for __pixi_container_rest in "${CONDA_PREFIX:-}@" "${PIXI_CONTAINER_ACTIVE:-}"; do
  for __pixi_container_name in @environments@; do
    if [ -z "$__pixi_container_chosen" ] \
      && [ "${__pixi_container_rest%@*}" = "@workdir@/.pixi/envs/$__pixi_container_name" ]; then
      __pixi_container_chosen=$__pixi_container_name
    fi
  done
done
: "${__pixi_container_chosen:=@first@}"
# What another one of them has put into PATH goes with it.
for __pixi_container_rest in "${CONDA_PREFIX:-}@" "${PIXI_CONTAINER_ACTIVE:-}"; do
  for __pixi_container_name in @environments@; do
    if [ "$__pixi_container_name" != "$__pixi_container_chosen" ] \
      && [ "${__pixi_container_rest%@*}" = "@workdir@/.pixi/envs/$__pixi_container_name" ]; then
      PATH=":$PATH:"
      if [ -n "${PIXI_CONTAINER_PATH:-}" ]; then PATH=${PATH/":$PIXI_CONTAINER_PATH:"/:}; fi
      PATH=${PATH//":@workdir@/.pixi/envs/$__pixi_container_name/bin:"/:}
      PATH=${PATH#:} PATH=${PATH%:}
    fi
  done
done
if [ "$__pixi_container_chosen" != "@first@" ]; then
  # shellcheck source=/dev/null  # further.sh makes it
  . "@workdir@/.pixi/activate-$__pixi_container_chosen.sh"
  return
fi
unset __pixi_container_chosen
