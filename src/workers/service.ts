import type { Listeners } from '../server.ts';
import type { FileTexts } from '../config/sources.ts';

/** The running gateway, seen from this process. `Settings` is what the process knows of a configuration. */
export type Service<Settings> = {
  /** Settles when all processes listen. Rejects when an address cannot be bound. */
  readonly listening: Promise<Listeners>;
  /**
   * Applies another configuration, in every worker, and settles when they have it. During start-up, waits until the start is
   * complete.
   */
  reload(settings: Settings, texts: FileTexts): Promise<void>;
  /** Counts a reload whose configuration was invalid. */
  reloadFailed(): void;
  /** Settles when the supervisor of this worker has exited unexpectedly. Never settles in other processes. */
  readonly abandoned: Promise<void>;
  /** Stops accepting, finishes requests in flight and settles. During start-up, waits until the start is complete. */
  stop(): Promise<void>;
};

/** For {@link Service.abandoned} of a process without a supervisor. */
export const never = new Promise<void>(() => undefined);
