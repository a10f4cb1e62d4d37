// The second node of the observer's tests, in an operating system process of its own: `two` with a warehouse that follows the orders, and
// an inspector's server. It is connected with `one`, says so, and ends with its stdin.
import { startTroupe } from '../support/troupe-node.ts';
import { inspected, warehouse } from './observer-shop.ts';

const [epmdPort = '', first = ''] = process.argv.slice(2);
const { node } = await startTroupe({ name: 'two@127.0.0.1', epmd: 'auto', epmdPort: Number(epmdPort) });
await node.start(inspected, [], { name: 'inspect_sup' });
await node.start(warehouse, [], { name: 'far_warehouse' });
await node.connect(first);
process.stdin.once('end', () => void node.stop()).resume();
process.stdout.write('connected\n');
