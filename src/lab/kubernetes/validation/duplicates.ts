// JSON.parse keeps the last of two equal keys and says nothing; fieldValidation wants to know. One pass over text that JSON.parse took.

const QUOTE = 34;
const BACKSLASH = 92;
const OPEN_BRACE = 123;
const CLOSE_BRACE = 125;
const OPEN_BRACKET = 91;
const CLOSE_BRACKET = 93;
const COMMA = 44;
const COLON = 58;

interface Frame {
  /** Of an object; undefined for a list. */
  keys: Set<string> | undefined;
  key: string;
  index: number;
}

/** The paths (`spec.containers[0].image`) of keys that an object of the text has more than once, each once, at most `limit`. `text` must be valid JSON. */
export function duplicateFields(text: string, limit = 100): string[] {
  const found = new Set<string>();
  const frames: Frame[] = [];
  let expectKey = false;
  for (let at = 0; at < text.length; at++) {
    const code = text.charCodeAt(at);
    if (code === QUOTE) {
      const end = stringEnd(text, at);
      const frame = frames.at(-1);
      if (expectKey && frame?.keys) {
        frame.key = JSON.parse(text.slice(at, end + 1)) as string;
        if (frame.keys.has(frame.key)) {
          found.add(pathOf(frames));
          if (found.size >= limit) break;
        }
        frame.keys.add(frame.key);
      }
      at = end;
    } else if (code === OPEN_BRACE) {
      frames.push({ keys: new Set(), key: '', index: 0 });
      expectKey = true;
    } else if (code === OPEN_BRACKET) {
      frames.push({ keys: undefined, key: '', index: 0 });
      expectKey = false;
    } else if (code === CLOSE_BRACE || code === CLOSE_BRACKET) {
      frames.pop();
      expectKey = false;
    } else if (code === COMMA) {
      const frame = frames.at(-1);
      if (frame?.keys) expectKey = true;
      else if (frame) frame.index++;
    } else if (code === COLON) expectKey = false;
  }
  return [...found];
}

function stringEnd(text: string, start: number): number {
  let at = start + 1;
  for (; at < text.length; at++) {
    const code = text.charCodeAt(at);
    if (code === BACKSLASH) at++;
    else if (code === QUOTE) break;
  }
  return at;
}

function pathOf(frames: readonly Frame[]): string {
  let path = '';
  for (const { keys, key, index } of frames) path += keys ? (path ? `.${key}` : key) : `[${index}]`;
  return path;
}
