/**
 * `/api/v1/keys/{key}` for requests that come through Nest.
 *
 * The handlers take the raw request and response: Nest's parameter pipes, interceptors and reply
 * mapping would cost more than the rest of the handler (DESIGN.md).
 */
import { Controller, Delete, Get, Inject, Put, Req, Res } from '@nestjs/common';
import type { HttpReply, HttpRequest } from '@kvstore/nest-kit';
import { NodeExchange } from './key-exchange.ts';
import { KeyRoutes } from './key-routes.ts';

@Controller('api/v1/keys')
export class KeysController {
  readonly #routes: KeyRoutes;

  constructor(@Inject(KeyRoutes) routes: KeyRoutes) {
    this.#routes = routes;
  }

  @Put('*')
  put(@Req() request: HttpRequest, @Res() reply: HttpReply): Promise<void> {
    return this.#routes.put(new NodeExchange(request, reply));
  }

  /** Serves HEAD too. */
  @Get('*')
  get(@Req() request: HttpRequest, @Res() reply: HttpReply): Promise<void> {
    return this.#routes.get(new NodeExchange(request, reply));
  }

  @Delete('*')
  delete(@Req() request: HttpRequest, @Res() reply: HttpReply): Promise<void> {
    return this.#routes.delete(new NodeExchange(request, reply));
  }
}
