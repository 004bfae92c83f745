// The hashes in names and labels: pod-template-hash, controller-revision-hash.
const SAFE = 'bcdfghjklmnpqrstvwxz2456789';

/** 32 bit FNV-1a of the text's UTF-8 bytes. */
export function fnv1a(text: string, seed = 0x811c9dc5): number {
  let hash = seed;
  for (const byte of Buffer.from(text)) hash = Math.imul(hash ^ byte, 0x01000193) >>> 0;
  return hash;
}

/** JSON with sorted keys and without undefined, so that equal values have equal texts. */
export function canonical(value: unknown): string {
  if (value === null || typeof value !== 'object') return JSON.stringify(value) ?? 'null';
  if (Array.isArray(value)) return `[${value.map(canonical).join(',')}]`;
  const entries = Object.entries(value)
    .filter(([, v]) => v !== undefined)
    .sort(([a], [b]) => (a < b ? -1 : 1));
  return `{${entries.map(([k, v]) => `${JSON.stringify(k)}:${canonical(v)}`).join(',')}}`;
}

/** Whether two values are the same JSON. */
export function same(a: unknown, b: unknown): boolean {
  return a === b || canonical(a) === canonical(b);
}

/**
 * Hash of a pod template (or of a revision's data) in the form kube-controller-manager gives it: the decimal FNV-1a in letters that spell no
 * words. The value differs from upstream's, which hashes Go's memory layout; nothing compares the two.
 * @param collisionCount how often the name was taken by something else
 */
export function templateHash(template: unknown, collisionCount?: number): string {
  const tail = collisionCount ? `\0${collisionCount}` : '';
  return safeEncode(String(fnv1a(canonical(template) + tail)));
}

/** As rand.SafeEncodeString: characters that make no words and are valid in names. */
export function safeEncode(text: string): string {
  let out = '';
  for (const byte of Buffer.from(text)) out += SAFE[byte % SAFE.length];
  return out;
}
