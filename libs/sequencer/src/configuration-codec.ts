/**
 * Configurations of consensus in bytes: u8 format · five lists of ids (voters, outgoing, learners,
 * joining, removed), each u16 × u8+id · u16 priorities × (u8+id · u32) · u16 disks × (u8+id · u8+name), which
 * format 1 has not. In entries they stand behind the header that every entry has. Decoding throws `DecodeError`, for what is not a valid configuration too.
 */
import { decodeConfigurationBody, encodeConfigurationBody } from '@kvstore/contract';
import type { EntryHeader } from '@kvstore/contract';
import {
  isValidConfiguration,
  type Configuration,
  type ConfigurationAt,
  type Entry,
} from '@kvstore/raft';
import {
  ByteReader,
  ByteWriter,
  DecodeError,
  decodeUtf8,
  encodeUtf8,
  isNodeId,
  type NodeId,
} from '@kvstore/std';

const FORMAT = 2;

export function encodeConfiguration(configuration: Configuration): Uint8Array {
  const { voters, outgoing, learners, joining, removed, priorities, disks } = configuration;
  const writer = new ByteWriter().u8(FORMAT);
  for (const nodes of [voters, outgoing, learners, joining, removed]) {
    writer.u16(nodes.length);
    for (const node of nodes) writer.bytes8(encodeUtf8(node));
  }
  writer.u16(priorities.length);
  for (const { node, priority } of priorities) writer.bytes8(encodeUtf8(node)).u32(priority);
  writer.u16(disks.length);
  for (const { node, disk } of disks) writer.bytes8(encodeUtf8(node)).bytes8(encodeUtf8(disk));
  return writer.finish();
}

export function decodeConfiguration(bytes: Uint8Array): Configuration {
  const reader = new ByteReader(bytes);
  const format = reader.u8();
  if (format < 1 || format > FORMAT) throw new DecodeError('unknown format of a configuration');
  const nodes = (): NodeId[] => reader.list(reader.u16(), decodeNode);
  const configuration: Configuration = {
    voters: nodes(),
    outgoing: nodes(),
    learners: nodes(),
    joining: nodes(),
    removed: nodes(),
    priorities: reader.list(reader.u16(), () => ({
      node: decodeNode(reader),
      priority: reader.u32(),
    })),
    disks: reader.list(format === 1 ? 0 : reader.u16(), () => ({
      node: decodeNode(reader),
      disk: decodeUtf8(reader.bytes8()),
    })),
  };
  reader.end();
  if (!isValidConfiguration(configuration)) throw new DecodeError('not a valid configuration');
  return configuration;
}

export function encodeConfigurationEntry(
  header: EntryHeader,
  configuration: Configuration,
): Uint8Array {
  return encodeConfigurationBody(header, encodeConfiguration(configuration));
}

/** Undefined when the body is not one of a configuration: the core drops such an entry. */
export function decodeConfigurationEntry(body: Uint8Array): Configuration | undefined {
  try {
    const bytes = decodeConfigurationBody(body);
    return bytes === undefined ? undefined : decodeConfiguration(bytes);
  } catch (error) {
    if (error instanceof DecodeError) return undefined;
    throw error;
  }
}

/** What the configuration entries of a log say; throws `DecodeError` for one that says nothing. */
export function configurationsOf(entries: readonly Entry[]): ConfigurationAt[] {
  return entries.map(({ index, body }) => {
    const configuration = decodeConfigurationEntry(body);
    if (configuration === undefined) throw new DecodeError(`entry ${index} is no configuration`);
    return { index, configuration };
  });
}

export function decodeNode(reader: ByteReader): NodeId {
  const name = decodeUtf8(reader.bytes8());
  if (!isNodeId(name)) throw new DecodeError('bad node id');
  return name;
}
