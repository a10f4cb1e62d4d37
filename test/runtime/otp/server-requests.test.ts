// Requests as clients written in Erlang make them: any term for a request, any term for a tag (gen_server:call/3,
// gen_server:multi_call/4, gen_server:send_request/2). The other node is none: what is sent to it is recorded.
import { describe, expect, onTestFinished, test } from 'vitest';
import {
  atom,
  call,
  type Carrier,
  type CarrierHost,
  cast,
  defineServer,
  type Node,
  noReply,
  Pid,
  Ref,
  serverRef,
  type Signal,
  TroupeError,
  tuple,
  Tuple,
} from 'troupe';
import { Cast, ForeignTag, RemoteCall } from '../../../src/runtime/otp/internal.ts';
import { Origin } from '../../../src/runtime/terms/internal.ts';
import { makeNode, recordTelemetry } from '../process/helpers.ts';

const PEER = 'beam@x';
const origin = new Origin(PEER, 7);

/** Functions cannot leave the node, as with a real carrier. */
class Wire implements Carrier {
  readonly sent: Signal[] = [];
  host: CarrierHost | undefined = undefined;

  attach(host: CarrierHost): void {
    this.host = host;
  }

  send(_peer: string, signal: Signal): void {
    if ('message' in signal && holdsFunction(signal.message)) {
      throw new TroupeError('TROUPE_NOT_ENCODABLE', 'A function.');
    }
    this.sent.push(signal);
  }

  connect(): Promise<boolean> {
    return Promise.resolve(true);
  }

  disconnect(): boolean {
    return false;
  }

  close(): Promise<void> {
    return Promise.resolve();
  }
}

function holdsFunction(message: unknown): boolean {
  return (
    typeof message === 'function' ||
    (message instanceof Tuple && [...message].some((item) => holdsFunction(item)))
  );
}

const server = defineServer({
  name: 'tested',
  init: () => ({ log: [] as unknown[] }),
  call: {
    log: ({ log }) => [...log],
    echo: (_state, value: unknown) => value,
    unsendable: () => () => 'a function',
    $request: (_state, request: Tuple) => tuple(atom('asked'), request),
  },
  cast: {
    $request: ({ log }, request: unknown) => void log.push(request),
  },
});

/** A node with the server and a peer, whose client is a pid that means nothing here. */
async function begin() {
  const wire = new Wire();
  const node: Node = makeNode({ name: 'here@x', carrier: wire });
  const host = wire.host as CarrierHost;
  host.nodeUp(PEER, origin.creation);
  const { pid } = await node.start(server, [], { name: 'one' });
  const client = new Pid(origin, 5, 0);
  let words = 0;
  const makeRef = (): Ref => new Ref(origin, 0, 0, [++words, 2, 3]);
  const monitor = (ref: Ref): void => {
    host.receive(PEER, { op: 'monitor', from: client, target: 'one', ref });
  };
  const receive = (message: unknown): void => {
    host.receive(PEER, { op: 'sendNamed', from: client, to: 'one', message });
  };
  /** Waits until the server has handled what has come. */
  const handled = async (): Promise<Signal[]> => {
    await call(node, 'one', 'log', undefined);
    return wire.sent;
  };
  return { wire, node, host, pid, client, makeRef, monitor, receive, handled };
}

