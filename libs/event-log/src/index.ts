/** event-log: the committed log as a JetStream stream: the archiver that writes it, the source that reads it. */
export {};
