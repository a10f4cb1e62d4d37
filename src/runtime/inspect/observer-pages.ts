// Where the pages are that observe a node, so that the REPL can say it.
//
// A page announces itself. Who serves it knows its address only once its server listens, and not any more when that is closed, so
// the address is asked for each time. Nothing is kept of a node that is gone.
import type { Node } from '../index.ts';

/** Answers with the address of a page, such as `http://127.0.0.1:8080/observer/`; undefined while there is none. */
type Address = () => string | undefined;

const pages = new WeakMap<Node, Set<Address>>();

/** How many pages of one node are remembered: more than anybody serves, and a bound for a program that announces without end. */
const PAGES_MAX = 16;

/**
 * @internal Says where a page observes a node. Beyond the bound nothing is remembered.
 * @param node the node that the page is served by
 * @param address asked whenever somebody wants to know
 * @returns a function that takes it back, when its server closes
 */
export function announceObserver(node: Node, address: Address): () => void {
  let known = pages.get(node);
  if (known === undefined) {
    known = new Set();
    pages.set(node, known);
  }
  if (known.size < PAGES_MAX) known.add(address);
  return () => {
    pages.get(node)?.delete(address);
  };
}

/** @internal The addresses of the pages that can be reached now, each once. */
export function observerAddresses(node: Node): string[] {
  const found: string[] = [];
  for (const address of pages.get(node) ?? []) {
    const text = address();
    if (text !== undefined && !found.includes(text)) found.push(text);
  }
  return found;
}
