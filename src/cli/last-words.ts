/** Lines of a log that are shown when its program has died. */
const MOST_LINES = 5;

/** The end of a log of JSON lines for a person: what they say, and why; lines that are no JSON as they are. */
export function lastWords(log: string): string {
  const lines = log.trimEnd().split('\n').filter(Boolean).slice(-MOST_LINES);
  return lines.map(inWords).join('\n');
}

function inWords(line: string): string {
  try {
    const { msg, err, reason } = JSON.parse(line) as {
      msg?: string;
      err?: { message?: string };
      reason?: string;
    };
    const why = err?.message ?? reason;
    if (msg === undefined) return line;
    return why === undefined || why === msg ? msg : `${msg}: ${why}`;
  } catch {
    return line;
  }
}
