import { createServer } from 'node:http';
import { serveWorker } from '../worker-process.ts';
import { listenOnLoopback } from '../../testkit/network/loopback-server.ts';
import { RESPONSE_BODY } from '../workload.ts';

/** The floor: `node:http` sends the API's response itself. No server built on it can cost less. */
const server = createServer((request, response) => {
  request.resume();
  response.writeHead(200, { 'Content-Type': 'application/json', 'Content-Length': RESPONSE_BODY.length });
  response.end(RESPONSE_BODY);
});

const { port } = await listenOnLoopback(server);
serveWorker({ port, cookie: 'theme=dark' }, {});
