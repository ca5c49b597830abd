# tar, gzip, bzip2, xz and zstd: what goes in comes out.
mkdir -p s/d
seq 1 20000 > s/numbers
head -c 300000 /dev/zero > s/zeros
printf 'x' > s/d/one
ln -s numbers s/link; ln s/numbers s/d/hard; mkfifo s/d/fifo; : > s/empty
truncate -s 5M s/sparse; printf end >> s/sparse
chmod 4751 s/d/one; chmod 700 s/d; touch -d @1234567890 s/numbers s/d/one
sums() { (cd "$1" && find . -type f | sort | xargs md5sum && find . | sort | xargs stat -c '%N %A %h %u %g'); }
sums s > expected; cat expected
for z in "" z j J; do
    case $z in z) c=gzip ;; j) c=bzip2 ;; J) c=xz ;; *) c=cat ;; esac
    command -v $c >/dev/null || continue
    tar --sort=name -c${z}f a.tar s; mkdir out; tar xp${z}f a.tar -C out
    sums out/s > got; cmp expected got && echo "tar $c"
    rm -r out
done
tar cf - s | (mkdir piped && cd piped && tar xpf -); sums piped/s > got; cmp expected got && echo piped
tar cSf sparse.tar s/sparse; test $(stat -c %s sparse.tar) -lt 100000 && echo small
tar tvf a.tar --no-recursion -J 2>/dev/null | awk '{ print $1, $6 }' | sort | head -n 4
tar cf one.tar -C s d; tar rf one.tar s/empty; tar tf one.tar | sort
tar xOf one.tar s/empty | wc -c
tar xf missing.tar 2>/dev/null; echo $?
gzip -kf s/numbers; gzip -t s/numbers.gz; echo $?; gzip -dc s/numbers.gz | cmp - s/numbers && echo gzip
for l in 1 6 9; do gzip -n -$l < s/numbers | wc -c; done
xz -T2 -k s/zeros; xz -l s/zeros.xz | wc -l; xz -dc s/zeros.xz | cmp - s/zeros && echo xz
if command -v zstd >/dev/null; then zstd -q -T2 s/numbers -o s/n.zst; zstd -q -dc s/n.zst | cmp - s/numbers && echo zstd; else echo zstd; fi
head -c 1000 s/numbers.gz > cut.gz; gzip -dc cut.gz 2>/dev/null | wc -l; gzip -t cut.gz 2>/dev/null; echo $?
