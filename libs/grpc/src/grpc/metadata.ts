/** What a caller sent beside the message: header fields, as text or, under `-bin` names, as bytes. */
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

  /** All values under a `-bin` name; several may stand in one field. */
  getBinary(name: string): readonly Buffer[] {
    return this.#fields
      .filter((field) => field.name === name)
      .flatMap((field) => field.value.split(',').map((text) => Buffer.from(text.trim(), 'base64')));
  }
}
