// Watches for the end of the list to come near the window. It tells once for each end: one is told from the next by the
// name of the page that follows.

/** How far below the window the end counts as near: about a screen, so that reading on is seldom waited for. */
const NEAR = '0px 0px 800px 0px';

export type EndWatch = {
  /** Call after each drawing, with the element at the end and what follows it; with null while nothing is to be told. */
  look(end: Element | null, next: string | null): void;
};

/** @param onNear the end has come near */
export function watchEnd(onNear: () => void): EndWatch {
  let watched: string | null = null;
  const observer = new IntersectionObserver(
    (entries) => {
      if (entries.at(-1)?.isIntersecting === true) onNear();
    },
    { rootMargin: NEAR },
  );
  return {
    look(end, next) {
      if (next === watched) return;
      watched = next;
      observer.disconnect();
      if (end !== null && next !== null) observer.observe(end); // tells at once where the end is
    },
  };
}
