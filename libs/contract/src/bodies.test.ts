/** What the rules of single bodies refuse; that each survives its way and any damage is in `hostile-bytes.test.ts`. */
import { DecodeError, nodeId, revision } from '@kvstore/std';
import { clusterTagOf, decodeControl, encodeControl } from './control.ts';
import { decodeProposeReply } from './propose.ts';
import { decodeReadIndexReply } from './read-index.ts';
import { decodeReadReply, encodeReadReply } from './read.ts';
import { busPermissions, Subjects } from './subjects.ts';

const bytes = (text: string): Uint8Array => Uint8Array.from(Buffer.from(text));

test('numbers outside a closed set are refused', () => {
  expect(() => decodeProposeReply(new Uint8Array([9]))).toThrow(DecodeError);
  expect(() => decodeProposeReply(new Uint8Array([3, 77]))).toThrow(DecodeError);
  expect(() => decodeReadIndexReply(new Uint8Array([9]))).toThrow(DecodeError);
  expect(() =>
    decodeReadReply(encodeReadReply({ status: 9 as 1, revision: revision(0), answers: [] })),
  ).toThrow(DecodeError);
});

test('a control body that is not JSON is refused', () => {
  expect(decodeControl(encodeControl({ process: 'x' }))).toEqual({ process: 'x' });
  expect(() => decodeControl(bytes('{'))).toThrow(DecodeError);
  expect(() => decodeControl(new Uint8Array([0xff]))).toThrow(DecodeError);
});

test('a control body that is no object is no answer, and no word of the one who asked', () => {
  for (const body of [null, 1, 'no-answer', []]) {
    expect(() => decodeControl(encodeControl(body))).toThrow(DecodeError);
  }
});

test('the tag of a cluster follows from its id and fits a frame', () => {
  expect(clusterTagOf('00000000-0000-2fff-0000-000000000000')).toBe(2);
  expect(clusterTagOf('ffffffff-ffff-4fff-bfff-ffffffffffff')).toBe(2 ** 52 - 12);
});

test('a role may say and hear only what its work needs', () => {
  const of = (role: 'consensus' | 'storage' | 'gateway', name: string) =>
    busPermissions({ cluster: 'dev', group: 'g0', role, name });
  const gateway = of('gateway', 'gateway-1');
  expect(gateway.publish).toContain('kv.dev.g0.consensus.*.propose');
  expect(gateway.publish.some((subject) => /raft|vote|mark|live|beacon|log/.test(subject))).toBe(
    false,
  );
  expect(gateway.subscribe).toContain('kv.dev.g0.gateway.gateway-1.*');
  expect(gateway.subscribe).toContain('kv.dev.inbox.gateway.gateway-1.>');
  const storage = of('storage', 'node-1');
  expect(storage.publish.some((subject) => /mark|live|propose|raft|vote/.test(subject))).toBe(
    false,
  );
  expect(storage.subscribe.every((subject) => !subject.includes('consensus'))).toBe(true);
  expect(of('consensus', 'node-1').subscribe).not.toContain('kv.dev.g0.consensus.node-2.*');
});

test('subjects name cluster and group, and take no token that could widen them', () => {
  const subjects = new Subjects('dev', 'g0');
  expect(subjects.live).toBe('kv.dev.g0.live');
  expect(subjects.consensus(nodeId('node-1'), 'propose')).toBe(
    'kv.dev.g0.consensus.node-1.propose',
  );
  expect(subjects.storage(nodeId('node-1'), 'read')).toBe('kv.dev.g0.storage.node-1.read');
  expect(subjects.gatewayOutcomes('gateway-1')).toBe('kv.dev.g0.gateway.gateway-1.outcomes');
  for (const bad of ['', '*', 'a.b', '>', 'a b', 'A']) {
    expect(() => new Subjects(bad, 'g0')).toThrow();
    expect(() => subjects.gatewayOutcomes(bad)).toThrow();
  }
});
