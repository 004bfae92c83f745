// Who changes an object: a field manager's name.

/** What upstream allows. */
const LONGEST = 128;

/** The `fieldManager` of a request, or the first part of its user agent: `kubectl/v1.32.0 (linux/amd64)` is `kubectl`. */
export function managerName(fieldManager: string | undefined, userAgent: string | undefined): string {
  if (fieldManager) return fieldManager;
  // Control characters would spoil terminals and logs; a cut may not leave half of a character.
  const printable = (userAgent ?? '').split('/')[0]!.replace(/\p{C}/gu, '');
  let name = printable.slice(0, LONGEST);
  while (Buffer.byteLength(name) > LONGEST) name = name.slice(0, -1);
  return name || 'unknown';
}

/** What is wrong with a `fieldManager` parameter, in upstream's words; undefined when nothing. */
export function managerError(fieldManager: string): string | undefined {
  if (Buffer.byteLength(fieldManager) > LONGEST) return `Too long: may not be more than ${LONGEST} bytes`;
  if (/\p{C}/u.test(fieldManager))
    return `Invalid value: ${JSON.stringify(fieldManager)}: should only contain printable characters`;
  return undefined;
}
