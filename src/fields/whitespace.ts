const SP = 0x20;
const HTAB = 0x09;

/**
 * Strips optional whitespace around part of a field value: SP and HTAB (OWS; RFC 9110, section 5.6.3).
 *
 * SECURITY: never use `trim()` or `\s` on header text. Node.js decodes fields as latin1, so both also strip the byte A0
 * (no-break space). Browsers keep that byte in a cookie's name, so a sibling host could set a cookie that browsers do not
 * treat as prefixed and the gateway reads as its own (GHSA-r5rp-j6wh-rvv4).
 */
export function trimWhitespace(text: string): string {
  let start = 0;
  let end = text.length;
  while (start < end && isWhitespace(text.charCodeAt(start))) start += 1;
  while (end > start && isWhitespace(text.charCodeAt(end - 1))) end -= 1;
  return start === 0 && end === text.length ? text : text.slice(start, end);
}

function isWhitespace(code: number): boolean {
  return code === SP || code === HTAB;
}

/** Splits a list-based field value at its commas (RFC 9110, section 5.6.1). Does not support quoted strings. */
export function splitList(value: string): string[] {
  return value.split(',').map(trimWhitespace);
}