describe('tags', () => {
  test.each([
    ['a plain ref', (ref: Ref): unknown => ref],
    ['{Ref, Node}', (ref: Ref): unknown => tuple(ref, atom('here@x'))],
    ['an atom', (): unknown => atom('tag')],
    ['a list', (ref: Ref): unknown => [ref, 1]],
  ])('%s goes back as it came, with the reply, to the pid', async (_what, makeTag) => {
    const { client, pid, makeRef, receive, handled } = await begin();
    const tag = makeTag(makeRef());
    receive(new RemoteCall(client, new ForeignTag(tag), 'echo', 'value'));
    expect(await handled()).toEqual([{ op: 'send', from: pid, to: client, message: tuple(tag, 'value') }]);
  });

  test('an alias is answered by its ref', async () => {
    const { client, pid, makeRef, receive, handled } = await begin();
    const alias = makeRef();
    receive(new RemoteCall(client, alias, 'echo', 'value'));
    expect(await handled()).toEqual([{ op: 'sendAlias', from: pid, to: alias, message: 'value' }]);
  });

  test('a deferred reply', async () => {
    const waiting = defineServer({
      init: () => 0,
      call: {
        later: (_state, _argument: undefined, self, from) => {
          self.send(self.pid, () => from.reply('at last' as never));
          return noReply();
        },
        sync: () => true,
      },
      info: (_state, run) => (run as () => void)(),
    });
    const { wire, node, client, host } = await begin();
    const { pid } = await node.start(waiting);
    const message = new RemoteCall(client, new ForeignTag('tag'), 'later', undefined);
    host.receive(PEER, { op: 'send', from: client, to: pid, message });
    await call(node, pid, 'sync', undefined);
    await call(node, pid, 'sync', undefined);
    expect(wire.sent).toEqual([{ op: 'send', from: pid, to: client, message: tuple('tag', 'at last') }]);
  });

  test('a client of this node, whose request came from another', async () => {
    const { node, host } = await begin();
    const got: unknown[] = [];
    const here = node.spawn({
      name: 'client',
      init: () => undefined,
      handle: (_self, m) => void got.push(m),
    });
    const message = new RemoteCall(here, new ForeignTag('tag'), 'echo', 1);
    host.receive(PEER, { op: 'sendNamed', from: new Pid(origin, 6, 0), to: 'one', message });
    await call(node, 'one', 'log', undefined);
    await call(node, 'one', 'log', undefined);
    expect(got).toEqual([tuple('tag', 1)]);
  });

  test('a tag without a pid to answer to is handled and not answered', async () => {
    const { receive, handled } = await begin();
    receive(new RemoteCall('nobody' as never, new ForeignTag('tag'), 'echo', 1));
    receive(new RemoteCall('nobody' as never, new ForeignTag('tag'), 'unknown', 1));
    expect(await handled()).toEqual([]);
  });
});

