import { parseH2load, parseLatencies } from './h2load.ts';

const output = `finished in 3.00s, 23841.67 req/s, 1.54MB/s
requests: 71525 total, 71781 started, 71525 done, 71500 succeeded, 25 failed, 5 errored, 0 timeout
status codes: 71497 2xx, 3 3xx, 0 4xx, 20 5xx
traffic: 4.63MB (4852044) total, 139.79KB (143146) headers (space savings 94.73%), 2.37MB (2486867) data
`;

test('only answers of 200 count as succeeded, everything else as an error', () => {
  expect(parseH2load(output)).toEqual({
    succeeded: 71_497,
    errors: 28,
    perSecond: 23_841.67,
    latencyMs: undefined,
  });
});

test('an output without a result is an error, not a zero', () => {
  expect(() => parseH2load('could not connect')).toThrow('no result');
});

test('latencies are those of good requests, in milliseconds', () => {
  expect(parseLatencies('1795581277265314\t200\t5504\n1\t-1\t9\n2\t503\t9\n')).toEqual([5.504]);
});
