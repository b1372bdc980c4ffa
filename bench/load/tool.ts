/** The load generators of the system's packages: whether they are there, and one run of one. */
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { UsageError } from '../options.ts';
import type { Teardown } from '../teardown.ts';

const DEBIAN_PACKAGES = { wrk: 'wrk', h2load: 'nghttp2-client' } as const;
export type Tool = keyof typeof DEBIAN_PACKAGES;

/** Throws with the way to install what is missing. */
export function requireTools(tools: readonly Tool[]): void {
  const missing = tools.filter((tool) => spawnSync(tool, ['--version']).error !== undefined);
  if (missing.length === 0) return;
  const packages = missing.map((tool) => DEBIAN_PACKAGES[tool]).join(' ');
  throw new UsageError(
    `needed and not installed: ${missing.join(', ')} (apt-get install ${packages})`,
  );
}

/** What it printed on stdout; rejects when it fails. The teardown ends it. */
export async function runTool(
  tool: Tool,
  args: readonly string[],
  teardown: Teardown,
): Promise<string> {
  const child = spawn(tool, args, { stdio: ['ignore', 'pipe', 'pipe'] });
  teardown.add(() => {
    child.kill('SIGKILL');
  });
  let output = '';
  let errors = '';
  child.stdout.on('data', (chunk: Buffer) => {
    output += chunk.toString();
  });
  child.stderr.on('data', (chunk: Buffer) => {
    errors += chunk.toString();
  });
  const [code] = (await once(child, 'close')) as [number | null];
  if (code !== 0) throw new Error(`${tool} ended with ${String(code)}: ${errors}${output}`);
  return output;
}
