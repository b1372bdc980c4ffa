/** The documented routes that this version does not offer: 501, so that nobody takes them for typos. */
import { Controller, Get, Post } from '@nestjs/common';
import { failure } from '@kvstore/contract';
import { FailureException } from '@kvstore/nest-kit';

@Controller('api/v1')
export class UnimplementedController {
  @Get(['keys', 'watch', 'watch/*', 'admin/metrics'])
  get(): never {
    return unimplemented();
  }

  @Post([
    'batch/put',
    'batch/get',
    'batch/delete',
    'transaction',
    'admin/backup',
    'admin/restore',
    'admin/compact',
  ])
  post(): never {
    return unimplemented();
  }
}

function unimplemented(): never {
  throw new FailureException(
    failure('UNIMPLEMENTED', 'This version does not offer this route yet.'),
  );
}
