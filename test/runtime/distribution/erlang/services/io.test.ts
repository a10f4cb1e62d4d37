// The group leader of what this node has others run (the Erlang I/O Protocol), the formats of io:format (io:fwrite/3), and the
// log events that come with it.
import { describe, expect, test } from 'vitest';
import { atom, charlist, Float, ImproperList, type Pid, tuple, type Tuple } from 'troupe';
import { charactersOf, formatIo, MAX_TEXT } from '../../../../../src/runtime/distribution/erlang/internal.ts';
import { recordTelemetry } from '../../../process/helpers.ts';
import { makeSite } from './fake-peer.ts';

const UNICODE = atom('unicode');
const LATIN1 = atom('latin1');
const PUT = atom('put_chars');
const OK = atom('ok');
const NOT_SUPPORTED = tuple(atom('error'), atom('enotsup'));
const BAD_REQUEST = tuple(atom('error'), atom('request'));

const codes = (text: string): number[] => Array.from(text, (character) => character.codePointAt(0) ?? 0);

/** Sends requests of the io protocol; answers the replies and what was written. */
async function ask(...requests: readonly unknown[]): Promise<{ replies: unknown[]; texts: string[] }> {
  const texts: string[] = [];
  const site = makeSite({ output: (text) => texts.push(text) });
  const peer = site.peer();
  const from = peer.pid();
  const replyAs = peer.ref();
  const to = site.node.whereis('troupe_io') as Pid;
  for (const request of requests) {
    const message = tuple(atom('io_request'), from, replyAs, request);
    peer.receive({ op: 'send', from, to, message });
  }
  await site.settle();
  const replies = site.carrier.sent.flatMap(({ signal }) => {
    if (signal.op !== 'send') return [];
    expect(signal.to).toBe(from);
    const [tag, as, result] = signal.message as Tuple;
    return tag === atom('io_reply') && as === replyAs ? [result] : [];
  });
  return { replies, texts };
}

describe('the io protocol', () => {
  test.each<[string, unknown, string]>([
    ['a binary', tuple(PUT, UNICODE, 'grüße\n'), 'grüße\n'],
    ['a charlist', tuple(PUT, UNICODE, [codes('gr'), 0xfc, ['ß']]), 'grüß'],
    ['latin1, whose bytes are UTF-8 by chance', tuple(PUT, LATIN1, 'ü'), 'Ã¼'],
    ['latin1 bytes', tuple(PUT, LATIN1, [Uint8Array.of(0xfc), 0xdf]), 'üß'],
    ['without an encoding', tuple(PUT, codes('hello')), 'hello'],
    ['an improper list', tuple(PUT, UNICODE, new ImproperList([104], 'i')), 'hi'],
    [
      'io:format',
      tuple(PUT, UNICODE, atom('io_lib'), atom('format'), [codes('~s: ~p~n'), ['a', atom('b')]]),
      'a: b\n',
    ],
    ['io:format without an encoding', tuple(PUT, atom('io_lib'), atom('fwrite'), ['~w', [[1]]]), '[1]'],
    [
      'a format with the wrong arguments',
      tuple(PUT, UNICODE, atom('io_lib'), atom('format'), ['~p ~p', [1]]),
      'io_lib:format [<<"~p ~p">>,[1]]\n',
    ],
    ['another function', tuple(PUT, UNICODE, atom('m'), atom('f'), [1]), 'm:f [1]\n'],
  ])('writes %s', async (_what, request, text) => {
    expect(await ask(request)).toEqual({ replies: [OK], texts: [text] });
  });

  test.each<[string, unknown, unknown]>([
    ['get_line', tuple(atom('get_line'), UNICODE, 'prompt'), NOT_SUPPORTED],
    ['get_geometry', tuple(atom('get_geometry'), atom('columns')), NOT_SUPPORTED],
    ['get_password', atom('get_password'), NOT_SUPPORTED],
    ['getopts', atom('getopts'), [tuple(atom('encoding'), UNICODE)]],
    ['setopts', tuple(atom('setopts'), [tuple(atom('encoding'), LATIN1)]), OK],
    ['an unknown request', tuple(atom('dance')), BAD_REQUEST],
    ['what is no request', 5, BAD_REQUEST],
    ['an empty tuple', tuple(), BAD_REQUEST],
    ['characters that are none', tuple(PUT, UNICODE, [{ no: 'text' }]), BAD_REQUEST],
    ['nothing to put', tuple(PUT), BAD_REQUEST],
    ['arguments that are no list', tuple(PUT, UNICODE, atom('io_lib'), atom('format'), 'x'), BAD_REQUEST],
    ['requests that are no list', tuple(atom('requests'), 'x'), BAD_REQUEST],
    ['requests within requests', tuple(atom('requests'), [tuple(atom('requests'), [])]), BAD_REQUEST],
    ['too many requests', tuple(atom('requests'), Array(1_001).fill(tuple(PUT, ''))), BAD_REQUEST],
  ])('answers %s', async (_what, request, reply) => {
    expect(await ask(request)).toEqual({ replies: [reply], texts: [] });
  });

  test('several requests: up to the first that fails', async () => {
    const put = (text: string): unknown => tuple(PUT, UNICODE, text);
    const fine = tuple(atom('requests'), [put('a'), put('b')]);
    const failing = tuple(atom('requests'), [put('c'), tuple(atom('get_line'), ''), put('d')]);
    expect(await ask(fine, failing)).toEqual({ replies: [OK, NOT_SUPPORTED], texts: ['a', 'b', 'c'] });
  });

  test('a long text is cut', async () => {
    const { texts } = await ask(
      tuple(PUT, UNICODE, 'x'.repeat(MAX_TEXT + 10)),
      tuple(PUT, UNICODE, Array(9).fill('x'.repeat(MAX_TEXT))),
    );
    expect(texts.map((text) => text.length)).toEqual([MAX_TEXT + 3, MAX_TEXT + 3]);
  });

  test('what is written is an event, too; anything but a request is reported', async () => {
    const io = recordTelemetry('troupe:distribution:io');
    const dropped = recordTelemetry('troupe:distribution:dropped');
    const site = makeSite();
    const peer = site.peer();
    const from = peer.pid();
    for (const message of [
      tuple(atom('io_request'), from, 1, tuple(PUT, 'text')),
      'hello',
      tuple(atom('io_request'), 1, 2, 3),
    ]) {
      peer.receive({ op: 'sendNamed', from, to: 'troupe_io', message });
    }
    await site.settle();
    expect(io).toEqual([{ node: 'here@x', from, text: 'text' }]);
    expect(dropped).toHaveLength(2);
  });
});

