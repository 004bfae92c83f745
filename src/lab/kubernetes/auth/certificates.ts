import 'reflect-metadata';
import { randomBytes, webcrypto } from 'node:crypto';
import { isIP } from 'node:net';
import * as x509 from '@peculiar/x509';

/*
 * X.509 certificates of a cluster: ECDSA with P-256, which is what every client of Kubernetes speaks and costs a tenth of
 * RSA to sign. Private keys are PKCS#8 in PEM.
 */

const CURVE = { name: 'ECDSA', namedCurve: 'P-256' } as const;
const SIGNATURE = { name: 'ECDSA', hash: 'SHA-256' } as const;
const DAY = 24 * 3600 * 1000;
export const CA_DAYS = 3650;
export const LEAF_DAYS = 365;
/** Clocks of a lab are one clock, but containers and browsers may lag behind. */
const BACKDATE = 5 * 60 * 1000;

/** A certificate with its private key, both PEM. */
export interface KeyPair {
  readonly cert: string;
  readonly key: string;
}

export interface LeafRequest {
  /** The common name: a user's or a server's. */
  readonly commonName: string;
  /** Organizations: the groups of a user. */
  readonly organizations?: readonly string[];
  readonly usage: 'client' | 'server';
  /** DNS names of a server. */
  readonly names?: readonly string[];
  /** IP addresses of a server. */
  readonly addresses?: readonly string[];
}

function pem(label: string, der: ArrayBuffer): string {
  const lines = Buffer.from(der)
    .toString('base64')
    .match(/.{1,64}/g)!;
  return `-----BEGIN ${label}-----\n${lines.join('\n')}\n-----END ${label}-----\n`;
}

/** A new private key, PKCS#8 in PEM. */
export async function newKey(): Promise<string> {
  const { privateKey } = await webcrypto.subtle.generateKey(CURVE, true, ['sign', 'verify']);
  return pem('PRIVATE KEY', await webcrypto.subtle.exportKey('pkcs8', privateKey));
}

async function keysOf(text: string): Promise<webcrypto.CryptoKeyPair> {
  const der = x509.PemConverter.decodeFirst(text);
  const privateKey = await webcrypto.subtle.importKey('pkcs8', der, CURVE, true, ['sign']);
  const { d: _, key_ops: __, ...jwk } = await webcrypto.subtle.exportKey('jwk', privateKey);
  const publicKey = await webcrypto.subtle.importKey('jwk', jwk, CURVE, true, ['verify']);
  return { privateKey, publicKey };
}

/** A name's value as it stands: plain strings would be read as RFC 2253 has them, with quotes, escapes and hexadecimal forms. */
function literal(value: string): { utf8String: string } {
  return { utf8String: value };
}

/** Positive, 126 random bits: no two certificates of a cluster share a number. */
function serial(): string {
  const bytes = randomBytes(16);
  bytes[0] = (bytes[0]! & 0x3f) | 0x40;
  return bytes.toString('hex');
}

function validity(days: number): { notBefore: Date; notAfter: Date } {
  const now = Date.now();
  return { notBefore: new Date(now - BACKDATE), notAfter: new Date(now + days * DAY) };
}

/** A self-signed authority for the key, valid for 10 years. */
export async function authorityCertificate(commonName: string, key: string): Promise<string> {
  const keys = await keysOf(key);
  const usage = x509.KeyUsageFlags;
  const cert = await x509.X509CertificateGenerator.createSelfSigned({
    serialNumber: serial(),
    name: new x509.Name([{ CN: [literal(commonName)] }]),
    keys,
    signingAlgorithm: SIGNATURE,
    ...validity(CA_DAYS),
    extensions: [
      new x509.BasicConstraintsExtension(true, undefined, true),
      new x509.KeyUsagesExtension(usage.digitalSignature | usage.keyCertSign | usage.cRLSign, true),
      await x509.SubjectKeyIdentifierExtension.create(keys.publicKey),
      await x509.AuthorityKeyIdentifierExtension.create(keys.publicKey),
    ],
  });
  return `${cert.toString('pem')}\n`;
}

/** A certificate for the key by the authority, valid for 1 year. */
export async function leafCertificate(
  authority: KeyPair,
  key: string,
  request: LeafRequest,
): Promise<string> {
  const [signer, subject] = await Promise.all([keysOf(authority.key), keysOf(key)]);
  const usages = x509.ExtendedKeyUsage;
  const extensions: x509.Extension[] = [
    new x509.BasicConstraintsExtension(false, undefined, true),
    new x509.KeyUsagesExtension(x509.KeyUsageFlags.digitalSignature, true),
    new x509.ExtendedKeyUsageExtension([request.usage === 'client' ? usages.clientAuth : usages.serverAuth]),
    await x509.SubjectKeyIdentifierExtension.create(subject.publicKey),
    await x509.AuthorityKeyIdentifierExtension.create(signer.publicKey),
  ];
  const alternatives: x509.JsonGeneralNames = [
    ...(request.names ?? []).map((value) => ({ type: 'dns' as const, value })),
    ...(request.addresses ?? []).map((value) => ({ type: 'ip' as const, value })),
  ];
  for (const address of request.addresses ?? [])
    if (isIP(address) === 0)
      throw new Error(`addresses '${address}' is not an IP address; give names as names`);
  if (alternatives.length > 0) extensions.push(new x509.SubjectAlternativeNameExtension(alternatives));
  const name = new x509.Name([
    ...(request.organizations ?? []).map((organization) => ({ O: [literal(organization)] })),
    { CN: [literal(request.commonName)] },
  ]);
  const cert = await x509.X509CertificateGenerator.create({
    serialNumber: serial(),
    subject: name,
    issuer: new x509.X509Certificate(authority.cert).subjectName,
    publicKey: subject.publicKey,
    signingKey: signer.privateKey,
    signingAlgorithm: SIGNATURE,
    ...validity(LEAF_DAYS),
    extensions,
  });
  return `${cert.toString('pem')}\n`;
}
