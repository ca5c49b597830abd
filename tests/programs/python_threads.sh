# python3: threads, locks, queues, conditions, timers.
command -v python3 >/dev/null || { echo "no python3" >&2; exit 77; }
exec python3 - <<'E'
import threading, queue, time, os, concurrent.futures as cf, signal
lock = threading.Lock(); total = 0
def add(n):
    global total
    for _ in range(n):
        with lock: total += 1
ts = [threading.Thread(target=add, args=(5000,)) for _ in range(8)]
[t.start() for t in ts]; [t.join() for t in ts]; print(total)
q, out = queue.Queue(5), []
def consume():
    while (x := q.get()) is not None: out.append(x * x)
c = threading.Thread(target=consume); c.start()
[q.put(i) for i in range(100)]; q.put(None); c.join(); print(sum(out), len(out))
with cf.ThreadPoolExecutor(4) as e: print(sum(e.map(lambda x: x % 7, range(1000))))
ev = threading.Event(); t = threading.Timer(0.1, ev.set); s = time.monotonic(); t.start(); print(ev.wait(5), 0.09 < time.monotonic() - s < 3)
cond, ready = threading.Condition(), []
def waiter(i):
    with cond:
        cond.wait_for(lambda: ready, 5); ready.append(i)
ws = [threading.Thread(target=waiter, args=(i,)) for i in range(5)]; [w.start() for w in ws]; time.sleep(0.1)
with cond: ready.append('go'); cond.notify_all()
[w.join() for w in ws]; print(len(ready))
b = threading.Barrier(4); seen = []
def meet(): b.wait(); seen.append(1)
ms = [threading.Thread(target=meet) for _ in range(4)]; [m.start() for m in ms]; [m.join() for m in ms]; print(len(seen))
sem = threading.Semaphore(2); most = now = 0
def use():
    global most, now
    with sem:
        with lock: now += 1; most = max(most, now)
        time.sleep(0.02)
        with lock: now -= 1
us = [threading.Thread(target=use) for _ in range(8)]; [u.start() for u in us]; [u.join() for u in us]; print(most)
loc = threading.local(); loc.x = 1
def other(): print(hasattr(loc, 'x'))
o = threading.Thread(target=other); o.start(); o.join()
got = []; signal.signal(signal.SIGUSR1, lambda *a: got.append(threading.current_thread() is threading.main_thread()))
k = threading.Thread(target=lambda: os.kill(os.getpid(), signal.SIGUSR1)); k.start(); k.join(); time.sleep(0.05); print(got)
d = threading.Thread(target=lambda: time.sleep(100), daemon=True); d.start(); print(threading.active_count(), threading.get_native_id() == os.getpid())
print(lock.acquire(timeout=0.05), lock.acquire(timeout=0.05))
E
