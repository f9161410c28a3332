-- What wrk sends: the template of a request, "@" the number of the request and "#" one of so many customers.
local sent = 0

function init(args)
  local file = assert(io.open(args[1], "r"))
  template = file:read("*a")
  file:close()
  run, key = args[2], args[3]
  wrk.method = "POST"
end

function request()
  sent = sent + 1
  local number = run .. "-" .. sent
  local body = template:gsub("@", number):gsub("#", tostring(sent % 500))
  local headers = { ["Content-Type"] = "application/json", ["Idempotency-Key"] = number }
  if key then
    headers["Authorization"] = "Bearer " .. key
  end
  return wrk.format(nil, nil, headers, body)
end

function done(summary, latency)
  local errors = summary.errors
  local failed = errors.connect + errors.read + errors.write + errors.status + errors.timeout
  io.write(string.format(
    '\n{"requests": %d, "microseconds": %d, "failed": %d, "p50": %f, "p99": %f}\n',
    summary.requests, summary.duration, failed, latency:percentile(50.0), latency:percentile(99.0)
  ))
end
