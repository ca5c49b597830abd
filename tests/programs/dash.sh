# The plain shell: job control off, signals, redirections, traps.
command -v dash >/dev/null || { echo "no dash" >&2; exit 77; }
exec dash -s <<'SCRIPT'
echo one | cat | cat
x=$(printf 'a\nb\n' | wc -l); echo $x
i=0; while [ $i -lt 3 ]; do i=$((i + 1)); echo $i; done
cat <<E
sum $((1 + 2))
E
f() { echo "f $#: $*"; return 5; }
f a 'b c'; echo $?
(cd /; pwd)
set -- x y z; shift; echo $# $1
trap 'echo caught' USR2; kill -USR2 $$
trap 'echo bye' EXIT
(kill -9 $(sh -c 'echo $PPID')); echo $?
sh -c 'kill -SEGV $$' 2>/dev/null; echo $?
sleep 5 & kill %1 2>/dev/null || kill $!; wait $! 2>/dev/null; echo $?
exec 3< /etc/passwd; read -r line <&3; echo "${line%%:*}"; exec 3<&-
echo out > f; echo more >> f; cat < f
: > f; wc -c < f
echo a 2>&1 >&- | cat
for w in "a b" c; do echo "[$w]"; done
eval 'echo ev$((2*2))'
set -e; if false; then :; fi; echo alive
{ false; echo not here; } || echo handled
set +e
readonly r=1; (r=2) 2>/dev/null; echo $?
echo ${undefined:-default} ${undefined-d2} ${r:+set}
printf '%d %x %s\n' 10 255 str
test -d / -a -e /bin/sh && echo test
umask 077; touch private; ls -l private | cut -c1-10
yes | head -n 3
seq 100000 | tail -n 1
echo $0 | wc -c
wait; echo done
SCRIPT
