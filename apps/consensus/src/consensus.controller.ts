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
import type { Consensus } from './consensus.ts';
import { CONSENSUS, CONSENSUS_SELF } from './consensus-tokens.ts';

@Controller()
export class ConsensusController {
  readonly #consensus: Consensus;
  readonly #self: Self;

  constructor(@Inject(CONSENSUS) consensus: Consensus, @Inject(CONSENSUS_SELF) self: Self) {
    this.#consensus = consensus;
    this.#self = self;
  }

  @MessagePattern(controlPattern('consensus', 'hello'))
  hello(@Payload() request: HelloRequest): Hello | undefined {
    return this.#self.hello(request);
  }

  @MessagePattern(controlPattern('consensus', 'status'))
  status(): ConsensusStatus {
    return this.#consensus.status();
  }

  @MessagePattern(controlPattern('consensus', 'members'))
  async members(@Payload() question: MemberQuestion): Promise<MemberReply> {
    const { sequencer } = this.#consensus;
    return sequencer?.answerAboutMembers(question) ?? { kind: 'not-leader', leader: undefined };
  }
}
