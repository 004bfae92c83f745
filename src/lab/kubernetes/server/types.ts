// The request pipeline's interfaces: authenticate -> route -> authorize -> decode -> admit -> default -> validate -> store -> answer.
// Other rooms plug in through `Plugins`; all but authentication, authorization and connect handlers is synchronous, so that what lies
// between reading an object and writing it back is one turn of the event loop and no write is lost between.
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Duplex } from 'node:stream';
import type {
  FieldError,
  GroupVersionKind,
  KindInfo,
  KubeObject,
  ManagedFieldsEntry,
} from '../schema/types.ts';
import type { Store } from '../store/store.ts';
import type { GroupResource } from './status.ts';

/** Who asks. */
export interface Identity {
  name: string;
  uid?: string;
  groups: string[];
  extra?: Record<string, string[]>;
}

export type Verb = 'get' | 'list' | 'watch' | 'create' | 'update' | 'patch' | 'delete' | 'deletecollection';

/** What a request is about, as upstream's RequestInfo: what authorization sees. */
export interface RequestInfo {
  /** The verb; for paths that are no resources the lower-case method. */
  verb: string;
  isResource: boolean;
  /** The path without query. */
  path: string;
  group: string;
  version: string;
  /** Missing for cluster-wide requests; for `namespaces` itself the name, as upstream. */
  namespace?: string;
  /** Plural name. */
  resource: string;
  subresource?: string;
  name?: string;
  /** What follows the subresource, without leading slash: `proxy/a/b` gives `a/b`. */
  rest?: string;
}

/** One request for a resource while it is answered. */
export interface RequestContext {
  readonly request: IncomingMessage;
  /** Not to be used by handlers of an upgrade; see `upgrade`. */
  readonly response: ServerResponse;
  /** There when the client asked for a protocol upgrade (exec, attach, port-forward); the handler then owns the socket. */
  readonly upgrade?: { socket: Duplex; head: Buffer };
  readonly info: RequestInfo;
  readonly verb: Verb;
  readonly identity: Identity;
  readonly kind: KindInfo;
  readonly namespace: string | undefined;
  readonly name: string | undefined;
  readonly subresource: string | undefined;
  readonly query: URLSearchParams;
  /** Aborted when the client goes away or the server drains. */
  readonly signal: AbortSignal;
  readonly now: Date;
  /** Sent as `Warning: 299` headers. */
  readonly warnings: string[];
  /** The body, read once, at most 3 MiB. @throws StatusError 413 */
  body(): Promise<Buffer>;
  /** The body as an object (JSON or YAML), without defaults or checks beyond syntax. Undefined when there is none. @throws StatusError 400, 413, 415 */
  json(): Promise<KubeObject | undefined>;
}

/** What plugins see of the objects that the server keeps. Synchronous: reading is a few microseconds. */
export interface Access {
  /** The object, freshly parsed: the caller may change it. */
  get(resource: GroupResource, namespace: string | undefined, name: string): KubeObject | undefined;
  /** All of a resource, ordered by namespace and name. For resources of which there are few. */
  list(resource: GroupResource, namespace?: string): KubeObject[];
  /** Stores as a client's create would, without authorization; `manager` is the field manager. @throws StatusError */
  create(resource: GroupResource, object: KubeObject, manager?: string): Promise<KubeObject>;
  /** Replaces; conflicts if `metadata.resourceVersion` is set and old. @throws StatusError */
  update(
    resource: GroupResource,
    object: KubeObject,
    options?: { subresource?: string; manager?: string },
  ): Promise<KubeObject>;
  /** @throws StatusError */
  delete(resource: GroupResource, namespace: string | undefined, name: string): Promise<void>;
  /** Calls back after each committed change; the returned function ends it. */
  onChange(resource: GroupResource, listener: (change: Change) => void): () => void;
}

export interface Change {
  type: 'ADDED' | 'MODIFIED' | 'DELETED';
  revision: number;
  namespace: string | undefined;
  name: string;
  /** Parsed when called, the same object for all listeners: not to be changed. For DELETED its last state. */
  object(): KubeObject;
}

