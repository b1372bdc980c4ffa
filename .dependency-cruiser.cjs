/** The layers of ARCHITECTURE.md: imports go strictly downward. */
const layers = [
  ['std'],
  ['raft', 'lsm', 'state-machine'],
  ['contract'],
  ['sequencer', 'replica', 'cluster-client'],
  ['disk', 'sqlite', 'bus', 'event-log', 'grpc'],
  ['nest-kit'],
];
const above = (layer) =>
  `^(apps/|libs/(${layers.slice(layer).flat().concat('testing').join('|')})/)`;
const TEST = '[.](test|test-support)[.]ts$';

/** A lib may import layers below its own; of its own layer only itself. */
const noUpwardLayer = layers.flatMap((libs, layer) =>
  libs.map((lib) => ({
    name: `no-upward-layer-${lib}`,
    comment: `${lib} may import only the layers below it`,
    severity: 'error',
    from: { path: `^libs/${lib}/src`, pathNot: TEST },
    to: { path: above(layer), pathNot: `^libs/${lib}/` },
  })),
);

module.exports = {
  forbidden: [
    { name: 'no-circular', severity: 'error', from: {}, to: { circular: true } },
    { name: 'not-resolvable', severity: 'error', from: {}, to: { couldNotResolve: true } },
    ...noUpwardLayer,
    {
      name: 'core-is-pure',
      comment: 'the cores know no platform and no package',
      severity: 'error',
      from: { path: '^libs/(std|raft|lsm|state-machine)/src', pathNot: TEST },
      to: {
        dependencyTypes: [
          'core',
          'npm',
          'npm-dev',
          'npm-no-pkg',
          'npm-unknown',
          'npm-peer',
          'npm-optional',
        ],
      },
    },
    {
      name: 'nest-only-above-nest-kit',
      severity: 'error',
      from: { path: '^libs/', pathNot: '^libs/(nest-kit|testing)/' },
      to: { path: '(^|node_modules/)@nestjs/' },
    },
    {
      name: 'http1-is-plain',
      comment: 'the hot edge knows no framework, no problem document and no key',
      severity: 'error',
      from: { path: '^libs/nest-kit/src/http1/', pathNot: TEST },
      to: { pathNot: '^(libs/nest-kit/src/http1|libs/std/src)/', dependencyTypesNot: ['core'] },
    },
    {
      name: 'only-sqlite-touches-the-driver',
      severity: 'error',
      from: { path: '^(libs|apps)/', pathNot: '^libs/sqlite/' },
      to: { path: '(^|node_modules/)(better-sqlite3|typeorm)/' },
    },
    {
      name: 'testing-stays-in-tests',
      severity: 'error',
      from: { path: '^(libs|apps)/', pathNot: ['^libs/testing/', TEST] },
      to: { path: '^libs/testing/' },
    },
    {
      name: 'no-deep-imports',
      severity: 'error',
      from: { path: '^(libs|apps)/([^/]+)/' },
      to: {
        path: '^(libs|apps)/[^/]+/',
        pathNot: ['^$1/$2/', '^(libs|apps)/[^/]+/src/index[.]ts$'],
      },
    },
    {
      name: 'apps-know-no-other-app',
      comment: 'standalone composes the others by their entry modules',
      severity: 'error',
      from: { path: '^apps/([^/]+)/', pathNot: '^apps/standalone/' },
      to: { path: '^apps/', pathNot: '^apps/$1/' },
    },
  ],
  options: {
    tsPreCompilationDeps: true,
    tsConfig: { fileName: 'tsconfig.base.json' },
    doNotFollow: { path: 'node_modules' },
    exclude: { path: '(^|/)dist/' },
    enhancedResolveOptions: {
      exportsFields: ['exports'],
      conditionNames: ['kvstore-source', 'import', 'node', 'default', 'types'],
      extensions: ['.ts', '.js', '.json'],
    },
  },
};
