/**
 * Encodes header blocks without state: literals without indexing and without Huffman (RFC 7541, section
 * 6.2.2), and whole fields of the static table. Nothing enters the peer's dynamic table, so blocks can be
 * made once and sent on every connection, whatever table size the peer chose.
 */
import { writeInteger } from './integer.ts';
import { STATIC_TABLE, type HeaderField } from './static-table.ts';

const wholeFields = new Map<string, number>();
const names = new Map<string, number>();
for (const [index, { name, value }] of STATIC_TABLE.entries()) {
  if (index === 0) continue;
  if (!names.has(name)) names.set(name, index);
  if (value !== '') wholeFields.set(`${name}\n${value}`, index);
}

/** Names and values are octets as Latin-1 text. */
export function encodeHeaders(fields: readonly HeaderField[]): Buffer {
  const block: number[] = [];
  for (const { name, value } of fields) {
    const whole = wholeFields.get(`${name}\n${value}`);
    if (whole !== undefined) {
      writeInteger(block, whole, 7, 0x80);
      continue;
    }
    const index = names.get(name) ?? 0;
    writeInteger(block, index, 4, 0x00);
    if (index === 0) writeText(block, name);
    writeText(block, value);
  }
  return Buffer.from(block);
}

function writeText(block: number[], text: string): void {
  writeInteger(block, text.length, 7, 0x00);
  for (let at = 0; at < text.length; at++) block.push(text.charCodeAt(at) & 0xff);
}
