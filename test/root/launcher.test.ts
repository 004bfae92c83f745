import { spawnSync } from 'node:child_process';
import {
  chmodSync,
  copyFileSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';

/*
 * The launcher on a machine that lacks packages. It runs in a mount namespace of its own where /usr/sbin and Duktape's
 * sources are hidden, with an apt and a Node that only write down how they were called.
 */

const LAUNCHER = join(import.meta.dirname, '../../flyover');
const ARCH = process.arch === 'arm64' ? 'arm64' : 'x64';

/** What an installation brings: the commands of the hidden folder, as empty programs. */
const APT_GET = `#!/bin/sh
echo "$*" >>"$LOG"
test -x /usr/sbin/policy-rc.d && echo 'policy' >>"$LOG"
case $1 in
  install)
    echo "chatter of dpkg"
    echo "dlstatus:1:50.0:Retrieving" >&3
    echo "pmstatus:nftables:75.5:Configuring" >&3
    [ -z "$APT_FAILS" ] || { echo "E: no space left"; exit 100; }
    for name in nft runc tcpdump; do printf '#!/bin/sh\\n' >/usr/sbin/$name; chmod 755 /usr/sbin/$name; done
    : >/usr/share/duktape/duktape.c
    ;;
esac
`;

const HIDE =
  'mount -t tmpfs none /usr/sbin && mount -t tmpfs none /usr/share/duktape && mount -t tmpfs none /run';

interface Outcome {
  status: number | null;
  stdout: string;
  stderr: string;
  /** What apt-get was called with, one line a call. */
  apt: string[];
}

let folder: string;

function put(path: string, text: string, mode = 0o644): void {
  mkdirSync(dirname(join(folder, path)), { recursive: true });
  writeFileSync(join(folder, path), text, { mode });
}

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'fly-test-launcher-'));
  chmodSync(folder, 0o755);
  // A name with a space, as people have them.
  mkdirSync(join(folder, 'a checkout'));
  copyFileSync(LAUNCHER, join(folder, 'a checkout/flyover'));
  put('a checkout/package.json', '{}');
  put('a checkout/package-lock.json', '{}');
  const sum = spawnSync('sh', ['-c', 'echo "{}" | tr -d "\\n" | sha256sum'], { encoding: 'utf8' }).stdout;
  put('a checkout/node_modules/.flyover-lock', sum);
  const node = '#!/bin/sh\nshift\necho "node: $(basename "$1") $2 $3"\n';
  put(`a checkout/node_modules/node-linux-${ARCH}/bin/node`, node, 0o755);
  for (const name of ['src', 'bench', 'scripts']) mkdirSync(join(folder, 'a checkout', name));
  put('a checkout/scripts/test.ts', '');
  put('a checkout/dist/flyover.js', '');
  put('a checkout/dist/cni/flyover', '', 0o755);
  put('a checkout/dist/.built', '');
  mkdirSync(join(folder, 'closed'), { mode: 0o700 });
  put('bin/apt-get', APT_GET, 0o755);
  put('bin/apt-cache', '#!/bin/sh\necho "  Candidate: 1.0"\n', 0o755);
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

function launch(argv: string[], options: { fails?: boolean; user?: number } = {}): Outcome {
  const log = join(folder, 'apt.log');
  rmSync(log, { force: true });
  const script = `${HIDE}; cd ${options.user ? join(folder, 'closed') : '/'}; exec setpriv --reuid=${options.user ?? 0} "$@"`;
  const command = [join(folder, 'a checkout/flyover'), ...argv];
  const { status, stdout, stderr } = spawnSync(
    'unshare',
    ['--mount', '--propagation', 'private', 'sh', '-c', script, 'sh', ...command],
    {
      encoding: 'utf8',
      env: {
        PATH: `${join(folder, 'bin')}:/usr/local/bin:/usr/bin:/bin`,
        LOG: log,
        APT_FAILS: options.fails ? '1' : '',
      },
    },
  );
  let apt: string[] = [];
  try {
    apt = readFileSync(log, 'utf8').trim().split('\n');
  } catch {
    // never called
  }
  return { status, stdout, stderr, apt };
}

describe('on a machine that lacks packages, the launcher', () => {
  test('installs exactly those, says so on stderr, and becomes the command', () => {
    const { status, stdout, stderr, apt } = launch(['demo', '-o', 'json']);
    expect(stderr).toMatch(/installing with apt-get.*: .*nftables.*duktape-dev/);
    expect(stderr).toMatch(/downloading, 50 %\n.*unpacking, 75 %/);
    expect(stderr).not.toContain('chatter');
    const [install, policy] = apt.filter((line) => !line.startsWith('update'));
    expect(install).toMatch(/^install .*--no-remove.* nftables .*duktape-dev/);
    expect(install).not.toMatch(/ (gcc|npm|socat|mount) /);
    expect(policy).toBe('policy');
    expect([status, stdout]).toEqual([0, 'node: flyover.js demo -o\n']);
  });

  test('ends with what apt said when apt fails', () => {
    const { status, stdout, stderr, apt } = launch(['up'], { fails: true });
    expect(stderr).toMatch(/E: no space left\n.*could not install: nftables/s);
    // Once with the old package lists, once with new ones.
    expect(apt.filter((line) => line.startsWith('install'))).toHaveLength(2);
    expect([status, stdout]).toEqual([1, '']);
  });

  test.each([
    [['help']],
    [['demo', '--help']],
    [['bench', '--list']],
    [['status']],
    [['down']],
    [['cluster', 'list']],
    [['-o', 'json', 'status']],
    [['test', 'unit', 'demo']],
  ])('installs nothing for %j', (argv) => {
    const { status, apt } = launch(argv);
    expect([status, apt]).toEqual([0, []]);
  });

  test.each([[['demo']], [['down']], [['test']], [['test', 'root']]])('refuses %j without root', (argv) => {
    const { status, stderr, apt } = launch(argv, { user: 65534 });
    expect([status, apt]).toEqual([2, []]);
    expect(stderr).toContain(
      `needs root, because it works on network namespaces; run: sudo ./flyover ${argv.join(' ')}`,
    );
  });

  test('shows the help of its own command', () => {
    expect(launch(['help', 'test']).stdout).toBe('node: test.ts help \n');
  });

  test.each([[['help']], [['doctor']], [['test', 'unit']]])(
    'lets everybody run %j, from any folder',
    (argv) => {
      expect(launch(argv, { user: 65534 })).toMatchObject({ status: 0, stderr: '', apt: [] });
    },
  );
});
