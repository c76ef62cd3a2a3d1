/**
 * A moment that moves. Most of them never come, so that moving one must cost nothing: the timer stays as it is, unless it would
 * fire too late, and is set again when it fires too early.
 */
export class Deadline {
  readonly #onPassed: () => void;
  #atMs = Infinity;
  #timer: NodeJS.Timeout | undefined;
  #firesAtMs = Infinity;

  constructor(onPassed: () => void) {
    this.#onPassed = onPassed;
  }

  /** Moves it to `delayMs` from now. */
  set(delayMs: number): void {
    const nowMs = performance.now();
    this.#atMs = nowMs + delayMs;
    if (this.#atMs < this.#firesAtMs) this.#start(nowMs);
  }

  clear(): void {
    this.#atMs = Infinity;
  }

  /** Clears it for ever. */
  close(): void {
    clearTimeout(this.#timer);
    this.#atMs = Infinity;
  }

  #start(nowMs: number): void {
    clearTimeout(this.#timer);
    this.#firesAtMs = this.#atMs;
    // A longer delay than Node.js knows becomes the longest; the timer is then set again.
    this.#timer = setTimeout(() => this.#fire(), Math.min(this.#atMs - nowMs, 2_147_483_647)).unref();
  }

  #fire(): void {
    this.#firesAtMs = Infinity;
    if (this.#atMs === Infinity) return;
    const nowMs = performance.now();
    if (nowMs < this.#atMs) return this.#start(nowMs);
    this.#atMs = Infinity;
    this.#onPassed();
  }
}
