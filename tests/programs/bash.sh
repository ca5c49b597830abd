# bash: pipes, substitutions, arrays, here-documents, traps, jobs.
command -v bash >/dev/null || { echo "no bash" >&2; exit 77; }
exec bash -s <<'SCRIPT'
set -u
echo "$((2 ** 10))" "$(echo nested $(echo deeper))"
a=(one "two words" three)
echo "${#a[@]}" "${a[1]}" "${a[@]:1}"
declare -A m=([x]=1 [y]=2)
for k in $(printf '%s\n' "${!m[@]}" | sort); do echo "$k=${m[$k]}"; done
s=abcdef; echo "${s:2:3}" "${s/cd/XX}" "${s^^}" "${s%ef}" "${s#ab}"
cat <<A; cat <<'B'
value $s
A
value $s
B
cat <<< "here string"
diff <(printf '1\n2\n') <(printf '1\n3\n')
echo "status $?"
printf '%s\n' 3 1 2 | sort | while read -r n; do echo "n$n"; done
false | true; echo "${PIPESTATUS[@]}"
set -o pipefail; false | true; echo $?
f() { local x=$1; ((x > 0)) && { f $((x - 1)); echo "back $x"; }; return 3; }
f 2; echo $?
(exit 7); echo $?
{ echo grouped; echo lines; } | wc -l
exec 5> out; echo to five >&5; exec 5>&-; cat out
echo error >&2 2>/dev/null
{ echo both; echo err >&2; } &> both; sort both
trap 'echo "usr1"' USR1; kill -USR1 $$; 
trap 'echo "exit trap"' EXIT
sleep 10 & p=$!; sleep 0.3; kill $p; wait $p; echo "killed $?"
sleep 0.1 & wait $!; echo "waited $?"
(trap 'echo term; exit 4' TERM; sleep 5 & wait) & p=$!; sleep 0.2; kill $p; wait $p; echo $?
ps=; for i in 1 2 3 4 5; do (sleep 0.0$i; exit $i) & ps="$ps $!"; done
s=0; for j in $ps; do wait $j; s=$((s + $?)); done; echo "sum $s"
wait; echo all
coproc C { read -r l; echo "got $l"; }
echo hello >&"${C[1]}"; read -r r <&"${C[0]}"; echo "$r"
mapfile -t lines < <(seq 3); echo "${lines[*]}"
[[ abc =~ ^a(.)c$ ]] && echo "${BASH_REMATCH[1]}"
case "file.tar.gz" in *.gz) echo gz ;;& *.tar.*) echo tar ;; esac
select x in a b; do echo "$x"; break; done <<< 2 2>/dev/null
ulimit -n 50; ulimit -n
umask 027; umask
cd /; pwd; cd - >/dev/null
command -v cd; type -t if
nosuchcommand 2>/dev/null; echo $?
./out 2>/dev/null; echo $?
printf '%q\n' "a b'c"
read -r -t 0.1 x < /dev/null; echo $?
echo {1..5} {a,b}{1,2}
shopt -s globstar nullglob; mkdir -p g/h; touch g/1 g/h/2; echo g/**/*
time -p true 2>/dev/null
echo $BASH_SUBSHELL $(echo $BASH_SUBSHELL)
SCRIPT
