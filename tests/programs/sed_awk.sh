# sed and awk, with files edited in place and pipes in both directions.
seq 1 20 > n
sed -n '5,7p;$p' n
sed '/1/d; s/\(.\)/<\1>/g; y/23/ab/' n
sed -i 's/^/line /' n; head -n 2 n
sed -n 'N;N;s/\n/+/gp' n
sed '1!G;h;$!d' n | head -n 2
sed -e '/5$/{' -e 'a after' -e 'i before' -e '}' n | sed -n '4,8p'
sed -n '/2/w twos' n; wc -l twos
sed 's/x/y/' missing 2>&1; echo $?
printf 'k1=v1\nk2=v2\n' | sed -E 's/(\w+)=(\w+)/\2:\1/'
awk '{ s += $2 } END { print s, NR, s / NR }' n
awk -F: '$3 == 0 { print $1 }' /etc/passwd
awk 'BEGIN { while (("echo a; echo b" | getline x) > 0) print "got " x; close("echo a; echo b") }'
awk 'BEGIN { print "to sort 2\nto sort 1" | "sort"; close("sort"); print "after" }'
awk '{ print > ("out." ($2 % 3)) }' n; wc -l out.0 out.1 out.2
awk 'BEGIN { printf "%5.2f|%-5s|%05d|%x\n", 3.14159, "ab", 42, 255; print length("héllo") }'
awk 'function f(n) { return n < 2 ? n : f(n - 1) + f(n - 2) } BEGIN { print f(18) }'
awk 'BEGIN { s = "a1b22c333"; while (match(s, /[0-9]+/)) { print substr(s, RSTART, RLENGTH); s = substr(s, RSTART + RLENGTH) } }'
awk 'BEGIN { n = split("q,w,e", a, ","); for (i = n; i; i--) printf "%s ", a[i]; print toupper("done") }'
awk 'BEGIN { print system("exit 3"); print ENVIRON["LC_ALL"] }'
awk 'BEGIN { for (i = 0; i < 20000; i++) print i, i * i }' | awk '{ t += $2 } END { print t }'
awk 'BEGIN { getline l < "n"; print l; exit 4 }'; echo $?
