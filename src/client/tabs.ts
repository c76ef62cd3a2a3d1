import type { SessionEnded } from './events.ts';

/** What the tabs of one origin tell each other: who is signed in now, or that a session has ended or is about to. */
export type TabMessage = { subject: string } | { reason: SessionEnded; isPending?: boolean };

/** Opens the channel between the tabs. Returns a function that sends a message to the other tabs. */
export function openTabs(
  name: string,
  onMessage: (message: TabMessage) => void,
): (message: TabMessage) => void {
  // On a server there are no tabs, though Node.js has a BroadcastChannel, which would keep the process alive.
  if (!globalThis.document || !globalThis.BroadcastChannel) return () => {};
  const channel = new BroadcastChannel(name);
  channel.addEventListener('message', ({ data }) => onMessage(data));
  return (message) => channel.postMessage(message);
}
