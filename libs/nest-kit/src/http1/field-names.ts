/**
 * Which header fields mean something here. A name is a token (RFC 9110, 5.6.2), its letters are compared
 * without case.
 */

/** What the parser does with a field. */
export const FieldRole = {
  /** Nothing depends on it. */
  skipped: 0,
  asked: 1,
  host: 2,
  contentLength: 3,
  connection: 4,
  /** It changes the framing, or who speaks: the whole request is unusual. */
  refused: 5,
} as const;
export type FieldRole = (typeof FieldRole)[keyof typeof FieldRole];

export interface FieldName {
  readonly name: string;
  readonly role: FieldRole;
}

interface Candidate extends FieldName {
  readonly bytes: Buffer;
}

const OWN: readonly FieldName[] = [
  { name: 'host', role: FieldRole.host },
  { name: 'content-length', role: FieldRole.contentLength },
  { name: 'connection', role: FieldRole.connection },
  { name: 'proxy-connection', role: FieldRole.refused },
  { name: 'transfer-encoding', role: FieldRole.refused },
  { name: 'expect', role: FieldRole.refused },
  { name: 'upgrade', role: FieldRole.refused },
  { name: 'te', role: FieldRole.refused },
  { name: 'trailer', role: FieldRole.refused },
];
const SKIPPED: FieldName = { name: '', role: FieldRole.skipped };
const NONE: readonly Candidate[] = [];

/** Of a token's character its lower case, of any other byte 0. */
const TOKEN = new Uint8Array(256);
for (const char of "!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyz") {
  TOKEN[char.charCodeAt(0)] = char.charCodeAt(0);
  TOKEN[char.toUpperCase().charCodeAt(0)] = char.charCodeAt(0);
}

export class FieldNames {
  readonly #byLength: (readonly Candidate[])[] = [];

  /** `asked`: in lower case. */
  constructor(asked: readonly string[]) {
    const names = [...OWN, ...asked.map((name) => ({ name, role: FieldRole.asked }))];
    for (const each of names) {
      const { length } = each.name;
      while (this.#byLength.length <= length) this.#byLength.push(NONE);
      const candidate = { ...each, bytes: Buffer.from(each.name, 'latin1') };
      this.#byLength[length] = [...(this.#byLength[length] ?? NONE), candidate];
    }
  }

  /** Where the token that begins at `start` ends, at most at `end`. */
  endOf(bytes: Buffer, start: number, end: number): number {
    let at = start;
    while (at < end && TOKEN[bytes[at] as number] !== 0) at++;
    return at;
  }

  find(bytes: Buffer, start: number, end: number): FieldName {
    const candidates = this.#byLength[end - start] ?? NONE;
    for (const candidate of candidates) if (equals(bytes, start, candidate.bytes)) return candidate;
    return SKIPPED;
  }
}

function equals(bytes: Buffer, start: number, name: Buffer): boolean {
  for (let i = 0; i < name.length; i++) {
    if (TOKEN[bytes[start + i] as number] !== name[i]) return false;
  }
  return true;
}
