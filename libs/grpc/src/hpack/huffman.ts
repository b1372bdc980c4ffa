/**
 * The Huffman code of HPACK (RFC 7541, section 5.2, appendix B), decoding only: what this lib sends is
 * short and mostly precomputed.
 *
 * The code is canonical, so its lengths are all of it. The decoder is an automaton that takes four bits a
 * step; the shortest code has five, so a step gives at most one symbol. Padding must be shorter than an
 * octet and be the start of EOS (all ones); EOS itself is an error.
 */
import { HpackError } from './hpack-error.ts';

/** Length in bits of the code of each octet, then of EOS. */
const LENGTHS = [
  13, 23, 28, 28, 28, 28, 28, 28, 28, 24, 30, 28, 28, 30, 28, 28, 28, 28, 28, 28, 28, 28, 30, 28,
  28, 28, 28, 28, 28, 28, 28, 28, 6, 10, 10, 12, 13, 6, 8, 11, 10, 10, 8, 11, 8, 6, 6, 6, 5, 5, 5,
  6, 6, 6, 6, 6, 6, 6, 7, 8, 15, 6, 12, 10, 13, 6, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7,
  7, 7, 7, 7, 7, 7, 8, 7, 8, 13, 19, 13, 14, 6, 15, 5, 6, 5, 6, 5, 6, 6, 6, 5, 7, 7, 6, 6, 6, 5, 6,
  7, 6, 5, 5, 6, 7, 7, 7, 7, 7, 15, 11, 14, 13, 28, 20, 22, 20, 20, 22, 22, 22, 23, 22, 23, 23, 23,
  23, 23, 24, 23, 24, 24, 22, 23, 24, 23, 23, 23, 23, 21, 22, 23, 22, 23, 23, 24, 22, 21, 20, 22,
  22, 23, 23, 21, 23, 22, 22, 24, 21, 22, 23, 23, 21, 21, 22, 21, 23, 22, 23, 23, 20, 22, 22, 22,
  23, 22, 22, 23, 26, 26, 20, 19, 22, 23, 22, 25, 26, 26, 26, 27, 27, 26, 24, 25, 19, 21, 26, 27,
  27, 26, 27, 24, 21, 21, 26, 26, 28, 27, 27, 27, 20, 24, 20, 21, 22, 21, 21, 23, 22, 22, 25, 25,
  24, 24, 26, 23, 26, 27, 26, 26, 27, 27, 27, 27, 27, 28, 27, 27, 27, 27, 27, 26, 30,
];
const EOS = 256;
const NO_SYMBOL = 0x1ff;
const PADDING_BITS_MAX = 7;
/** Inner nodes of the code's tree: one less than its leaves. */
const NODES = EOS;
/** The state after EOS; never left. */
const FAILED = NODES;

const { children, endsWell } = buildTree();
/** Per state and four bits: the next state, shifted by 9, and the symbol or `NO_SYMBOL`. */
const steps = buildSteps();

/** Decodes into `out` from its start; returns the count of octets. `out` must hold 8/5 of the input. */
export function decodeHuffman(
  bytes: Uint8Array,
  start: number,
  end: number,
  out: Uint8Array,
): number {
  let state = 0;
  let length = 0;
  for (let at = start; at < end; at++) {
    const octet = bytes[at] as number;
    const high = steps[(state << 4) | (octet >> 4)] as number;
    if ((high & NO_SYMBOL) !== NO_SYMBOL) out[length++] = high & NO_SYMBOL;
    const low = steps[((high >>> 9) << 4) | (octet & 0xf)] as number;
    if ((low & NO_SYMBOL) !== NO_SYMBOL) out[length++] = low & NO_SYMBOL;
    state = low >>> 9;
  }
  if (state === FAILED) throw new HpackError('a header string holds the end-of-string code');
  if (endsWell[state] === 0) throw new HpackError('the padding of a header string is not of ones');
  return length;
}

/** `children` of node n stand at 2n and 2n+1: an inner node, or -1 - symbol. */
function buildTree(): { readonly children: Int32Array; readonly endsWell: Uint8Array } {
  const children = new Int32Array(NODES * 2);
  const symbols = LENGTHS.map((_, symbol) => symbol);
  symbols.sort((a, b) => (LENGTHS[a] as number) - (LENGTHS[b] as number) || a - b);
  let code = 0;
  let length = 0;
  let nodes = 1;
  for (const symbol of symbols) {
    const bits = LENGTHS[symbol] as number;
    code *= 2 ** (bits - length);
    length = bits;
    let node = 0;
    for (let bit = bits - 1; bit > 0; bit--) {
      const edge = node * 2 + ((code >>> bit) & 1);
      if (children[edge] === 0) children[edge] = nodes++;
      node = children[edge] as number;
    }
    children[node * 2 + (code & 1)] = -1 - symbol;
    code++;
  }
  const endsWell = new Uint8Array(NODES + 1);
  for (let node = 0, ones = 0; ones <= PADDING_BITS_MAX; ones++) {
    endsWell[node] = 1;
    node = children[node * 2 + 1] as number;
  }
  return { children, endsWell };
}

function buildSteps(): Uint32Array {
  const table = new Uint32Array((NODES + 1) * 16);
  for (let state = 0; state < NODES; state++) {
    for (let nibble = 0; nibble < 16; nibble++) table[(state << 4) | nibble] = step(state, nibble);
  }
  return table.fill((FAILED << 9) | NO_SYMBOL, NODES << 4);
}

function step(state: number, nibble: number): number {
  let node = state;
  let symbol = NO_SYMBOL;
  for (let bit = 3; bit >= 0; bit--) {
    const next = children[node * 2 + ((nibble >> bit) & 1)] as number;
    if (next === -1 - EOS) return (FAILED << 9) | NO_SYMBOL;
    if (next < 0) symbol = -1 - next;
    node = Math.max(next, 0);
  }
  return (node << 9) | symbol;
}
