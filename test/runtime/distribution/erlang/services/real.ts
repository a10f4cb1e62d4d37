// Real Erlang nodes beside nodes of this runtime: one epmd for each test file, nodes that end with their test.
import { createNode, type Node, type NodeOptions } from 'troupe';
import { afterAll, beforeAll, onTestFinished } from 'vitest';
import { createErlangCarrier, type ErlangCarrier, type ErlangCarrierOptions } from 'troupe/erlang';
import {
  type Epmd,
  type ErlNode,
  type ErlOptions,
  freePort,
  startEpmd,
  startErl,
  TEST_COOKIE,
} from '../../../../support/erl.ts';

/** What a test file works with. */
export interface Reality {
  readonly epmdPort: number;
  /** A BEAM node that lives as long as the file's tests. */
  readonly beam: ErlNode;
  /** Another one, for one test. */
  erl(name: string, options?: Omit<ErlOptions, 'name' | 'epmdPort'>): Promise<ErlNode>;
  /** A node of this runtime that others can connect with. */
  node(name: string, options?: Partial<ErlangCarrierOptions>, more?: NodeOptions): Promise<Here>;
}

/** A node with its carrier. */
export interface Here {
  readonly node: Node;
  readonly carrier: ErlangCarrier;
}

/** Sets a test file up; `reality()` is there once its tests run. @param args of the BEAM node. */
export function reality(args: readonly string[] = []): () => Reality {
  let current: (Reality & { readonly epmd: Epmd }) | undefined;
  beforeAll(async () => {
    const epmdPort = await freePort();
    const epmd = await startEpmd(epmdPort);
    const beam = await startErl({ name: 'beam@127.0.0.1', epmdPort, args });
    current = { epmdPort, epmd, beam, erl: erlWith(epmdPort), node: nodeWith(epmdPort) };
  }, 60_000);
  afterAll(async () => {
    await current?.beam.stop();
    await current?.epmd.stop();
  });
  return () => {
    if (current === undefined) throw new Error('there is no BEAM node before the tests');
    return current;
  };
}

function erlWith(epmdPort: number): Reality['erl'] {
  return async (name, options = {}) => {
    const started = await startErl({ ...options, name, epmdPort });
    onTestFinished(() => started.stop());
    return started;
  };
}

function nodeWith(epmdPort: number): Reality['node'] {
  return async (name, options = {}, more = {}) => {
    const carrier = createErlangCarrier({
      cookie: TEST_COOKIE,
      epmd: 'client',
      epmdPort,
      learn: false,
      ...options,
    });
    const node = createNode({ ...more, name, carrier });
    onTestFinished(() => node.stop());
    await carrier.ready();
    return { node, carrier };
  };
}
