/**
 * Frames as no honest process makes them: with the cluster's own key and any sender, kind and body.
 * Layout and MAC as in `libs/contract/src/frame.ts`.
 */
import { createHmac } from 'node:crypto';
import type { FrameKind } from '@kvstore/contract';
import { ByteWriter, encodeUtf8 } from '@kvstore/std';

export interface Forgery {
  readonly cluster: string;
  readonly sender: string;
  readonly kind: FrameKind;
  readonly body: Uint8Array;
  readonly secret: Uint8Array;
}

export function forgedFrame({ cluster, sender, kind, body, secret }: Forgery): Uint8Array {
  const writer = new ByteWriter(256 + body.length)
    .u8(1)
    .u8(kind)
    .u64(1)
    .u64(1)
    .bytes8(encodeUtf8(cluster))
    .bytes8(encodeUtf8('g0'))
    .bytes8(encodeUtf8(sender))
    .bytes32(body);
  const mac = createHmac('sha256', secret).update(writer.view()).digest().subarray(0, 16);
  return writer.raw(mac).finish();
}
