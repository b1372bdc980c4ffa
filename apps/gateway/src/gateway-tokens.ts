/** Injection tokens of the gateway. */
export const KV_CLIENT = Symbol('KvClient');
export const GATEWAY_IDENTITY = Symbol('GatewayIdentity');
