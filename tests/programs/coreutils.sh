# GNU coreutils.
mkdir -p a/b/c && cd a
seq 1 1000 > n; shuf -i 1-100 | sort -n | tail -n 1
sort -rn n | head -n 3; sort -k2,2 -t, <<E
x,2
y,1
E
paste -d+ n /dev/null | head -n 1
cat n n | uniq -c | wc -l; comm -12 n n | wc -l
join n n | head -n 2
split -l 300 n part.; ls part.*; cat part.* | cmp - n && echo whole
csplit -s n 500; wc -l xx00 xx01
tac n | head -n 1; nl n | tail -n 1; fold -w 2 n | wc -l; rev n | tail -n 1
tr -d '\n' < n | wc -c; expand -t 4 n | md5sum; base64 n | md5sum; od -An -tx1 n | head -n 1
md5sum n; sha1sum n; sha512sum n | cut -c1-20; b2sum n | cut -c1-20; sum n; cksum n
cp -r . ../copy; diff -r . ../copy && echo equal
cp -p n kept; cp --sparse=always n sparse; cmp n sparse && echo same
mv kept moved; ln n hard; ln -s n soft; stat -c '%h %s %F' n soft
readlink -f soft | sed 's|.*/||'; realpath --relative-to=. b/c
install -m 751 n prog; stat -c %a prog; chmod u=rw,go= prog; stat -c %a prog; chmod +x prog; stat -c %A prog
chown 1000:1000 prog && stat -c '%u %g' prog
touch -d @86400 t; stat -c %Y t; date -u -d @1000000000 +%FT%T
truncate -s 10M big; stat -c %s big; du --apparent-size -k big | cut -f1
dd if=/dev/zero of=z bs=4096 count=10 conv=fsync 2>/dev/null; stat -c %s z
dd if=n bs=1 skip=10 count=5 2>/dev/null | od -c
head -c 100000 /dev/urandom > r; cat r | tee r2 | cmp - r && cmp r r2 && echo teed
mkfifo p; (cat p &); echo fifo > p; sleep 0.1
rm -rf ../copy; rmdir b/c; rmdir b 2>&1; ls -1
test -r n && test ! -e missing && echo tests
expr 7 % 3; factor 60; seq -s, 5; printf '%b' 'tab\tend\n'; echo -e 'x\ty'
env -i X=1 env; nice -n 5 nice; nohup true 2>/dev/null; echo $?
timeout 0.2 sleep 5; echo $?; timeout -s KILL 0.2 sleep 5; echo $?
id -un; whoami; groups | wc -w; hostname | wc -l; uname -s; uname -m; arch
basename /x/y.z .z; dirname /x/y; pathchk ok && echo pathok; mktemp -u x.XXX | wc -c
yes y | head -n 100000 | wc -l; stdbuf -oL echo buffered; tsort <<E
a b
b c
E
numfmt --to=iec 1048576; ptx -G /dev/null; sync; stat -f -c %T /proc; df . | wc -l
ls -la / > /dev/null && echo listed; ls -d /etc /bin/sh; ls missing 2>&1; echo $?
cat missing 2>&1; rm missing 2>&1; mkdir n 2>&1; cp n n 2>&1; echo $?
