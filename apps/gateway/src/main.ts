/** A gateway process of a cluster. */
import { enableCompileCache } from 'node:module';

enableCompileCache();
await import('./serve.ts');
