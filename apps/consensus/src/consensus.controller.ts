/** The control plane of a consensus: who it is and how it stands. */
import { Controller, Inject } from '@nestjs/common';
import { MessagePattern, Payload } from '@nestjs/microservices';
import type {
  ConsensusStatus,
  Hello,
  HelloRequest,
  MemberQuestion,
  MemberReply,
} from '@kvstore/contract';
import { controlPattern, type Self } from '@kvstore/nest-kit';
import type { Sequencer } from '@kvstore/sequencer';
import { CONSENSUS_SELF, SEQUENCER } from './consensus-tokens.ts';

@Controller()
export class ConsensusController {
  readonly #sequencer: Sequencer;
  readonly #self: Self;

  constructor(@Inject(SEQUENCER) sequencer: Sequencer, @Inject(CONSENSUS_SELF) self: Self) {
    this.#sequencer = sequencer;
    this.#self = self;
  }

  @MessagePattern(controlPattern('consensus', 'hello'))
  hello(@Payload() request: HelloRequest): Hello | undefined {
    return this.#self.hello(request);
  }

  @MessagePattern(controlPattern('consensus', 'status'))
  status(): ConsensusStatus {
    return this.#sequencer.status();
  }

  @MessagePattern(controlPattern('consensus', 'members'))
  members(@Payload() question: MemberQuestion): Promise<MemberReply> {
    return this.#sequencer.answerAboutMembers(question);
  }
}
