import { KernelError } from '../errno.ts';
import { AttributeReader, HEADER_LENGTH, MessageWriter } from '../netlink/attributes.ts';
import {
  type Exchange,
  kernelError,
  type MessageError,
  NETLINK_NETFILTER,
  type NetlinkMessage,
  NetlinkSocket,
} from '../netlink/socket.ts';
import * as C from './constants.ts';
import { decodeChain, decodeCounter, decodeRule, decodeSet, decodeTable } from './decode.ts';
import { decodeElements, hasTwins, type RawElement, readElement, readElements } from './decode-element.ts';
import { describe, keyText, setName } from './describe.ts';
import { decodeKey, encodeElement } from './element.ts';
import { BatchEncoder, schemaKey } from './encode.ts';
import type { ChainInfo, CounterValue, ElementInfo, Nft, RuleInfo, SetInfo, TableInfo } from './nft.ts';
import { successor } from './range.ts';
import { type SetSchema, schemaOf } from './schema.ts';
import { type Family, type MapSpec, type SetSpec, type TableRef, tableText } from './spec.ts';
import type { Operation, Transaction } from './transaction.ts';

const ENOENT = 2;
const EINTR = 4;
const EBUSY = 16;
/** A big set is rearranged for some milliseconds after it has grown; a reading takes as long. */
const DUMP_TRIES = 100;
/** Bytes of writer memory to keep between transactions. */
const KEEP = 1024 * 1024;

export interface NftOptions {
  /** Path of the network namespace; the caller's own when absent. The socket stays in it. */
  readonly netns?: string | undefined;
}

/**
 * nf_tables of one network namespace, by netlink. Needs CAP_NET_ADMIN there. All calls are synchronous; not for use by
 * two callers at once.
 *
 * It remembers the types of the sets it has seen. Something else that deletes a set and makes it anew with other
 * types of the same size goes unnoticed; give the specification itself with the elements where that can happen.
 */
export class NftSocket implements Nft {
  readonly #socket: NetlinkSocket;
  readonly #schemas = new Map<string, SetSchema>();
  #writer = new MessageWriter(16 * 1024);
  #busy = false;

  private constructor(socket: NetlinkSocket) {
    this.#socket = socket;
  }

  /** @throws KernelError when the namespace cannot be entered or the kernel has no netfilter netlink. */
  static open(options: NftOptions = {}): NftSocket {
    return new NftSocket(NetlinkSocket.open(NETLINK_NETFILTER, { netns: options.netns }));
  }

  commit(transaction: Transaction): void {
    if (transaction.isEmpty) return;
    const encoder = this.#encode(transaction);
    const { errors } = this.#socket.exchange(this.#writer);
    this.#settle(transaction, encoder, errors);
  }

  /**
   * {@link commit} with the kernel's work (a second for 250,000 elements) off the event loop. Until it is done the
   * socket refuses everything else (EBUSY); open another one for that.
   */
  async commitAsync(transaction: Transaction): Promise<void> {
    if (transaction.isEmpty) return;
    const encoder = this.#encode(transaction);
    this.#busy = true;
    let exchange: Exchange;
    try {
      exchange = await this.#socket.exchangeAsync(this.#writer);
    } finally {
      this.#busy = false;
    }
    this.#settle(transaction, encoder, exchange.errors);
  }

  listTables(family?: Family): TableInfo[] {
    const w = this.#request(C.MSG.getTable, family);
    return this.#dump(w, decodeTable, 'list tables', family ?? 'all families');
  }

  listChains(table: TableRef): ChainInfo[] {
    this.#mustExist(table, 'list chains');
    const w = this.#request(C.MSG.getChain, table.family);
    const chains = this.#dump(w, decodeChain, 'list chains', tableText(table));
    return chains.filter((chain) => chain.table.name === table.name);
  }

