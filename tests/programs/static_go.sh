# A static Go program with many goroutines (built beside the tests, where there is a Go compiler).
test -n "$GUEST_GO" || { echo "no go" >&2; exit 77; }
"$GUEST_GO" 200; echo $?
"$GUEST_GO" panic 2>/dev/null; echo $?
