/**
 * When V8 begins to mark the old generation. By default it does as soon as what is left of the old
 * generation's limit is less than the young generation can hold, and that has grown to 64 MiB under load: a
 * gateway with 37 MiB of live objects then begins anew after every second scavenge (ADR 16).
 */
import { setFlagsFromString } from 'node:v8';

/** Percent of what there was between the last collection and the limit. */
const SOFT_TRIGGER = 80;
const HARD_TRIGGER = 95;

/** For this process, all threads of it. */
export function markLate(): void {
  setFlagsFromString(`--incremental-marking-soft-trigger=${SOFT_TRIGGER}`);
  setFlagsFromString(`--incremental-marking-hard-trigger=${HARD_TRIGGER}`);
}
