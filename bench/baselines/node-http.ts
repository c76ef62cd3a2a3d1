import { createServer } from 'node:http';
import { servePart } from '../worker-process.ts';
import { listen } from '../workers/listen.ts';
import { ANSWER } from '../workload.ts';

/** The floor: `node:http` answers by itself what the API would. Nothing that stands on it can cost less. */
const server = createServer((request, response) => {
  request.resume();
  response.writeHead(200, { 'Content-Type': 'application/json', 'Content-Length': ANSWER.length });
  response.end(ANSWER);
});

servePart({ port: await listen(server), cookie: 'theme=dark' }, {});
