/** Injection tokens of the storage service. */

/** The node's `Replica`, created and not yet started. */
export const REPLICA = Symbol('Replica');
/** Who this process is: its `Self`. */
export const STORAGE_SELF = Symbol('StorageSelf');
