/** Methods of a `.proto` file, with the messages as plain objects. */
import { loadSync } from '@grpc/proto-loader';
import type { GrpcMethod } from './dialect.ts';

interface MethodDefinition {
  readonly path: string;
  readonly requestSerialize: (message: object) => Buffer;
  readonly responseDeserialize: (bytes: Buffer) => object;
}

export interface ProtoMethod<Reply> {
  readonly method: string;
  readonly request: (key: string) => object;
  readonly value: (reply: Reply) => Buffer | undefined;
}

/** Reads the file once; the result makes the methods of its service. */
export function loadService(file: string, includeDirectory: string, service: string) {
  const definition = loadSync(file, {
    includeDirs: [includeDirectory],
    keepCase: true,
    longs: Number,
  })[service] as Readonly<Record<string, MethodDefinition>> | undefined;
  if (definition === undefined) throw new Error(`${file} has no service ${service}`);
  return <Reply>({ method, request, value }: ProtoMethod<Reply>): GrpcMethod => {
    const found = definition[method];
    if (found === undefined) throw new Error(`${service} has no method ${method}`);
    return {
      path: found.path,
      encode: (key) => found.requestSerialize(request(key)),
      value: (bytes) => value(found.responseDeserialize(bytes) as Reply),
    };
  };
}
