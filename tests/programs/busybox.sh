# busybox's applets on files of their own.
command -v busybox >/dev/null || { echo "no busybox" >&2; exit 77; }
b=busybox
mkdir -p d/e
printf 'pear\napple\nfig\napple\n' > fruit
$b sort fruit
$b sort -u fruit | $b tac 2>/dev/null || $b sort -ru fruit
$b uniq -c fruit
$b wc fruit
$b cut -c1-3 fruit
$b tr a-z A-Z < fruit
$b head -n 2 fruit
$b tail -n 1 fruit
$b sed 's/p/P/g' fruit
$b awk '{ n[$1]++ } END { for (k in n) print k, n[k] }' fruit | $b sort
$b grep -n apple fruit
$b md5sum fruit
$b sha256sum fruit
$b cp -a fruit d/copy
$b cmp fruit d/copy && echo same
$b ln -s ../fruit d/link
$b readlink d/link
$b ls -1 d
$b find . -type f | $b sort
$b tar cf t.tar d fruit
$b tar tf t.tar | $b sort
$b mkdir x
$b tar xf t.tar -C x
$b cat x/d/copy
$b gzip -c fruit > fruit.gz
$b zcat fruit.gz
$b bzip2 -c fruit | $b bunzip2 -c | $b md5sum
$b printf '%05d %s\n' 42 text
$b seq 1 2 9 | $b xargs $b echo
$b expr 6 '*' 7
$b test -f fruit && echo file
$b basename /a/b/c.txt .txt
$b dirname /a/b/c.txt
$b od -c fruit | $b head -n 2
$b xxd fruit | $b head -n 1
$b dd if=/dev/zero bs=1k count=3 2>/dev/null | $b wc -c
$b stat -c '%s %a %F' fruit
$b touch -d '2020-01-02 03:04:05' old
$b date -u -r old +%Y-%m-%dT%H:%M:%S
$b env -i A=1 $b env
$b ash -c 'echo $((3 * 14)); for i in 1 2 3; do printf %s $i; done; echo'
$b mkfifo p
$b cat p & $b echo through > p; wait
$b diff fruit d/copy && echo equal
$b diff fruit old
echo status $?
$b rm -r x d
$b ls
$b sleep 0.1
$b timeout 1 $b sleep 5
echo status $?
$b nproc | $b grep -q '[0-9]' && echo counted
$b id -u
$b pwd | $b grep -q / && echo somewhere
$b mktemp -d tmp.XXXXXX | $b wc -c
$b realpath fruit | $b sed 's|.*/||'
$b du -s fruit >/dev/null && echo measured
$b vi --help >/dev/null 2>&1
echo status $?
