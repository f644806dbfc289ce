// Assembles the page into a folder that nginx.conf serves as it is.
//
//   node build.mjs --out FOLDER [--cache FOLDER]
//
// FOLDER gets three trees of the same files, plain/, gzip/ and br/: a browser is answered from the
// one it accepts, by plain nginx, without a module. Everything but index.html lies below /assets in
// a folder named after its content, and may be cached for ever. --cache keeps compressed files.

import { createHash } from 'node:crypto';
import { mkdir, readFile, readdir, rename, rm, writeFile } from 'node:fs/promises';
import { basename, dirname, join, relative, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs, promisify } from 'node:util';
import { brotliCompress, constants, gzip } from 'node:zlib';

import { folders, packages } from './assets.mjs';

const HERE = dirname(fileURLToPath(import.meta.url));
const PAGE = join(HERE, 'page');

/** Quality 11 takes ten times as long for the runtime's 27 MB and saves 16 % more. */
const BROTLI_QUALITY = 9;

/**
 * How each tree is made from a file.
 * @type {Record<string, (content: Buffer) => Promise<Buffer>>}
 */
const ENCODINGS = {
  plain: async (content) => content,
  gzip: (content) => promisify(gzip)(content, { level: 9 }),
  br: (content) =>
    promisify(brotliCompress)(content, {
      params: {
        [constants.BROTLI_PARAM_QUALITY]: BROTLI_QUALITY,
        [constants.BROTLI_PARAM_LGWIN]: constants.BROTLI_MAX_WINDOW_BITS,
        [constants.BROTLI_PARAM_SIZE_HINT]: content.length,
      },
    }),
};

/** @typedef {Map<string, Buffer>} Files  from a path below the root to its content */
/** @typedef {Record<string, {address: string, bytes: number}>} Places */

async function main() {
  const { values } = parseArgs({
    options: { out: { type: 'string' }, cache: { type: 'string' } },
  });
  if (!values.out) throw new Error('Say where to: node build.mjs --out FOLDER');

  const parts = await collectParts();
  const page = await collectPage(placesOf(parts));
  const files = new Map([...parts, ...page]);

  await rm(values.out, { recursive: true, force: true });
  for (const [path, content] of files) {
    for (const encoding of Object.keys(ENCODINGS)) {
      await write(
        join(values.out, encoding, path),
        await encoded(encoding, content, values.cache),
      );
    }
  }
  const bytes = [...files.values()].reduce((sum, content) => sum + content.length, 0);
  console.log(`${files.size} files, ${(bytes / 1e6).toFixed(1)} MB, in ${resolve(values.out)}`);
}

/**
 * The packages' files and our folders, each below a name of its own.
 * @returns {Promise<Files>}
 */
async function collectParts() {
  /** @type {Files} */
  const files = new Map();
  for (const [name, paths] of Object.entries(packages)) {
    const folder = join(HERE, 'node_modules', name);
    const { version } = JSON.parse(await readFile(join(folder, 'package.json'), 'utf8'));
    for (const path of paths) {
      const below = `assets/${name.replace('/', '-').replace('@', '')}-${version}`;
      files.set(`${below}/${basename(path)}`, await readFile(join(folder, path)));
    }
  }
  for (const [name, { folder, variable, files: names }] of Object.entries(folders)) {
    const from = (variable && process.env[variable]) || join(HERE, folder);
    const contents = await Promise.all(names.map((file) => readFile(join(from, file))));
    const below = `assets/${name}-${digest(...contents)}`;
    names.forEach((file, index) => files.set(`${below}/${basename(file)}`, contents[index]));
  }
  return files;
}

/**
 * Where the page's code finds the parts: `name/file` to address, without version or digest, and
 * how long they are, which a compressed answer does not say.
 * @param {Files} parts
 * @returns {Places}
 */
function placesOf(parts) {
  return Object.fromEntries(
    [...parts].map(([path, content]) => {
      const [, folder, file] = path.split('/');
      const name = `${folder.slice(0, folder.lastIndexOf('-'))}/${file}`;
      return [name, { address: `/${path}`, bytes: content.length }];
    }),
  );
}

/**
 * The page's own files: in one folder named after all of them, and index.html that names it.
 * @param {Places} places
 * @returns {Promise<Files>}
 */
async function collectPage(places) {
  /** @type {Files} */
  const own = new Map();
  for (const entry of await readdir(PAGE, { recursive: true, withFileTypes: true })) {
    const path = join(entry.parentPath, entry.name);
    if (entry.isFile() && !path.endsWith('.d.ts')) {
      own.set(relative(PAGE, path).replaceAll('\\', '/'), await readFile(path));
    }
  }
  own.set('shared/assets.js', Buffer.from(assetsModule(places)));
  const sorted = [...own].sort(([a], [b]) => (a < b ? -1 : 1));
  const below = `assets/page-${digest(...sorted.flatMap(([path, content]) => [Buffer.from(path), content]))}`;

  const html = own.get('index.html')?.toString('utf8');
  if (!html) throw new Error(`There is no index.html in ${PAGE}.`);
  own.delete('index.html');
  const files = new Map([...own].map(([path, content]) => [`${below}/${path}`, content]));
  return files.set('index.html', Buffer.from(html.replaceAll('="./', `="/${below}/`)));
}

/**
 * page/shared/assets.js; its types are in page/shared/assets.d.ts.
 * @param {Places} places
 */
function assetsModule(places) {
  return `const places = ${JSON.stringify(places, null, 2)};

function place(name) {
  const found = places[name];
  if (!found) throw new Error(\`No such asset: \${name}\`);
  return found;
}

export const asset = (name) => place(name).address;
export const size = (name) => place(name).bytes;
export const expected = (address) =>
  Object.values(places).find((one) => one.address === address)?.bytes;
`;
}

/**
 * A short name for contents.
 * @param {...Buffer} contents
 */
function digest(...contents) {
  const hash = createHash('sha256');
  for (const content of contents) hash.update(`${content.length}:`).update(content);
  return hash.digest('hex').slice(0, 12);
}

/**
 * A file as one tree has it, from the cache when it was made before.
 * @param {string} encoding
 * @param {Buffer} content
 * @param {string | undefined} cache
 */
async function encoded(encoding, content, cache) {
  const make = ENCODINGS[encoding];
  if (!cache || encoding === 'plain') return make(content);
  const kept = join(cache, `${digest(content)}-q${BROTLI_QUALITY}.${encoding}`);
  try {
    return await readFile(kept);
  } catch {
    const made = await make(content);
    // Renamed into place, so that a build beside this one never reads half a file.
    await write(`${kept}.${process.pid}`, made);
    await rename(`${kept}.${process.pid}`, kept);
    return made;
  }
}

/**
 * @param {string} path
 * @param {Buffer} content
 */
async function write(path, content) {
  await mkdir(dirname(path), { recursive: true });
  await writeFile(path, content);
}

await main();
