/** `GET /api/v1/admin/status`. */
import { Controller, Get, Inject, Req, Res } from '@nestjs/common';
import type { HttpReply, HttpRequest } from '@kvstore/nest-kit';
import { GATEWAY_IDENTITY } from '../gateway-tokens.ts';
import { KvApi } from '../kv/kv-api.ts';
import { clusterStatus, type GatewayIdentity } from '../status/cluster-status.ts';
import { adminTimeoutOf, answerDocument } from './admin-exchange.ts';
import { orThrow } from './parameters.ts';

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
    const nodes = await this.#kv.status(adminTimeoutOf(request));
    if ('code' in nodes) return void orThrow(nodes);
    const status = clusterStatus(this.#identity, nodes, this.#kv.notReady);
    const fields = status.revision === null ? {} : { 'kv-revision': status.revision };
    answerDocument(request, reply, status, fields);
  }
}
