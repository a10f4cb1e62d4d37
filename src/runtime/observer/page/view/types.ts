// What views share. A view is a function from the state to a template; it sends events and keeps nothing.
import type { nothing, TemplateResult } from 'lit-html';
import type { Act } from '../../protocol.ts';
import type { Route } from '../route.ts';
import type { PageEvent, TraceTarget } from '../state.ts';

/** A template, or nothing. */
export type View = TemplateResult | typeof nothing;

/** What a view can do. */
export interface Actions {
  send(event: PageEvent): void;
  /** Goes to another place without a new entry in the browser's history. */
  replace(changes: Partial<Route>): void;
  /** Goes to another place. */
  go(changes: Partial<Route>): void;
  trace(target: TraceTarget): void;
  untrace(): void;
  act(act: Act): void;
  signIn(token: string): void;
  signOut(): void;
  tryNow(): void;
}
