/**
 * The Lua function `expire`, which scripts on a record begin with: the record expires at the earlier of its idle limit `i`
 * and its end `a`.
 */
export const setTtl = `
  local function expire(key, now)
    local i, a = tonumber(redis.call('HGET', key, 'i')), tonumber(redis.call('HGET', key, 'a'))
    redis.call('PEXPIRE', key, string.format('%.0f', math.max(1, math.min(i, a) - now)))
  end`;
