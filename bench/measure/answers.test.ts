import { hiddenFailures, parseAnswers } from './answers.ts';

const series = {
  metric: 'grpc_server_handled_total',
  label: 'grpc_service="etcdserverpb.KV"',
  outcomeLabel: 'grpc_code',
};

const page = `# TYPE grpc_server_handled_total counter
grpc_server_handled_total{grpc_code="OK",grpc_method="Put",grpc_service="etcdserverpb.KV"} 139328
grpc_server_handled_total{grpc_code="OK",grpc_method="Range",grpc_service="etcdserverpb.KV"} 1.25937e+05
grpc_server_handled_total{grpc_code="OK",grpc_method="Status",grpc_service="etcdserverpb.Maintenance"} 7
grpc_server_handled_total{grpc_code="Unknown",grpc_method="Put",grpc_service="etcdserverpb.KV"} 252
grpc_server_handled_total_other{grpc_code="OK",grpc_service="etcdserverpb.KV"} 1
`;

test('answers are summed by outcome over the lines of the series, and no others', () => {
  expect(parseAnswers(page, series)).toEqual({ ok: 265_265, failed: 252 });
});

test('a success that the server did not count as one is a hidden failure', () => {
  const before = { ok: 100, failed: 0 };
  expect(hiddenFailures(50, before, { ok: 100, failed: 50 })).toBe(50);
  expect(hiddenFailures(50, before, { ok: 149, failed: 1 })).toBe(1);
});

test('requests that were in flight when the generator stopped are no failures', () => {
  const before = { ok: 100, failed: 0 };
  expect(hiddenFailures(50, before, { ok: 155, failed: 27 })).toBe(0);
});