  listRules(table: TableRef, chain?: string): RuleInfo[] {
    if (chain === undefined) this.#mustExist(table, 'list rules');
    else {
      // A dump of the rules of a chain that is not there is empty.
      const get = this.#request(C.MSG.getChain, table.family).attrString(C.CHAIN.table, table.name);
      const object = `chain ${chain} in ${tableText(table)}`;
      this.#socket.request(get.attrString(C.CHAIN.name, chain), 'list rules', object);
    }
    const w = this.#request(C.MSG.getRule, table.family).attrString(C.RULE.table, table.name);
    if (chain !== undefined) w.attrString(C.RULE.chain, chain);
    const rules = this.#dump(w, decodeRule, 'list rules', tableText(table));
    return rules.filter(
      (rule) => rule.table.name === table.name && (chain === undefined || rule.chain === chain),
    );
  }

  listSets(table: TableRef): SetInfo[] {
    this.#mustExist(table, 'list sets');
    const w = this.#request(C.MSG.getSet, table.family).attrString(C.SET.table, table.name);
    return this.#dump(w, decodeSet, 'list sets', tableText(table));
  }

  listElements(table: TableRef, set: string): ElementInfo[] {
    const object = `set ${set} in ${tableText(table)}`;
    // Asked anew, because the answer decides how to read what follows.
    this.#schemas.delete(schemaKey(table, set));
    const schema = this.#schema(table, set);
    if (schema === undefined) throw new KernelError('list elements', object, ENOENT);
    for (let tries = 0; tries < DUMP_TRIES; tries++) {
      const raw = this.#dumpElements(table, set, object);
      if (!hasTwins(raw)) return decodeElements(schema, raw);
    }
    throw new KernelError('list elements', object, EINTR, 'the set was being rearranged at each reading');
  }

  counters(table: TableRef): Map<string, CounterValue> {
    this.#mustExist(table, 'list counters');
    const w = this.#request(C.MSG.getObject, table.family);
    w.attrString(C.OBJECT.table, table.name).attrBe32(C.OBJECT.type, C.OBJECT_COUNTER);
    const list = this.#dump(w, (_, reader) => decodeCounter(reader), 'list counters', tableText(table));
    return new Map(list.map(({ name, value }) => [name, value]));
  }

  close(): void {
    this.#socket.close();
  }

  [Symbol.dispose](): void {
    this.close();
  }

  #encode(transaction: Transaction): BatchEncoder {
    this.#mustBeFree('commit');
    if (this.#writer.length > KEEP) this.#writer = new MessageWriter(16 * 1024);
    // Looking up a set needs the socket in the middle of encoding, hence with a writer of its own.
    const encoder = new BatchEncoder(this.#writer.reset(), (table, set) => this.#schema(table, set));
    encoder.encode(transaction);
    return encoder;
  }

  #settle(transaction: Transaction, encoder: BatchEncoder, errors: readonly MessageError[]): void {
    // One wrong message makes others fail after it; the first one is the cause.
    const first = errors[0];
    if (first !== undefined) {
      const error = this.#error(first, encoder.origins[first.index]);
      for (const operation of transaction.operations) this.#forget(operation);
      throw error;
    }
    for (const table of encoder.removedTables) this.#forgetTable(table);
    for (const [key, schema] of encoder.changes) {
      if (schema === undefined) this.#schemas.delete(key);
      else this.#schemas.set(key, schema);
    }
  }

