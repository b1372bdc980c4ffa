/** Loaded by `main.ts`, which has turned the compile cache on before anything large is imported. */
import { flushCompileCache } from 'node:module';
import { runService } from '@kvstore/nest-kit';
import { startStorage } from './start-storage.ts';

await runService('node apps/storage/dist/main.js', async (context) => {
  await startStorage(context);
  flushCompileCache();
});
