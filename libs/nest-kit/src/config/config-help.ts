/** The text of `--help`, from the table of options. */
import { describeConfig } from './config-table.ts';

const PREAMBLE = `Options: flags > environment > kvstore.yaml (or --config FILE, KVSTORE_CONFIG) > defaults.
A secret is given as a file: --cluster-secret-file, KVSTORE_CLUSTER_SECRET_FILE, or the variable itself.
`;

export function configHelp(command: string): string {
  const lines = describeConfig().map((option) => {
    const fallback = option.default === undefined ? '' : ` (default ${option.default})`;
    return `  ${`${option.flag} <${option.type}>`.padEnd(50)} ${option.variable}\n      ${option.doc}${fallback}`;
  });
  const others = ['--config <path>', '--help', '--version'].map((flag) => `  ${flag}`);
  return [`Usage: ${command} [options]`, '', PREAMBLE, ...lines, ...others, ''].join('\n');
}
