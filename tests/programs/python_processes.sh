# python3: multiprocessing with fork and spawn, shared memory, managers, asyncio over pipes.
command -v python3 >/dev/null || { echo "no python3" >&2; exit 77; }
cat > m.py <<'E'
import multiprocessing as mp, os, sys, time, concurrent.futures as cf
from multiprocessing import shared_memory
def square(x): return x * x
def put(q, i): q.put((i, os.getppid() > 0))
def count(v, n):
    for _ in range(n):
        with v.get_lock(): v.value += 1
def fill(name): s = shared_memory.SharedMemory(name); s.buf[:5] = b'hello'; s.close()
def talk(c): c.send(c.recv() * 2); c.close()
def fail(): sys.exit(7)
def boom(x): raise ValueError(x)
def main():
    for method in ('fork', 'spawn'):
        m = mp.get_context(method)
        with m.Pool(3) as p: print(method, sum(p.map(square, range(200))), p.apply(square, (12,)))
        q = m.Queue(); ps = [m.Process(target=put, args=(q, i)) for i in range(4)]; [p.start() for p in ps]; print(sorted(q.get() for _ in ps)); [p.join() for p in ps]
        v = m.Value('i', 0); ps = [m.Process(target=count, args=(v, 500)) for _ in range(3)]; [p.start() for p in ps]; [p.join() for p in ps]; print(v.value)
        a, b = m.Pipe(); p = m.Process(target=talk, args=(b,)); p.start(); a.send('ab'); print(a.recv()); p.join()
        p = m.Process(target=fail); p.start(); p.join(); print(p.exitcode)
        p = m.Process(target=time.sleep, args=(100,)); p.start(); p.terminate(); p.join(); print(p.exitcode)
    s = shared_memory.SharedMemory(create=True, size=100); p = mp.Process(target=fill, args=(s.name,)); p.start(); p.join(); print(bytes(s.buf[:5])); s.close(); s.unlink()
    with mp.Manager() as g: d = g.dict(); d['k'] = 1; print(dict(d))
    with cf.ProcessPoolExecutor(2) as e:
        print(list(e.map(square, range(10))))
        try: e.submit(boom, 'bang').result()
        except ValueError as x: print('raised', x)
    b = mp.Barrier(2); e = mp.Event(); p = mp.Process(target=lambda: (b.wait(), e.set())); p.start(); b.wait(); print(e.wait(5)); p.join()
if __name__ == '__main__': main()
E
python3 m.py; echo $?
exec python3 - <<'E'
import asyncio, os, signal, sys
async def sub():
    p = await asyncio.create_subprocess_exec('cat', stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE)
    out, _ = await p.communicate(b'async'); return out, p.returncode
async def server():
    async def h(r, w): w.write((await r.readline()).upper()); await w.drain(); w.close()
    s = await asyncio.start_unix_server(h, 'sock')
    async def one(i):
        r, w = await asyncio.open_unix_connection('sock'); w.write(f'n{i}\n'.encode()); x = await r.read(); w.close(); return x
    r = await asyncio.gather(*(one(i) for i in range(20))); s.close(); return len(r), r[7]
async def pipes():
    r, w = os.pipe(); loop = asyncio.get_running_loop(); rd = asyncio.StreamReader()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(rd), os.fdopen(r, 'rb'))
    t, _ = await loop.connect_write_pipe(asyncio.Protocol, os.fdopen(w, 'wb')); t.write(b'z' * 200000); t.close(); return len(await rd.read())
async def main():
    print(await sub()); print(await asyncio.gather(*(sub() for _ in range(5)))); print(await server()); print(await pipes())
    try: await asyncio.wait_for(asyncio.sleep(10), 0.1)
    except asyncio.TimeoutError: print('timeout')
    e = asyncio.Event(); asyncio.get_running_loop().add_signal_handler(signal.SIGUSR1, e.set); os.kill(os.getpid(), signal.SIGUSR1); await asyncio.wait_for(e.wait(), 5); print('signal')
    print(await asyncio.to_thread(sum, range(100)))
    p = await asyncio.create_subprocess_shell('exit 6'); print(await p.wait())
asyncio.run(main())
E
