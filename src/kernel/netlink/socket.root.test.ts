import { afterAll, describe, expect, test } from 'vitest';
import { TestNamespaces } from '../test-namespaces.ts';
import { HEADER_LENGTH, MessageWriter, NLM_F_ACK } from './attributes.ts';
import { NETLINK_NETFILTER, NETLINK_ROUTE, NetlinkSocket } from './socket.ts';

const spaces = new TestNamespaces();
const netns = spaces.make('a');
const socket = NetlinkSocket.open(NETLINK_ROUTE, { netns, strict: true });
afterAll(() => {
  socket.close();
  spaces.cleanup();
});

const RTM_NEWLINK = 16;
const RTM_DELLINK = 17;
const RTM_GETLINK = 18;
const RTM_SETLINK = 19;
const IFLA_IFNAME = 3;
const IFLA_MTU = 4;

const byName = (writer: MessageWriter, type: number, name: string, flags = NLM_F_ACK): MessageWriter =>
  writer.begin(type, flags).zero(16).attrString(IFLA_IFNAME, name);

describe('exchange', () => {
  test('refusals carry the index of their message, and the kernel’s words and place', () => {
    const writer = new MessageWriter();
    byName(writer, RTM_GETLINK, 'lo', 0);
    byName(writer, RTM_DELLINK, 'none');
    byName(writer, RTM_SETLINK, 'lo').attrU32(IFLA_MTU, 1000);
    const where = byName(writer, RTM_SETLINK, 'lo').offset;
    writer.attrBytes(IFLA_MTU, Buffer.from([1]));
    const { errors, replies } = socket.exchange(writer);
    expect(errors).toEqual([
      { index: 1, errno: 19, detail: undefined, offset: undefined },
      { index: 3, errno: 34, detail: 'Attribute failed policy validation', offset: where },
    ]);
    expect(replies.map((reply) => [reply.index, reply.type])).toEqual([[0, RTM_NEWLINK]]);
  });

  test('a refusal without a request for acknowledgement is told too', () => {
    const { errors } = socket.exchange(byName(new MessageWriter(), RTM_DELLINK, 'none', 0));
    expect(errors).toMatchObject([{ index: 0, errno: 19 }]);
  });

  test('request() throws the first refusal by name', () => {
    const writer = byName(new MessageWriter(), RTM_DELLINK, 'none');
    expect(() => socket.request(writer, 'delete link', 'none')).toThrow('delete link none: ENODEV');
  });

  test('ten thousand answers to one datagram of half a megabyte', () => {
    const writer = new MessageWriter();
    for (let i = 0; i < 10_000; i++) byName(writer, RTM_DELLINK, `none${i}`);
    const { errors } = socket.exchange(writer);
    expect(errors.map((error) => error.index)).toEqual(Array.from({ length: 10_000 }, (_, i) => i));
  });

  test('answers that nobody read do not confuse the next request', () => {
    const writer = byName(new MessageWriter(), RTM_DELLINK, 'none');
    // What a request leaves that was interrupted between sending and reading.
    const interrupted = { count: 1, finish: (n: number) => writer.finish(n), flags: () => fail() };
    const fail = (): never => {
      throw new Error('interrupted');
    };
    expect(() => socket.exchange(interrupted as unknown as MessageWriter)).toThrow('interrupted');
    const next = byName(new MessageWriter(), RTM_SETLINK, 'lo').attrU32(IFLA_MTU, 65_536);
    expect(socket.exchange(next)).toEqual({ errors: [], replies: [] });
  });

  test('in the background', async () => {
    const own = NetlinkSocket.open(NETLINK_ROUTE, { netns });
    const writer = byName(new MessageWriter(), RTM_DELLINK, 'none');
    const { errors } = await own.exchangeAsync(writer);
    expect(errors).toMatchObject([{ index: 0, errno: 19 }]);
    own.close();
  });

  test('a closed socket says so', () => {
    const closed = NetlinkSocket.open(NETLINK_ROUTE, { netns });
    closed.close();
    closed.close();
    const writer = byName(new MessageWriter(), RTM_GETLINK, 'lo', 0);
    expect(() => closed.exchange(writer)).toThrow(/EBADF \(the socket is closed\)/);
  });
});

describe('dump', () => {
  const links = (): MessageWriter => new MessageWriter().begin(RTM_GETLINK, 0).zero(16);

  test('gives every message to the decoder', () => {
    const sizes = socket.dump(links(), (message) => message.length, 'list', 'links');
    expect(sizes).toHaveLength(1);
    expect(sizes[0]).toBeGreaterThan(HEADER_LENGTH);
  });

  test('a refused dump throws', () => {
    const writer = new MessageWriter().begin(RTM_GETLINK, 0).zero(4).u32(1).zero(8);
    expect(() => socket.dump(writer, () => 1, 'list', 'links')).toThrow(/list links: EINVAL \(.+\)/);
  });

  test('one that a change tears is taken again, and is whole', () => {
    using other = NetlinkSocket.open(NETLINK_ROUTE, { netns });
    const create = new MessageWriter();
    const add = (name: string): void => {
      byName(create.reset(), RTM_NEWLINK, name, NLM_F_ACK | 0x600);
      create.nest(18, () => create.attrString(1, 'bridge'));
      other.request(create, 'create', name);
    };
    // More links than one datagram holds: the kernel goes on with the dump when the first was read.
    for (let i = 0; i < 60; i++) add(`br${i}`);
    let calls = 0;
    const indexes = socket.dump(
      links(),
      (message) => {
        calls++;
        if (calls === 5) add('late');
        return message.s32(4);
      },
      'list',
      'links',
    );
    expect(new Set(indexes).size).toBe(indexes.length);
    expect(indexes).toHaveLength(62);
    expect(calls).toBeGreaterThan(indexes.length);
  });

  test('torn for ever: EINTR', () => {
    using other = NetlinkSocket.open(NETLINK_ROUTE, { netns });
    let calls = 0;
    const change = new MessageWriter();
    const toggle = (): void => {
      const name = `torn${calls}`;
      byName(change.reset(), RTM_NEWLINK, name, NLM_F_ACK | 0x600);
      change.nest(18, () => change.attrString(1, 'bridge'));
      other.request(change, 'create', name);
    };
    const decode = (): number => {
      if (calls++ % 5 === 0) toggle();
      return 1;
    };
    expect(() => socket.dump(links(), decode, 'list', 'links')).toThrow(
      /list links: EINTR \(the table changed/,
    );
  });
});

test('nfnetlink sockets open too, and the namespace must exist', () => {
  const nft = NetlinkSocket.open(NETLINK_NETFILTER, { netns });
  expect(nft.fd).toBeGreaterThan(2);
  nft.close();
  expect(() => NetlinkSocket.open(NETLINK_ROUTE, { netns: `${netns}-none` })).toThrow(/open .*-none: ENOENT/);
  expect(() => NetlinkSocket.open(31, {})).toThrow(/EPROTONOSUPPORT/);
});
