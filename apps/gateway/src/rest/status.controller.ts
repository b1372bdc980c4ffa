/** `GET /api/v1/admin/status`. */
import { Controller, Get, Inject, Req, Res } from '@nestjs/common';
import { REQUEST_ID_HEADER, type HttpReply, type HttpRequest } from '@kvstore/nest-kit';
import { GATEWAY_IDENTITY } from '../gateway-tokens.ts';
import { KvApi } from '../kv/kv-api.ts';
import { clusterStatus, type GatewayIdentity } from '../status/cluster-status.ts';
import { requireJson } from './accept.ts';
import { orThrow, timeoutOf } from './parameters.ts';
import { parseQuery } from './query.ts';
import { queryOf } from './request-target.ts';

@Controller('api/v1/admin')
export class StatusController {
  readonly #kv: KvApi;
  readonly #identity: GatewayIdentity;

  constructor(@Inject(KvApi) kv: KvApi, @Inject(GATEWAY_IDENTITY) identity: GatewayIdentity) {
    this.#kv = kv;
    this.#identity = identity;
  }

  @Get('status')
  async status(@Req() request: HttpRequest, @Res() reply: HttpReply): Promise<void> {
    requireJson(request.raw.headers.accept);
    const query = orThrow(parseQuery(queryOf(request.raw.url ?? ''), { timeout: 'single' }));
    const nodes = await this.#kv.status(timeoutOf(query));
    if ('code' in nodes) return void orThrow(nodes);
    const status = clusterStatus(this.#identity, nodes, this.#kv.notReady);
    const body = Buffer.from(JSON.stringify(status));
    reply.hijack();
    reply.raw.writeHead(200, {
      'content-type': 'application/json',
      'content-length': body.length,
      'cache-control': 'no-store',
      ...(status.revision !== null && { 'kv-revision': status.revision }),
      [REQUEST_ID_HEADER]: request.id,
    });
    reply.raw.end(body);
  }
}
