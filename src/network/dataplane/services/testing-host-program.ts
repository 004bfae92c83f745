import { createSocket } from 'node:dgram';
import { connect, createServer, type Socket } from 'node:net';
import { createInterface } from 'node:readline';
import type { HostCommand } from './testing-host.ts';

// Runs in a network namespace of a test. Commands come in and results go out as JSON, a line each.

const name = process.argv[2]!;
const held = new Map<string, { socket: Socket; lines: (line: string) => void }>();
const plain = (address: string | undefined): string => (address ?? '').replace('::ffff:', '');

function listen(port: number): Promise<string> {
  const greeting = (peer: string | undefined): string => `${name} ${plain(peer)}`;
  const udp = createSocket({ type: 'udp6' });
  udp.on('message', (_, from) => udp.send(greeting(from.address), from.port, from.address));
  const tcp = createServer((socket) => {
    socket.on('error', () => {});
    socket.write(`${greeting(socket.remoteAddress)}\n`);
    socket.pipe(socket);
  });
  return new Promise((resolve) =>
    udp.bind(port, '::', () => tcp.listen(port, '::', () => resolve('listens'))),
  );
}

function askTcp(address: string, port: number, milliseconds: number): Promise<string> {
  return new Promise((resolve) => {
    const socket = connect({ host: address, port });
    const end = (answer: string): void => {
      resolve(answer);
      socket.destroy();
    };
    socket.setTimeout(milliseconds, () => end('timeout'));
    socket.once('data', (data) => end(data.toString().trim()));
    socket.once('error', (error: NodeJS.ErrnoException) => end(error.code ?? String(error)));
  });
}

function askUdp(address: string, port: number, milliseconds: number, from: number): Promise<string> {
  return new Promise((resolve) => {
    const socket = createSocket(address.includes(':') ? 'udp6' : 'udp4');
    let again: NodeJS.Timeout | undefined;
    const end = (answer: string): void => {
      clearInterval(again);
      clearTimeout(last);
      resolve(answer);
      socket.close();
    };
    const last = setTimeout(() => end('timeout'), milliseconds);
    socket.once('error', (error: NodeJS.ErrnoException) => end(error.code ?? String(error)));
    socket.once('message', (data) => end(data.toString()));
    // Connected: only so does a socket hear that nobody is there.
    socket.bind(from, () =>
      socket.connect(port, address, () => {
        socket.send('?');
        again = setInterval(() => socket.send('?'), 1000);
      }),
    );
  });
}

function hold(id: string, address: string, port: number): Promise<string> {
  return new Promise((resolve) => {
    const socket = connect({ host: address, port });
    const one = { socket, lines: resolve };
    held.set(id, one);
    createInterface(socket).on('line', (line) => one.lines(line));
    socket.on('error', (error: NodeJS.ErrnoException) => one.lines(error.code ?? String(error)));
  });
}

function say(id: string, text: string, milliseconds: number): Promise<string> {
  const one = held.get(id)!;
  return new Promise((resolve) => {
    const timer = setTimeout(() => resolve('timeout'), milliseconds);
    one.lines = (line) => {
      clearTimeout(timer);
      resolve(line);
    };
    one.socket.write(`${text}\n`);
  });
}

function run(command: HostCommand): Promise<string> {
  const { what, address = '', port = 0, id = '', milliseconds } = command;
  if (what === 'listen') return listen(port);
  if (what === 'tcp') return askTcp(address, port, milliseconds);
  if (what === 'udp') return askUdp(address, port, milliseconds, command.from ?? 0);
  if (what === 'hold') return hold(id, address, port);
  return say(id, command.text ?? '', milliseconds);
}

createInterface(process.stdin).on('line', (line) => {
  const { number, ...command } = JSON.parse(line) as HostCommand & { number: number };
  void run(command).then((answer) => process.stdout.write(`${JSON.stringify({ number, answer })}\n`));
});
