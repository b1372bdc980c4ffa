/** What a client may send, how long it may take, and how many may come. */
export interface HttpLimits {
  /** Of the request line and all headers together. */
  readonly headerBytesMax: number;
  /** Of bodies that Fastify reads. */
  readonly bodyBytesMax: number;
  /** From the first byte of a request to the end of its headers. */
  readonly headersTimeoutMs: number;
  /** From the first byte of a request to the end of its body. */
  readonly requestTimeoutMs: number;
  /** How long a connection may idle between requests. */
  readonly keepAliveTimeoutMs: number;
  /** How often the two limits above are checked. */
  readonly timeoutCheckMs: number;
  readonly connectionsMax: number;
}

export const httpLimits: HttpLimits = {
  headerBytesMax: 16 * 1024,
  bodyBytesMax: 1024 * 1024,
  headersTimeoutMs: 10_000,
  requestTimeoutMs: 30_000,
  keepAliveTimeoutMs: 75_000,
  timeoutCheckMs: 1_000,
  connectionsMax: 20_000,
};
