#!lua name=spillway
-- SPDX-License-Identifier: Apache-2.0
-- Topics with history: one call gives a message its position, keeps it and publishes it, in one step (gateway/PROTOCOL.md,
-- section 7).
--
--   FCALL spillway_publish 1 <channel> <bytes> [ID id] [KEY key] [SIZE n] [TTL ms]
--   FCALL spillway_publish 2 {<channel>}:m {<channel>}:h <bytes> [...]    in Cluster, where an undeclared key would fork the topic
--                                                                        while its slot migrates
--   FCALL spillway_version 0
--
-- The answer is the position, <epoch>:<offset>, or nil where the topic has no history. A node loads the library where it is absent
-- or older. By hand: redis-cli -x FUNCTION LOAD REPLACE < deploy/redis/spillway.lua. After keys were restored into a running server
-- this must be done: it makes all topics begin a new epoch.
--
-- {<channel>}:m       hash: r run, e epoch, o offset of the newest, l ends of former epochs, n size, t ttl, x when expiries are renewed,
--                     p "classic": in Cluster too it is PUBLISH
-- {<channel>}:h       stream: id <offset>-0, one field m, the envelope
-- {<channel>}:i:<id>  string: what the publish with this id was answered

local VERSION = 2 -- grows with each change; nodes replace an older library, never a newer one
local SIZE, TTL_MS = 100, 300000 -- where neither the call nor the meta says
local META_MIN_S, ID_S = 604800, 120
local ENDS = 16 -- former epochs that a meta remembers
local LOOK_MS = 100 -- how old what is known of this server may be
local PAYLOAD_BYTES = 4194304 -- no node delivers a larger one (max_message_bytes), and whoever reads a history carries it
local OFFSET_MAX = 9007199254740991 -- what JSON readers keep exactly

local USAGE = 'ERR spillway: FCALL spillway_publish 1 <channel> <bytes> [ID id] [KEY key] [SIZE n] [TTL ms]'
local nonce, run, cluster, looked_ms, drawn = nil, nil, false, 0, 0

-- The run names one life of this server's data. It is new after a restart and a promotion (the replication id) and after a full
-- sync (which swaps the library, and so the nonce). Not math.random: it begins with the same seed in every process.
local function look(ms, us)
  local info = redis.call('INFO', 'replication', 'cluster')
  nonce = nonce or redis.sha1hex(tostring({}) .. ms .. us)
  run = string.sub(redis.sha1hex(nonce .. string.match(info, 'master_replid:(%x+)')), 1, 16)
  cluster = string.find(info, 'cluster_enabled:1', 1, true) ~= nil
  looked_ms = ms
end

-- Drawn, never counted: two rollbacks to one snapshot would hand the same count out twice.
local function draw_epoch(meta, ms, us)
  drawn = drawn + 1
  return string.sub(redis.sha1hex(table.concat({ nonce, run, meta, ms, us, drawn }, ' ')), 1, 12)
end

