/** A service without a public port: a Nest microservice whose message patterns are the control plane. */
import 'reflect-metadata';
import type { INestMicroservice } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import type { CustomTransportStrategy, MicroserviceOptions } from '@nestjs/microservices';
import type { KvLogger } from '../logger.ts';

type RootModule = Parameters<typeof NestFactory.createMicroservice>[0];

export class ServiceApp {
  readonly #app: INestMicroservice;

  private constructor(app: INestMicroservice) {
    this.#app = app;
  }

  /** Resolves when the providers exist and the patterns are served. */
  static async start(
    root: RootModule,
    strategy: CustomTransportStrategy,
    log: KvLogger,
  ): Promise<ServiceApp> {
    const app = await NestFactory.createMicroservice<MicroserviceOptions>(root, {
      strategy,
      logger: log,
      abortOnError: false,
    });
    await app.listen();
    return new ServiceApp(app);
  }

  /** A provider of the application. */
  get<T>(token: symbol | (new (...dependencies: never[]) => T)): T {
    return this.#app.get<T>(token, { strict: false });
  }

  close(): Promise<void> {
    return this.#app.close();
  }
}
