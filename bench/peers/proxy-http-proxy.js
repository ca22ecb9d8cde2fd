// A reverse proxy of an npm package. Usage: node proxy-http-proxy.js PACKAGE ORIGIN_URL LISTEN_PORT
const [, , name, target, listen] = process.argv
const proxy = require(name).createProxyServer({target})
proxy.on('error', (error, request, response) => {
  // After the head has been sent, the connection can only be ended.
  if (response.headersSent || !response.writeHead) return response.destroy()
  response.writeHead(502, {'content-type': 'text/plain'})
  response.end('the upstream failed')
})
require('http').createServer((request, response) => {
  // The package pipes into a response that has ended: without a listener, this error would end the process.
  response.on('error', () => response.destroy())
  proxy.web(request, response)
}).listen(+listen, '127.0.0.1')
