// A reverse proxy from node's own modules. Usage: node relay.js ORIGIN_URL LISTEN_PORT [CA_FILE]
const [, , origin, listen, caFile] = process.argv
const http = require('http')
const client = origin.startsWith('https') ? require('https') : http
const options = {keepAlive: true, maxSockets: Infinity}
if (caFile) options.ca = require('fs').readFileSync(caFile)
const agent = new client.Agent(options)
const {hostname, port} = new URL(origin)

http.createServer((request, response) => {
  client.request({host: hostname, port, path: request.url, agent}, upstream => {
    response.writeHead(upstream.statusCode, {'content-type': upstream.headers['content-type']})
    response.flushHeaders()
    upstream.pipe(response)
  }).on('error', () => response.destroy()).end()
}).listen(+listen, '127.0.0.1', 8192).on('connection', socket => socket.setNoDelay(true))
