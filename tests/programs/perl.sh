# perl: forks, pipes, sockets, signals; prove with parallel tests.
command -v prove >/dev/null || { echo "no prove" >&2; exit 77; }
mkdir t
for i in 1 2 3 4; do
    cat > t/$i.t <<E
use strict; use warnings; use Test::More tests => 3;
ok(1, 'first'); is($i * 2, $i + $i, 'sum');
my \$out = \`echo sub$i\`; is(\$out, "sub$i\n", 'backquotes');
E
done
prove -j2 t 2>&1 | grep -v '^Files=' | sort
prove -v t/1.t 2>&1 | grep -v '^Files='
printf 'use Test::More tests => 1; ok(0);' > t/bad.t; prove -Q t/bad.t >/dev/null 2>&1; echo $?
perl -e '
use strict; use warnings; use Socket; use POSIX qw(:sys_wait_h); use File::Temp; use IO::Select; use Time::HiRes qw(sleep time);
$| = 1;
pipe(my $r, my $w); my $pid = fork; if (!$pid) { close $r; print $w "line $_\n" for 1..3; exit 6 } close $w; print while <$r>; waitpid $pid, 0; print $? >> 8, "\n";
socketpair(my $a, my $b, AF_UNIX, SOCK_STREAM, PF_UNSPEC); if (!fork) { close $a; my $l = <$b>; print $b uc $l; exit } close $b; $a->autoflush(1); print $a "shout\n"; print scalar <$a>; wait;
local $SIG{USR1} = sub { print "usr1\n" }; kill USR1 => $$;
local $SIG{ALRM} = sub { die "alarm\n" }; eval { alarm 1; sleep 5; }; print $@;
local $SIG{CHLD} = sub { 1 while waitpid(-1, WNOHANG) > 0 }; my @k = map { my $p = fork; exit 0 unless $p; $p } 1..5; sleep 0.05 for 1..20; print kill(0, @k), "\n";
my $t = File::Temp->new; print $t "temp"; close $t; print -s $t->filename, "\n";
open my $p, "-|", "sort -r" , () or die; close $p; open my $q, "|-", "cat" or die; print $q "to cat\n"; close $q;
my %h = map { $_ => length } qw(a bb ccc); print join(",", map { "$_=$h{$_}" } sort keys %h), "\n";
system("exit 3;"); print $? >> 8, "\n"; exec "echo", "exec" or die;
' </dev/null
