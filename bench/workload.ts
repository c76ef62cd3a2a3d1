/** The API's response body: 0.5 kB of JSON. */
export const RESPONSE_BODY = JSON.stringify({
  items: Array.from({ length: 8 }, (_, id) => ({
    id,
    name: `item ${id}`,
    note: 'as good as new',
    stock: 12,
  })),
}).padEnd(512);

/** The body of a POST, of the same size. */
const POSTED = RESPONSE_BODY;

/** The methods that are measured. */
export type Method = 'GET' | 'POST';

/** The destination of a request and the cookie it carries. */
export type Target = { port: number; cookie: string; path?: string };

/** A script's request as a browser sends it; only port and cookie differ between candidates. */
export function requestText(method: Method, target: Target): string {
  if (method === 'GET') return requestHead('GET', target);
  const fields = [`Content-Length: ${POSTED.length}`, 'Content-Type: application/json'];
  return requestHead('POST', target, [...fields, `Origin: http://127.0.0.1:${target.port}`]) + POSTED;
}

/** The head of such a request. */
export function requestHead(
  method: string,
  { port, cookie, path = '/api/items' }: Target,
  fields: readonly string[] = ['Connection: keep-alive'],
): string {
  return [
    `${method} ${path} HTTP/1.1`,
    `Host: 127.0.0.1:${port}`,
    ...fields,
    'User-Agent: Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0.0.0 Safari/537.36',
    'Accept: */*',
    'Sec-Fetch-Site: same-origin',
    'Sec-Fetch-Mode: cors',
    'Sec-Fetch-Dest: empty',
    `Referer: http://127.0.0.1:${port}/`,
    'Accept-Encoding: gzip, deflate, br, zstd',
    'Accept-Language: en-US,en;q=0.9',
    `Cookie: ${cookie}`,
    '',
    '',
  ].join('\r\n');
}
