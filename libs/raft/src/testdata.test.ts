/**
 * Runs the scripts in `testdata/*.txt` (see `testdata/script.ts` for their language): commands, `----`,
 * what happened. `REWRITE=1` writes what happens now; look at every difference before it is kept.
 */
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Script } from '../testdata/script.ts';

const FOLDER = join(import.meta.dirname, '../testdata');

interface Block {
  readonly comments: readonly string[];
  readonly commands: readonly string[];
  readonly expected: string;
}

function parse(text: string): Block[] {
  const blocks: Block[] = [];
  for (const part of text.split(/\n\n+/).filter((block) => block.trim() !== '')) {
    const lines = part.trim().split('\n');
    const rule = lines.indexOf('----');
    const input = rule < 0 ? lines : lines.slice(0, rule);
    blocks.push({
      comments: input.filter((line) => line.startsWith('#')),
      commands: input.filter((line) => !line.startsWith('#')),
      expected: rule < 0 ? '' : lines.slice(rule + 1).join('\n'),
    });
  }
  return blocks;
}

describe('scripts of whole clusters', () => {
  const files = readdirSync(FOLDER).filter((name) => name.endsWith('.txt'));

  test.each(files)('%s', (name) => {
    const path = join(FOLDER, name);
    const script = new Script();
    const blocks = parse(readFileSync(path, 'utf8'));
    expect(blocks.length).toBeGreaterThan(0);
    const rewritten: string[] = [];
    for (const { comments, commands, expected } of blocks) {
      const actual = commands.length === 0 ? '' : script.run(commands);
      const lines = commands.length === 0 ? comments : [...comments, ...commands, '----', actual];
      rewritten.push(lines.join('\n'));
      if (process.env['REWRITE'] === undefined) {
        expect({ commands, happened: actual }).toEqual({ commands, happened: expected });
      }
    }
    if (process.env['REWRITE'] !== undefined) writeFileSync(path, `${rewritten.join('\n\n')}\n`);
  });
});