  #error(error: MessageError, operation: Operation | undefined): KernelError {
    if (operation === undefined) return kernelError(error, 'commit', `transaction ${this.#place()}`);
    const element = 'elements' in operation ? this.#refusedElement(error, operation) : undefined;
    const { operation: verb, object } = describe(operation, element);
    return kernelError(error, verb, `${object}${this.#place()}`);
  }

  #place(): string {
    return this.#socket.netns === undefined ? '' : ` (${this.#socket.netns})`;
  }

  /** The kernel tells at which byte of the message the refused element is: read it back from there. */
  #refusedElement(
    error: MessageError,
    operation: Operation & { op: 'addElements' | 'deleteElements' },
  ): string | undefined {
    if (error.offset === undefined) return undefined;
    const { table, set } = operation.elements;
    const name = setName(set);
    const schema = typeof set === 'string' ? this.#schema(table, set) : schemaOf(set);
    const datagram = this.#writer.finish(0);
    let at = 0;
    for (let i = 0; i < error.index; i++) at += (datagram.readUInt32LE(at) + 3) & ~3;
    const list = new AttributeReader(
      datagram,
      new DataView(datagram.buffer, datagram.byteOffset, datagram.length),
      at + error.offset,
      at + datagram.readUInt32LE(at),
    );
    // The offset may also point at the set's or the table's name; those are strings of the message itself.
    if (schema === undefined || error.offset < HEADER_LENGTH + C.NFGEN_LENGTH + 8 || !list.next())
      return undefined;
    const { key, keyEnd } = readElement(list.nested());
    if (key === undefined || key.length === 0) return undefined;
    // As it was written, if it can be told: a plain interval is sent in two halves.
    const written = operation.elements.elements.find((element) => {
      const encoded = encodeElement(schema, element, name, true);
      return encoded.key?.equals(key) || (encoded.end && successor(encoded.end)?.equals(key));
    });
    return keyText(written?.key ?? decodeKey(schema, key, keyEnd));
  }

  #schema(table: TableRef, set: string): SetSchema | undefined {
    const key = schemaKey(table, set);
    const known = this.#schemas.get(key);
    if (known !== undefined) return known;
    const w = this.#request(C.MSG.getSet, table.family);
    w.attrString(C.SET.table, table.name).attrString(C.SET.name, set);
    const { errors, replies } = this.#socket.exchange(w);
    const first = errors[0];
    if (first?.errno === ENOENT) return undefined;
    if (first) throw kernelError(first, 'get set', `${set} in ${tableText(table)}`);
    const info = replies[0] && decodeSet(table.family, replies[0].attributes(C.NFGEN_LENGTH));
    if (info === undefined) return undefined;
    const schema = schemaOf(info as SetSpec | MapSpec);
    this.#schemas.set(key, schema);
    return schema;
  }

  #dumpElements(table: TableRef, set: string, object: string): RawElement[] {
    const w = this.#request(C.MSG.getElement, table.family);
    w.attrString(C.ELEMENTS.table, table.name).attrString(C.ELEMENTS.set, set);
    const raw: RawElement[] = [];
    const parts = this.#dump(
      w,
      (_, reader) => {
        const part: RawElement[] = [];
        readElements(reader, part);
        return part;
      },
      'list elements',
      object,
    );
    for (const part of parts) for (const element of part) raw.push(element);
    return raw;
  }

  #mustExist(table: TableRef, operation: string): void {
    const w = this.#request(C.MSG.getTable, table.family).attrString(C.TABLE.name, table.name);
    this.#socket.request(w, operation, tableText(table));
  }

  #request(message: number, family: Family | undefined): MessageWriter {
    this.#mustBeFree('list');
    return new MessageWriter(256)
      .begin(C.SUBSYSTEM | message, 0)
      .u8(family === undefined ? 0 : C.families[family])
      .u8(0)
      .be16(0);
  }

  #mustBeFree(operation: string): void {
    if (this.#busy)
      throw new KernelError(operation, `nf_tables${this.#place()}`, EBUSY, 'commitAsync is under way');
  }

  #dump<T>(
    writer: MessageWriter,
    decode: (family: Family, reader: AttributeReader) => T | undefined,
    operation: string,
    object: string,
  ): T[] {
    const each = (message: NetlinkMessage): T | undefined => {
      const family = C.familyName(message.u8(0));
      return family === undefined ? undefined : decode(family, message.attributes(C.NFGEN_LENGTH));
    };
    return this.#socket.dump(writer, each, operation, object);
  }

  #forget(operation: Operation): void {
    if ('set' in operation) this.#schemas.delete(schemaKey(operation.set.table, operation.set.name));
    if ('elements' in operation)
      this.#schemas.delete(schemaKey(operation.elements.table, setName(operation.elements.set)));
    if (operation.op === 'deleteTable')
      this.#forgetTable(`${operation.table.family} ${operation.table.name}`);
  }

  #forgetTable(table: string): void {
    for (const key of this.#schemas.keys()) if (key.startsWith(`${table} `)) this.#schemas.delete(key);
  }
}
