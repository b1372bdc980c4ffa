/** Loaded by `main.ts`, which has turned the compile cache on before anything large is imported. */
import { flushCompileCache } from 'node:module';
import { runService } from '@kvstore/nest-kit';
import { startConsensus } from './start-consensus.ts';

await runService('node apps/consensus/dist/main.js', async (context) => {
  await startConsensus(context);
  flushCompileCache();
});
