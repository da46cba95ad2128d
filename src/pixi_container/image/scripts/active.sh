fail() { echo "activation check: $1" >&2; exit 1; }
[ -n "${CONDA_PREFIX:-}" ] || fail "CONDA_PREFIX is not set"
case ":$PATH:" in *":$CONDA_PREFIX/bin:"*) ;; *) fail "PATH does not have $CONDA_PREFIX/bin but is $PATH" ;; esac
unreadable=$(find "$CONDA_PREFIX" ! -readable -print -quit)
[ -z "$unreadable" ] || fail "user $(id -u) cannot read $unreadable"
if [ -x "$CONDA_PREFIX/bin/python" ]; then python -I -B -c "" || fail "python does not start"; fi
echo "environment $CONDA_PREFIX is active for user $(id -u)"
