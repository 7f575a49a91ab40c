# Runs Helm ("$@") for the provider: when the provider is gone, so is standard input, and then Helm ends and its folder is removed.
folder=$1
shift
exec 3<&0
"$@" </dev/null 3<&- &
helm=$!
{
  read -r _
  : >"$folder/orphan"
  kill -TERM $helm
  sleep 3
  kill -KILL $helm
} <&3 >/dev/null 2>&1 &
watch=$!
exec 3<&-
# Helm and the watch have begun without this, or they would ignore the signal for a moment.
trap : TERM
# A signal ends `wait`, but not yet Helm.
while
  wait $helm
  status=$?
  kill -0 $helm 2>/dev/null
do :; done
kill $watch 2>/dev/null
if [ -e "$folder/orphan" ]; then rm -rf "$folder"; fi
exit $status
