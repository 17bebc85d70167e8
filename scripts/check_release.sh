#!/usr/bin/env bash
# Check that a tag can be released: scripts/check_release.sh v0.2.0
#
# Exit status: 0 when it can, 1 with one line for each reason why not.
set -eu
cd "$(dirname "$0")/.."
tag=${1:?usage: scripts/check_release.sh TAG, for example v0.2.0}
version=${tag#v}
status=0
refuse() { echo "check_release: $1" >&2; status=1; }

built=$(python -m setuptools_scm)
[ "$built" = "$version" ] || refuse "the version of this checkout is $built, not $version; check out the tag with its history and without changes"
grep -q "^## \[$version\]" CHANGELOG.md || refuse "CHANGELOG.md has no section [$version]"
files=$(git grep --files-with-matches 'OWNER[./]' -- ':!scripts/check_release.sh' ':!tests' || true)
[ -z "$files" ] || refuse "the placeholder OWNER is still in: $(echo "$files" | tr '\n' ' ')"
exit $status
