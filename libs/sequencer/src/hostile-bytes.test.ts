/** Every decoder of this lib, from bytes that no member should have sent or stored. */
import { join } from 'node:path';
import { encodeConfigurationBody } from '@kvstore/contract';
import { ByteReader, ByteWriter } from '@kvstore/std';
import { hostileBytes } from '@kvstore/testing';
import {
  decodeConfiguration,
  decodeConfigurationEntry,
  encodeConfiguration,
  encodeConfigurationEntry,
} from './configuration-codec.ts';
import { decodeBaseNote, decodeLogBase, encodeBaseNote, encodeLogBase } from './log-base-codec.ts';
import { decodeMessage, encodeMessage } from './raft-codec.ts';
import { base, configuration, header, messages } from './raft-messages.test-support.ts';

const corpus = join(import.meta.dirname, '../testdata/hostile');
hostileBytes('raft message', {
  samples: messages.map((message) => encodeMessage(42, 1_700_000_000_000, message)),
  decode: decodeMessage,
  encode: ({ clusterTag, wallMs, message }) => encodeMessage(clusterTag, wallMs, message),
  corpus,
});

hostileBytes('configuration', {
  samples: [encodeConfiguration(configuration)],
  decode: decodeConfiguration,
  encode: encodeConfiguration,
  // The first format has the same meaning in fewer bytes.
  isLenient: true,
  corpus,
});

hostileBytes('configuration entry', {
  samples: [
    encodeConfigurationEntry(header, configuration),
    encodeConfigurationBody(header, encodeConfiguration(configuration)),
  ],
  decode: decodeConfigurationEntry,
  refusalOf: (decoded) => (decoded === undefined ? 'no configuration' : undefined),
  corpus,
});

hostileBytes('log base', {
  samples: [encodeLogBase(new ByteWriter(), base).finish()],
  decode: (bytes) => {
    const reader = new ByteReader(bytes);
    const decoded = decodeLogBase(reader);
    reader.end();
    return decoded;
  },
  encode: (decoded) => encodeLogBase(new ByteWriter(), decoded).finish(),
  corpus,
});

hostileBytes('base note', {
  samples: [encodeBaseNote(header)],
  decode: decodeBaseNote,
  encode: encodeBaseNote,
  corpus,
});
