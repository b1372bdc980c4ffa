/** Loads one mutant's files changed. Must be registered before anything of `libs` is imported. */
import { readFileSync } from 'node:fs';
import { registerHooks } from 'node:module';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { applyEdit, type Edit, type Mutant } from './mutant.ts';

const ROOT = new URL('../../../', import.meta.url);

export function loadMutant({ id, edits }: Mutant): void {
  const byUrl = new Map<string, Edit[]>();
  for (const edit of edits) {
    const url = pathToFileURL(fileURLToPath(new URL(edit.file, ROOT))).href;
    byUrl.set(url, [...(byUrl.get(url) ?? []), edit]);
  }
  registerHooks({
    load(url, context, nextLoad) {
      const own = byUrl.get(url);
      if (own === undefined) return nextLoad(url, context);
      let source = readFileSync(fileURLToPath(url), 'utf8');
      for (const edit of own) source = applyEdit(source, edit, id);
      return { source, format: 'module-typescript', shortCircuit: true };
    },
  });
}
