/** The control plane of a storage: who it is and how it stands. */
import { Controller, Inject } from '@nestjs/common';
import { MessagePattern, Payload } from '@nestjs/microservices';
import type { Hello, HelloRequest, StorageStatus } from '@kvstore/contract';
import { controlPattern, type Self } from '@kvstore/nest-kit';
import type { Replica } from '@kvstore/replica';
import { REPLICA, STORAGE_SELF } from './storage-tokens.ts';

@Controller()
export class StorageController {
  readonly #replica: Replica;
  readonly #self: Self;

  constructor(@Inject(REPLICA) replica: Replica, @Inject(STORAGE_SELF) self: Self) {
    this.#replica = replica;
    this.#self = self;
  }

  @MessagePattern(controlPattern('storage', 'hello'))
  hello(@Payload() request: HelloRequest): Hello | undefined {
    return this.#self.hello(request);
  }

  @MessagePattern(controlPattern('storage', 'status'))
  status(): StorageStatus {
    return this.#replica.status();
  }
}
