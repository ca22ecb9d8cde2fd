// A reverse proxy of an npm package. Usage: node proxy-http-proxy.js PACKAGE ORIGIN_URL LISTEN_PORT
const [, , name, target, listen] = process.argv
const proxy = require(name).createProxyServer({target})
proxy.on('error', (error, request, response) => {
  // Once a head has gone, all that is left is to end the connection.
  if (response.headersSent || !response.writeHead) return response.destroy()
  response.writeHead(502, {'content-type': 'text/plain'})
  response.end('the upstream failed')
})
require('http').createServer((request, response) => {
  // The package pipes into a response that has ended: unheard, this error would end the process.
  response.on('error', () => response.destroy())
  proxy.web(request, response)
}).listen(+listen, '127.0.0.1')
