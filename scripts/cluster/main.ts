/**
 * `npm run cluster`: the local cluster as separate processes. Compiled code is kept in Node's cache,
 * so that the commands that another terminal sends start at once.
 */
import { enableCompileCache } from 'node:module';

enableCompileCache();
const { runCommand } = await import('./command.ts');
await runCommand(process.argv.slice(2), process.env);
