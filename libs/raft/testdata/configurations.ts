/** Configurations in tests: JSON in bodies of entries. */
import { decodeUtf8, encodeUtf8 } from '@kvstore/std';
import {
  isValidConfiguration,
  type Configuration,
  type ConfigurationCodec,
} from '../src/membership/configuration.ts';

export const jsonConfigurations: ConfigurationCodec = {
  encode: (configuration) => encodeUtf8(JSON.stringify(configuration)),
  decode: (body) => {
    try {
      const configuration = JSON.parse(decodeUtf8(body)) as Configuration;
      return isValidConfiguration(configuration) ? configuration : undefined;
    } catch {
      return undefined;
    }
  },
};

/** `n1 n2, leaving n1 n3, learners n4, joining n5, removed n6, priorities n1:2` */
export function showConfiguration(configuration: Configuration): string {
  const { voters, outgoing, learners, joining, removed, priorities } = configuration;
  const parts = [voters.join(' ') || '-'];
  if (outgoing.length > 0) parts.push(`leaving ${outgoing.join(' ')}`);
  if (learners.length > 0) parts.push(`learners ${learners.join(' ')}`);
  if (joining.length > 0) parts.push(`joining ${joining.join(' ')}`);
  if (removed.length > 0) parts.push(`removed ${removed.join(' ')}`);
  const prioritised = priorities.map(({ node, priority }) => `${node}:${priority}`);
  if (prioritised.length > 0) parts.push(`priorities ${prioritised.join(' ')}`);
  return parts.join(', ');
}
