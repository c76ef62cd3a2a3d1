// An API that says who calls it. It trusts the network it is in; a real API verifies the signature of the token.
import { createServer } from 'node:http';

createServer((request, response) => {
  const [, payload] = /^Bearer [\w-]+\.([\w-]+)\.[\w-]+$/.exec(request.headers.authorization ?? '') ?? [];
  response.setHeader('content-type', 'application/json');
  if (payload === undefined) {
    response.writeHead(401, { 'www-authenticate': 'Bearer error="invalid_token"' });
    return void response.end('{"error":"an access token is required"}');
  }
  const { sub, preferred_username: name, exp } = JSON.parse(Buffer.from(payload, 'base64url').toString());
  if (exp * 1000 < Date.now()) {
    response.writeHead(401, { 'www-authenticate': 'Bearer error="invalid_token"' });
    return void response.end('{"error":"the access token has expired"}');
  }
  response.end(
    JSON.stringify({ path: request.url, caller: name ?? sub, tokenExpiresAt: new Date(exp * 1000) }),
  );
}).listen(8080);

process.once('SIGTERM', () => process.exit(0));
