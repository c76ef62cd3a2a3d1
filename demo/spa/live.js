/** Opens a WebSocket to the API, which ticks every second for as long as the session lives. */
export function openLive({ onTick, onClose }) {
  const url = new URL('/api/live', location.href);
  url.protocol = url.protocol.replace('http', 'ws');
  const socket = new WebSocket(url);
  socket.addEventListener('message', ({ data }) => onTick(JSON.parse(data)));
  socket.addEventListener('close', ({ code }) => onClose(code));
}
