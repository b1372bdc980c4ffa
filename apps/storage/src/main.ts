/** The storage process of one member of a cluster. */
import { enableCompileCache } from 'node:module';

enableCompileCache();
await import('./serve.ts');
