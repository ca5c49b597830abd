# gcc and g++: preprocess, compile, link statically and dynamically, run, fail.
command -v g++ >/dev/null || { echo "no g++" >&2; exit 77; }
cat > m.c <<'E'
#include <math.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
static void *f(void *p) { *(double *)p = sqrt(*(double *)p); return p; }
int main(int argc, char **argv) {
    double d = argc > 1 ? atof(argv[1]) : 2;
    pthread_t t;
    pthread_create(&t, NULL, f, &d);
    pthread_join(t, NULL);
    printf("%.6f\n", d);
    return argc;
}
E
gcc -O2 -Wall -o m m.c -lm -pthread && ./m 16; echo $?
gcc -static -O2 -o ms m.c -lm -pthread && ./ms; echo $?
gcc -E m.c | grep -c 'int main'; gcc -S -O1 -o - m.c | grep -c 'main:'
gcc -c -g m.c && nm m.o | grep ' T '; ar rcs libm2.a m.o && ar t libm2.a
cat > lib.c <<'E'
int twice(int x) { return 2 * x; }
E
cat > use.c <<'E'
#include <stdio.h>
int twice(int);
int main(void) { printf("%d\n", twice(21)); return 0; }
E
gcc -shared -fPIC -o libtwice.so lib.c && gcc use.c -L. -ltwice -Wl,-rpath,"$PWD" -o use && ./use
cat > p.cc <<'E'
#include <algorithm>
#include <future>
#include <iostream>
#include <map>
#include <stdexcept>
#include <string>
#include <vector>
int main() {
    std::map<std::string, int> m{{"b", 2}, {"a", 1}};
    for (auto &[k, v] : m) std::cout << k << v << '\n';
    std::vector<std::future<long>> fs;
    for (int i = 0; i < 8; i++) fs.push_back(std::async(std::launch::async, [i] { long s = 0; for (int k = 0; k < 100000; k++) s += k % (i + 1); return s; }));
    for (auto &f : fs) std::cout << f.get() << ' ';
    try { throw std::runtime_error("thrown"); } catch (std::exception &e) { std::cout << e.what() << std::endl; }
    return std::count(m.begin(), m.end(), std::pair<const std::string, int>("a", 1));
}
E
g++ -std=c++17 -O1 -pthread -o p p.cc && ./p; echo $?
echo 'int main(void) { return x; }' > bad.c; gcc bad.c 2>&1 | grep -c error; gcc -o x missing.c 2>/dev/null; echo $?
echo 'int main(void) { *(volatile int *)0 = 1; }' > crash.c; gcc crash.c -o crash && (./crash) 2>/dev/null; echo $?
gcc -pipe -flto -O2 -o lto use.c lib.c && ./lto
