import { configHelp } from './config-help.ts';
import { configTable, describeConfig } from './config-table.ts';

test('every default is a value that its own option accepts', () => {
  for (const option of Object.values(configTable)) {
    if (option.default === undefined) continue;
    expect(option.type.schema.safeParse(option.default).success).toBe(true);
  }
});

test('no two options share a flag, a variable or a path', () => {
  const described = describeConfig();
  for (const name of ['flag', 'variable', 'yamlPath'] as const) {
    expect(new Set(described.map((option) => option[name])).size).toBe(described.length);
  }
});

test('help names every flag, its variable and its default', () => {
  const help = configHelp('kvstore');
  for (const option of describeConfig()) {
    expect(help).toContain(option.flag);
    expect(help).toContain(option.variable);
    if (option.default !== undefined) expect(help).toContain(`(default ${option.default})`);
  }
});

test('a secret has no flag that takes its value', () => {
  const secret = describeConfig().find((option) => option.key === 'cluster_secret');
  expect(secret?.flag).toBe('--cluster-secret-file');
});
