# A static Rust program with many threads (built beside the tests).
test -n "$GUEST_RUST" || { echo "no rustc" >&2; exit 77; }
"$GUEST_RUST" 32; echo $?
"$GUEST_RUST" panic 2>/dev/null; echo $?
