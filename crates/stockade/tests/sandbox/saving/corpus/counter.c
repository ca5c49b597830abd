/* Goes on as a copy of itself in memory, so that its image needs no file of a host; then numbers the lines that it reads. */
#include <fcntl.h>
#include <unistd.h>
#include <sys/sendfile.h>

static char line[4096];
static char kept[65536];

int main(int argc, char **argv)
{
	if (argc == 1) {
		int from = open("/counter", O_RDONLY), to = open("/copy", O_WRONLY | O_CREAT | O_CLOEXEC, 0755);
		if (from < 0 || to < 0)
			return 1;
		while (sendfile(to, from, 0, 1 << 20) > 0)
			;
		close(from);
		close(to);
		execl("/copy", "/copy", "again", (char *)0);
		return 2;
	}
	for (unsigned i = 0; i < sizeof kept; i++)
		kept[i] = (char)(i * 7 + i / 256);
	for (int n = 1;; n++) {
		ssize_t length = read(0, line, sizeof line);
		if (length <= 0)
			return 7;
		for (unsigned i = 0; i < sizeof kept; i++)
			if (kept[i] != (char)(i * 7 + i / 256))
				return 3;
		char number = (char)('0' + n);
		if (write(1, &number, 1) != 1 || write(1, " ", 1) != 1 || write(1, line, length) != length)
			return 4;
	}
}
