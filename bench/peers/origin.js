// Stamped chunks from node's http module. Usage: node origin.js LISTEN_PORT; GET /?n=COUNT&us=INTERVAL
const padding = 'x'.repeat(23) + '\n'

// Date.now() counts milliseconds. Polling it until it changes gives CLOCK_REALTIME to about a microsecond; an
// interruption makes the offset smaller, never larger.
function watchOnce () {
  const start = Date.now()
  let now = start
  while (now === start) now = Date.now()
  return BigInt(now) * 1000000n - process.hrtime.bigint()
}
const offset = Array.from({length: 20}, watchOnce).reduce((a, b) => a > b ? a : b)
const nowNs = () => offset + process.hrtime.bigint()
const digits = ns => String(ns).padStart(19, '0')

require('http').createServer((request, response) => {
  const query = new URL(request.url, 'http://origin').searchParams
  const count = +query.get('n'), interval = BigInt(query.get('us')) * 1000n
  let sent = 0, due = nowNs() + BigInt(Math.floor(Math.random() * Number(interval)))
  response.writeHead(200, {'Content-Type': 'text/event-stream'})
  response.flushHeaders()
  const wait = () => { setTimeout(send, Math.max(0, Number(due - nowNs()) / 1e6)) }
  const send = () => {
    if (nowNs() < due) return wait() // a timer may end up to 1 ms early
    response.write('T' + digits(nowNs()) + 'P' + digits(due) + padding)
    due += interval
    if (++sent < count) wait()
    else response.end()
  }
  wait()
}).listen(+process.argv[2], '127.0.0.1', 8192).on('connection', socket => socket.setNoDelay(true))
