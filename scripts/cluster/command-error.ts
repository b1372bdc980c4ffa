/** What a person has to correct, in one line; anything else that is thrown is a bug. */
export class CommandError extends Error {
  override readonly name = 'CommandError';
}
