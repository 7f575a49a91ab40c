#!/bin/sh
# Reports what somebody has changed manually in the clusters since the last apply. Exit code 0: nothing; 2: something, which the output names; 1: an error.
set -eu
TF=${TF:-terraform}
"$TF" init -input=false -no-color >/dev/null
exec "$TF" plan -input=false -no-color -lock=false -detailed-exitcode
