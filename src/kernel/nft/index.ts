/** nf_tables by netlink: see {@link Transaction}, {@link Nft} and the combinators of rule.ts and expression.ts. */
export { type DataTypeName, dataTypes, type Scalar } from './datatype.ts';
export * from './expression.ts';
export { FakeNft } from './fake.ts';
export { NftInputError } from './input-error.ts';
export type * from './nft.ts';
export {
  accept,
  type Comparison,
  clampMss,
  compare,
  connections,
  continueRules,
  counter,
  counterFrom,
  type DynamicOptions,
  dnat,
  drop,
  duplicateTo,
  type Expression,
  forwardTo,
  goto,
  type InlineSet,
  type InlineVerdictMap,
  inSet,
  jump,
  type LimitSpec,
  type LogSpec,
  limit,
  log,
  logGroup,
  masquerade,
  match,
  type NatTarget,
  notInSet,
  notMatch,
  notrack,
  type PortTarget,
  type RejectReason,
  redirect,
  reject,
  returnToCaller,
  type SettableMeta,
  type Statement,
  setCtMark,
  setMark,
  setMeta,
  setPayload,
  snat,
  updateSet,
  type Verdict,
  vmap,
} from './rule.ts';
export { ruleText } from './rule-text.ts';
export { type NftOptions, NftSocket } from './socket.ts';
export * from './spec.ts';
export { type Operation, type RulePosition, Transaction } from './transaction.ts';
