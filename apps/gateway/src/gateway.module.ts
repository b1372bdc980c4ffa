/** The gateway as a Nest module: the REST edge over `KvApi` over whatever `KvClient` it is given. */
import {
  Module,
  type DynamicModule,
  type FactoryProvider,
  type ModuleMetadata,
} from '@nestjs/common';
import type { KvClient } from '@kvstore/cluster-client';
import {
  type EventLog,
  HealthModule,
  type HealthRegistry,
  type MetricRegistry,
  type Self,
} from '@kvstore/nest-kit';
import { GatewayController } from './gateway.controller.ts';
import { GATEWAY_IDENTITY, GATEWAY_SELF, KV_CLIENT } from './gateway-tokens.ts';
import { KvApi } from './kv/kv-api.ts';
import { KeyRoutes } from './rest/key-routes.ts';
import { KeysController } from './rest/keys.controller.ts';
import { MembersController } from './rest/members.controller.ts';
import { StatusController } from './rest/status.controller.ts';
import { UnimplementedController } from './rest/unimplemented.controller.ts';
import type { GatewayIdentity } from './status/cluster-status.ts';

export interface GatewayModuleOptions {
  /** Makes the client; it may inject what `imports` export. */
  readonly client: Pick<FactoryProvider<KvClient>, 'inject' | 'useFactory'>;
  readonly imports?: NonNullable<ModuleMetadata['imports']>;
  readonly identity: GatewayIdentity;
  readonly self: Self;
  readonly metrics: MetricRegistry;
  readonly health: HealthRegistry;
  readonly log: EventLog;
}

@Module({})
export class GatewayModule {
  static register(options: GatewayModuleOptions): DynamicModule {
    return {
      module: GatewayModule,
      imports: [...(options.imports ?? []), HealthModule.register(options.health)],
      controllers: [
        GatewayController,
        KeysController,
        MembersController,
        StatusController,
        UnimplementedController,
      ],
      providers: [
        { provide: KV_CLIENT, ...options.client },
        {
          provide: KvApi,
          inject: [KV_CLIENT],
          useFactory: (client: KvClient) => new KvApi(client),
        },
        {
          provide: KeyRoutes,
          inject: [KvApi],
          useFactory: (kv: KvApi) => new KeyRoutes(kv, options.metrics, options.log),
        },
        { provide: GATEWAY_IDENTITY, useValue: options.identity },
        { provide: GATEWAY_SELF, useValue: options.self },
      ],
      exports: [KvApi],
    };
  }
}
