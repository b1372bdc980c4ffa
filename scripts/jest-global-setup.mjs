/** Every test run has a real nats-server: found or installed here, named to the workers by a variable. */
import { findNatsServer } from './nats-binary.ts';

export default function findServer() {
  process.env['KVSTORE_NATS_BIN'] = findNatsServer();
}
