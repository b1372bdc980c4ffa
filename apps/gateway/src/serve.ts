/** Loaded by `main.ts`, which has turned the compile cache on before anything large is imported. */
import { flushCompileCache } from 'node:module';
import { runService } from '@kvstore/nest-kit';
import { startGateway } from './start-gateway.ts';

await runService('node apps/gateway/dist/main.js', async (context) => {
  await startGateway(context);
  flushCompileCache();
});
