// What views share. A view is a function from state to a template; it sends events and keeps no state.
import type { TemplateResult, nothing } from 'lit-html';
import type { PageEvent } from '../state.ts';

export type View = TemplateResult | typeof nothing;

/** What a view can do. */
export type Actions = {
  send(event: PageEvent): void;
  /** Retries pending work now. */
  tryNow(): void;
};

// ---- keys of a form ----

/**
 * A keydown listener for a form: Ctrl+Enter (or Command) submits it from anywhere inside, Escape gives it up. Keys that belong
 * to an input method's composition are left alone.
 */
export function formKeys(onEscape: (() => void) | null): (event: KeyboardEvent) => void {
  return (event) => {
    if (event.isComposing) return;
    if (event.key === 'Enter' && (event.ctrlKey || event.metaKey)) {
      event.preventDefault();
      (event.currentTarget as HTMLFormElement).requestSubmit();
    } else if (event.key === 'Escape' && onEscape !== null) {
      event.preventDefault();
      onEscape();
    }
  };
}

/** A submit listener that keeps the browser from leaving the page. */
export function onSubmit(run: () => void): (event: Event) => void {
  return (event) => {
    event.preventDefault();
    run();
  };
}
