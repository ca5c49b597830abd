# find, grep and xargs over a tree of some size.
for i in $(seq 1 20); do
    mkdir -p t/d$i/sub
    for j in 1 2 3 4 5; do echo "file $i $j needle$((i * j))" > t/d$i/f$j.txt; done
    ln -s ../f1.txt t/d$i/sub/link
    : > t/d$i/sub/empty
done
find t -type f | wc -l
find t -name 'f3.txt' | sort | head -n 3
find t -type l | sort | tail -n 2
find t -empty | wc -l
find t -size +0 -type f | wc -l
find t -maxdepth 1 -type d | sort | head -n 3
find t -newer t/d1 -type f | wc -l | grep -c '[0-9]'
find -L t -type f -name link | wc -l
find t -path '*/sub/*' -prune -o -type f -print | wc -l
find t -name 'f1.txt' -exec cat {} + | sort | md5sum
find t -name 'f2.txt' -execdir basename {} \; | sort | uniq -c
find t -type f -print0 | xargs -0 -n 10 -P 2 cat | sort | md5sum
find t -perm -u=w -type f | wc -l
find t -links 1 -type f | wc -l
grep -r needle12 t | sort
grep -rl 'needle100$' t
grep -rc needle t | sort | head -n 3
grep -rn --include='f5*' 'needle5\b' t
grep -rvh needle t | wc -l
grep -rE 'needle(7|14)$' t | sort
grep -q nothing -r t; echo $?
grep -z file t/d1/f1.txt | tr '\0' '\n'
grep -o 'needle[0-9]*' t/d2/f2.txt; grep -w needle4 t/d2/f2.txt; grep -B1 -A1 2 t/d3/f2.txt
echo "a b c" | xargs -n 1 echo item
seq 50 | xargs -n 7 echo | tail -n 1
find t -depth -name 'd1*' -exec rm -r {} +
find t -type f | wc -l
find t -delete; ls t 2>&1; echo $?
