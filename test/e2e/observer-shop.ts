// A shop: servers under supervisors, groups, a channel. What the tests of the observer's page look at, on one node or on two.
import { child, defineChannel, defineServer, defineSupervisor, on } from 'troupe';
import { inspectServer } from 'troupe/inspect';

/** What a page would run if it took a text of the node for HTML. */
export const MARKUP = '<img src=x onerror="document.title=\'intruded\'">';

/** The orders of the shop. */
export const orders = defineChannel<{ placed: { readonly id: number; readonly item: string } }>('orders');

const till = defineServer({
  name: 'till',
  init: (_self, start: number, note: string) => ({ total: start, note }),
  call: {
    add: (state, amount: number) => (state.total += amount),
    /** Awaits until somebody lets it. */
    wait: (_state, until: Promise<void>) => until,
  },
  cast: {
    /** Holds the event loop up, for so many milliseconds. */
    report: (_state, ms: number) => {
      const end = performance.now() + ms;
      while (performance.now() < end);
    },
  },
  info: () => undefined,
});

/** Follows the orders. */
export const warehouse = defineServer({
  name: 'warehouse',
  init: (self) => {
    orders.join(self);
    return { packed: 0 };
  },
  info: on(orders, {
    placed: (state: { packed: number }) => {
      state.packed++;
    },
  }),
});

const tills = defineSupervisor({
  name: 'till_sup',
  children: () =>
    [1, 2, 3].map((number) =>
      child(till, [number, MARKUP], { id: `till_${number}`, name: `till_${number}` }),
    ),
});

/** The shop. */
export const shop = defineSupervisor({
  name: 'shop_sup',
  strategy: 'rest_for_one',
  children: () => [
    child(till, [40, 'main till'], { id: 'till', name: 'till' }),
    child(warehouse, [], { id: 'warehouse', name: 'warehouse' }),
    child(tills, [], { id: 'tills', name: 'till_sup' }),
  ],
});

/** Lets other nodes look into this one, and change it. */
export const inspected = defineSupervisor({
  name: 'inspect_sup',
  children: () => [child(inspectServer, [{ allow: true }], { id: 'inspect', name: 'troupe_inspect' })],
});
