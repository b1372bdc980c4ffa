/**
 * grpc: a gRPC server on sockets of `node:net`: HPACK, HTTP/2 and gRPC framing of our own, because the
 * platform's cost several times more than the calls they carry (DESIGN.md).
 */
export { Metadata } from './grpc/metadata.ts';
export { RpcServer } from './grpc/rpc-server.ts';
export type { RpcServerOptions } from './grpc/rpc-server.ts';
export { StatusCode } from './grpc/status.ts';
export type { ResponseMetadata, Status } from './grpc/status.ts';
export type { UnaryCall, UnaryHandler } from './grpc/unary-call.ts';
export { HTTP2_LIMITS } from './http2/limits.ts';
export type { Http2Limits } from './http2/limits.ts';
