/** Injection tokens of the gateway. */
export const KV_CLIENT = Symbol('KvClient');
export const GATEWAY_IDENTITY = Symbol('GatewayIdentity');
/** Who this process is: its `Self`. */
export const GATEWAY_SELF = Symbol('GatewaySelf');
