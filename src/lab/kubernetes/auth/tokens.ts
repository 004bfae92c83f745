import {
  createHash,
  createPrivateKey,
  createPublicKey,
  type KeyObject,
  randomUUID,
  sign,
  verify,
} from 'node:crypto';

/** Something that a token dies with. */
export interface BoundObject {
  name: string;
  uid: string;
}

/** The claims of a ServiceAccount's token, as upstream writes them. Times are seconds since 1970. */
export interface TokenClaims {
  iss: string;
  sub: string;
  aud: string[];
  exp: number;
  iat: number;
  nbf: number;
  jti: string;
  'kubernetes.io': {
    namespace: string;
    serviceaccount: BoundObject;
    pod?: BoundObject;
    node?: BoundObject;
    secret?: BoundObject;
  };
}

/** Tokens whose signature was checked; checking costs a tenth of a millisecond, and daemons send theirs with every request. */
const REMEMBERED = 512;
const MAX_LENGTH = 16 * 1024;

const encode = (value: unknown): string => Buffer.from(JSON.stringify(value)).toString('base64url');

function decode(part: string): Record<string, unknown> | undefined {
  try {
    const value: unknown = JSON.parse(Buffer.from(part, 'base64url').toString());
    return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : undefined;
  } catch {
    return undefined;
  }
}

/** Signs and checks JSON Web Tokens with ES256, the only algorithm that it takes. */
export class TokenSigner {
  readonly issuer: string;
  readonly #privateKey: KeyObject;
  readonly #publicKey: KeyObject;
  readonly #header: string;
  readonly #keyId: string;
  readonly #checked = new Map<string, TokenClaims>();

  /** @param key - PEM of an EC P-256 private key */
  constructor(key: string, issuer: string) {
    this.issuer = issuer;
    this.#privateKey = createPrivateKey(key);
    this.#publicKey = createPublicKey(key);
    const der = this.#publicKey.export({ type: 'spki', format: 'der' });
    this.#keyId = createHash('sha256').update(der).digest('base64url');
    this.#header = encode({ alg: 'ES256', kid: this.#keyId });
  }

  sign(claims: Omit<TokenClaims, 'iss' | 'jti'>): string {
    const body = `${this.#header}.${encode({ iss: this.issuer, jti: randomUUID(), ...claims })}`;
    const key = { key: this.#privateKey, dsaEncoding: 'ieee-p1363' } as const;
    return `${body}.${sign('sha256', Buffer.from(body), key).toString('base64url')}`;
  }

  /** The claims when we signed them, whether or not they have expired. */
  verify(token: string): TokenClaims | undefined {
    const known = this.#checked.get(token);
    if (known) return known;
    const parts = token.split('.');
    if (parts.length !== 3 || token.length > MAX_LENGTH) return undefined;
    if (decode(parts[0]!)?.alg !== 'ES256') return undefined;
    const body = Buffer.from(`${parts[0]}.${parts[1]}`);
    const key = { key: this.#publicKey, dsaEncoding: 'ieee-p1363' } as const;
    if (!verify('sha256', body, key, Buffer.from(parts[2]!, 'base64url'))) return undefined;
    const claims = decode(parts[1]!) as unknown as TokenClaims | undefined;
    if (!claims || claims.iss !== this.issuer || !Array.isArray(claims.aud)) return undefined;
    if (this.#checked.size >= REMEMBERED) this.#checked.delete(this.#checked.keys().next().value!);
    this.#checked.set(token, claims);
    return claims;
  }

  /** The public key as a JSON Web Key set, for /openid/v1/jwks. */
  keySet(): { keys: object[] } {
    const jwk = this.#publicKey.export({ format: 'jwk' });
    return { keys: [{ use: 'sig', kid: this.#keyId, alg: 'ES256', ...jwk }] };
  }
}
