// What views are made of: each is a function from state to a template, and sends events; none keeps anything.
import type { nothing, TemplateResult } from 'lit-html';
import type { PageEvent } from '../state.ts';

export type View = TemplateResult | typeof nothing;

/** What a view can cause. */
export type Actions = {
  send(event: PageEvent): void;
  /** Tries what waits for a better moment, now. */
  tryNow(): void;
};