describe('a call that fails', () => {
  const unknown = ['unknown_call', 'unknown'];

  test.each([
    ['the alias', (ref: Ref): Ref | ForeignTag => ref],
    ['a tag that is its ref', (ref: Ref): Ref | ForeignTag => new ForeignTag(ref)],
  ])('ends the monitor of %s at once', async (_what, makeTag) => {
    const { node, pid, client, makeRef, monitor, receive, handled } = await begin();
    const ref = makeRef();
    monitor(ref);
    monitor(makeRef());
    receive(new RemoteCall(client, makeTag(ref), 'unknown', 1));
    expect(await handled()).toEqual([{ op: 'down', target: 'one', to: client, ref, reason: unknown }]);
    expect(node.processInfo(pid)?.monitoredBy).toEqual([client]);
  });

  test('with the tag of multi_call ends the monitor that the client has set last', async () => {
    const { client, makeRef, monitor, receive, handled } = await begin();
    monitor(makeRef());
    const ref = makeRef();
    monitor(ref);
    receive(new RemoteCall(client, new ForeignTag(tuple(makeRef(), atom('here@x'))), 'unknown', 1));
    expect(await handled()).toEqual([{ op: 'down', target: 'one', to: client, ref, reason: unknown }]);
  });

  test.each([
    ['an alias', (ref: Ref): Ref | ForeignTag => ref],
    ['a ref', (ref: Ref): Ref | ForeignTag => new ForeignTag(ref)],
    ['{Ref, Node}', (ref: Ref): Ref | ForeignTag => new ForeignTag(tuple(ref, 1))],
    ['another tag', (): Ref | ForeignTag => new ForeignTag('tag')],
  ])('is over without a monitor: %s', async (_what, makeTag) => {
    const unexpected = recordTelemetry('troupe:server:unexpected');
    const { client, makeRef, receive, handled } = await begin();
    receive(new RemoteCall(client, makeTag(makeRef()), 'unknown', 1));
    expect(await handled()).toEqual([]);
    expect(unexpected).toHaveLength(1);
  });

  test('another ref of a node that is not connected leaves nothing behind', async () => {
    const { node, client, receive, handled } = await begin();
    const far = new Ref(new Origin('far@x', 9), 0, 0, [1, 2, 3]);
    receive(new RemoteCall(client, new ForeignTag(far), 'unknown', 1));
    expect(await handled()).toEqual([]);
    expect(node.router.connectedPeer('far@x')).toBeUndefined();
  });

  test('a reply that cannot leave the node: the caller gets an error, the server goes on', async () => {
    const { client, makeRef, monitor, receive, handled } = await begin();
    const ref = makeRef();
    monitor(ref);
    receive(new RemoteCall(client, new ForeignTag(ref), 'unsendable', undefined));
    const [down, ...others] = await handled();
    expect(down).toMatchObject({ op: 'down', ref, reason: ['not_encodable', expect.any(String)] });
    expect(others).toEqual([]);
  });

  test('a request that a full mailbox drops', async () => {
    const { node, host, client, makeRef, wire } = await begin();
    const full = node.spawnWith({ mailbox: { limit: 1, policy: 'reject' } }, (self) =>
      self.receive(() => false),
    );
    node.send(full, 'first');
    const ref = makeRef();
    host.receive(PEER, { op: 'monitor', from: client, target: full, ref });
    const message = new RemoteCall(client, new ForeignTag(ref), 'echo', 1);
    host.receive(PEER, { op: 'send', from: client, to: full, message });
    expect(wire.sent).toEqual([{ op: 'down', target: full, to: client, ref, reason: 'mailbox_full' }]);
  });
});

describe('requests of any form', () => {
  test('a handler named $request gets them', async () => {
    const { node, client, makeRef, receive, handled } = await begin();
    const request = tuple(atom('put'), 'key', 1);
    const alias = makeRef();
    receive(new RemoteCall(client, alias, '$request', request));
    receive(new Cast('$request', request));
    expect(await handled()).toMatchObject([{ op: 'sendAlias', message: tuple(atom('asked'), request) }]);
    expect(await call(node, 'one', 'log', undefined)).toEqual([request]);
  });

  test('call and cast make them, here and to other nodes', async () => {
    const { wire, node, host } = await begin();
    const request = tuple(atom('put'), 'key', 1);
    cast(node, 'one', '$request', request);
    expect(await call(node, 'one', '$request', request)).toEqual(tuple(atom('asked'), request));
    expect(await serverRef(node, server, 'one').call('$request', request)).toEqual(
      tuple(atom('asked'), request),
    );
    expect(await call(node, 'one', 'log', undefined)).toEqual([request]);

    const there = { name: 'server', node: PEER };
    cast(node, there, '$request', request);
    const answer = call(node, there, '$request', request);
    const messages = wire.sent.flatMap((signal) => (signal.op === 'sendNamed' ? [signal.message] : []));
    expect(messages).toMatchObject([
      { name: '$request', argument: request },
      { name: '$request', argument: request },
    ]);
    const { alias } = messages[1] as RemoteCall;
    host.receive(PEER, { op: 'sendAlias', from: new Pid(origin, 8, 0), to: alias as Ref, message: 'ok' });
    expect(await answer).toBe('ok');
  });

  test('a server without that handler', async () => {
    const { node } = await begin();
    const plain = await node.start(defineServer({ init: () => 0 }));
    onTestFinished(() => plain.stop());
    await expect(call(node, plain, '$request', tuple(1))).rejects.toMatchObject({
      code: 'TROUPE_UNKNOWN_CALL',
    });
  });
});
