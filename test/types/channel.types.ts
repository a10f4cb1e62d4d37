// What a channel's declaration types: topics, payloads, handlers, matchers. Checked by the compiler only.
import {
  type Atom,
  atom,
  type Broadcast,
  type Channel,
  defineChannel,
  defineServer,
  on,
  type Pid,
  type Process,
  pubsub,
  type Tuple,
} from 'troupe';

interface Note {
  readonly id: number;
  title: string;
  tags: string[];
  times: Map<string, Date>;
}

const notes: Channel<{ note_created: Note; note_deleted: { id: number }; cleared: undefined }> =
  defineChannel('notes');
const note: Note = { id: 1, title: 'a', tags: [], times: new Map() };
declare const self: Process;

// Topics and payloads
notes.broadcast(self, 'note_created', note);
notes.broadcast(self.node, 'note_deleted', { id: 1 });
notes.localBroadcast(self, 'cleared', undefined);
// @ts-expect-error no such topic
notes.broadcast(self, 'note_moved', note);
// @ts-expect-error the payload of another topic
notes.broadcast(self, 'note_created', { id: 1 });
// @ts-expect-error a field of another type
notes.localBroadcast(self, 'note_deleted', { id: '1' });
// @ts-expect-error a payload is missing
notes.broadcast(self, 'note_deleted');
// @ts-expect-error a sender is a process or a node
notes.broadcast('me', 'note_deleted', { id: 1 });

// Joining without pids is for processes
notes.join(self);
notes.join(self.node, self.pid);
// @ts-expect-error a node is no process
notes.join(self.node);
// @ts-expect-error a node is no process
notes.leave(self.node);

// Messages
export async function receive(): Promise<void> {
  const created = await self.receive(notes.matching('note_created'));
  const title: string = created.payload.title;
  const topic: 'note_created' = created.topic;
  // @ts-expect-error a payload is read only
  created.payload.title = title;
  // @ts-expect-error a payload is read only, all the way down
  created.payload.tags.push(topic);
  // @ts-expect-error a payload is read only, in Maps too
  created.payload.times.set('now', new Date());
  // @ts-expect-error the message itself is read only
  created.topic = topic;

  const any = await self.receive(notes.matching());
  if (any.topic === 'note_deleted') any.payload.id.toFixed();
  // @ts-expect-error which topic it is has to be asked first
  any.payload.id.toFixed();

  const some = await self.receive(notes.matching('note_created', 'note_deleted'));
  some.payload.id.toFixed();
  // @ts-expect-error no such topic
  notes.matching('note_moved');

  const other: unknown = await self.receive();
  if (notes.matches(other, 'note_created')) other.payload.tags.at(0);
  if (notes.matches(other)) isBroadcast(other);
}

function isBroadcast(_message: Broadcast): void {}

// Handlers of servers
class Index {
  add(_note: { readonly title: string }): void {}
  remove(_id: number): void {}
}

// The state is inferred when init is written without parameters, or with the types of all of them.
export const indexer = defineServer({
  init(process: Process, _name: string) {
    notes.join(process);
    return new Index();
  },
  info: on(notes, {
    note_created: (index, created) => index.add(created),
    note_deleted: (index, { id }, process, message) => {
      index.remove(id);
      process.send(message.sender, message.payload.id);
    },
    cleared: (index) => index.remove(0),
  }),
});

// Otherwise the first handler says what it is.
export const another = defineServer({
  init(process, _name: string) {
    notes.join(process);
    return new Index();
  },
  info: [on(notes, { note_created: (index: Index, created) => index.add(created) })],
});

export const others = [
  on(notes, {
    // @ts-expect-error no such topic
    note_moved: () => undefined,
  }),
  on(notes, {
    // @ts-expect-error the payload has no such field
    note_deleted: (_index: Index, { title }) => title,
  }),
  on(notes, {
    // @ts-expect-error a payload is read only
    note_created: (_index: Index, created) => created.tags.push('x'),
  }),
];

// @ts-expect-error the name of a channel is a string
defineChannel(1);
// @ts-expect-error topics are the fields of an object
defineChannel<string>('x');

// How a channel looks to Erlang
defineChannel<{ note_created: Note }>('forms', { topics: 'binary', atomKeys: ['id', 'title', 'tags'] });
export const annotated: Channel<{ note_created: Note; cleared: undefined }> = defineChannel('forms', {
  atomKeys: ['id'],
});
// Keys stand at any depth: in arrays, Maps, and either form of a payload
interface Tree {
  readonly name: string;
  readonly children: readonly Tree[];
  readonly byName?: Map<string, { leaf: boolean }>;
}
defineChannel<{ grown: Tree | { felled: true } }>('trees', {
  atomKeys: [
    'name',
    'children',
    'byName',
    'leaf',
    'felled',
    'anything, since the keys of the Map are strings',
  ],
});
// Where a payload has no type, or any keys, every key will do
defineChannel<{ any: unknown }>('any', { atomKeys: ['a'] });
defineChannel<{ any: Record<string, number> }>('any', { atomKeys: ['a'] });
// @ts-expect-error no payload has such a key
defineChannel<{ created: { title: string; tags: string[] } }>('forms', { atomKeys: ['titel'] });
// @ts-expect-error no payload has such a key
export const wrong: Channel<{ deleted: { id: number } }> = defineChannel('forms', { atomKeys: ['title'] });
// @ts-expect-error methods and fields of classes are no keys of payloads
defineChannel<{ at: { when: Date; by: Pid; kind: Atom } }>('forms', { atomKeys: ['getTime'] });
defineChannel<{ at: Tuple<[Atom, { id: number }]> }>('forms', { atomKeys: ['id'] });
// @ts-expect-error nor of tuples
defineChannel<{ at: Tuple<[Atom, { id: number }]> }>('forms', { atomKeys: ['elements'] });
// @ts-expect-error there are two forms
defineChannel<{ note_created: Note }>('forms', { topics: 'atom' });

// Names may be atoms
pubsub.join(self, atom('notes'));
pubsub.broadcast(self, atom('notes'), 'topic', 1);
// @ts-expect-error the name of a channel is a string or an atom
pubsub.getMembers(self, 1);

// Durable channels
const durable = defineChannel<{ note_created: Note; note_deleted: { id: number } }>('notes', {
  durable: true,
});
durable.event('note_deleted', { id: 1 });
// @ts-expect-error no such topic
durable.event('note_moved', { id: 1 });
// @ts-expect-error the payload of another topic
durable.event('note_created', { id: 1 });
// @ts-expect-error a channel that is not durable stores nothing
notes.event('note_created', note);
