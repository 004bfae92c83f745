/** Bytes of a name as text (RFC 1035: 255 on the wire, with a length before each label and the root's zero). */
const LONGEST_TEXT = 253;
const LABEL = /^[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?$/;

/** Whether a text can be written as a name: labels of letters, digits, dashes and underscores, in lower case. */
export function isHostName(text: string): boolean {
  return (
    text.length > 0 && text.length <= LONGEST_TEXT && text.split('.').every((label) => LABEL.test(label))
  );
}
