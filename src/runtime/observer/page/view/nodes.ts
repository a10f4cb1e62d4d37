// The nodes as a graph: the one that is looked into in the middle, those that it is connected with around it; and as a table. A click
// looks into a node.
import { html, nothing, svg } from 'lit-html';
import type { NodeRow, PeerRow } from '../../../inspect/index.ts';
import { bytes, count, timeOfDay } from '../format.ts';
import { DRAWN_NODES_MAX } from '../limits.ts';
import { hashOf, HOME } from '../route.ts';
import { type NodesData, nodeOf, type PeerRate, type State } from '../state.ts';
import { emptyView } from './parts.ts';
import type { View } from './types.ts';

/** The view. */
export function nodesView(state: State): View {
  const { nodes } = state.data;
  return html`
    <div class="scroll" tabindex="0" role="region" aria-labelledby="view-title">
      <div class="tools">
        <h2 id="view-title" tabindex="-1">Nodes</h2>
        <p class="soft total">${nodes === undefined ? '' : count(nodes.nodes.length)}</p>
      </div>
      ${
        nodes === undefined || state.problems.nodes !== undefined
          ? emptyView(state, 'nodes', nodes !== undefined, '')
          : html`${graphView(state, nodes)}${tableView(state, nodes)}`
      }
    </div>
  `;
}

/** The address that looks into a node. */
function nodeLink({ hello }: State, node: string): string {
  return hashOf({ ...HOME, view: 'nodes', node: node === hello?.node ? undefined : node });
}

/** The others, those with a connection that is being made included. */
function othersOf({ nodes, peers }: NodesData): readonly string[] {
  const names = [
    ...nodes.filter(({ self }) => !self).map(({ node }) => node),
    ...peers.map(({ node }) => node),
  ];
  return [...new Set(names)].toSorted();
}

/** Where everything in the drawing is. A phone's is upright. */
interface Layout {
  readonly width: number;
  readonly height: number;
  readonly x: number;
  readonly y: number;
  readonly nodes: ReadonlyArray<{ readonly node: string; readonly x: number; readonly y: number }>;
}

function layoutOf(nodes: readonly string[], narrow: boolean): Layout {
  const width = narrow ? 340 : 760;
  const height = narrow
    ? Math.min(560, 120 + 120 * Math.min(nodes.length, 3))
    : nodes.length <= 2
      ? 130
      : Math.min(460, 250 + 20 * nodes.length);
  // Few nodes lie in a line, where their names have room; two of them about the middle of it.
  const isPair = nodes.length === 1;
  const x = isPair && !narrow ? width - 220 : width / 2;
  const y = isPair && narrow ? 40 : height / 2;
  const start = narrow ? Math.PI / 2 : Math.PI;
  const radius = { x: narrow ? x - 70 : x - (isPair ? 220 : 120), y: height - y - 40 };
  return {
    width,
    height,
    x,
    y,
    nodes: nodes.map((node, at) => {
      const angle = start + (at / nodes.length) * 2 * Math.PI;
      return { node, x: x + Math.cos(angle) * radius.x, y: y + Math.sin(angle) * radius.y };
    }),
  };
}

function graphView(state: State, data: NodesData): View {
  const centre = data.nodes.find(({ self }) => self)?.node ?? nodeOf(state) ?? '';
  const others = othersOf(data);
  const layout = layoutOf(others.slice(0, DRAWN_NODES_MAX), state.narrow);
  const left = others.length - layout.nodes.length;
  return html`
    <div class="graph">
      <svg
        viewBox=${`0 0 ${layout.width} ${layout.height}`}
        role="group"
        aria-label=${`${centre} and the nodes that it is connected with`}
      >
        ${layout.nodes.map(({ node, x, y }) => edgeView(node, data, layout, x, y))}
        ${layout.nodes.map(({ node, x, y }) => nodeMark(state, node, x, y, ''))}
        ${nodeMark(state, centre, layout.x, layout.y, 'centre')}
      </svg>
      ${left > 0 ? html`<p class="soft">${count(left)} more are in the table.</p>` : nothing}
      ${others.length === 0 ? html`<p class="soft">Not connected to any other node.</p>` : nothing}
    </div>
  `;
}

