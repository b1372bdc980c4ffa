/** gateway: the public API's protocol edges over a `KvClient`. Stateless. */
export { observeClient } from './client-metrics.ts';
export { Gateway } from './gateway.ts';
export type { GatewayOptions } from './gateway.ts';
export { GatewayModule } from './gateway.module.ts';
export type { GatewayModuleOptions } from './gateway.module.ts';
export { KvApi } from './kv/kv-api.ts';
export type { GatewayIdentity } from './status/cluster-status.ts';
export type { MembersDocument } from './status/members-document.ts';
