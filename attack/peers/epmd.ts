// Registers a name with an epmd, for as long as the socket is open.
import { once } from 'node:events';
import { connect, type Socket } from 'node:net';

const ALIVE2_REQ = 120;
const HIDDEN = 72;

export async function registerNode(name: string, port: number, epmdPort: number): Promise<Socket> {
  const body = Buffer.alloc(13 + name.length);
  body[0] = ALIVE2_REQ;
  body.writeUInt16BE(port, 1);
  body[3] = HIDDEN;
  body.writeUInt16BE(6, 5);
  body.writeUInt16BE(6, 7);
  body.writeUInt16BE(name.length, 9);
  body.write(name, 11);
  const length = Buffer.alloc(2);
  length.writeUInt16BE(body.length);
  const socket = connect({ host: '127.0.0.1', port: epmdPort });
  socket.write(Buffer.concat([length, body]));
  await once(socket, 'data');
  return socket.on('error', () => undefined);
}
