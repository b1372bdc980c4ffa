/** Looks into frames on the simulated wire without the cost of opening them: no MAC is computed. */
import { ByteReader } from '@kvstore/std';

export interface PeekedFrame {
  readonly kind: number;
  readonly body: Uint8Array;
}

/** u8 version · u8 kind · u64 incarnation · u64 term · three names · u32+body (`frame.ts`). */
export function peekFrame(bytes: Uint8Array): PeekedFrame {
  const reader = new ByteReader(bytes);
  reader.u8();
  const kind = reader.u8();
  reader.u64();
  reader.u64();
  for (let name = 0; name < 3; name++) reader.bytes8();
  return { kind, body: reader.bytes32() };
}
