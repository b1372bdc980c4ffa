/** What a caller sent beside the message: header fields, as text. */
import type { HeaderField } from '../hpack/static-table.ts';

export class Metadata {
  readonly #fields: readonly HeaderField[];

  constructor(fields: readonly HeaderField[]) {
    this.#fields = fields;
  }

  /** The first value under a name in lower case. */
  get(name: string): string | undefined {
    return this.#fields.find((field) => field.name === name)?.value;
  }
}
