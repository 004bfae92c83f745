import type { Host } from './host.ts';

/** A {@link Host} in memory, for tests: what it would read, how the agent answers, and what was done with it. */
export interface FakeHost extends Host {
  asked: { socket: string; request: string; timeoutMs: number }[];
  saved: { path: string; content: string; maxFiles: number }[];
  notes: string[];
}

export interface FakeWorld {
  env?: Record<string, string | undefined>;
  stdin?: string | number;
  /** The agent's line, or `-(stage * 1000 + errno)`. Default: nobody listens. */
  answer?: string | number;
  /** What `save` returns. */
  save?: number;
}

export function fakeHost(world: FakeWorld): FakeHost {
  const host: FakeHost = {
    asked: [],
    saved: [],
    notes: [],
    env: (name) => world.env?.[name],
    stdin: () => world.stdin ?? '',
    ask(socket, request, timeoutMs) {
      host.asked.push({ socket, request, timeoutMs });
      return world.answer ?? -1002;
    },
    save(directory, name, content, maxFiles) {
      host.saved.push({ path: `${directory}/${name}`, content, maxFiles });
      return world.save ?? 0;
    },
    strerror: (errno) => `errno ${errno}`,
    note: (text) => void host.notes.push(text),
  };
  return host;
}
