/**
 * A Nest application on Fastify with this project's rules for HTTP: problem documents for every
 * error, down to what Node's parser refuses; limits on headers, time and connections; a request id on
 * every answer; no body parsing, no middleware, no log line per request.
 *
 * Bodies of the methods in `rawBodyMethods` are left to the handler (`request.raw`), because
 * Fastify answers a Content-Type that it cannot parse with 415 before any handler runs, and a store
 * keeps whatever content type the client sends. Other bodies arrive as one Buffer.
 */
import type { IncomingMessage, Server, ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { NestFactory } from '@nestjs/core';
import { FastifyAdapter, type NestFastifyApplication } from '@nestjs/platform-fastify';
import { failure } from '@kvstore/contract';
import { assert } from '@kvstore/std';
import type { ControlTransport } from '../control/control-transport.ts';
import type { KvLogger } from '../logger.ts';
import { listenError } from '../start-error.ts';
import type { Http1Edge } from '../http1/edge.ts';
import { answerClientError } from './client-error.ts';
import { serveHotRoutes, type HotRoutes } from './hot-routes.ts';
import { ProblemFilter } from './problem-filter.ts';
import { httpLimits, type HttpLimits } from './http-limits.ts';
import type { HttpReply, HttpRequest } from './http-types.ts';
import { FailureException, writeProblem } from './problem.ts';
import { REQUEST_ID_HEADER, requestIdIn } from './request-id.ts';
import { RouteTable } from './route-table.ts';

export interface HttpAppOptions {
  readonly log: KvLogger;
  readonly limits?: Partial<HttpLimits>;
  readonly rawBodyMethods?: readonly string[];
  /** Serves the message patterns of the application's controllers. */
  readonly control?: ControlTransport;
}

type RootModule = Parameters<typeof NestFactory.create>[0];

export class HttpApp {
  readonly #app: NestFastifyApplication;
  readonly #server: Server;
  readonly #limits: HttpLimits;
  #edge: Http1Edge | undefined;

  private constructor(app: NestFastifyApplication, limits: HttpLimits) {
    this.#app = app;
    this.#server = app.getHttpServer();
    this.#server.maxConnections = limits.connectionsMax;
    this.#limits = limits;
  }

  static async create(root: RootModule, options: HttpAppOptions): Promise<HttpApp> {
    const limits = { ...httpLimits, ...options.limits };
    const routes = new RouteTable();
    const filter = new ProblemFilter(options.log, routes);
    const adapter = fastifyAdapter(limits, filter);
    configure(adapter, routes, options.rawBodyMethods ?? []);
    const app = await NestFactory.create<NestFastifyApplication>(root, adapter, {
      logger: options.log,
      bodyParser: false,
      abortOnError: false,
    });
    app.useGlobalFilters(filter);
    if (options.control !== undefined) app.connectMicroservice({ strategy: options.control });
    await app.init();
    await app.startAllMicroservices();
    return new HttpApp(app, limits);
  }

  /** A provider of the application. */
  get<T>(token: symbol | (new (...dependencies: never[]) => T)): T {
    return this.#app.get<T>(token, { strict: false });
  }

  /** Has these routes served before Nest and Fastify, by the same port. Call it before `listen`. */
  serveHot(routes: HotRoutes): void {
    assert(this.#edge === undefined, 'an application has one set of hot routes');
    this.#edge = serveHotRoutes(this.#server, routes, this.#limits);
  }

  /** Resolves with the bound port (`port` 0 takes a free one); throws `StartError`. */
  async listen(host: string, port: number): Promise<number> {
    try {
      await this.#app.listen(port, host);
    } catch (error) {
      throw listenError(error, 'http_port', host, port);
    }
    return (this.#server.address() as AddressInfo).port;
  }

  /**
   * Stops accepting, lets requests in flight end for at most `graceMs`, then runs the modules'
   * shutdown hooks. Connections that stay idle are closed at once.
   */
  async close(graceMs: number): Promise<void> {
    // Why an interval: Node closes connections that are idle when it stops accepting, not those that
    // become idle afterwards.
    const sweep = setInterval(() => this.#server.closeIdleConnections(), SWEEP_MS);
    const force = setTimeout(() => {
      this.#edge?.cut();
      this.#server.closeAllConnections();
    }, graceMs);
    this.#edge?.drain();
    try {
      await this.#app.close();
    } finally {
      clearInterval(sweep);
      clearTimeout(force);
    }
  }
}

const SWEEP_MS = 20;

function fastifyAdapter(limits: HttpLimits, filter: ProblemFilter): FastifyAdapter {
  return new FastifyAdapter({
    skipMiddie: true,
    multipart: false,
    return503OnClosing: false,
    bodyLimit: limits.bodyBytesMax,
    requestTimeout: limits.requestTimeoutMs,
    keepAliveTimeout: limits.keepAliveTimeoutMs,
    http: {
      maxHeaderSize: limits.headerBytesMax,
      headersTimeout: limits.headersTimeoutMs,
      connectionsCheckingInterval: limits.timeoutCheckMs,
      // Why: Node answers a missing Host without a body; `configure` checks it.
      requireHostHeader: false,
    },
    routerOptions: { maxParamLength: limits.headerBytesMax },
    genReqId: (request: IncomingMessage) => requestIdIn(request.headers),
    frameworkErrors: (error: Error, request: HttpRequest, reply: HttpReply) =>
      filter.answer(error, request, reply),
    clientErrorHandler: answerClientError,
  });
}

function configure(
  adapter: FastifyAdapter,
  routes: RouteTable,
  rawBodyMethods: readonly string[],
): void {
  const fastify = adapter.getInstance();
  const server: Server = fastify.server;
  // Why 0: Node would drop headers beyond its default of 2,000 silently; their bytes are limited.
  server.maxHeadersCount = 0;
  server.on('checkExpectation', refuseExpectation);
  for (const method of rawBodyMethods) {
    fastify.addHttpMethod(method, { hasBody: false, overrideExisting: true });
  }
  fastify.removeAllContentTypeParsers();
  fastify.addContentTypeParser('*', { parseAs: 'buffer' }, (_request, body, done) =>
    done(null, body),
  );
  fastify.addHook('onRoute', (route) => routes.add(route.method, route.url));
  fastify.addHook('onRequest', (request, _reply, done) => {
    if (request.headers.host === undefined && request.raw.httpVersion === '1.1') {
      done(new FailureException(failure('INVALID_ARGUMENT', 'The Host header is missing.')));
    } else done();
  });
  fastify.addHook('onSend', (request, reply, payload, done) => {
    reply.header(REQUEST_ID_HEADER, request.id);
    done(null, payload);
  });
}

function refuseExpectation(request: IncomingMessage, response: ServerResponse): void {
  const refusal = failure('INVALID_ARGUMENT', 'The only supported Expect is 100-continue.');
  writeProblem(response, refusal, requestIdIn(request.headers), { connection: 'close' });
}
