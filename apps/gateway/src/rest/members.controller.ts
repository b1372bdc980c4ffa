/**
 * `/api/v1/admin/members` and `/api/v1/admin/leader`: decode → call → encode. Each answers with the members as
 * they are afterwards. Names are whatever the client wrote; `KvApi` checks them.
 */
import { Controller, Delete, Get, Inject, Param, Post, Put, Req, Res } from '@nestjs/common';
import type { MemberRequest } from '@kvstore/contract';
import type { HttpReply, HttpRequest } from '@kvstore/nest-kit';
import type { NodeId } from '@kvstore/std';
import { KvApi } from '../kv/kv-api.ts';
import { membersDocument } from '../status/members-document.ts';
import { adminTimeoutOf, answerDocument } from './admin-exchange.ts';
import { integerField, readJsonObject, textField } from './json-body.ts';
import { orThrow } from './parameters.ts';

@Controller('api/v1/admin')
export class MembersController {
  readonly #kv: KvApi;

  constructor(@Inject(KvApi) kv: KvApi) {
    this.#kv = kv;
  }

  @Get('members')
  list(@Req() request: HttpRequest, @Res() reply: HttpReply): Promise<void> {
    return this.#answer(request, reply, { kind: 'list' });
  }

  @Post('members')
  async add(@Req() request: HttpRequest, @Res() reply: HttpReply): Promise<void> {
    const node = await nodeIn(request);
    await this.#answer(request, reply, { kind: 'add', node });
  }

  @Delete('members/:node')
  async remove(
    @Param('node') node: NodeId,
    @Req() request: HttpRequest,
    @Res() reply: HttpReply,
  ): Promise<void> {
    await this.#answer(request, reply, { kind: 'remove', node });
  }

  @Post('members/:node/promote')
  async promote(
    @Param('node') node: NodeId,
    @Req() request: HttpRequest,
    @Res() reply: HttpReply,
  ): Promise<void> {
    await this.#answer(request, reply, { kind: 'promote', node });
  }

  @Put('members/:node/priority')
  async priority(
    @Param('node') node: NodeId,
    @Req() request: HttpRequest,
    @Res() reply: HttpReply,
  ): Promise<void> {
    const body = await readJsonObject(request, ['priority']);
    const priority = integerField(body, 'priority');
    await this.#answer(request, reply, { kind: 'priority', node, priority });
  }

  @Post('leader')
  async transfer(@Req() request: HttpRequest, @Res() reply: HttpReply): Promise<void> {
    const node = await nodeIn(request);
    await this.#answer(request, reply, { kind: 'transfer', node });
  }

  async #answer(request: HttpRequest, reply: HttpReply, asked: MemberRequest): Promise<void> {
    const timeoutMs = adminTimeoutOf(request);
    const list = orThrow(await this.#kv.members(asked, timeoutMs));
    answerDocument(request, reply, membersDocument(list));
  }
}

async function nodeIn(request: HttpRequest): Promise<NodeId> {
  return textField(await readJsonObject(request, ['node']), 'node') as NodeId;
}
