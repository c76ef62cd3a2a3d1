/*
 * Imports nothing: on an unsupported Node.js, the dependencies fail while they load, with errors that say nothing of it.
 */

/** The majors of `engines` in package.json: 24, and 26 or later. */
export function isSupportedNode(version: string): boolean {
  const major = Number(version.replace(/^v/, '').split('.', 1)[0]);
  return major === 24 || major >= 26;
}

/** What to tell somebody whose Node.js is not supported. */
export function unsupportedNodeMessage(version: string): string {
  return `Coatcheck needs Node.js 24, or 26 and later; this is ${version}.`;
}
