// Helpers that look at other nodes.
import type { PeerInfo } from '../../distribution/erlang/index.ts';
import { Fault } from '../fault.ts';
import type { Helpers, Shell } from '../shell.ts';
import { presentRows } from '../show.ts';
import type { Column } from '../table.ts';

const COLUMNS: readonly Column[] = [
  { heading: 'NODE' },
  { heading: 'STATE' },
  { heading: 'KIND' },
  { heading: 'SINCE' },
  { heading: 'SENT', numeric: true },
  { heading: 'BYTES', numeric: true },
  { heading: 'RECEIVED', numeric: true },
  { heading: 'BYTES', numeric: true },
  { heading: 'QUEUED', numeric: true },
];

/** The helpers of this file. */
export function nodeHelpers({ node, peers }: Shell): Helpers {
  return {
    nodes: { usage: 'nodes()', about: 'the nodes that are connected', run: () => node.nodes() },
    peers: {
      usage: 'peers()',
      about: 'the connections with other nodes: messages and bytes each way, and bytes that wait',
      run: () => {
        if (peers === undefined) throw new Fault('this node is alone: TROUPE_NODE is not set');
        return presentRows(byName(peers()), COLUMNS, cells, 'no other nodes');
      },
    },
  };
}

function byName(peers: readonly PeerInfo[]): PeerInfo[] {
  return peers.toSorted((a, b) => (a.name < b.name ? -1 : 1));
}

function cells({ name, state, troupe, since, sent, received, queuedBytes }: PeerInfo): string[] {
  return [
    name,
    state,
    state === 'up' ? (troupe ? 'Troupe' : 'Erlang') : '',
    since.toISOString(),
    String(sent.messages),
    String(sent.bytes),
    String(received.messages),
    String(received.bytes),
    String(queuedBytes),
  ];
}
