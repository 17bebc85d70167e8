#!/usr/bin/env bash
# The manual's installation step. Nothing is cloned or patched any more: the timbral models are part of mirkit, and
# everything else comes with pip. So this only checks what is there, and says so.
set -eu
cd "$(dirname "${BASH_SOURCE[0]}")/.."
for python in python python3; do
    if "$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1; then
        echo "Nothing to clone or patch. Checked with $("$python" --version):"
        PYTHONPATH="src${PYTHONPATH:+:$PYTHONPATH}" exec "$python" -m mirkit doctor
    fi
done
echo "setup_external_repos.sh: no Python >= 3.11 found; activate the virtual environment first" >&2
exit 1
