// What is open at the side: a process with all that is known of it, or a channel; with its trace, and what may be done to it. Where the
// window is narrow the side covers the page.
import { html, nothing } from 'lit-html';
import type { ProcessDetail } from '../../../inspect/index.ts';
import { age, count, duration, percent, rate } from '../format.ts';
import { doneText } from '../reduce.ts';
import type { Route } from '../route.ts';
import type { State } from '../state.ts';
import { groupLink, listed, processLink, statusMark } from './parts.ts';
import { traceView } from './trace.ts';
import type { Actions, View } from './types.ts';

/** The side; nothing when nothing is open there. */
export function sideView(state: State, actions: Actions): View {
  const { process, channel } = state.route;
  if (process === undefined && channel === undefined) return nothing;
  const close = (): void => actions.go({ process: undefined, channel: undefined });
  return html`<aside
    class="side"
    data-testid="side"
    aria-labelledby="side-title"
    @keydown=${(event: KeyboardEvent) => {
      if (event.key !== 'Escape' || event.isComposing || event.defaultPrevented) return;
      event.preventDefault();
      close();
    }}
  >
    <div class="side-head">
      <h2 id="side-title" tabindex="-1">${titleOf(state) ?? process ?? channel}</h2>
      <button type="button" class="quiet" @click=${close}>Close</button>
    </div>
    <div class="side-body" tabindex="0" role="region" aria-labelledby="side-title">
      ${process === undefined ? channelBody(state, actions, channel as string) : processBody(state, actions)}
    </div>
  </aside>`;
}

function channelBody(state: State, actions: Actions, channel: string): View {
  return html`
    <dl class="facts">
      <dt>Group</dt>
      <dd>${groupLink(state.route, channel, undefined)}</dd>
    </dl>
    ${traceView(state, actions, { channel })}
  `;
}

function processBody(state: State, actions: Actions): View {
  const detail = state.data.process;
  const problem = state.problems.process;
  const target = detail?.pid ?? state.route.process ?? '';
  return html`
    ${problem === undefined ? nothing : html`<p class="problem" role="status">${problem}</p>`}
    ${
      detail === undefined
        ? problem === undefined
          ? html`<p class="empty" data-loading>Reading…</p>`
          : nothing
        : html`
            ${headView(detail)} ${problem === undefined ? actsView(state, actions, detail) : nothing}
            ${factsView(detail, state)}
          `
    }
    ${detail === undefined || problem !== undefined ? nothing : traceView(state, actions, target)}
  `;
}

/** The name or label of the process, when that is known. */
function titleOf({ data: { process: detail } }: State): string | undefined {
  return detail === undefined ? undefined : (detail.name ?? detail.label);
}

function headView({ pid, node, status, current }: ProcessDetail): View {
  return html`<p class="who">
      <code>${pid}</code> <span class="soft">on</span> <code>${node}</code> ${statusMark(status)}
    </p>
    ${
      current === undefined
        ? nothing
        : html`<p class="current" data-testid="current">
            ${current.kind === 'function' ? 'runs' : current.kind === 'init' ? 'starts in' : 'awaits in'}
            <code>${current.what ?? (current.kind === 'init' ? 'init' : 'a handler')}</code> for
            <b>${duration(current.forMs)}</b>
          </p>`
    }`;
}

function factsView(detail: ProcessDetail, { route, now }: State): View {
  const facts: readonly (readonly [string, unknown])[] = [
    ['Label', detail.label],
    ['Behaviour', detail.behaviour],
    ['Spawned from', html`<code>${detail.initialCall}</code>`],
    ['Up', age(now - detail.startedAt)],
    [
      'Mailbox',
      `${count(detail.mailbox)}${detail.oldestMs === undefined || detail.oldestMs === 0 ? '' : `, the oldest for ${duration(detail.oldestMs)}`}`,
    ],
    [
      'Handled',
      `${count(detail.handled)}${detail.handledPerSecond === undefined ? '' : `, ${rate(detail.handledPerSecond)} a second`}`,
    ],
    ...(detail.dropped === 0 ? [] : [['Dropped', count(detail.dropped)] as const]),
    ...(detail.busyShare === undefined
      ? []
      : [['Busy', `${percent(detail.busyShare)}, longest ${duration(detail.longestMs ?? 0)}`] as const]),
    ['Traps exits', detail.trapExit ? 'yes' : 'no'],
    [
      'Parent',
      detail.parent === undefined ? html`<span class="soft">none</span>` : processLink(route, detail.parent),
    ],
    ['Links', listed(detail.links, (pid) => processLink(route, pid))],
    ['Monitors', listed(detail.monitors, (target) => watched(route, target))],
    ['Monitored by', listed(detail.monitoredBy, (pid) => processLink(route, pid))],
    [
      'Groups',
      listed(
        detail.groups,
        ({ scope, group, count: times }) =>
          html`${groupLink(route, group, scope)}
            <span class="soft">${scope}${times === 1 ? '' : `, ${times}×`}</span>`,
      ),
    ],
  ];
  return html`<dl class="facts">
      ${facts.map(
        ([title, value]) =>
          html`<dt>${title}</dt>
            <dd>${value}</dd>`,
      )}
    </dl>
    ${stateView(detail)}`;
}

function watched(route: Route, target: string): unknown {
  return target.startsWith('<') ? processLink(route, target) : html`<code>${target}</code>`;
}

function stateView({ state, stateProblem }: ProcessDetail): View {
  if (state === undefined && stateProblem === undefined) return nothing;
  return html`<div>
    <h3 id="state-title">State</h3>
    ${
      state === undefined
        ? html`<p class="soft">${stateProblem}</p>`
        : html`<pre class="value-text" tabindex="0" role="region" aria-labelledby="state-title">
${state}</pre>`
    }
  </div>`;
}

/** What may be done; not shown where the server allows nothing. */
function actsView(state: State, actions: Actions, { pid, name, label }: ProcessDetail): View {
  if (state.hello?.allow !== true) return nothing;
  const { doing } = state;
  const title = name ?? label;
  const waits = doing?.outcome === 'waiting';
  const ask = (kind: 'kill' | 'send') => (): void =>
    actions.send({ type: 'asked', question: { kind, target: pid, title } });
  const tell = (kind: 'suspend' | 'resume') => (): void => {
    if (!waits) actions.act({ kind, target: pid });
  };
  return html`<div class="acts" role="group" aria-label="Acts" data-testid="acts">
      <button type="button" @click=${ask('send')}>Send…</button>
      <button type="button" @click=${tell('suspend')}>Suspend</button>
      <button type="button" @click=${tell('resume')}>Resume</button>
      <button type="button" class="danger" @click=${ask('kill')}>Kill…</button>
    </div>
    ${
      doing === undefined
        ? nothing
        : html`<p class="outcome" data-outcome=${doing.outcome} data-testid="outcome">
            ${doing.outcome === 'waiting' ? 'Waiting for the node…' : (doing.problem ?? doneText(doing.act))}
          </p>`
    }`;
}