local function extend(lineage, epoch, last)
  local ends = {}
  for one in string.gmatch(lineage .. epoch .. '=' .. last .. ' ', '%w+=%d+ ') do
    ends[#ends + 1] = one
  end
  return table.concat(ends, '', math.max(1, #ends - ENDS + 1))
end

local function is_name(text)
  return #text <= 64 and string.find(text, '^[!-:<-~]+$')
end

local OPTIONS = {
  ID = { is_name, 'ID is 1 to 64 bytes from ! to ~ without ;' },
  KEY = { is_name, 'KEY is 1 to 64 bytes from ! to ~ without ;' },
  SIZE = { function(text) return string.find(text, '^%d%d?%d?%d?%d?%d?%d?$') end, 'SIZE is 0 to 9999999 messages' },
  TTL = { function(text) return #text <= 13 and string.find(text, '^0*[1-9]%d*$') end, 'TTL is 1 to 9999999999999 ms' },
}

-- The options, or nil and the error.
local function read_options(args)
  local options = {}
  if not args[1] or #args % 2 == 0 then
    return nil, USAGE
  end
  if #args[1] > PAYLOAD_BYTES then
    return nil, 'ERR spillway: a payload is at most ' .. PAYLOAD_BYTES .. ' bytes'
  end
  for i = 2, #args, 2 do
    local option = OPTIONS[args[i]]
    if not option then
      return nil, USAGE
    end
    if not option[1](args[i + 1]) then
      return nil, 'ERR spillway: ' .. option[2]
    end
    options[args[i]] = args[i + 1]
  end
  return options
end

-- Channel, meta, stream; or nil and the error.
local function read_keys(keys)
  local channel = keys[1]
  if #keys == 2 then
    channel = string.match(keys[1], '^{([^{}]+)}:m$')
    if not channel or keys[2] ~= '{' .. channel .. '}:h' then
      return nil, 'ERR spillway: the two keys are {<channel>}:m {<channel>}:h'
    end
    return channel, keys[1], keys[2]
  end
  if #keys ~= 1 or not string.find(channel, '^[^{}]+$') then
    return nil, 'ERR spillway: the key is the channel, without { and }'
  end
  if cluster then
    return nil, 'ERR spillway: in Cluster both keys are named: 2 {' .. channel .. '}:m {' .. channel .. '}:h'
  end
  return channel, '{' .. channel .. '}:m', '{' .. channel .. '}:h'
end

-- The first right that the caller lacks, of all that a publish may need; or nil.
local function missing_right(channel, meta, stream, id_key)
  local publish = cluster and 'SPUBLISH' or 'PUBLISH'
  local needed = {
    { 'TIME' }, { 'INFO', 'replication' }, { 'HMGET', meta, 'r' }, { 'HSET', meta, 'o', '1' }, { 'HDEL', meta, 'r' },
    { 'XADD', stream, '1-0', 'm', '' }, { 'EXPIRE', stream, '1' }, { 'DEL', stream }, { 'GET', id_key }, { 'SET', id_key, '' },
  }
  for _, command in ipairs(needed) do
    if not redis.acl_check_cmd(unpack(command)) then
      return '+' .. string.lower(command[1]) .. (command[2] and ' on key ' .. command[2] or '')
    end
  end
  if not redis.acl_check_cmd(publish, channel, '') then
    return '+' .. string.lower(publish) .. ' on channel ' .. channel
  end
end

-- Rights that are missed only behind the first write would leave a message kept and not published.
local function may_write(channel, meta, stream)
  local may = redis.acl_check_cmd
  return may(cluster and 'SPUBLISH' or 'PUBLISH', channel, '') and may('XADD', stream, '1-0', 'm', '') and may('HSET', meta, 'o', '1')
    and may('EXPIRE', stream, '1') and may('DEL', stream) and may('HDEL', meta, 'r')
end

-- A meta that a hand has been at is not guessed from.
local function is_sane(epoch, offset)
  return #epoch <= 24 and epoch ~= '0' and string.find(epoch, '^%w+$') and #offset <= 16 and string.find(offset, '^%d+$')
    and tonumber(offset) < OFFSET_MAX
end

local function forget(meta)
  redis.call('HDEL', meta, 'r', 'e', 'o', 'l', 'x')
end

-- The epoch and offset of the next message, as strings; or nil and the error. `known`: r e o l of the meta.
local function next_position(known, meta, stream, ms, us)
  local epoch, offset = known[2], known[3] or '0'
  if not epoch then -- whatever lies in the stream is of a life that nobody knows any more
    epoch = draw_epoch(meta, ms, us)
    redis.call('DEL', stream)
    redis.call('HSET', meta, 'r', run, 'e', epoch, 'o', '0', 'l', '')
    return epoch, '1'
  end
  if not is_sane(epoch, offset) then
    return nil, 'ERR spillway: ' .. meta .. ' is damaged, or its offsets are used up: DEL ' .. meta .. ' begins the history anew'
  end
  if known[1] ~= run then -- the stream goes on, under a new name
    local lineage = extend(known[4] or '', epoch, offset)
    epoch = draw_epoch(meta, ms, us)
    redis.call('HSET', meta, 'r', run, 'e', epoch, 'l', lineage)
  end
  return epoch, string.format('%.0f', tonumber(offset) + 1)
end

-- The ttl is time of silence, so expiries are renewed, but not with every message; soon where the ttl has become shorter.
local function settle(meta, stream, offset, ttl_ms, renew_ms, ms)
  if ms < renew_ms and renew_ms - ms <= ttl_ms / 8 then
    redis.call('HSET', meta, 'o', offset)
    return
  end
  redis.call('HSET', meta, 'o', offset, 'x', string.format('%.0f', ms + ttl_ms / 8))
  redis.call('EXPIRE', stream, math.ceil(ttl_ms * 1.125 / 1000))
  redis.call('EXPIRE', meta, math.max(META_MIN_S, math.ceil(2 * ttl_ms / 1000)))
end

-- Position and envelope of a message that is kept; or nil and the error.
local function keep(known, channel, meta, stream, size, ttl_ms, tail, ms, us)
  local epoch, offset = next_position(known, meta, stream, ms, us)
  if not epoch then
    return nil, offset
  end
  local position = epoch .. ':' .. offset
  local envelope = '\0301;' .. position .. tail
  local added = redis.pcall('XADD', stream, 'MAXLEN', '~', size, offset .. '-0', 'm', envelope)
  if type(added) == 'table' and added.err then
    if string.find(added.err, 'smaller', 1, true) then -- the stream is ahead: one of the keys was restored or deleted by hand
      forget(meta)
      return nil, 'TRYAGAIN spillway: ' .. stream .. ' was ahead of its meta, and begins anew with the next publish'
    end
    error(added.err, 0)
  end
  settle(meta, stream, offset, ttl_ms, tonumber(known[7]) or 0, ms)
  return position, envelope
end

local function publish(keys, args)
  local options, fault = read_options(args)
  if not options then
    return redis.error_reply(fault)
  end
  local time = redis.call('TIME')
  local ms = time[1] * 1000 + math.floor(time[2] / 1000)
  if not run or ms < looked_ms or ms - looked_ms >= LOOK_MS then
    look(ms, time[2])
  end
  local channel, meta, stream = read_keys(keys)
  if not channel then
    return redis.error_reply(meta)
  end
  local id_key = options.ID and '{' .. channel .. '}:i:' .. options.ID
  local before = id_key and redis.call('GET', id_key)
  if before then
    return before ~= '' and before
  end
  if not may_write(channel, meta, stream) or id_key and not redis.acl_check_cmd('SET', id_key, '') then
    error('NOPERM', 0)
  end
  local known = redis.call('HMGET', meta, 'r', 'e', 'o', 'l', 'n', 't', 'x', 'p')
  local size = tonumber(options.SIZE or known[5]) or SIZE
  local tail = string.format(';t=%.0f', ms) .. (options.KEY and ';k=' .. options.KEY or '') .. (options.ID and ';i=' .. options.ID or '')
    .. '\030' .. args[1]
  local position, envelope = '', '\0301;' .. tail
  if size > 0 then -- else it has no position; a history that others keep stays (a node that has not got the rule yet)
    position, envelope = keep(known, channel, meta, stream, size, tonumber(options.TTL or known[6]) or TTL_MS, tail, ms, time[2])
    if not position then
      return redis.error_reply(envelope)
    end
  end
  if id_key then
    redis.call('SET', id_key, position, 'EX', ID_S)
  end
  redis.call(cluster and known[8] ~= 'classic' and 'SPUBLISH' or 'PUBLISH', channel, envelope)
  return position ~= '' and position
end

-- What Redis says inside of a function names neither right nor key.
local function explain(keys, fault)
  local text = type(fault) == 'table' and fault.err or tostring(fault)
  local channel = #keys == 2 and string.match(keys[1], '^{([^{}]+)}:m$') or keys[1]
  local prefix = '{' .. channel .. '}:'
  local right = missing_right(channel, prefix .. 'm', prefix .. 'h', prefix .. 'i:x')
  if right then
    return 'NOPERM spillway: the user lacks ' .. right
  end
  if string.find(text, 'WRONGTYPE', 1, true) then
    return 'WRONGTYPE spillway: ' .. prefix .. 'm is no hash, or ' .. prefix .. 'h no stream, or ' .. prefix
      .. 'i:<id> no string: rename or delete what is there'
  end
  return string.find(text, '^%u+ ') and text or 'ERR spillway: ' .. text
end

redis.register_function('spillway_publish', function(keys, args)
  local good, answer = pcall(publish, keys, args)
  if good then
    return answer
  end
  return redis.error_reply(explain(keys, answer))
end)

redis.register_function({
  function_name = 'spillway_version',
  callback = function() return VERSION end,
  flags = { 'no-writes', 'allow-oom', 'allow-stale' },
})
