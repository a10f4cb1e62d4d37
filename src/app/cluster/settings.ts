// The settings that make instances one service: the variables that begin with TROUPE_, and what must hold between them.
//
// - Without TROUPE_NODE there is no cluster, and setting a variable that only a cluster uses is a fault: it shows that a
//   cluster is wanted.
// - The cookie is a secret: no fault repeats it. Nothing here reads a file; `files.ts` checks the named files when it
//   reads them.
import { Type, type Static } from 'typebox';
import { HOST, wholeNumber } from '../setting-types.ts';

const NAME = '[A-Za-z0-9_-]{1,128}@[A-Za-z0-9._:-]{1,126}';
const NODE_NAME = new RegExp(`^${NAME}$`);
const ADDRESS = /^(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._-]{1,253}):([0-9]{1,5})$/;
const LIST_MAX = 100;

const file = (what: string) => Type.Optional(Type.String({ pattern: '^[^\\u0000]+$', description: what }));

const COOKIE = '1 to 255 characters of printable ASCII without blanks, the same on all nodes';

/** Each setting by its variable. `description` is what a fault says is allowed. */
export const clusterVariables = {
  TROUPE_NODE: Type.Optional(
    Type.String({
      pattern: NODE_NAME.source,
      description:
        'name@host: a name of letters, digits, - and _, and a host or address at which the other nodes reach this machine',
    }),
  ),
  TROUPE_COOKIE: Type.Optional(Type.String({ pattern: '^[!-~]{1,255}$', description: COOKIE })),
  TROUPE_COOKIE_FILE: file('a file that holds the cookie and that only its owner can read'),
  TROUPE_SEEDS: Type.Array(Type.String({ pattern: NODE_NAME.source }), {
    default: [],
    maxItems: LIST_MAX,
    description: `at most ${LIST_MAX} names of nodes, name@host, separated by commas`,
  }),
  TROUPE_EPMD: Type.Enum(['auto', 'client', 'embedded', 'off'], {
    default: 'auto',
    description: 'one of auto, client, embedded, off',
  }),
  TROUPE_EPMD_SERVE_ON: Type.String({
    ...HOST,
    default: '127.0.0.1',
    description:
      'an IP address of this machine at which this process listens when it serves as epmd, 0.0.0.0 or :: for all; 127.0.0.1 when unset',
  }),
  TROUPE_EPMD_PORT: wholeNumber(4369, 1, 65_535, 'the port of epmd on every machine'),
  TROUPE_DIST_HOST: Type.Optional(
    Type.String({
      ...HOST,
      description:
        'an IP address of this machine at which other nodes can connect, 0.0.0.0 or :: for all; the host in TROUPE_NODE when unset',
    }),
  ),
  TROUPE_DIST_PORT: wholeNumber(0, 0, 65_535, '0 lets the system choose'),
  TROUPE_ADDRESSES: Type.Array(Type.Refine(Type.String(), isAddressOfNode), {
    default: [],
    maxItems: LIST_MAX,
    description: `at most ${LIST_MAX} addresses separated by commas, each as name@host=address:port`,
  }),
  TROUPE_TLS_KEY: file('a file with a private key, PEM, without a passphrase'),
  TROUPE_TLS_CERT: file('a file with the certificate of the key, PEM'),
  TROUPE_TLS_CA: file('a file with the certificates that sign those of other nodes, PEM'),
  TROUPE_NET_TICKTIME_MS: wholeNumber(60_000, 1_000, 3_600_000, 'milliseconds'),
};

/** The variables of a cluster whose values are not repeated in a fault. */
export const clusterSecrets: readonly string[] = ['TROUPE_COOKIE'];

/** The variables that show that a cluster is wanted. */
const NEEDS_NODE = [
  'TROUPE_COOKIE',
  'TROUPE_COOKIE_FILE',
  'TROUPE_SEEDS',
  'TROUPE_DIST_HOST',
  'TROUPE_ADDRESSES',
  'TROUPE_TLS_KEY',
  'TROUPE_TLS_CERT',
  'TROUPE_TLS_CA',
] as const;
const TLS = ['TROUPE_TLS_KEY', 'TROUPE_TLS_CERT', 'TROUPE_TLS_CA'] as const;

const DATABASE_OF_NODE = new RegExp(`^troupe://(${NAME})/?$`);

const Variables = Type.Object(clusterVariables);
type Variables = Static<typeof Variables>;

/** Where a node listens. */
export interface NodeAddress {
  readonly host: string;
  readonly port: number;
}

/** How this instance takes part in a cluster. */
export interface ClusterSettings {
  /** The name of this node, `name@host`. */
  readonly node: string;
  /** A secret. Either this or `cookieFile` is there. */
  readonly cookie: string | undefined;
  readonly cookieFile: string | undefined;
  /** The nodes that this one connects to. Its own name is not among them. */
  readonly seeds: readonly string[];
  /** Where names are registered; `serveOn` is the address at which this process listens when it serves as epmd. */
  readonly epmd: {
    readonly mode: 'auto' | 'client' | 'embedded' | 'off';
    readonly serveOn: string;
    readonly port: number;
  };
  /** Where this node listens for others; without a host, at the one in its name. */
  readonly listen: { readonly host: string | undefined; readonly port: number };
  /** Where nodes listen, by name; for these, epmd is not asked. */
  readonly addresses: Readonly<Record<string, NodeAddress>>;
  /** Names of files; undefined for connections that are not encrypted. */
  readonly tls: { readonly key: string; readonly cert: string; readonly ca: string } | undefined;
  /** A node that is silent for about this long counts as gone. */
  readonly netTicktimeMs: number;
}

