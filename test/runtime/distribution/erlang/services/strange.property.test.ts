// Whatever another node sends to the services, nothing throws, no process of theirs ends, and nothing is kept of it.
import * as fc from 'fast-check';
import { expect, test } from 'vitest';
import { Atom, atom, ErlMap, ImproperList, type Process, Tuple } from 'troupe';
import { createManualClock } from 'troupe/testing';
import { Cast, ForeignTag, RemoteCall } from '../../../../../src/runtime/otp/internal.ts';
import { CLUSTER, spawnClientOf } from '../../../../../src/runtime/distribution/erlang/internal.ts';
import { type FakePeer, makeSite } from './fake-peer.ts';

const NAMES = ['net_kernel', 'rex', 'troupe_io', 'logger_proxy', CLUSTER];
const WORDS = (
  'is_auth call cast block_call features_request io_request put_chars requests unicode latin1 io_lib format ' +
  'log error m add throws erpc monitor link execute_call execute_cast getopts setopts get_line ' +
  CLUSTER
).split(' ');
const FORMATS = ['~p~n', '~s', '~*.*.*s', '~', '~999999999s', '~-5w|', '~b', '~.16#', 'text', '~c~e'];

const expose = {
  m: {
    add: (_self: Process, a: number, b: number) => a + b,
    throws: (_self: Process, value: unknown) => {
      throw value;
    },
  },
};

/** Terms that are not quite what is expected. */
function terms(peer: FakePeer): fc.Arbitrary<unknown> {
  const { term } = fc.letrec((tie) => ({
    term: fc.oneof(
      { depthSize: 'small', withCrossShrink: true },
      fc.constantFrom(...WORDS).map(atom),
      fc.constantFrom(...FORMATS),
      fc.constantFrom('here@x', 'b@x', 'c@y'),
      fc.integer({ min: -1, max: 300 }),
      fc.double({ noNaN: true, noDefaultInfinity: true }),
      fc.constantFrom(null, undefined, true),
      fc.constant(peer).map((from) => from.pid()),
      fc.constant(peer).map((from) => from.ref()),
      fc.uint8Array({ maxLength: 4 }),
      fc.array(tie('term'), { maxLength: 5 }),
      fc.array(tie('term'), { maxLength: 5 }).map((elements) => new Tuple(elements)),
      fc.array(tie('term'), { minLength: 1, maxLength: 3 }).map((items) => new ImproperList(items, 1)),
      fc.tuple(tie('term'), tie('term')).map((entry) => new ErlMap([entry])),
    ),
  }));
  return term;
}

/** Messages: terms, and the requests of which they are a part. */
function messages(peer: FakePeer): fc.Arbitrary<unknown> {
  const term = terms(peer);
  const word = fc.constantFrom(...WORDS);
  const name = fc.oneof(word, fc.constant('$request'));
  const calls = fc.tuple(fc.boolean(), fc.boolean(), name, term).map(([hasPid, hasRef, called, argument]) => {
    const tag = hasRef ? peer.ref() : new ForeignTag(argument);
    return new RemoteCall(hasPid ? peer.pid() : (null as never), tag, called, argument);
  });
  const casts = fc.tuple(name, term).map(([called, argument]) => new Cast(called, argument));
  const tagged = fc
    .tuple(word, fc.array(term, { maxLength: 4 }))
    .map(([tag, rest]) => new Tuple([atom(tag), ...rest]));
  return fc.oneof(term, tagged, calls, casts);
}

test('strange messages, spawn requests and replies', async () => {
  // Time stands still: the peer is not asked for its nodes.
  const site = makeSite({ expose, learn: true }, { clock: createManualClock() });
  site.carrier.onConnect = () => false;
  const peer = site.peer();
  const pids = NAMES.map((name) => site.node.whereis(name));
  const term = terms(peer);
  const word = fc.constantFrom(...WORDS).map(atom);
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.tuple(fc.constantFrom(...NAMES), messages(peer)), { maxLength: 10 }),
      fc.tuple(word, word, term, term, fc.boolean()),
      fc.tuple(fc.integer({ min: 0, max: 3 }), fc.boolean()),
      async (sent, [module, name, options, args, erpc], [flags, isPid]) => {
        for (const [to, message] of sent) {
          peer.receive({ op: 'sendNamed', from: peer.pid(), to, message });
        }
        const arity = Array.isArray(args) ? args.length : 3;
        site.services.spawnRequest(peer, {
          ref: peer.ref(),
          from: peer.pid(),
          groupLeader: peer.pid(),
          module: erpc ? atom('erpc') : module,
          function: name,
          arity,
          options,
          args,
        });
        const result = isPid ? peer.pid() : (new Atom('x') as never);
        site.services.spawnReply(peer, { ref: peer.ref(), to: site.node.initPid, flags, result });
        await site.settle();
        expect(NAMES.map((registered) => site.node.whereis(registered))).toEqual(pids);
        expect(spawnClientOf(site.node).kept).toBe(0);
        expect(site.node.processes()).toHaveLength(NAMES.length + 1);
      },
    ),
    { numRuns: 200 },
  );
  site.services.close();
});
