# What ps, pgrep, kill, nice and /proc say of a few processes.
command -v ps >/dev/null || { echo "no ps" >&2; exit 77; }
sleep 60 & a=$!
sh -c 'exec sleep 61' & b=$!
sleep 0.3
ps -o comm= -p $a,$b
ps -o args= -p $b
ps -o ppid= -p $a | grep -qw $$ && echo child
ps -o stat= -p $a | cut -c1
ps -o ni=,nlwp=,tty= -p $a
ps -e | grep -c 'sleep$' | grep -q '[0-9]' && echo seen
ps -o user= -p $a
command -v pgrep >/dev/null && pgrep -P $$ -x sleep | wc -l || echo 2
tr '\0' ' ' < /proc/$b/cmdline; echo
readlink /proc/$a/exe | sed 's|.*/||'
ls /proc/$a/fd | wc -l | grep -q '[0-9]' && echo descriptors
kill -STOP $a; sleep 0.1; ps -o stat= -p $a | cut -c1; kill -CONT $a
renice -n 7 -p $a >/dev/null; ps -o ni= -p $a
kill $a $b; wait $a; echo $?; wait $b; echo $?
ps -p $a >/dev/null; echo $?
cat /proc/$$/comm; cat /proc/self/comm; awk '/^Threads/ { print $2 }' /proc/self/status
test "$(awk '/^PPid/ { print $2 }' /proc/self/status)" = $$ && echo mine
cut -d' ' -f2 /proc/self/stat; uptime | grep -c load; free | grep -c Mem; test "$(nproc)" -ge 1 && echo cpus
grep -c ^processor /proc/cpuinfo | grep -qx "$(nproc)" && echo agree
mount | grep -c ' on / ' | grep -q '[1-9]' && echo root; df / | tail -n 1 | wc -w
setsid sh -c 'ps -o sid= -p $$ | grep -qw $$ && echo session'
(ulimit -t 1; while :; do :; done) 2>/dev/null; echo $?
(ulimit -f 1; head -c 100000 /dev/zero > big) 2>/dev/null; echo $?; stat -c %s big
(ulimit -v 50000; head -c 1000 /dev/zero | tail -c 10 | wc -c)
time -p sleep 0.2 2>/dev/null || { time sleep 0.2; } 2>/dev/null; echo timed
