/** Connection tracking by netlink: see {@link Conntrack} and {@link ConntrackSocket}. */
export * from './conntrack.ts';
export { FakeConntrack } from './fake.ts';
export { type ConntrackOptions, ConntrackSocket } from './socket.ts';
