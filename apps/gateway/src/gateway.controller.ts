/** The control plane of a gateway: who it is. */
import { Controller, Inject } from '@nestjs/common';
import { MessagePattern, Payload } from '@nestjs/microservices';
import type { Hello, HelloRequest } from '@kvstore/contract';
import { controlPattern, type Self } from '@kvstore/nest-kit';
import { GATEWAY_SELF } from './gateway-tokens.ts';

@Controller()
export class GatewayController {
  readonly #self: Self;

  constructor(@Inject(GATEWAY_SELF) self: Self) {
    this.#self = self;
  }

  @MessagePattern(controlPattern('gateway', 'hello'))
  hello(@Payload() request: HelloRequest): Hello | undefined {
    return this.#self.hello(request);
  }
}
