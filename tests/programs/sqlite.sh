# sqlite3's own shell, with several processes at one file.
command -v sqlite3 >/dev/null || { echo "no sqlite3" >&2; exit 77; }
sqlite3 t.db 'pragma journal_mode=wal; create table t(k integer primary key, v text);'
for p in 1 2 3; do
    (for i in $(seq 20); do echo "insert into t(v) values('p$p-$i');"; done | sqlite3 -cmd '.timeout 10000' t.db) &
done
wait
sqlite3 t.db 'select count(*), count(distinct v), max(k) from t; pragma integrity_check;'
sqlite3 t.db <<E
begin; delete from t where k > 30; rollback; select count(*) from t;
begin; update t set v = upper(v) where k % 2; commit; select count(*) from t where v like 'P%';
create index i on t(v); explain query plan select * from t where v = 'x';
with recursive c(x) as (select 1 union all select x + 1 from c where x < 1000) select sum(x) from c;
.mode csv
select k % 3 as r, count(*) from t group by r;
.dump nothing
vacuum;
E
sqlite3 t.db .dump | sqlite3 u.db; sqlite3 u.db 'pragma integrity_check; select count(*) from t'
sqlite3 t.db 'pragma journal_mode=delete'; ls; sqlite3 t.db 'bad sql' 2>&1 | head -n 1; echo $?
