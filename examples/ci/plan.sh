#!/bin/sh
# Plans, checks the plan against the policies, and leaves plan.tfplan for apply.sh. Exit code 1: an error or a policy; 0: nothing to do; 2: there are changes.
#
#   TF=tofu              the CLI; terraform if unset
#   REFRESH=false        without access to the clusters, as on a pull request of a fork
#   POLICIES=policies    the folder with the policies; unset: no check
set -eu
TF=${TF:-terraform}
"$TF" init -input=false -no-color >/dev/null
code=0
"$TF" plan -input=false -no-color -lock-timeout=5m -refresh="${REFRESH:-true}" -out=plan.tfplan -detailed-exitcode || code=$?
[ "$code" != 1 ] || exit 1
if [ -n "${POLICIES-}" ]; then
  "$TF" show -json plan.tfplan >plan.json
  conftest test --no-color --policy "$POLICIES" plan.json || exit 1
fi
exit "$code"
