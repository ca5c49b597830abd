# make -j2 of a project of 16 files, up to date, touched, failing.
command -v gcc >/dev/null || { echo "no gcc" >&2; exit 77; }
mkdir src
for i in $(seq 16); do
    printf '#include "all.h"\nint f%d(int x) { return x %% 7 + %d; }\n' $i $i > src/f$i.c
    echo "int f$i(int);" >> src/all.h
done
{ echo '#include <stdio.h>'; echo '#include "all.h"'; echo 'int main(void) { int s = 0;'; for i in $(seq 16); do echo "s += f$i($i);"; done; printf '%s\n' 'printf("%d\n", s); return 0; }'; } > src/main.c
cat > Makefile <<'E'
OBJS := $(patsubst src/%.c,obj/%.o,$(wildcard src/*.c))
prog: $(OBJS)
	@gcc -o $@ $^
	@echo linked
obj/%.o: src/%.c src/all.h | obj
	@gcc -O1 -c -o $@ $<
obj:
	@mkdir -p obj
clean:
	@rm -rf obj prog
fail:
	@false
sub:
	@$(MAKE) --no-print-directory -C sub
.PHONY: clean fail sub
E
make -s -j2 && ./prog; ls obj | wc -l
make -j2; sleep 1; touch src/f3.c; make -j2; touch src/all.h; make -n -j2 | grep -c gcc
make -j2 fail 2>&1 | sed 's/make: //'; make -k -j2 fail nothing 2>&1 | grep -c Error; make -q; echo $?
mkdir sub; printf 'all: a b c\na b c:\n\t@sleep 0.1; echo $@ > done.$@\n' > sub/Makefile; make -s -j4 sub; ls sub
make -s -j2 -B && ./prog; make clean; ls
printf 'x:\n\t@kill -TERM $$$$\n' > k.mk; make -f k.mk 2>&1 | sed 's/.*\] //'; echo $?
