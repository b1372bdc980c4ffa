import { decodeEntryBody, decodeEntryHeader, encodeEntryBody } from '@kvstore/contract';
import type { Message } from '@kvstore/raft';
import { DecodeError } from '@kvstore/std';
import {
  configurationsOf,
  decodeConfiguration,
  decodeConfigurationEntry,
  encodeConfiguration,
  encodeConfigurationEntry,
} from './configuration-codec.ts';
import { decodeMessage, encodeMessage } from './raft-codec.ts';
import { configuration, entry, header, messages } from './raft-messages.test-support.ts';

const WALL_MS = 1_700_000_000_000;

describe('Raft messages on the wire', () => {
  test.each(messages)('$kind round-trips and refuses every cut', (message) => {
    const bytes = encodeMessage(42, WALL_MS, message);
    expect(decodeMessage(bytes)).toEqual({
      clusterTag: 42,
      wallMs: WALL_MS,
      message,
    });
    for (let length = 0; length < bytes.length; length++) {
      expect(() => decodeMessage(bytes.subarray(0, length))).toThrow(DecodeError);
    }
    expect(() => decodeMessage(Buffer.concat([bytes, Buffer.from([0])]))).toThrow(DecodeError);
  });

  test('of another format are refused', () => {
    const bytes = encodeMessage(42, WALL_MS, messages[0] as Message);
    bytes[16] = 1;
    expect(() => decodeMessage(bytes)).toThrow(DecodeError);
  });
});

describe('configurations in entries', () => {
  test('round-trip behind the header that every entry has', () => {
    const body = encodeConfigurationEntry(header, configuration);
    expect(decodeConfigurationEntry(body)).toEqual(configuration);
    expect(decodeEntryBody(body)).toEqual({ ...header, batches: [] });
    expect(decodeEntryHeader(body)).toEqual(header);
  });

  test('what is none, or not a valid one, is undefined', () => {
    expect(decodeConfigurationEntry(encodeEntryBody(header, []))).toBeUndefined();
    const twice = { ...configuration, joining: configuration.voters };
    expect(decodeConfigurationEntry(encodeConfigurationEntry(header, twice))).toBeUndefined();
    const whole = encodeConfigurationEntry(header, configuration);
    for (let length = 0; length < whole.length; length++) {
      expect(decodeConfigurationEntry(whole.subarray(0, length))).toBeUndefined();
    }
  });

  test('of the first format had no disks', () => {
    const founding = { ...configuration, disks: [] };
    const bytes = encodeConfiguration(founding).slice(0, -2);
    bytes[0] = 1;
    expect(decodeConfiguration(bytes)).toEqual(founding);
  });

  test('of a log are read back, and one that cannot be read is an error', () => {
    const body = encodeConfigurationEntry(header, configuration);
    const stored = { ...entry, kind: 2 as const, body };
    expect(configurationsOf([stored])).toEqual([{ index: 8, configuration }]);
    expect(() => configurationsOf([entry])).toThrow(DecodeError);
  });
});
