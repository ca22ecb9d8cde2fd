-- wrk.lua with heads like those of real traffic: the fields of four kinds of clients in turn, with a request id and a bearer token
-- that differ in each request. The origin's response head has the request id.
dofile(debug.getinfo(1, 'S').source:match('@(.*/)') .. 'wrk.lua')

local layouts = {
  -- curl
  'User-Agent: curl/8.11.0\r\nAccept: */*\r\nX-Request-Id: %s\r\nAuthorization: Bearer %s\r\n',
  -- an SDK of a language model
  'Accept: application/json\r\nAccept-Encoding: gzip, deflate, br\r\nConnection: keep-alive\r\n' ..
  'User-Agent: OpenAI/Python 1.58.1\r\nX-Stainless-Lang: python\r\nX-Stainless-Package-Version: 1.58.1\r\n' ..
  'X-Stainless-OS: Linux\r\nX-Stainless-Arch: x64\r\nX-Stainless-Runtime: CPython\r\n' ..
  'X-Stainless-Async: false\r\nX-Request-Id: %s\r\nAuthorization: Bearer %s\r\nX-Stainless-Retry-Count: 0\r\n',
  -- a browser
  'Connection: keep-alive\r\nCache-Control: no-cache\r\nX-Request-Id: %s\r\nAuthorization: Bearer %s\r\n' ..
  'User-Agent: Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/131.0.0.0 ' ..
  'Safari/537.36\r\nsec-ch-ua: "Google Chrome";v="131", "Chromium";v="131", "Not_A Brand";v="24"\r\n' ..
  'sec-ch-ua-mobile: ?0\r\nsec-ch-ua-platform: "Linux"\r\nAccept: text/event-stream\r\nSec-Fetch-Site: same-origin\r\n' ..
  'Sec-Fetch-Mode: cors\r\nSec-Fetch-Dest: empty\r\nReferer: http://localhost:3000/chat\r\n' ..
  'Accept-Encoding: gzip, deflate, br, zstd\r\nAccept-Language: en-GB,en-US;q=0.9,en;q=0.8\r\n',
  -- Go's net/http
  'User-Agent: Go-http-client/1.1\r\nAccept: text/event-stream\r\nX-Request-Id: %s\r\nAuthorization: Bearer %s\r\n' ..
  'Accept-Encoding: gzip\r\n',
}
local number, close = 0, ''

local function digits(words)
  local all = {}
  for n = 1, words do all[n] = string.format('%08x', math.random(0, 2 ^ 32 - 1)) end
  return table.concat(all)
end

init = function(arguments)
  math.randomseed(os.time())
  if arguments[1] == 'close' then
    close = 'Connection: close\r\n'
    for n = 1, #layouts do layouts[n] = layouts[n]:gsub('Connection: keep%-alive\r\n', '') end
  end
end

request = function()
  number = number + 1
  local fields = string.format(layouts[number % #layouts + 1], digits(4), digits(6))
  return 'GET / HTTP/1.1\r\nHost: ' .. wrk.host .. ':' .. wrk.port .. '\r\n' .. fields .. close .. '\r\n'
end
