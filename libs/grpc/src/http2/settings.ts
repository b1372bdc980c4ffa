/** SETTINGS (RFC 9113, section 6.5): what this side asks for, and what the peer told. */
import {
  ConnectionError,
  ErrorCode,
  FRAME_BYTES_LIMIT,
  FRAME_BYTES_MAX,
  SettingId,
  WINDOW_DEFAULT,
  WINDOW_MAX,
} from './protocol.ts';

const ENTRY_BYTES = 6;

/**
 * The peer's settings that bind what is sent. Frames are never above the least maximum, and blocks use no
 * dynamic table, so one value is left.
 */
export class PeerSettings {
  initialWindow = WINDOW_DEFAULT;

  /** Applies the entries in order; throws `ConnectionError`. */
  apply(bytes: Buffer, start: number, end: number): void {
    if ((end - start) % ENTRY_BYTES !== 0) {
      throw new ConnectionError(ErrorCode.frameSizeError, 'SETTINGS end within an entry');
    }
    for (let at = start; at < end; at += ENTRY_BYTES) {
      this.#set(bytes.readUInt16BE(at), bytes.readUInt32BE(at + 2));
    }
  }

  /** Unknown settings are ignored. */
  #set(id: number, value: number): void {
    switch (id) {
      case SettingId.enablePush:
        if (value > 1) refuse(ErrorCode.protocolError, 'ENABLE_PUSH', value);
        return;
      case SettingId.initialWindowSize:
        if (value > WINDOW_MAX) refuse(ErrorCode.flowControlError, 'INITIAL_WINDOW_SIZE', value);
        this.initialWindow = value;
        return;
      case SettingId.maxFrameSize:
        if (value < FRAME_BYTES_MAX || value > FRAME_BYTES_LIMIT) {
          refuse(ErrorCode.protocolError, 'MAX_FRAME_SIZE', value);
        }
        return;
      default:
    }
  }
}

export function encodeSettings(entries: readonly (readonly [number, number])[]): Buffer {
  const payload = Buffer.alloc(entries.length * ENTRY_BYTES);
  for (const [i, [id, value]] of entries.entries()) {
    payload.writeUInt16BE(id, i * ENTRY_BYTES);
    payload.writeUInt32BE(value, i * ENTRY_BYTES + 2);
  }
  return payload;
}

function refuse(code: ErrorCode, name: string, value: number): never {
  throw new ConnectionError(code, `${name} of ${value}`);
}
