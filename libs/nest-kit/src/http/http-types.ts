/** What our handlers use of Fastify's request and reply; the adapter's types satisfy them. */
import type { IncomingMessage, ServerResponse } from 'node:http';

export interface HttpRequest {
  /** The request id. */
  readonly id: string;
  readonly raw: IncomingMessage;
}

export interface HttpReply {
  readonly raw: ServerResponse;
  /** Tells Fastify that the handler answers through `raw` by itself. */
  hijack(): void;
}
