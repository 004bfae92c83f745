import type { DataTypeName } from './datatype.ts';
import type { FakeChain, FakeElement, FakeSet, FakeTable } from './fake-state.ts';
import { verdictText } from './instruction.ts';
import { durationText, ruleText } from './render-rule.ts';
import { keyText } from './render-value.ts';
import type { HookSpec, MapSpec, TableRef } from './spec.ts';

/** Tables as `nft --stateless list ruleset` prints them, one element a line. */
export function tableText(table: FakeTable): string {
  const { spec } = table;
  const blocks: string[][] = [];
  for (const { spec: counter } of table.counters.values())
    blocks.push(block(`counter ${counter.name}`, comment(counter.comment)));
  for (const set of table.sets.values()) if (!set.anonymous) blocks.push(setLines(set));
  for (const chain of table.chains.values()) blocks.push(chainLines(chain, spec));
  const head = [...comment(spec.comment), ...(spec.dormant ? ['flags dormant'] : [])];
  const body = [head, ...blocks].filter((lines) => lines.length > 0);
  const lines = body.flatMap((part, i) => (i === 0 ? part : ['', ...part]));
  return block(`table ${spec.family} ${spec.name}`, lines).join('\n');
}

function setLines(set: FakeSet): string[] {
  const { spec, schema } = set;
  const key = schema.key.join(' . ');
  const data = schema.data === undefined ? '' : ` : ${dataTypeText(schema.data)}`;
  const lines = [`type ${key}${data}`];
  if (spec.size !== undefined) lines.push(`size ${spec.size}`);
  const flags = [
    spec.constant && 'constant',
    spec.dynamic && 'dynamic',
    spec.interval && 'interval',
    spec.timeout !== undefined && 'timeout',
  ].filter(Boolean);
  if (flags.length > 0) lines.push(`flags ${flags.join(',')}`);
  if (spec.counter) lines.push('counter');
  if (typeof spec.timeout === 'number') lines.push(`timeout ${durationText(spec.timeout)}`);
  if (spec.gcInterval !== undefined) lines.push(`gc-interval ${durationText(spec.gcInterval)}`);
  lines.push(...comment(spec.comment));
  const elements = [...set.elements.values()].map((element) => elementText(set, element)).sort();
  if (elements.length > 0) lines.push(`elements = { ${elements.join(',\n\t\t     ')} }`);
  return block(`${'data' in spec ? 'map' : 'set'} ${spec.name}`, lines);
}

function dataTypeText(data: MapSpec['data'] | readonly DataTypeName[]): string {
  return typeof data === 'string' ? data : data.join(' . ');
}

function elementText(set: FakeSet, { spec, encoded }: FakeElement): string {
  const { schema } = set;
  const words = [keyText(schema.key, spec.key)];
  if (set.spec.counter) words.push('counter');
  if (spec.timeout !== undefined) words.push(`timeout ${durationText(spec.timeout)}`);
  if (spec.comment !== undefined) words.push(`comment ${JSON.stringify(spec.comment)}`);
  const { data } = encoded;
  if (data === undefined) return words.join(' ');
  if (typeof data === 'string') return `${words.join(' ')} : "${data}"`;
  const value =
    data instanceof Uint8Array
      ? keyText(schema.data as DataTypeName[], spec.data as string)
      : verdictText(data);
  return `${words.join(' ')} : ${value}`;
}

function chainLines(chain: FakeChain, table: TableRef): string[] {
  const { spec } = chain;
  const lines = comment(spec.comment);
  if (spec.hook !== undefined) lines.push(hookText(spec.hook, table));
  for (const rule of chain.rules) lines.push(ruleText(rule.statements, table.family, rule.comment));
  return block(`chain ${spec.name}`, lines);
}

const names: Record<number, string> = {
  [-300]: 'raw',
  [-150]: 'mangle',
  [-100]: 'dstnat',
  0: 'filter',
  50: 'security',
  100: 'srcnat',
};

function hookText(hook: HookSpec, { family }: TableRef): string {
  const devices = hook.device === undefined ? [] : [hook.device].flat();
  const device =
    devices.length === 0
      ? ''
      : devices.length === 1
        ? ` device "${devices[0]}"`
        : ` devices = { ${devices.join(', ')} }`;
  return `type ${hook.type} hook ${hook.hook}${device} priority ${priorityText(hook, family)}; policy ${hook.policy ?? 'accept'};`;
}

function priorityText(hook: HookSpec, family: string): string {
  const named = names[hook.priority];
  const { hook: place } = hook;
  if (family === 'bridge' || named === undefined) return String(hook.priority);
  if (named === 'dstnat' && place !== 'prerouting') return String(hook.priority);
  if (named === 'srcnat' && place !== 'postrouting') return String(hook.priority);
  return named;
}

function comment(text: string | undefined): string[] {
  return text === undefined ? [] : [`comment ${JSON.stringify(text)}`];
}

function block(head: string, lines: readonly string[]): string[] {
  return [`${head} {`, ...lines.map((line) => (line === '' ? '' : `\t${line}`)), '}'];
}
