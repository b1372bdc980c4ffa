/** A header block that cannot be decoded. The table is then unknown: the connection has to end. */
export class HpackError extends Error {
  override readonly name = 'HpackError';
  readonly code = 'COMPRESSION_ERROR';
}
