#!/bin/sh
# Applies what plan.sh has planned and somebody has approved, and nothing else: a plan that has become stale is refused by the CLI.
set -eu
TF=${TF:-terraform}
"$TF" init -input=false -no-color >/dev/null
"$TF" apply -input=false -no-color -lock-timeout=5m plan.tfplan
