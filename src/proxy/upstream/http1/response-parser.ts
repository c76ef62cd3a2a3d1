import { CallError } from './call-error.ts';
import { invalid, parseFields, type Fields } from './response-fields.ts';
import { parseResponseStart, type ResponseStart } from './response-start.ts';

/** What a parser reports. Any of these may pause it. */
export type ResponseEvents = {
  /** The head of an informational response: another head follows. */
  onInformational(start: ResponseStart): void;
  onHead(start: ResponseStart): void;
  onData(chunk: Buffer): void;
  onEnd(trailers: Fields): void;
};

/** The largest head, and the largest trailer section, in bytes. */
const MAX_SECTION_BYTES = 65_536;
/** The longest line with the size of a chunk and its extensions, which are ignored. */
const MAX_CHUNK_LINE_BYTES = 4_096;

const VERSION = 'HTTP/1.';
const LF = 10;
const HEAD_END = '\r\n\r\n';
const noTrailers: Fields = {};

/** The size of a chunk, and its extensions (RFC 9112, section 7.1). 13 digits are 4 PB; zeros before them do not count. */
const chunkLine =
  /^(0*[0-9a-f]{1,13})(?:;[!#$%&'*+.^_`|~0-9a-z-]+(?:=(?:[!#$%&'*+.^_`|~0-9a-z-]+|"(?:[\t !#-[\]-~\x80-\xff]|\\[\t -~\x80-\xff])*"))?)*\r\n$/i;

type State = 'head' | 'length' | 'chunk-size' | 'chunk-data' | 'chunk-end' | 'trailers' | 'close' | 'done';

/**
 * Parses the responses of one connection, one after the other, from pieces of any size. Strict: throws a {@link CallError} for what
 * is not valid HTTP/1.1 (RFC 9112).
 */
export class ResponseParser {
  /** While it is true, {@link parse} stops before the next event, except the end of a response whose last byte is parsed. */
  isPaused = false;
  readonly #events: ResponseEvents;
  #state: State = 'done';
  #method = '';
  /** True once a byte has come of the response, or of one of its informational responses. */
  #hasBegun = false;
  /** The complete lines of a section that came in pieces. */
  #section = '';
  /** The beginning of a line. */
  #line = '';
  /** Of the body, or of its current chunk. */
  #remaining = 0;

  constructor(events: ResponseEvents) {
    this.#events = events;
  }

  get isDone(): boolean {
    return this.#state === 'done';
  }

  /** Expects the response to a request. */
  begin(method: string): void {
    this.#state = 'head';
    this.#method = method;
    this.#hasBegun = false;
    this.isPaused = false;
  }

  /** Returns how many bytes it has parsed: all, unless the response is complete or the parser is paused. */
  parse(chunk: Buffer): number {
    let at = 0;
    while (at < chunk.length && this.#state !== 'done' && !this.isPaused) at = this.#step(chunk, at);
    return at;
  }

  /** The connection has ended, in order or not. Throws when the response is incomplete. */
  finish(isOrderly: boolean): void {
    if (this.#state === 'done') return;
    if (this.#state === 'close' && isOrderly) return this.#end(noTrailers);
    if (!this.#hasBegun)
      throw new CallError('closed', 'the upstream closed the connection before it responded');
    if (this.#state === 'head') throw invalid('its head is incomplete');
    throw new CallError('incomplete', 'the upstream closed the connection in the middle of a response body');
  }

  #step(chunk: Buffer, at: number): number {
    switch (this.#state) {
      case 'head':
        return this.#head(chunk, at);
      case 'length':
      case 'chunk-data':
        return this.#data(chunk, at);
      case 'chunk-size':
        return this.#chunkSize(chunk, at);
      case 'chunk-end':
        return this.#chunkEnd(chunk, at);
      case 'trailers':
        return this.#trailers(chunk, at);
      case 'close':
        this.#events.onData(at === 0 ? chunk : chunk.subarray(at));
        return chunk.length;
      case 'done':
        return at;
    }
  }

  #head(chunk: Buffer, at: number): number {
    if (this.#section === '' && this.#line === '') {
      this.#hasBegun = true;
      const end = chunk.indexOf(HEAD_END, at, 'latin1');
      if (end !== -1 && end + HEAD_END.length - at <= MAX_SECTION_BYTES) {
        this.#start(chunk.toString('latin1', at, end + 2));
        return end + HEAD_END.length;
      }
    }
    const next = this.#takeLine(chunk, at, MAX_SECTION_BYTES - this.#section.length);
    // What is no HTTP may never have the end of a head.
    if (this.#section === '' && !startsLike(this.#line, VERSION)) throw invalid('its status line');
    const head = this.#takeSection();
    if (head !== undefined) this.#start(head);
    return next;
  }

  #start(text: string): void {
    const start = parseResponseStart(text, this.#method);
    if (start.status < 200) return this.#events.onInformational(start);
    const { body } = start;
    switch (body.kind) {
      case 'none':
        break;
      case 'length':
        this.#state = 'length';
        this.#remaining = body.bytes;
        break;
      case 'chunked':
        this.#state = 'chunk-size';
        break;
      case 'close':
        this.#state = 'close';
        break;
    }
    this.#events.onHead(start);
    if (body.kind === 'none') this.#end(noTrailers);
  }

  #data(chunk: Buffer, at: number): number {
    const end = Math.min(chunk.length, at + this.#remaining);
    this.#remaining -= end - at;
    const isWhole = this.#remaining === 0;
    if (isWhole && this.#state === 'chunk-data') this.#state = 'chunk-end';
    this.#events.onData(at === 0 && end === chunk.length ? chunk : chunk.subarray(at, end));
    if (isWhole && this.#state === 'length') this.#end(noTrailers);
    return end;
  }

  #chunkSize(chunk: Buffer, at: number): number {
    const next = this.#takeLine(chunk, at, MAX_CHUNK_LINE_BYTES);
    if (!this.#line.endsWith('\n')) return next;
    const digits = chunkLine.exec(this.#line)?.[1];
    if (digits === undefined) throw invalid('the size of a chunk');
    this.#line = '';
    this.#remaining = Number.parseInt(digits, 16);
    this.#state = this.#remaining === 0 ? 'trailers' : 'chunk-data';
    return next;
  }

  #chunkEnd(chunk: Buffer, at: number): number {
    const next = this.#takeLine(chunk, at, 2);
    if (!startsLike(this.#line, '\r\n')) throw invalid('the end of a chunk');
    if (this.#line.length === 2) [this.#line, this.#state] = ['', 'chunk-size'];
    return next;
  }

  #trailers(chunk: Buffer, at: number): number {
    const next = this.#takeLine(chunk, at, MAX_SECTION_BYTES - this.#section.length);
    const text = this.#takeSection();
    if (text !== undefined) this.#end(text === '' ? noTrailers : parseFields(text, 0).fields);
    return next;
  }

  /** Moves bytes to the current line, up to its LF. */
  #takeLine(chunk: Buffer, at: number, maxBytes: number): number {
    const lf = chunk.indexOf(LF, at);
    const end = lf === -1 ? chunk.length : lf + 1;
    if (this.#line.length + end - at > maxBytes) throw invalid('a section or line is too long');
    this.#line += chunk.toString('latin1', at, end);
    return end;
  }

  /** Moves a complete line to the section. The section, without the empty line at its end, once that has come. */
  #takeSection(): string | undefined {
    if (!this.#line.endsWith('\n')) return undefined;
    const line = this.#line;
    this.#line = '';
    if (line !== '\r\n') {
      this.#section += line;
      return undefined;
    }
    const section = this.#section;
    this.#section = '';
    return section;
  }

  #end(trailers: Fields): void {
    this.#state = 'done';
    this.#events.onEnd(trailers);
  }
}

/** True if either text begins with the other. */
function startsLike(text: string, beginning: string): boolean {
  return text.length < beginning.length ? beginning.startsWith(text) : text.startsWith(beginning);
}
