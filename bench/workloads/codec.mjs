/** Erlang's term format: a broadcast of a note made to bytes and back, beside JSON and beside the package erlang_js. */
import { decodeTerm, encodeTerm } from '../../dist/runtime/distribution/erlang/index.js';
import { Broadcast, createNode } from '../../dist/runtime/index.js';
import { bestSeconds } from '../lib/measure.mjs';
import { note } from '../lib/notes.mjs';

const COUNT = 200_000;

/** What the timed code made, so that none of it can be left out. */
let kept;

/**
 * Runs something many times; times a second.
 * @param {() => unknown} work
 */
async function perSecond(work) {
  const seconds = await bestSeconds(() => {
    for (let i = 0; i < COUNT; i++) kept = work();
  });
  if (kept === undefined) throw new Error('nothing was made');
  return COUNT / seconds;
}

const node = createNode({ name: 'troupe_bench@127.0.0.1' });
const broadcast = new Broadcast('notes', node.initPid, 'note_created', note);
const bytes = Buffer.from(encodeTerm(broadcast));
const { channel, sender, topic, payload } = broadcast;
const asJson = { channel, sender: sender.toString(), topic, payload };
const jsonBytes = Buffer.from(JSON.stringify(asJson));

const json = {
  encode: { name: 'JSON', run: () => perSecond(() => Buffer.from(JSON.stringify(asJson))) },
  decode: { name: 'JSON', run: () => perSecond(() => JSON.parse(jsonBytes.toString())) },
};

/** The package is asked for when it is its turn. */
async function erlangJs() {
  const { default: erlang } = await import('erlang_js');
  let result;
  const answer = (error, value) => {
    if (error) throw error;
    result = value;
  };
  const decode = () => {
    erlang.Erlang.binary_to_term(bytes, answer);
    return result;
  };
  const term = decode();
  const encode = () => {
    erlang.Erlang.term_to_binary(term, answer);
    return result;
  };
  if (encode().length !== bytes.length) throw new Error('erlang_js made another term');
  return { encode, decode };
}

const erlang = {
  encode: { name: 'erlang_js', run: async () => perSecond((await erlangJs()).encode) },
  decode: { name: 'erlang_js', run: async () => perSecond((await erlangJs()).decode) },
};

const encode = () => perSecond(() => encodeTerm(broadcast));
const decode = () => perSecond(() => decodeTerm(bytes));

/** @type {import('../main.mjs').Workload[]} */
export const codecWorkloads = [
  { name: 'codec_encode', unit: 'broadcasts/s', asked: 1, pairs: 5, beside: json.encode, run: encode },
  { name: 'codec_decode', unit: 'broadcasts/s', asked: 1, pairs: 5, beside: json.decode, run: decode },
  { name: 'codec_encode_erlang_js', unit: 'broadcasts/s', asked: 1, beside: erlang.encode, run: encode },
  { name: 'codec_decode_erlang_js', unit: 'broadcasts/s', asked: 1, beside: erlang.decode, run: decode },
];
