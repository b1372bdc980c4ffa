/** Bounds of the edge. What passes one of the first four is not refused but handed over. */
export interface Http1Limits {
  /** Of the request line and all header fields together. */
  readonly headBytesMax: number;
  /** How many reads of the socket may bring one head. */
  readonly headReadsMax: number;
  readonly bodyBytesMax: number;
  /** How many reads may bring one request: each is held by itself. */
  readonly requestReadsMax: number;
  /** Requests of one connection that are not answered yet; above, it is read no more. */
  readonly pipelineMax: number;
  /** Answers of one connection that its peer has not taken; above, it is read no more. */
  readonly outputBytesMax: number;
  /** From the accept to the first byte. */
  readonly firstByteMsMax: number;
  /** Between requests; also without any progress of an answer. It is announced to the peer. */
  readonly idleMsMax: number;
  /** How often time is looked at; a request that takes longer to arrive is handed over. */
  readonly tickMs: number;
}

export const HTTP1_LIMITS: Http1Limits = {
  headBytesMax: 8 * 1024,
  headReadsMax: 4,
  bodyBytesMax: 64 * 1024,
  requestReadsMax: 64,
  pipelineMax: 64,
  outputBytesMax: 1024 * 1024,
  firstByteMsMax: 10_000,
  idleMsMax: 75_000,
  tickMs: 1_000,
};
