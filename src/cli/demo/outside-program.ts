import { connect, createServer } from 'node:net';

// A program of its own (dist/outside.js), run inside the network of the lab's hosts: a machine outside a cluster.
//   serve NAME PORT             answers every connection with NAME and the address it sees the caller at
//   reach ADDRESS PORT MS       ends with 0 when a connection opens within MS milliseconds, else with 1

const [verb, first, second, third] = process.argv.slice(2);

if (verb === 'serve') {
  const server = createServer((socket) => {
    socket.on('error', () => undefined);
    socket.end(`${first} ${socket.remoteAddress}\n`);
  });
  server.listen(Number(second), '0.0.0.0', () => process.stderr.write('listening\n'));
} else if (verb === 'reach') {
  const socket = connect({ host: first ?? '', port: Number(second), timeout: Number(third) });
  const end = (code: number): void => {
    socket.destroy();
    process.exit(code);
  };
  socket.once('connect', () => end(0));
  socket.once('timeout', () => end(1));
  socket.once('error', () => end(1));
} else {
  process.stderr.write('usage: outside serve NAME PORT | reach ADDRESS PORT MS\n');
  process.exitCode = 2;
}
