/** Thrown when the demo cannot run for a reason that the person at the terminal can act on. */
export class DemoError extends Error {
  override readonly name = 'DemoError';
}
