// The channels, with the course of their rates.
import { html, svg } from 'lit-html';
import type { ChannelRow } from '../../../inspect/index.ts';
import { count, rate } from '../format.ts';
import { SPARK_POINTS } from '../limits.ts';
import type { State } from '../state.ts';
import { type Column, gridView } from './grid.ts';
import { channelLink, emptyView, filterField } from './parts.ts';
import type { Actions, View } from './types.ts';

const WIDTH = 120;
const HEIGHT = 22;

/** The view. */
export function channelsView(state: State, actions: Actions): View {
  const { channels } = state.data;
  return html`
    <div class="tools">
      <h2 id="view-title" tabindex="-1">Channels</h2>
      <p class="soft total">${channels === undefined ? '' : count(channels.total)}</p>
      ${filterField(state, actions, 'Filter by name')}
    </div>
    ${
      channels === undefined || channels.total === 0 || state.problems.channels !== undefined
        ? emptyView(
            state,
            'channels',
            channels !== undefined,
            state.route.match === '' ? 'No channel has members.' : 'No channel has this in its name.',
          )
        : gridView(state, actions, {
            name: 'channels',
            label: 'Channels',
            columns: columnsOf(state),
            table: channels,
            choose: ({ channel }) => actions.go({ channel, process: undefined }),
            isOpen: ({ channel }) => state.route.channel === channel,
          })
    }
  `;
}

function columnsOf({ route, data }: State): readonly Column<ChannelRow>[] {
  return [
    { name: 'channel', title: 'Channel', cell: ({ channel }) => channelLink(route, channel) },
    { name: 'number', title: 'Members', cell: ({ members }) => count(members) },
    { name: 'number local', title: 'Here', hint: 'Members on this node', cell: ({ local }) => count(local) },
    { name: 'number rate', title: 'Per second', cell: ({ perSecond }) => rate(perSecond) },
    {
      name: 'spark',
      title: 'Last minute',
      cell: ({ channel }) => sparkline(data.channelRates?.get(channel) ?? []),
    },
    {
      name: 'number published',
      title: 'Broadcasts',
      hint: 'While the node was measured',
      cell: ({ published }) => count(published),
    },
    {
      name: 'number delivered',
      title: 'Delivered',
      hint: 'Messages put into mailboxes here',
      cell: ({ delivered }) => count(delivered),
    },
    {
      name: 'number reach',
      title: 'Reach',
      hint: 'Members that the last one reached',
      cell: ({ lastReach }) => count(lastReach),
    },
  ];
}

/** The course of a rate, as high as its highest; the figure beside it says how much that is now. */
function sparkline(rates: readonly number[]): unknown {
  const most = Math.max(1, ...rates);
  const from = SPARK_POINTS - rates.length;
  const points = rates.map((value, at) => {
    const x = ((from + at) / (SPARK_POINTS - 1)) * WIDTH;
    return `${x.toFixed(1)},${(HEIGHT - 1.5 - (value / most) * (HEIGHT - 3)).toFixed(1)}`;
  });
  const [first] = points;
  const area =
    first === undefined ? '' : `${first.split(',')[0]},${HEIGHT} ${points.join(' ')} ${WIDTH},${HEIGHT}`;
  return svg`<svg class="sparkline" viewBox=${`0 0 ${WIDTH} ${HEIGHT}`} width=${WIDTH} height=${HEIGHT} aria-hidden="true">
    <polygon points=${area} /><polyline points=${points.join(' ')} />
  </svg>`;
}
