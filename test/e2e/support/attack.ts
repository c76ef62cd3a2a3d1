/** The number of ways below that reach the gateway in every browser. */
export const REQUESTS_OF_ATTACK = 17;

/** Every way in which a page can make a browser send a request, each to a path of its own below `base`. */
export function attack(base: string): string[] {
  const paths: string[] = [];
  const next = (name: string) => {
    paths.push(`${base}/${name}`);
    return `${base}/${name}`;
  };
  const ignore = () => undefined;
  const send = (name: string, init: RequestInit) =>
    void fetch(next(name), { credentials: 'include', ...init }).catch(ignore);
  send('get', { mode: 'no-cors' });
  send('cors', {});
  send('text', { mode: 'no-cors', method: 'POST', body: 'a=1' });
  send('form-data', { mode: 'no-cors', method: 'POST', body: new URLSearchParams({ a: '1' }) });
  send('empty', { mode: 'no-cors', method: 'POST' });
  send('header', { method: 'POST', headers: { 'x-csrf': '1' } });
  send('delete', { method: 'DELETE' });
  navigator.sendBeacon(next('beacon'), 'a=1');

  const add = (name: string, tag: string, attribute: string, others: Record<string, string> = {}) => {
    const element = document.createElement(tag);
    for (const [key, value] of Object.entries(others)) element.setAttribute(key, value);
    element.setAttribute(attribute, next(name));
    document.body.append(element);
  };
  add('image', 'img', 'src');
  add('image-cors', 'img', 'src', { crossorigin: 'use-credentials' });
  add('script', 'script', 'src');
  add('module', 'script', 'src', { type: 'module', crossorigin: 'use-credentials' });
  add('style', 'link', 'href', { rel: 'stylesheet' });
  add('prefetch', 'link', 'href', { rel: 'prefetch' });
  add('preload', 'link', 'href', { rel: 'preload', as: 'fetch', crossorigin: 'use-credentials' });
  add('frame', 'iframe', 'src');
  add('object', 'object', 'data');
  add('video', 'video', 'src');

  for (const method of ['get', 'post']) {
    for (const enctype of ['application/x-www-form-urlencoded', 'multipart/form-data', 'text/plain']) {
      const name = `${method}-${enctype.replace('/', '-')}`;
      const frame = document.createElement('iframe');
      frame.name = name;
      const form = document.createElement('form');
      Object.assign(form, { action: next(name), method, enctype, target: name });
      document.body.append(frame, form);
      form.submit();
    }
  }
  window.open(next('window'));
  new EventSource(next('events'), { withCredentials: true });
  return paths;
}
