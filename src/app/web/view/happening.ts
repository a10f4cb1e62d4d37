// The panel "What is happening": the page's own connection and its process, the members of the channel on each node, and the messages as they
// arrive.
import { html, nothing } from 'lit-html';
import { repeat } from 'lit-html/directives/repeat.js';
import type { Arrival, Happening, Members, State } from '../state.ts';
import { clockTime } from '../time.ts';
import type { Actions, View } from './types.ts';

export function happeningView({ happening }: State, { send }: Actions): View {
  if (!happening.open) return nothing;
  return html`
    <section class="happening" id="happening" data-testid="happening" aria-labelledby="happening-heading">
      <div class="happening-head">
        <h2 id="happening-heading">What is happening</h2>
        ${
          happening.observer
            ? html`<a href="observer/" data-testid="observer-link">All processes, in the observer</a>`
            : nothing
        }
        <button type="button" class="quiet" @click=${() => send({ type: 'happening_switched', open: false })}>
          Close
        </button>
      </div>
      <div class="happening-parts">
        ${ownView(happening)} ${membersView(happening)} ${messagesView(happening)}
      </div>
    </section>
  `;
}

const states: Record<Happening['client'], string> = {
  connecting: 'connecting',
  resuming: 'resuming: it gets what it has missed',
  live: 'live',
  reset: 'reset: what it has missed is gone, so it reads again',
  closed: 'closed',
};

function ownView({ own, client, position }: Happening): View {
  const known = own !== null && own !== 'hidden' ? own : null;
  return html`
    <div>
      <h3>This page</h3>
      <dl class="facts">
        <div>
          <dt>State</dt>
          <dd data-testid="happening-client">${states[client]}</dd>
        </div>
        <div>
          <dt>Position</dt>
          <dd><code data-testid="happening-position">${position ?? '–'}</code></dd>
        </div>
        <div>
          <dt>Process</dt>
          <dd>
            ${known === null ? '–' : html`<code class="own" data-testid="happening-pid">${known.pid}</code>`}
          </dd>
        </div>
        <div>
          <dt>Node</dt>
          <dd>${known === null ? '–' : html`<code>${known.node}</code>`}</dd>
        </div>
      </dl>
      ${own === 'hidden' ? html`<p class="hint">This server does not tell about its processes.</p>` : nothing}
      ${known?.full === true ? html`<p class="hint">Too many pages watch; look again later.</p>` : nothing}
    </div>
  `;
}

function membersView({ members, own }: Happening): View {
  const pid = own !== null && own !== 'hidden' ? own.pid : null;
  return html`
    <div>
      <h3>Members of <code>notes</code></h3>
      ${
        members === null
          ? html`<p class="hint">–</p>`
          : html`<ul class="nodes" data-testid="happening-members">
              ${members.nodes.map((each) => nodeView(each, pid))}
            </ul>`
      }
      ${
        members !== null && members.nodeCount > members.nodes.length
          ? html`<p class="hint">and on ${members.nodeCount - members.nodes.length} more nodes</p>`
          : nothing
      }
    </div>
  `;
}

function nodeView({ node, count, members }: Members['nodes'][number], own: string | null): View {
  const more = count - members.length;
  return html`
    <li>
      <p><code>${node}</code> <span class="count">${count}</span></p>
      <p class="pids">
        ${members.map(
          ({ pid, name }) =>
            html`<code class=${pid === own ? 'own' : ''} title=${pid === own ? 'this page' : nothing}
              >${name ?? pid}</code
            > `,
        )}
        ${more > 0 ? html`<span class="hint">and ${more} more</span>` : nothing}
      </p>
    </li>
  `;
}

function messagesView({ messages }: Happening): View {
  const [first] = messages;
  return html`
    <div>
      <h3>Messages <span class="count">${first?.number ?? 0}</span></h3>
      ${
        first === undefined
          ? html`<p class="hint">None yet: change a note, here or elsewhere.</p>`
          : html`<ol class="messages" data-testid="happening-messages" tabindex="0" aria-label="Messages">
              ${repeat(messages, ({ number }) => number, messageView)}
            </ol>`
      }
    </div>
  `;
}

function messageView({ at, channel, sender, topic, payload }: Arrival): View {
  return html`<li>
    <time>${clockTime(at)}</time> <code>${channel}, ${sender}, <b>${topic}</b>, ${payload}</code>
  </li>`;
}
