export type { Address, AddressScope, AddressSpec } from './address.ts';
export type { Family } from './ip.ts';
export type {
  BridgeOptions,
  Link,
  LinkChange,
  LinkIpv4,
  LinkOptions,
  LinkStats,
  VethEnd,
  VethOptions,
  VxlanOptions,
} from './link.ts';
export type { MonitorAction, MonitorGroup, MonitorOptions, RtnlEvent } from './monitor.ts';
export { RtnlMonitor } from './monitor.ts';
export type {
  FdbEntry,
  FdbSpec,
  Neighbour,
  NeighbourSpec,
  NeighbourState,
} from './neighbour.ts';
export type { AddOptions, DeleteOptions, LinkRef, Operations } from './operations.ts';
export type { NextHop, Route, RouteFilter, RouteScope, RouteSpec, RouteType } from './route.ts';
export { PROTOCOL_KERNEL, TABLE_LOCAL, TABLE_MAIN } from './route.ts';
export type { LinkFilter, RtnlOptions } from './rtnl.ts';
export { Rtnl } from './rtnl.ts';
export type { Rule, RuleAction, RuleSpec } from './rule.ts';
