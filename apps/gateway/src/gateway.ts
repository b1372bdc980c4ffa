/**
 * Starts and stops a gateway: its ports, in the order in which they may serve. The one call that a
 * composition root makes.
 */
import 'reflect-metadata';
import type { HealthRegistry, KvLogger, MetricRegistry } from '@kvstore/nest-kit';
import { type ControlTransport, HttpApp, type HttpLimits } from '@kvstore/nest-kit';
import { GrpcServer } from './grpc/grpc-server.ts';
import { GatewayModule, type GatewayModuleOptions } from './gateway.module.ts';
import { KvApi } from './kv/kv-api.ts';
import { hotKeyRoutes } from './rest/hot-key-routes.ts';
import { KeyRoutes } from './rest/key-routes.ts';
import type { GatewayIdentity } from './status/cluster-status.ts';

export interface GatewayOptions extends Pick<GatewayModuleOptions, 'client' | 'imports' | 'self'> {
  readonly host: string;
  /** 0 takes a free port. */
  readonly httpPort: number;
  /** 0 takes a free port. */
  readonly grpcPort: number;
  readonly identity: GatewayIdentity;
  readonly metrics: MetricRegistry;
  readonly health: HealthRegistry;
  readonly log: KvLogger;
  /** Serves the control plane of the gateway and of what is imported. */
  readonly control: ControlTransport;
  readonly httpLimits?: Partial<HttpLimits>;
}

export class Gateway {
  readonly httpPort: number;
  readonly grpcPort: number;
  readonly #http: HttpApp;
  readonly #grpc: GrpcServer;

  private constructor(http: HttpApp, httpPort: number, grpc: GrpcServer, grpcPort: number) {
    this.#http = http;
    this.#grpc = grpc;
    this.httpPort = httpPort;
    this.grpcPort = grpcPort;
  }

  /** Resolves when it serves; throws `StartError` when a port cannot be had. */
  static async start(options: GatewayOptions): Promise<Gateway> {
    const { client, imports = [], identity, self, metrics, health, log } = options;
    const http = await HttpApp.create(
      GatewayModule.register({ client, imports, identity, self, metrics, health, log }),
      {
        log,
        rawBodyMethods: ['PUT', 'DELETE'],
        limits: options.httpLimits ?? {},
        control: options.control,
      },
    );
    const kv = http.get(KvApi);
    http.serveHot(hotKeyRoutes(http.get(KeyRoutes)));
    health.addReadiness('cluster', () => kv.notReady);
    const grpc = new GrpcServer({ kv, identity, metrics, log });
    try {
      const httpPort = await http.listen(options.host, options.httpPort);
      const grpcPort = await grpc.listen(options.host, options.grpcPort);
      return new Gateway(http, httpPort, grpc, grpcPort);
    } catch (error) {
      await http.close(0);
      throw error;
    }
  }

  /** Stops accepting, then waits at most `graceMs` for requests in flight. */
  async close(graceMs: number): Promise<void> {
    await Promise.all([this.#http.close(graceMs), this.#grpc.close(graceMs)]);
  }
}
