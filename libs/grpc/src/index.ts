/**
 * grpc: a gRPC server on sockets of `node:net`: HPACK, HTTP/2 and gRPC framing of our own, because the
 * platform's cost several times more than the calls they carry (DESIGN.md).
 */
export { RpcServer } from './grpc/rpc-server.ts';
export type { Status } from './grpc/status.ts';
export type { UnaryCall, UnaryHandler } from './grpc/unary-call.ts';
