import { parseWrk } from './wrk.ts';

test('answers of 400 and above count as errors and not as requests', () => {
  const output = `Running 2s test @ http://127.0.0.1:1
result: {"requests":2000,"micros":2000000,"errors":3,"status":500,"p50":1250,"p95":2500,"p99":12750}
`;
  expect(parseWrk(output)).toEqual({
    succeeded: 1500,
    errors: 503,
    perSecond: 750,
    latencyMs: { p50: 1.25, p95: 2.5, p99: 12.75 },
  });
});

test('an output without a result is an error, not a zero', () => {
  expect(() => parseWrk('unable to connect')).toThrow('no result');
});
