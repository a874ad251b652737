# Runs a program for as long as standard input stays open, then ends it by its process id.
# The process that starts this holds the other end of standard input. The kernel closes it even if that process is
# killed.
# Usage: supervise.sh GRACE_SECONDS FOLDER_TO_REMOVE_OR_EMPTY OUTPUT ERRORS PROGRAM [ARGUMENT...]
grace=$1
folder=$2
output=$3
errors=$4
shift 4

exec 3<&0 4>&1
"$@" </dev/null >>"$output" 2>>"$errors" 3<&- 4>&- &
child=$!

# A terminal or an init system may signal this process. The program must not outlive it.
trap 'kill -s TERM "$child" 2>/dev/null' HUP INT TERM

# Standard input is passed as descriptor 3, because a shell gives background commands an empty one.
(
    while read -r _; do :; done
    kill -s TERM "$child" 2>/dev/null
    while [ "$grace" -gt 0 ] && kill -0 "$child" 2>/dev/null; do
        sleep 1
        grace=$((grace - 1))
    done
    kill -s KILL "$child" 2>/dev/null
) <&3 >/dev/null 2>&1 3<&- 4>&- &
watcher=$!
exec 3<&-

# The process that started this reads the process id.
echo "$child" >&4
exec 4>&- >/dev/null

# A trapped signal interrupts wait, so wait again until the program has ended.
wait "$child"
status=$?
while kill -0 "$child" 2>/dev/null; do
    wait "$child"
    status=$?
done

kill -s KILL "$watcher" 2>/dev/null
[ -z "$folder" ] || rm -rf -- "$folder"
exit "$status"
