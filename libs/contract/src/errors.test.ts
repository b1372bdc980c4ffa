import { ErrorCodes, errorRow, failure } from './errors.ts';

describe('the error table', () => {
  test('every code has a status on every protocol, a title and a remedy', () => {
    expect(ErrorCodes.length).toBeGreaterThan(20);
    for (const code of ErrorCodes) {
      const row = errorRow(code);
      expect(row.http).toBeGreaterThanOrEqual(400);
      expect(row.grpc).toBeGreaterThan(0);
      expect(row.graphql).toBe(code);
      expect(row.title).not.toBe('');
      expect(row.remedy).toMatch(/\.$/);
    }
  });

  test('what may have been applied is not called retryable, what certainly was not is', () => {
    expect(errorRow('COMMIT_UNKNOWN')).toMatchObject({ http: 504, retryable: false });
    expect(errorRow('DEADLINE_EXCEEDED')).toMatchObject({ http: 504, retryable: true });
    expect(errorRow('NO_LEADER')).toMatchObject({ http: 503, retryable: true });
  });

  test('a failure carries what the edge needs and nothing else', () => {
    expect(failure('OVERLOADED', 'full', { retryAfterMs: 5 })).toEqual({
      kind: 'failure',
      code: 'OVERLOADED',
      detail: 'full',
      retryAfterMs: 5,
    });
  });
});