/** What authorization decides on. */
export interface Attributes {
  verb: string;
  isResource: boolean;
  path: string;
  group?: string;
  version?: string;
  namespace?: string;
  resource?: string;
  subresource?: string;
  name?: string;
}

export interface Decision {
  allowed: boolean;
  reason: string;
}

/**
 * Serves a subresource (`pods/log`, `serviceaccounts/token`) or a kind that is not stored (`tokenreviews`).
 * Returns the object to answer with (200, or 201 for create), or undefined when it has answered itself on `response` or `upgrade`.
 * @throws StatusError
 */
export type ConnectHandler = (context: RequestContext, access: Access) => Promise<KubeObject | undefined>;

/** What an admission step sees; it may change `object`. */
export interface AdmissionRequest {
  operation: 'CREATE' | 'UPDATE' | 'DELETE';
  kind: KindInfo;
  namespace: string | undefined;
  name: string;
  subresource: string | undefined;
  /** Missing for DELETE. */
  object?: KubeObject;
  oldObject?: KubeObject;
  identity: Identity;
  dryRun: boolean;
  warnings: string[];
}

/** Changes or refuses. @throws StatusError */
export type AdmissionStep = (request: AdmissionRequest, access: Access) => void;

export type FieldValidation = 'Strict' | 'Warn' | 'Ignore';

export interface PatchRequest {
  type: 'json' | 'merge' | 'strategic' | 'apply';
  kind: KindInfo;
  /** Undefined only for `apply` that creates. Not to be changed. */
  live: KubeObject | undefined;
  /** The patch's text: JSON, for `apply` YAML too. */
  body: unknown;
  manager: string;
  force: boolean;
  subresource: string | undefined;
  now: Date;
}

export interface TrackRequest {
  kind: KindInfo;
  before: KubeObject | undefined;
  after: KubeObject;
  manager: string;
  operation: 'Apply' | 'Update';
  subresource: string | undefined;
  now: Date;
}

/** The kinds that are served; `SchemaRegistry` of schema/ is one. */
export interface Kinds {
  kinds(): KindInfo[];
  find(resource: { group: string; version: string; plural: string }): KindInfo | undefined;
  byKind?(kind: GroupVersionKind): KindInfo | undefined;
}

/** What the other rooms bring. server/wiring.ts puts the real ones in; tests may bring stand-ins. */
export interface Plugins {
  kinds: Kinds;
  /** Undefined: anonymous, answered 401 where anonymous may nothing. @throws StatusError 401 for credentials that are wrong */
  authenticate(request: IncomingMessage, access: Access): Promise<Identity | undefined>;
  authorize(identity: Identity, attributes: Attributes, access: Access): Promise<Decision> | Decision;
  /** Syntax to object, with unknown, duplicate and malformed fields dealt with. `text` is JSON. */
  decode(
    kind: KindInfo,
    text: string,
    options: { fieldValidation: FieldValidation },
  ): { object: KubeObject; warnings: string[]; errors: string[] };
  /** Changes the object in place. */
  applyDefaults(kind: KindInfo, object: KubeObject): void;
  validateCreate(kind: KindInfo, object: KubeObject): FieldError[];
  validateUpdate(kind: KindInfo, object: KubeObject, old: KubeObject): FieldError[];
  applyPatch(request: PatchRequest): KubeObject;
  trackManagedFields(request: TrackRequest): ManagedFieldsEntry[] | undefined;
  /** A metav1.Table; `includeObject` is the query's value (None, Metadata, Object). */
  tableOf(kind: KindInfo, objects: KubeObject[], options: { includeObject: string; now: Date }): KubeObject;
  /** /api, /apis…, /openapi…: answers and returns true, or returns false when the path is not its own. */
  discovery(request: IncomingMessage, response: ServerResponse, path: string): boolean | Promise<boolean>;
  /** By `pods/log`, `nodes/proxy`, `deployments.apps/…`, `tokenreviews.authentication.k8s.io`: qualified resource, slash, subresource. */
  connect: Map<string, ConnectHandler>;
  /** Run in order after defaults, before validation. */
  admission: AdmissionStep[];
  /** Run once before the server answers, when the store is open. */
  start?(access: Access, store: Store): Promise<void> | void;
}
