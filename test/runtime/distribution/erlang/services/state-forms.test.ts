// `sys:get_state` of a node whose release is not known yet: the answer waits until the node has told it, and nothing else does.
import { atom, charlist, defineServer, type Ref, started, type Tuple, tuple } from 'troupe';
import { expect, test } from 'vitest';
import { rawPeer, startSite } from '../raw-peer.ts';

const SEND_SENDER = 22;
const SPAWN_REQUEST = 29;
const SPAWN_REPLY = 31;
const PAYLOAD_MONITOR_P_EXIT = 28;
const MONITORED = 2;

const counter = defineServer({
  name: 'counter',
  init: () => started({ count: 0 }),
  info(state: { count: number }, message) {
    if (message === 'more') state.count++;
  },
});

test('what is sent after the first of a connection may overtake it, and what is sent after a later one may not', async () => {
  const site = await startSite('asked@x');
  const { pid } = await site.node.start(counter);
  const peer = await rawPeer(site);
  const from = peer.pid(5);
  const send = (message: unknown): void => peer.send([SEND_SENDER, from, pid], message);
  const ask = (ref: Ref): void => send(tuple(atom('system'), tuple(from, ref), atom('get_state')));
  const answer = async (ref: Ref): Promise<unknown> => {
    const isAnswer = (payload: unknown): boolean => ref.equals((payload as Tuple).elements[0]);
    const { payload } = await peer.next(
      ({ control, payload: term }) => control[0] === SEND_SENDER && isAnswer(term),
    );
    return (payload as Tuple).elements[1];
  };

  const first = peer.ref(1);
  ask(first);
  send('more');
  const { control, payload } = await peer.op(SPAWN_REQUEST);
  const [, request, asker] = control as [number, Ref, unknown];
  const [tag] = payload as [Ref];
  const runner = peer.pid(6);
  peer.send([SPAWN_REPLY, request, asker, MONITORED, runner]);
  const version = tuple(tag, atom('return'), tuple(atom('ok'), charlist('5.2')));
  peer.send([PAYLOAD_MONITOR_P_EXIT, runner, asker, request], version);
  expect(await answer(first)).toEqual(tuple(atom('ok'), { count: 1 }));

  const second = peer.ref(2);
  ask(second);
  send('more');
  expect(await answer(second)).toEqual(tuple(atom('ok'), { count: 1 }));
});
