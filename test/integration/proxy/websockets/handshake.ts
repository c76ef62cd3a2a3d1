import { createHash } from 'node:crypto';

/** The key of the example in RFC 6455, and what shows that a server has understood it (section 1.3). */
export const KEY = 'dGhlIHNhbXBsZSBub25jZQ==';
export const ACCEPT = createHash('sha1')
  .update(`${KEY}258EAFA5-E914-47DA-95CA-C5AB0DC85B11`)
  .digest('base64');

/** The fields of a WebSocket upgrade. */
export const KEY_FIELD = `Sec-WebSocket-Key: ${KEY}`;
export const UPGRADE = ['Connection: Upgrade', 'Upgrade: websocket', KEY_FIELD, 'Sec-WebSocket-Version: 13'];

/** The response of a server that opens a WebSocket, without the empty line after its header section. */
export const SWITCHING = `HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Accept: ${ACCEPT}\r\n`;
