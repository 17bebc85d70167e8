#!/usr/bin/env bash
# Build the wheel and the sdist, install the wheel without constraints into an empty environment for each Python, and
# run the demo there, outside this repository.
#
#   scripts/check_wheel.sh [PYTHON ...]      default: every python3.11 to python3.14 on PATH or under pyenv
#
# Exit status: 0 when every demo ran to its end and measured what is true, 1 otherwise, 2 when there is no Python.
set -eu

root=$(cd "$(dirname "$0")/.." && pwd)
work=$(mktemp -d "${TMPDIR:-/tmp}/mirkit-wheel.XXXXXX")
trap 'rm -rf "$work"' EXIT

pythons=("$@")
if [ ${#pythons[@]} -eq 0 ]; then
  for version in 3.11 3.12 3.13 3.14; do
    for python in "$(command -v python$version || true)" "${PYENV_ROOT:-$HOME/.pyenv}"/versions/$version.*/bin/python; do
      if [ -x "$python" ] && "$python" -c 'import ensurepip' 2>/dev/null; then
        pythons+=("$python")
        break
      fi
    done
  done
fi
[ ${#pythons[@]} -gt 0 ] || { echo "check_wheel: found no Python 3.11 or newer; name one" >&2; exit 2; }

# Nothing of the caller's settings reaches what is tested.
unset PIP_CONSTRAINT PYTHONPATH PYTHONHOME NUMBA_CACHE_DIR

"${pythons[0]}" -m venv "$work/build"
"$work/build/bin/python" -m pip install --quiet --disable-pip-version-check build
# A copy, so that no file of an earlier build gets in.
mkdir "$work/source"
(cd "$root" && git ls-files -z --cached --others --exclude-standard | tar --null --files-from=- -cf -) | tar -xf - -C "$work/source"
"$work/build/bin/python" -m build --outdir "$work/dist" "$work/source" >"$work/build.log" 2>&1 || { cat "$work/build.log"; exit 1; }
for file in "$work"/dist/*; do
  echo "built $(basename "$file"), $(wc -c <"$file") bytes"
done

status=0
for python in "${pythons[@]}"; do
  name=$("$python" -c 'import platform; print(platform.python_version())')
  echo "== Python $name"
  environment=$work/$name
  started=$(date +%s)
  if "$python" -m venv "$environment" &&
    "$environment/bin/python" -m pip install --quiet --disable-pip-version-check "$work"/dist/*.whl &&
    "$environment/bin/python" -m pip check; then
    installed=$(date +%s)
    "$environment/bin/python" -m pip list --disable-pip-version-check --format=freeze
    mkdir "$work/run-$name"
    result=0
    # A cache of its own, so that the code of the kernels is compiled here.
    (cd "$work/run-$name" && XDG_CACHE_HOME="$work/cache-$name" "$environment/bin/mirkit" demo --debug) || result=$?
    echo "== Python $name: demo ended with $result; installed in $((installed - started)) s, ran $(($(date +%s) - installed)) s"
    [ "$result" -eq 0 ] || status=1
  else
    echo "== Python $name: the wheel cannot be installed"
    status=1
  fi
done
exit $status
