/** `/livez` and `/readyz` at the root; `?verbose` lists the checks. */
import { Controller, Get, Inject, Module, Req, type DynamicModule } from '@nestjs/common';
import { failure } from '@kvstore/contract';
import { FailureException } from '../http/problem.ts';
import type { HttpRequest } from '../http/http-types.ts';
import { HealthRegistry, type CheckResult } from './health-registry.ts';

interface Healthy {
  readonly status: 'ok';
  readonly checks?: Readonly<Record<string, 'ok'>>;
}

@Controller()
export class HealthController {
  readonly #health: HealthRegistry;

  constructor(@Inject(HealthRegistry) health: HealthRegistry) {
    this.#health = health;
  }

  @Get('livez')
  live(@Req() request: HttpRequest): Healthy {
    return answer(this.#health.liveness(), request);
  }

  @Get('readyz')
  ready(@Req() request: HttpRequest): Healthy {
    return answer(this.#health.readiness(), request);
  }
}

@Module({})
export class HealthModule {
  static register(health: HealthRegistry): DynamicModule {
    return {
      module: HealthModule,
      controllers: [HealthController],
      providers: [{ provide: HealthRegistry, useValue: health }],
      exports: [HealthRegistry],
    };
  }
}

function answer(results: readonly CheckResult[], request: HttpRequest): Healthy {
  const verbose = isVerbose(request.raw.url ?? '');
  const failing = results.filter((result) => result.failing !== undefined);
  const checks = Object.fromEntries(results.map(({ name, failing: why }) => [name, why ?? 'ok']));
  if (failing.length > 0) {
    const detail = failing.map(({ name, failing: why }) => `${name}: ${why}`).join('; ');
    throw new FailureException(failure('UNAVAILABLE', detail, verbose ? { extra: checks } : {}));
  }
  return verbose ? { status: 'ok', checks: checks as Record<string, 'ok'> } : { status: 'ok' };
}

function isVerbose(url: string): boolean {
  const query = url.indexOf('?');
  return query !== -1 && new URLSearchParams(url.slice(query + 1)).has('verbose');
}
