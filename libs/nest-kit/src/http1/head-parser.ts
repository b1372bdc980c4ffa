/**
 * Reads the head of a request in place: the request line and the header fields (RFC 9112, 3 and 5).
 *
 * It takes a subset of what Node's parser takes, chosen so that nothing in it can be read in two ways, and
 * calls the rest unusual: it answers no error of its own. One parser serves all connections of an edge; its
 * members hold the last whole head until the next call.
 *
 * Invariants
 *   1. what it calls whole, Node's parser reads alike: the same target, fields and length of the body
 *   2. it looks at no byte before `start`, and at none past the end or the bound of a head
 *   3. it calls a head partial only when bytes that are still to come can make it whole
 */
import { FieldNames, FieldRole } from './field-names.ts';

export interface HeadSyntax {
  /** Methods of the hot routes, and whether a body may follow. */
  readonly methods: Readonly<Record<string, { readonly body: boolean }>>;
  /** All hot targets begin with it. */
  readonly prefix: string;
  /** Names in lower case of the fields that somebody will ask for; others are checked and skipped. */
  readonly fields: readonly string[];
  readonly headBytesMax: number;
  readonly bodyBytesMax: number;
}

export type HeadVerdict = 'whole' | 'partial' | 'unusual';

interface Method {
  readonly name: string;
  readonly body: boolean;
  /** The method, a space and the prefix of the target. */
  readonly start: Buffer;
  /** Of `start`. */
  readonly targetAt: number;
}

const NO_FIELDS: readonly string[] = [];
const LINE_END = Buffer.from(' HTTP/1.1\r\n', 'latin1');
const KEEP_ALIVE = Buffer.from('keep-alive', 'latin1');
const CR = 0x0d;
const LF = 0x0a;
const SPACE = 0x20;
const HASH = 0x23;
const COLON = 0x3a;
const ZERO = 0x30;
/** More would not be a safe integer. */
const LENGTH_DIGITS_MAX = 15;

export class HeadParser {
  method = '';
  target = '';
  /** Names and values in turn, of the fields that are asked for and were sent. */
  fields: readonly string[] = NO_FIELDS;
  headBytes = 0;
  bodyBytes = 0;
  readonly #methods: readonly Method[];
  readonly #names: FieldNames;
  readonly #headBytesMax: number;
  readonly #bodyBytesMax: number;
  #bytes: Buffer = LINE_END;
  #at = 0;
  #end = 0;
  #hasBody = false;
  #hostSeen = false;
  #lengthSeen = false;

