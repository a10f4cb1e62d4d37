// The keys of a form: Ctrl+Enter (or Command) sends it from anywhere inside, Escape gives it up. Keys that belong to an
// input method's composition are left alone.

/** A keydown listener for a form. */
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