/** A fault between variables, each of which is fine alone. */
export interface ClusterFault {
  readonly variable: string;
  readonly problem: string;
  readonly allowed: string;
}

/** The node whose notes an instance uses, when DATABASE_URL names one: `troupe://name@host`. */
export function nodeOfUrl(url: string): string | undefined {
  return DATABASE_OF_NODE.exec(url)?.[1];
}

/**
 * The variables that do not go together.
 * @param given the variables that are set
 * @param databaseUrl DATABASE_URL, when it is set
 */
export function clusterFaults(
  given: Readonly<Record<string, unknown>>,
  databaseUrl: unknown,
): readonly ClusterFault[] {
  const notesOf = typeof databaseUrl === 'string' ? nodeOfUrl(databaseUrl) : undefined;
  const isSet = (variable: string): boolean => variable in given;
  if (!isSet('TROUPE_NODE')) {
    const alone = NEEDS_NODE.filter(isSet);
    const wants = notesOf === undefined ? alone : [...alone, 'DATABASE_URL'];
    return wants.map((variable) => ({
      variable,
      problem:
        variable === 'DATABASE_URL'
          ? 'names the notes of another node, and TROUPE_NODE is not set'
          : 'is set, and TROUPE_NODE is not',
      allowed: 'only together with TROUPE_NODE, the name of this node, such as notes1@127.0.0.1',
    }));
  }
  const faults: ClusterFault[] = [];
  if (!isSet('TROUPE_COOKIE') && !isSet('TROUPE_COOKIE_FILE')) {
    faults.push({
      variable: 'TROUPE_COOKIE',
      problem: 'is not set, nor is TROUPE_COOKIE_FILE',
      allowed: `${COOKIE}; or a file, such as ~/.erlang.cookie, in TROUPE_COOKIE_FILE`,
    });
  }
  if (isSet('TROUPE_COOKIE') && isSet('TROUPE_COOKIE_FILE')) {
    faults.push({
      variable: 'TROUPE_COOKIE_FILE',
      problem: 'is set, and so is TROUPE_COOKIE',
      allowed: 'one of the two',
    });
  }
  const missing = TLS.filter((variable) => !isSet(variable));
  if (missing.length > 0 && missing.length < TLS.length) {
    for (const variable of missing) {
      faults.push({
        variable,
        problem: 'is not set',
        allowed: `${TLS.join(', ')} all three, for encrypted connections, or none of them`,
      });
    }
  }
  if (given['TROUPE_EPMD'] === 'off' && (given['TROUPE_DIST_PORT'] ?? 0) === 0) {
    faults.push({
      variable: 'TROUPE_DIST_PORT',
      problem: 'is 0 or not set, and TROUPE_EPMD is off',
      allowed: 'without epmd a port that the other nodes know',
    });
  }
  if (notesOf !== undefined && notesOf === given['TROUPE_NODE']) {
    faults.push({
      variable: 'DATABASE_URL',
      problem: 'names this node itself',
      allowed: 'another node; a node that has the notes itself sets it to a PostgreSQL server, or not at all',
    });
  }
  return faults;
}

/** The cluster that checked settings describe; undefined without one. */
export function clusterOf(settings: Variables): ClusterSettings | undefined {
  const { TROUPE_NODE: node, TROUPE_TLS_KEY: key, TROUPE_TLS_CERT: cert, TROUPE_TLS_CA: ca } = settings;
  if (node === undefined) return undefined;
  return Object.freeze({
    node,
    cookie: settings.TROUPE_COOKIE,
    cookieFile: settings.TROUPE_COOKIE_FILE,
    // All instances can have the same list.
    seeds: Object.freeze([...new Set(settings.TROUPE_SEEDS)].filter((seed) => seed !== node)),
    epmd: Object.freeze({
      mode: settings.TROUPE_EPMD,
      serveOn: settings.TROUPE_EPMD_SERVE_ON,
      port: settings.TROUPE_EPMD_PORT,
    }),
    listen: Object.freeze({ host: settings.TROUPE_DIST_HOST, port: settings.TROUPE_DIST_PORT }),
    addresses: Object.freeze(
      Object.fromEntries(
        settings.TROUPE_ADDRESSES.map((text) => parseAddress(text) as [string, NodeAddress]),
      ),
    ),
    tls:
      key === undefined || cert === undefined || ca === undefined
        ? undefined
        : Object.freeze({ key, cert, ca }),
    netTicktimeMs: settings.TROUPE_NET_TICKTIME_MS,
  });
}

function isAddressOfNode(text: string): boolean {
  return parseAddress(text) !== undefined;
}

/** `name@host=address:port`; an IPv6 address is in brackets. */
function parseAddress(text: string): readonly [node: string, address: NodeAddress] | undefined {
  const [node = '', address = ''] = text.split('=', 2);
  const [, host = '', digits = ''] = ADDRESS.exec(address) ?? [];
  const port = Number(digits);
  if (!NODE_NAME.test(node) || host === '' || port < 1 || port > 65_535 || text !== `${node}=${address}`)
    return undefined;
  return [node, { host: host.replace(/^\[|\]$/g, ''), port }];
}
