/**
 * Puts an `Http1Edge` before a server of `node:http`: every connection begins at the edge, and the server gets
 * it when a request is none for the hot routes. There stays one listening socket, and one server that counts
 * connections and waits for their end.
 */
import type { Server } from 'node:http';
import type { Socket } from 'node:net';
import { Http1Edge, type Http1Options } from '../http1/edge.ts';
import { answerClientError } from './client-error.ts';
import type { HttpLimits } from './http-limits.ts';

/** The routes, and what answers them. Everything else about HTTP is the server's. */
export type HotRoutes = Pick<Http1Options, 'methods' | 'prefix' | 'fields' | 'serves' | 'handler'>;

/** Call it once, before the server listens. */
export function serveHotRoutes(server: Server, routes: HotRoutes, limits: HttpLimits): Http1Edge {
  const accept = server.listeners('connection');
  const edge = new Http1Edge({
    ...routes,
    limits: {
      firstByteMsMax: limits.headersTimeoutMs,
      idleMsMax: limits.keepAliveTimeoutMs,
      tickMs: limits.timeoutCheckMs,
    },
    handOver: (socket) => {
      for (const each of accept) Reflect.apply(each, server, [socket]);
    },
    refuse: (code, socket) => answerClientError(Object.assign(new Error(code), { code }), socket),
  });
  server.removeAllListeners('connection');
  server.on('connection', (socket: Socket) => edge.accept(socket));
  return edge;
}