describe('log events', () => {
  test('are written, in one line', async () => {
    const io = recordTelemetry('troupe:distribution:io');
    const dropped = recordTelemetry('troupe:distribution:dropped');
    const site = makeSite();
    const peer = site.peer();
    const from = peer.pid();
    const events = [
      tuple(atom('log'), atom('error'), codes('bad ~p'), [atom('day')], new Map([[atom('pid'), from]])),
      tuple(atom('log'), atom('info'), codes('hello'), new Map()),
      tuple(atom('log'), atom('warning'), { a: 1 }, new Map()),
      tuple(atom('stop')),
      'what',
    ];
    for (const message of events) peer.receive({ op: 'sendNamed', from, to: 'logger_proxy', message });
    await site.settle();
    expect(io.map(({ text }) => text)).toEqual([
      'error: bad day\n',
      'info: hello\n',
      expect.stringMatching(/^warning: .*a.*1.*\n$/),
    ]);
    expect(io.map((event) => event.from)).toEqual([
      from,
      ...Array<unknown>(2).fill(site.node.whereis('logger_proxy')),
    ]);
    expect(dropped).toHaveLength(2);
  });
});

describe('formats', () => {
  test.each<[string, readonly unknown[], string]>([
    ['plain', [], 'plain'],
    ['~~ ~n', [], '~ \n'],
    ['~2n', [], '\n\n'],
    ['~p ~w', [codes('hi'), codes('hi')], '"hi" [104,105]'],
    ['~p', [tuple(codes('a'), [codes('b')], [])], '{"a",["b"],[]}'],
    ['~0tp', [atom('ok')], 'ok'],
    ['~P ~W', [[1, 2], 5, [1, 2], 5], '[1,2] [1,2]'],
    ['~s|~ts|~s', ['a', codes('ü'), atom('atom')], 'a|ü|atom'],
    ['~s ~s', [true, charlist('c')], 'true c'],
    ['~5s|~-5s|~.2s|~3s', ['ab', 'ab', 'abc', 'abcd'], '   ab|ab   |ab|abc'],
    ['~5.2.*s|~*s', [46, 'abc', 3, 'x'], '...ab|  x'],
    ['~5w|~3w|~-4w|~4..0w', [12, 1234, 12, 7], '   12|***|12  |0007'],
    ['~c~3c~tc', [97, 98, 252], 'abbbü'],
    ['~b ~B ~.16b ~.16B ~.2b', [-5, 5n, 255, 255, 5], '-5 5 ff FF 101'],
    ['~.16# ~.16+ ~.16x', [255, 255, 255, '0x'], '16#FF 16#ff 0xff'],
    ['~f ~.2f ~e ~g ~g', [1.5, new Float(2), 1.5, 1.5, 1e-7], '1.500000 2.00 1.50000e+0 1.50000 1.00000e-7'],
    ['~i|', [1], '|'],
  ])('%s with %o', (format, args, text) => {
    expect(formatIo(format, args, 1_000)).toBe(text);
  });

  test.each<[string, readonly unknown[]]>([
    ['~p', []],
    ['none', [1]],
    ['~q', [1]],
    ['~', []],
    ['~s', [1.5]],
    ['~b', ['x']],
    ['~.99b', [1]],
    ['~f', ['x']],
    ['~c', ['x']],
    ['~*p', ['x', 1]],
  ])('%s does not go with %o', (format, args) => {
    expect(formatIo(format, args, 1_000)).toBeUndefined();
  });

  test('limits', () => {
    expect(formatIo('~1000000000s~n', ['x'], 100_000)).toHaveLength(1_025);
    expect(formatIo('~s~s', ['x'.repeat(90), 'y'.repeat(90)], 100)).toHaveLength(100);
    expect(formatIo('~p', ['x'.repeat(100_000)], 100_000)?.length).toBeLessThan(9_000);
    let deep: unknown = [];
    for (let depth = 0; depth < 10_000; depth++) deep = [deep];
    expect(charactersOf(deep, 'unicode', 10)).toBeUndefined();
    expect(formatIo('~p', [deep], 1_000)).toContain('...');
  });

  test('no character data', () => {
    for (const data of [0xd800, -1, 1.5, 0x110000, null, {}, [null], new ImproperList([1], null)]) {
      expect(charactersOf(data, 'unicode', 10)).toBeUndefined();
    }
  });
});
