/**
 * A failed command, explained to the user: what failed, what to do, and the output of the
 * program that failed, if there was one.
 */
export class Failure extends Error {
  name = 'Failure';

  constructor(message, { output = '', exitCode = 1 } = {}) {
    super(message);
    this.output = output;
    this.exitCode = exitCode;
  }
}
