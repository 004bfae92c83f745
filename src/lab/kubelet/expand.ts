/**
 * Replaces `$(NAME)` as Kubernetes does in commands, arguments and variables: what `lookup` does not know stays as it
 * stands, and `$$` is one `$` that replaces nothing (`$$(NAME)` gives `$(NAME)`).
 */
export function expand(text: string, lookup: (name: string) => string | undefined): string {
  let result = '';
  let from = 0;
  for (;;) {
    const at = text.indexOf('$', from);
    if (at < 0 || at + 1 >= text.length) return result + text.slice(from);
    result += text.slice(from, at);
    const next = text[at + 1];
    const end = next === '(' ? text.indexOf(')', at + 2) : -1;
    if (next === '$') {
      result += '$';
      from = at + 2;
    } else if (end >= 0) {
      const name = text.slice(at + 2, end);
      result += lookup(name) ?? text.slice(at, end + 1);
      from = end + 1;
    } else {
      result += text.slice(at, at + 2);
      from = at + 2;
    }
  }
}
