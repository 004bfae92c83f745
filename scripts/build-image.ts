// Writes an OCI archive with all that a cluster needs of Flyover: agent, operator and the plugin's front, on Node.js.
//   node scripts/build-image.ts OUT.tar [--name flyover:0.1.0]
// dist/ must have been built. `ctr images import`, `docker load` and `skopeo copy oci-archive:` read it.
import { createWriteStream, existsSync, readdirSync, readFileSync, renameSync, rmSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { parseArgs } from 'node:util';
import { pack } from 'tar-stream';
import { ensureImage } from '../src/lab/images/build.ts';
import { blobPath } from '../src/lab/images/oci.ts';
import { PATH_VARIABLE, type Recipe } from '../src/lab/images/recipe.ts';
import { fullName, parseReference } from '../src/lab/images/reference.ts';

const root = dirname(import.meta.dirname);
const { version } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as { version: string };

function fail(message: string): never {
  console.error(`build-image: ${message}`);
  process.exit(1);
}

/** A name as runtimes look it up: `flyover:0.1.0`, as the chart has it, is `docker.io/library/flyover:0.1.0` to them. */
function runtimeName(name: string): string {
  const { repository, tag, digest } = parseReference(name, '--name');
  if (tag === undefined || digest !== undefined) fail(`--name '${name}' has a digest; give NAME[:TAG]`);
  return fullName(repository, tag);
}

/** The files of a folder, by their host's path with the path that they get. */
function filesOf(folder: string, target: string, wanted: (path: string) => boolean): Record<string, string> {
  const files: Record<string, string> = {};
  for (const entry of readdirSync(folder, { recursive: true, withFileTypes: true })) {
    const path = join(entry.parentPath, entry.name);
    const name = relative(folder, path);
    if (entry.isFile() && wanted(name)) files[path] = join(target, name);
  }
  return files;
}

/** Node.js with what of Debian it loads; then, what changes with us. */
function recipeOf(name: string): Recipe {
  const modules = join(root, 'node_modules');
  const node = join(modules, `node-linux-${process.arch}`, 'bin/node');
  const own = Object.fromEntries(
    ['agent.js', 'operator.js', 'cni/flyover'].map((file) => [
      join(root, 'dist', file),
      `opt/flyover/${file}`,
    ]),
  );
  for (const path of [node, ...Object.keys(own)])
    if (!existsSync(path)) fail(`${path} is not there; run npm install and npm run build first`);
  // Of koffi what runs: its sources and the other systems' parts are 50 MB.
  const koffi = filesOf(join(modules, 'koffi'), 'opt/flyover/node_modules/koffi', (path) =>
    /^(package\.json|LICENSE\.txt|(src\/koffi\/(src\/)?)?[\w.]+\.(js|cjs))$/.test(path),
  );
  const part = `@koromix/koffi-linux-${process.arch}`;
  const native = filesOf(
    join(modules, part),
    `opt/flyover/node_modules/${part}`,
    (path) => !path.startsWith('musl'),
  );
  return {
    name,
    layers: [
      {
        packages: ['libc6', 'libgcc-s1', 'libstdc++6'],
        skeleton: true,
        hostFiles: { [node]: 'usr/local/bin/node' },
        // Runtimes name pods' namespaces by either path.
        links: { 'var/run': '/run' },
        folders: ['run/flyover', 'run/netns', 'var/lib/flyover', 'opt/cni/bin', 'etc/cni/net.d'],
      },
      {
        packages: [],
        hostFiles: { ...own, ...koffi, ...native },
        files: { 'opt/flyover/package.json': { content: '{"type":"module"}\n' } },
      },
    ],
    defaults: {
      entrypoint: [],
      command: ['node', '/opt/flyover/agent.js'],
      env: [PATH_VARIABLE, 'NODE_ENV=production'],
    },
  };
}

async function main(): Promise<void> {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: { name: { type: 'string', default: `flyover:${version}` } },
  });
  const [out, ...more] = positionals;
  if (out === undefined || more.length > 0)
    fail('name one file: node scripts/build-image.ts OUT.tar [--name flyover:0.1.0]');
  const layout = join(root, 'node_modules/.cache/flyover-image');
  const image = await ensureImage(recipeOf(runtimeName(values.name)), layout, {
    step: (text) => console.error(`build-image: ${text}`),
  });
  const archive = pack();
  const draft = `${out}.${process.pid}`;
  const writing = pipeline(archive, createWriteStream(draft));
  const add = (name: string, content: Buffer | string): void => {
    archive.entry({ name, mode: 0o644, mtime: new Date(0) }, content);
  };
  const annotations = {
    'org.opencontainers.image.ref.name': image.name.split(':').at(-1),
    'io.containerd.image.name': image.name,
  };
  add('oci-layout', JSON.stringify({ imageLayoutVersion: '1.0.0' }));
  add('index.json', JSON.stringify({ schemaVersion: 2, manifests: [{ ...image.manifest, annotations }] }));
  for (const { digest } of [image.manifest, image.config, ...image.layers])
    add(`blobs/${digest.replace(':', '/')}`, readFileSync(blobPath(layout, digest)));
  archive.finalize();
  try {
    await writing;
    renameSync(draft, out);
  } finally {
    rmSync(draft, { force: true });
  }
  const bytes = image.layers.reduce((sum, layer) => sum + layer.size, 0);
  console.log(
    JSON.stringify({
      file: out,
      name: image.name,
      digest: image.manifest.digest,
      layers: image.layers.length,
      bytes,
    }),
  );
}

await main().catch((error: unknown) => fail(error instanceof Error ? error.message : String(error)));
