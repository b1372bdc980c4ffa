/** What one peer may make this side hold or do. */
export interface Http2Limits {
  readonly connectionsMax: number;
  /** Streams of a connection that are open, or whose work goes on after a reset. */
  readonly streamsMax: number;
  /** Decoded size of a request's fields, as RFC 9113 counts it. */
  readonly headerListBytesMax: number;
  /** Encoded size of a header block over all its frames. */
  readonly headerBlockBytesMax: number;
  readonly continuationsMax: number;
  readonly streamWindowBytes: number;
  readonly connectionWindowBytes: number;
  /** Reading stops while so much waits for the peer to read. */
  readonly outputBytesMax: number;
  /** Streams are refused while more of the responses waits for the peer's windows. */
  readonly queuedBytesMax: number;
  /** Streams that the peer resets, or makes this side reset: at once, and per second. */
  readonly resetBurst: number;
  readonly resetsPerSecond: number;
  /** Frames that do nothing useful or only make this side answer. */
  readonly idleFrameBurst: number;
  readonly idleFramesPerSecond: number;
  /** From the accepted socket to the peer's SETTINGS. */
  readonly handshakeMsMax: number;
  /** Without a byte from the peer: a PING, then the end when nothing comes. */
  readonly keepaliveMs: number;
  readonly keepaliveTimeoutMs: number;
  /** Without a stream: GOAWAY. */
  readonly idleMsMax: number;
  /** For a stream to send its whole request, and for a response to move on. */
  readonly stalledMsMax: number;
  /** For a closing connection to take what was written. */
  readonly lingerMsMax: number;
}

export const HTTP2_LIMITS: Http2Limits = {
  connectionsMax: 10_000,
  streamsMax: 1_024,
  headerListBytesMax: 16 * 1024,
  headerBlockBytesMax: 32 * 1024,
  continuationsMax: 16,
  streamWindowBytes: 4 * 1024 * 1024,
  connectionWindowBytes: 16 * 1024 * 1024,
  outputBytesMax: 1024 * 1024,
  queuedBytesMax: 64 * 1024 * 1024,
  resetBurst: 2_048,
  resetsPerSecond: 200,
  idleFrameBurst: 1_000,
  idleFramesPerSecond: 100,
  handshakeMsMax: 10_000,
  keepaliveMs: 60_000,
  keepaliveTimeoutMs: 20_000,
  idleMsMax: 30 * 60_000,
  stalledMsMax: 60_000,
  lingerMsMax: 1_000,
};
