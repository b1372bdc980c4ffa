/**
 * cluster-client: how a gateway talks to its cluster. `KvClient` is the port that protocol edges
 * use; `ClusterClient` implements it over the `Bus` with sessions, retries and ReadIndex rounds.
 */
export { ClusterClient } from './cluster-client.ts';
export type { ClusterClientOptions } from './cluster-client.ts';
export type {
  Consistency,
  DeleteRequest,
  GetRequest,
  GetResult,
  KvClient,
  KvEntry,
  NodeStatus,
  PutRequest,
  WriteRequest,
  WriteResult,
} from './kv-client.ts';
