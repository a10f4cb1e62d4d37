/**
 * What the members of a channel receive: `{nova_pubsub, Channel, Sender, Topic, Payload}`.
 *
 * One frozen object is shared by all members of a node; its payload is shared with the sender, too, and is to be read only.
 */
import type { Pid } from '../terms/identifiers.ts';
import { defineRecord } from '../records.ts';

/** A message of a channel. It destructures as a tuple: `const [channel, sender, topic, payload] = message`. */
export class Broadcast<Topic extends string = string, Payload = unknown> {
  readonly channel: string;
  /**
   * Who sent it; the init process of its node when it was no process. Always of the node that the message came from: a
   * `nova_pubsub` tuple in the name of another node's process is no broadcast, and arrives as the tuple that it is.
   */
  readonly sender: Pid;
  readonly topic: Topic;
  readonly payload: Payload;

  constructor(channel: string, sender: Pid, topic: Topic, payload: Payload) {
    this.channel = channel;
    this.sender = sender;
    this.topic = topic;
    this.payload = payload;
    Object.freeze(this);
  }

  /** Its fields in the order of the tuple. */
  *[Symbol.iterator](): Generator<string | Pid | Topic | Payload, void, void> {
    yield this.channel;
    yield this.sender;
    yield this.topic;
    yield this.payload;
  }
}

defineRecord(Broadcast, 'nova_pubsub', ['channel', 'sender', 'topic', 'payload']);
