/**
 * `npm start`: one durable node. Compiled code is kept in Node's cache (NODE_COMPILE_CACHE, else the
 * temporary directory), which the next start reads instead of compiling again.
 */
import { enableCompileCache } from 'node:module';

enableCompileCache();
await import('./serve.ts');
