# python3: files, mmap, locks, sqlite3, select, sockets, archives.
command -v python3 >/dev/null || { echo "no python3" >&2; exit 77; }
exec python3 - <<'E'
import os, mmap, fcntl, sqlite3, select, socket, struct, tempfile, shutil, zipfile, tarfile, pathlib, stat, errno, json, pickle, hashlib, time, array, resource, signal, glob
open('f', 'w').write('line\n' * 1000); print(os.stat('f').st_size, sum(1 for _ in open('f')))
with open('f', 'r+b') as f, mmap.mmap(f.fileno(), 0) as m: m[0:4] = b'LINE'; print(m.find(b'line'), len(m)); m.flush()
print(open('f').readline(), end='')
p = pathlib.Path('d/e'); p.mkdir(parents=True); (p / 'x').write_text('x'); print(sorted(str(q) for q in pathlib.Path('d').rglob('*')), (p / 'x').exists())
os.symlink('f', 'l'); print(os.readlink('l'), os.path.islink('l'), oct(os.lstat('l').st_mode)); os.replace('l', 'l2'); print(sorted(os.listdir('.')))
for call in (lambda: os.rmdir('d'), lambda: open('no'), lambda: os.mkdir('d'), lambda: os.listdir('f'), lambda: open('d', 'w')):
    try: call()
    except OSError as e: print(errno.errorcode[e.errno], type(e).__name__)
fd = os.open('f', os.O_RDWR); fcntl.flock(fd, fcntl.LOCK_EX); fd2 = os.open('f', os.O_RDWR)
try: fcntl.flock(fd2, fcntl.LOCK_EX | fcntl.LOCK_NB)
except BlockingIOError: print('locked')
fcntl.lockf(fd, fcntl.LOCK_EX, 10); print(os.sendfile(fd2, os.open('/dev/zero', os.O_RDONLY), 0, 0), os.pread(fd, 4, 0), os.copy_file_range(fd, fd2, 5, 0, 100))
c = sqlite3.connect('db'); c.execute('create table t(a, b)'); c.executemany('insert into t values(?, ?)', ((i, str(i)) for i in range(1000))); c.commit()
print(c.execute('select sum(a), max(b) from t').fetchone()); c2 = sqlite3.connect('db', timeout=0.1); c.execute('begin exclusive')
try: c2.execute('insert into t values(1, 2)')
except sqlite3.OperationalError as e: print(e)
c.rollback(); print(c2.execute('pragma integrity_check').fetchone())
a, b = socket.socketpair(); a.send(b'hi'); print(select.select([b], [a], [], 1)[0] == [b], b.recv(9)); po = select.poll(); po.register(b, select.POLLIN); print(po.poll(10)); ep = select.epoll(); ep.register(a, select.EPOLLOUT); print(len(ep.poll(1)))
s = socket.socket(socket.AF_UNIX); s.bind('sock'); s.listen(); k = socket.socket(socket.AF_UNIX); k.connect('sock'); n, _ = s.accept(); socket.send_fds(k, [b'fd'], [os.open('f', os.O_RDONLY)]); d, fds, *_ = socket.recv_fds(n, 10, 2); print(d, os.read(fds[0], 4))
shutil.copytree('d', 'copy'); shutil.make_archive('arch', 'zip', 'd'); print(zipfile.ZipFile('arch.zip').testzip(), sorted(zipfile.ZipFile('arch.zip').namelist())); tarfile.open('t.tgz', 'w:gz').add('d'); shutil.rmtree('copy'); print(os.path.exists('copy'))
with tempfile.NamedTemporaryFile(dir='.') as t: print(os.path.exists(t.name), oct(os.stat(t.name).st_mode & 0o777))
print(pickle.loads(pickle.dumps({'a': [1, 2]})), json.dumps({'k': None}), hashlib.md5(open('f', 'rb').read()).hexdigest())
os.utime('f', (1, 2)); print(os.stat('f').st_mtime, os.stat('f').st_mtime_ns); os.chmod('f', 0o640); print(stat.filemode(os.stat('f').st_mode)); os.truncate('f', 7); print(os.path.getsize('f'))
with os.scandir('.') as it: print(sorted((e.name, e.is_dir(), e.is_file()) for e in it if not e.name.startswith('tmp')))
print(resource.getrlimit(resource.RLIMIT_CORE)[0] >= -1, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss > 1000, os.cpu_count() >= 1, len(os.urandom(20)), os.getlogin() if False else 'x')
r, w = os.pipe(); os.set_blocking(r, False)
try: os.read(r, 1)
except BlockingIOError: print('would block')
os.write(w, struct.pack('<IQ', 7, 8)); print(struct.unpack('<IQ', os.read(r, 100))); fd = os.memfd_create('m'); os.write(fd, b'mem'); print(os.lseek(fd, 0, 2)); os.mkfifo('fifo'); print(stat.S_ISFIFO(os.stat('fifo').st_mode))
signal.setitimer(signal.ITIMER_REAL, 0.05); signal.signal(signal.SIGALRM, lambda *x: print('alarm')); signal.pause(); os.setxattr('f', 'user.a', b'v') if False else None
print(len(glob.glob('**/*', recursive=True)) > 5, os.path.samefile('f', 'l2'), os.statvfs('.').f_namemax)
E
