# node: fs, child_process, worker threads, timers, streams, zlib, crypto.
command -v node >/dev/null || { echo "no node" >&2; exit 77; }
cat > a.js <<'E'
const fs = require('fs'), cp = require('child_process'), path = require('path'), zlib = require('zlib'), os = require('os');
const { Worker, isMainThread, parentPort, workerData } = require('worker_threads');
if (!isMainThread) { let s = 0; for (let i = 0; i < 1e6; i++) s = (s + i * workerData) % 1000003; parentPort.postMessage(s); return; }
(async () => {
  fs.mkdirSync('x/y', { recursive: true });
  fs.writeFileSync('x/f', 'hello'); fs.appendFileSync('x/f', ' world');
  console.log(fs.readFileSync('x/f', 'utf8'), fs.statSync('x/f').size);
  fs.symlinkSync('f', 'x/l'); console.log(fs.readlinkSync('x/l'), fs.readdirSync('x').sort());
  try { fs.readFileSync('missing') } catch (e) { console.log(e.code, e.errno) }
  await Promise.all([...Array(50).keys()].map(i => fs.promises.writeFile(`x/y/${i}`, String(i))));
  const back = await Promise.all([...Array(50).keys()].map(i => fs.promises.readFile(`x/y/${i}`, 'utf8')));
  console.log(back.reduce((a, b) => a + Number(b), 0));
  console.log(cp.execSync('echo from a shell').toString().trim());
  const c = cp.spawn('cat'); let out = ''; c.stdout.on('data', d => out += d); c.stdin.end('piped');
  console.log(await new Promise(r => c.on('close', code => r([out, code]))));
  console.log(await new Promise(r => cp.exec('exit 5', e => r(e.code))));
  const k = cp.spawn('sleep', ['10']); setTimeout(() => k.kill('SIGTERM'), 50);
  console.log(await new Promise(r => k.on('exit', (code, sig) => r([code, sig]))));
  const child = cp.fork(__dirname + '/child.js'); child.send({ n: 20 });
  console.log(await new Promise(r => child.on('message', r)));
  console.log(await Promise.all([1, 2, 3].map(n => new Promise((r, j) => { const w = new Worker(__filename, { workerData: n }); w.on('message', r); w.on('error', j); }))));
  const t = process.hrtime.bigint(); await new Promise(r => setTimeout(r, 100)); const ms = Number(process.hrtime.bigint() - t) / 1e6; console.log(ms >= 99 && ms < 3000);
  const z = zlib.gzipSync('a'.repeat(100000)); console.log(zlib.gunzipSync(z).length);
  console.log(require('crypto').createHash('sha256').update('x').digest('hex').slice(0, 16));
  await new Promise(r => fs.createReadStream('x/f').pipe(fs.createWriteStream('x/g')).on('finish', r)); console.log(fs.readFileSync('x/g', 'utf8'));
  const net = require('net'); const srv = net.createServer(s => s.on('data', d => s.end(d.toString().toUpperCase()))).listen('x/sock');
  await new Promise(r => srv.on('listening', r)); const s = net.connect('x/sock'); s.write('socket'); console.log(await new Promise(r => { let o = ''; s.on('data', d => o += d); s.on('end', () => r(o)); })); srv.close();
  process.on('SIGUSR2', () => { console.log('usr2'); process.exitCode = 3; }); process.kill(process.pid, 'SIGUSR2');
  setTimeout(() => fs.rmSync('x', { recursive: true }), 50);
})();
E
echo "process.on('message', m => { let a = 0, b = 1; for (let i = 0; i < m.n; i++) [a, b] = [b, a + b]; process.send(a); process.disconnect(); });" > child.js
node a.js; echo $?; ls
node -e 'process.stdin.on("data", d => process.stdout.write(d))' < child.js | wc -c
node -e 'throw new Error("x")' 2>/dev/null; echo $?
node -p '[1,2,3].map(x => x ** 2)'
