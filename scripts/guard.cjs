/* The entry guard: syntax that every node understands, nothing native, nothing imported. */
'use strict';
var need = [24, 15];
var have = process.versions.node.split('.').map(Number);
if (have[0] < need[0] || (have[0] === need[0] && have[1] < need[1])) {
  process.stderr.write(
    'kvstore needs Node.js >= ' +
      need.join('.') +
      ', this is ' +
      process.version +
      ': run it through npm (`npm start`), which uses the pinned one; if that is missing, run `npm rebuild node`.\n',
  );
  process.exit(1);
}