  constructor({ methods, prefix, fields, headBytesMax, bodyBytesMax }: HeadSyntax) {
    this.#methods = Object.entries(methods).map(([name, { body }]) => ({
      name,
      body,
      start: Buffer.from(`${name} ${prefix}`, 'latin1'),
      targetAt: name.length + 1,
    }));
    this.#names = new FieldNames(fields);
    this.#headBytesMax = headBytesMax;
    this.#bodyBytesMax = bodyBytesMax;
  }

  /** Of the request that begins at `start` and may go on behind the end of `bytes`. */
  parse(bytes: Buffer, start: number): HeadVerdict {
    this.#bytes = bytes;
    this.#at = start;
    this.#end = Math.min(bytes.length, start + this.#headBytesMax);
    let verdict = this.#requestLine();
    if (verdict === 'whole') verdict = this.#fieldLines();
    if (verdict === 'whole') this.headBytes = this.#at - start;
    const full = this.#end - start === this.#headBytesMax;
    return verdict === 'partial' && full ? 'unusual' : verdict;
  }

  #requestLine(): HeadVerdict {
    const start = this.#at;
    const verdict = this.#methodAndPrefix();
    if (verdict !== 'whole') return verdict;
    const bytes = this.#bytes;
    const end = this.#end;
    let at = this.#at;
    while (at < end) {
      const byte = bytes[at] as number;
      if (byte <= SPACE || byte > 0x7e || byte === HASH) break;
      at++;
    }
    this.#at = at;
    const line = this.#literal(LINE_END);
    if (line === 'whole')
      this.target = bytes.toString('latin1', start + this.method.length + 1, at);
    return line;
  }

  #methodAndPrefix(): HeadVerdict {
    let partial = false;
    for (const method of this.#methods) {
      const verdict = this.#literal(method.start);
      if (verdict === 'whole') {
        this.method = method.name;
        this.#hasBody = method.body;
        return verdict;
      }
      if (verdict === 'partial') partial = true;
    }
    return partial ? 'partial' : 'unusual';
  }

  #fieldLines(): HeadVerdict {
    this.fields = NO_FIELDS;
    this.bodyBytes = 0;
    this.#hostSeen = false;
    this.#lengthSeen = false;
    while (this.#at < this.#end) {
      if (this.#bytes[this.#at] === CR) return this.#headEnd();
      const verdict = this.#fieldLine();
      if (verdict !== 'whole') return verdict;
    }
    return 'partial';
  }

  #headEnd(): HeadVerdict {
    if (this.#at + 1 === this.#end) return 'partial';
    if (this.#bytes[this.#at + 1] !== LF || !this.#hostSeen) return 'unusual';
    this.#at += 2;
    return 'whole';
  }

  /** `name: value CRLF`; a value that is empty, or ends in white space, is unusual. */
  #fieldLine(): HeadVerdict {
    const bytes = this.#bytes;
    const end = this.#end;
    const nameStart = this.#at;
    const nameEnd = this.#names.endOf(bytes, nameStart, end);
    if (nameEnd === end) return 'partial';
    if (bytes[nameEnd] !== COLON || nameEnd === nameStart) return 'unusual';
    let start = nameEnd + 1;
    while (start < end && bytes[start] === SPACE) start++;
    let at = start;
    while (at < end) {
      const byte = bytes[at] as number;
      if (byte < SPACE || byte > 0x7e) break;
      at++;
    }
    if (at === end) return 'partial';
    if (bytes[at] !== CR || at === start || bytes[at - 1] === SPACE) return 'unusual';
    if (at + 1 === end) return 'partial';
    if (bytes[at + 1] !== LF) return 'unusual';
    this.#at = at + 2;
    return this.#field(nameStart, nameEnd, start, at) ? 'whole' : 'unusual';
  }

  /** False when the field makes the request unusual. */
  #field(nameStart: number, nameEnd: number, start: number, end: number): boolean {
    const bytes = this.#bytes;
    const found = this.#names.find(bytes, nameStart, nameEnd);
    switch (found.role) {
      case FieldRole.skipped:
        return true;
      case FieldRole.asked:
        return this.#keep(found.name, bytes.toString('latin1', start, end));
      case FieldRole.host:
        if (this.#hostSeen) return false;
        this.#hostSeen = true;
        return true;
      case FieldRole.contentLength:
        return this.#contentLength(start, end);
      case FieldRole.connection:
        return end - start === KEEP_ALIVE.length && equalsLowered(bytes, start, KEEP_ALIVE);
      default:
        return false;
    }
  }

  /** What is sent twice, Node joins or drops, each by its own rule. */
  #keep(name: string, value: string): boolean {
    const { fields } = this;
    for (let i = 0; i < fields.length; i += 2) if (fields[i] === name) return false;
    this.fields = fields.length === 0 ? [name, value] : [...fields, name, value];
    return true;
  }

  #contentLength(start: number, end: number): boolean {
    const digits = end - start;
    if (this.#lengthSeen || digits > LENGTH_DIGITS_MAX) return false;
    this.#lengthSeen = true;
    let length = 0;
    for (let at = start; at < end; at++) {
      const digit = (this.#bytes[at] as number) - ZERO;
      if (digit < 0 || digit > 9 || (at === start && digit === 0 && digits > 1)) return false;
      length = length * 10 + digit;
    }
    this.bodyBytes = length;
    return length <= (this.#hasBody ? this.#bodyBytesMax : 0);
  }

  /** Passes exactly these bytes. */
  #literal(literal: Buffer): HeadVerdict {
    const bytes = this.#bytes;
    const start = this.#at;
    const count = Math.min(literal.length, this.#end - start);
    for (let i = 0; i < count; i++) if (bytes[start + i] !== literal[i]) return 'unusual';
    if (count < literal.length) return 'partial';
    this.#at = start + count;
    return 'whole';
  }
}

/** `lower` consists of lower-case letters and signs that no letter becomes. */
function equalsLowered(bytes: Buffer, start: number, lower: Buffer): boolean {
  for (let i = 0; i < lower.length; i++) {
    if (((bytes[start + i] as number) | 0x20) !== lower[i]) return false;
  }
  return true;
}
