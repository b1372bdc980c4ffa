import { editDistance, nearestName } from './edit-distance.ts';

test.each([
  ['', '', 0],
  ['abc', '', 3],
  ['kitten', 'sitting', 3],
  ['DATA_DIR', 'data_dir', 0],
  ['htp_port', 'http_port', 1],
])('the distance from %p to %p is %d', (a, b, expected) => {
  expect(editDistance(a, b)).toBe(expected);
});

test('the nearest known name is found', () => {
  expect(nearestName('grcp_port', ['http_port', 'grpc_port', 'host'])).toBe('grpc_port');
});

test('nothing is near when nothing is known', () => {
  expect(nearestName('x', [])).toBeUndefined();
});

test('a very long name costs no more than a short one and still finds a neighbour', () => {
  expect(nearestName('x'.repeat(1_000_000), ['ttl'])).toBe('ttl');
});
