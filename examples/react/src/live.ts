import { gateway } from './gateway.ts';

/** Shows the messages of a WebSocket, and asks for the session when it closes. Returns a function that closes it. */
export function openSocket(onMessage: (text: string) => void): () => void {
  const socket = new WebSocket('/api/live');
  socket.addEventListener('open', () => socket.send('hello'));
  socket.addEventListener('message', ({ data }) => onMessage(String(data)));
  socket.addEventListener('close', () => gateway.check());
  return () => socket.close();
}

/** Shows server-sent events; the browser connects again by itself. Returns a function that ends them. */
export function openEvents(onMessage: (text: string) => void): () => void {
  const events = new EventSource('/api/events');
  events.addEventListener('message', ({ data }) => onMessage(String(data)));
  events.addEventListener('error', () => gateway.check());
  return () => events.close();
}

/** Uploads a file. Only XMLHttpRequest reports progress. */
export function upload(file: File, onProgress: (share: number) => void): Promise<number> {
  return new Promise((resolve) => {
    const request = new XMLHttpRequest();
    request.upload.addEventListener('progress', ({ loaded, total }) => onProgress(loaded / total));
    request.addEventListener('loadend', () => {
      void gateway.check(request);
      resolve(request.status);
    });
    request.open('POST', '/api/files');
    request.setRequestHeader('X-CSRF', '1');
    request.send(file);
  });
}
