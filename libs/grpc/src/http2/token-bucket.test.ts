import { TokenBucket } from './token-bucket.ts';

function takeAll(bucket: TokenBucket, nowMs: number): number {
  let count = 0;
  while (bucket.take(nowMs)) count++;
  return count;
}

test('a bucket gives its burst, then what time refills', () => {
  const bucket = new TokenBucket(10, 100, 0);
  expect(takeAll(bucket, 0)).toBe(10);
  expect(takeAll(bucket, 50)).toBe(5);
  expect(takeAll(bucket, 1_000_000)).toBe(10);
});

test('what is given back never passes the burst', () => {
  const bucket = new TokenBucket(10, 0, 0);
  bucket.take(0);
  bucket.giveBack(100);
  expect(takeAll(bucket, 0)).toBe(10);
});