function edgeView(node: string, { peers, rates }: NodesData, from: Layout, x: number, y: number): unknown {
  const peer = peers.find((each) => each.node === node);
  const rate = rates.get(node);
  const traffic = rate === undefined ? 0 : rate.sentBytes + rate.receivedBytes;
  const width = 1.5 + Math.min(6, Math.log10(1 + traffic / 100) * 1.5);
  const state = peer === undefined ? 'none' : peer.queuedBytes > 0 ? 'queued' : peer.state;
  // Beside a line that is steep, above all others.
  const steep = Math.abs(x - from.x) < Math.abs(y - from.y) / 2;
  const labelX = from.x + (x - from.x) * 0.52 + (steep ? 10 : 0);
  const labelY = from.y + (y - from.y) * 0.52 + (steep ? 8 : 0);
  return svg`<g class=${steep ? 'edge steep' : 'edge'} data-state=${state}>
    <line x1=${from.x} y1=${from.y} x2=${x} y2=${y} stroke-width=${width.toFixed(1)} />
    <text x=${labelX} y=${labelY - 8}>${peer === undefined ? '' : rateText(peer, rate)}</text>
    <text class="queue" x=${labelX} y=${labelY + 16}>${peer === undefined || peer.queuedBytes === 0 ? '' : `${bytes(peer.queuedBytes)} wait`}</text>
  </g>`;
}

function rateText({ state }: PeerRow, rate: PeerRate | undefined): string {
  if (state === 'connecting') return 'connecting';
  return rate === undefined ? '' : `↑ ${bytes(rate.sentBytes)}/s  ↓ ${bytes(rate.receivedBytes)}/s`;
}

function nodeMark(state: State, node: string, x: number, y: number, kind: string): unknown {
  const [name = '', host = ''] = node.split('@', 2);
  const width = Math.max(96, Math.min(220, 28 + 8.2 * Math.max(name.length, host.length)));
  const isOwn = node === state.hello?.node;
  return svg`<a href=${nodeLink(state, node)} class="node ${kind}" aria-label=${`${node}${isOwn ? ', the own node' : ''}${kind === 'centre' ? ', shown here' : ''}`} aria-current=${kind === 'centre' ? 'true' : nothing}>
    <title>${node}</title>
    <rect x=${x - width / 2} y=${y - 26} width=${width} height="52" rx="10" />
    <text x=${x} y=${y - 3}>${short(name)}</text>
    <text class="host" x=${x} y=${y + 14}>${short(host)}</text>
  </a>`;
}

function short(text: string): string {
  return text.length > 24 ? `${text.slice(0, 23)}…` : text;
}

function tableView(state: State, { nodes, peers, rates }: NodesData): View {
  const names = [...new Set([...nodes.map(({ node }) => node), ...peers.map(({ node }) => node)])];
  return html`<div class="table-scroll" tabindex="0" role="region" aria-label="Nodes and connections">
    <table>
      <thead>
        <tr>
          <th scope="col">Node</th>
          <th scope="col">Connection</th>
          <th scope="col" class="number">Sent</th>
          <th scope="col" class="number">Received</th>
          <th scope="col" class="number">Waiting</th>
          <th scope="col" class="number">Links</th>
          <th scope="col" class="number">Monitors</th>
        </tr>
      </thead>
      <tbody>
        ${names.map((name) =>
          nodeRow(
            state,
            name,
            nodes.find(({ node }) => node === name),
            peers.find(({ node }) => node === name),
            rates.get(name),
          ),
        )}
      </tbody>
    </table>
  </div>`;
}

function nodeRow(
  state: State,
  name: string,
  row: NodeRow | undefined,
  peer: PeerRow | undefined,
  rate: PeerRate | undefined,
): View {
  const flow = (sent: number | undefined, all: number): View =>
    html`${bytes(all)} <span class="soft">${sent === undefined ? '' : `${bytes(sent)}/s`}</span>`;
  return html`<tr>
    <th scope="row"><a href=${nodeLink(state, name)}>${name}</a></th>
    <td>
      ${
        row?.self === true
          ? html`<span class="soft">shown here</span>`
          : peer === undefined
            ? html`<span class="soft">none</span>`
            : peer.state === 'up'
              ? `since ${timeOfDay(peer.since)}`
              : 'connecting'
      }
    </td>
    <td class="number">${peer === undefined ? '' : flow(rate?.sentBytes, peer.sentBytes)}</td>
    <td class="number">${peer === undefined ? '' : flow(rate?.receivedBytes, peer.receivedBytes)}</td>
    <td class="number ${peer !== undefined && peer.queuedBytes > 0 ? 'high' : ''}">
      ${peer === undefined ? '' : bytes(peer.queuedBytes)}
    </td>
    <td class="number">${row === undefined || row.self ? '' : count(row.links)}</td>
    <td class="number">${row === undefined || row.self ? '' : count(row.monitors)}</td>
  </tr>`;
}
