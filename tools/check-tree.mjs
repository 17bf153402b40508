// Checks the tree itself, where no compiler or linter looks: that every package is whole, that what
// it exports is documented, that dependencies follow the layers, and that no Buffer, and no module of
// Node, slips out where it should not. Run "tsc -b" first: public types are read from dist.
import { existsSync, readFileSync, readdirSync } from 'node:fs'
import { dirname, join, relative } from 'node:path'

const root = join(import.meta.dirname, '..')

/** The packages from the ground up: each may depend on those before it. */
const LAYERS = [
  // contracts
  ['codec-interface', 'storage-interface', 'filesystem-interface', 'service-interface'],
  ['conformance'],
  // formats; the addon depends on nothing and is never required
  ['native', 'crypto', 'uri', 'hashtree', 'codec'],
  // protocol
  ['storage-protocol', 'foolscap', 'transport-memory', 'transport-https', 'transport-foolscap'],
  ['storage-server', 'share-store-memory', 'share-store-disk', 'share-store-s3'],
  // behaviour
  ['immutable', 'mutable', 'dirnode', 'checker'],
  ['client'],
  // applications
  ['node-directory', 'introducer', 'helper', 'grid-manager', 'gateway', 'sftp', 'node', 'cli'],
  ['lafs'],
  // support: only tests depend on these
  ['vectors', 'testing', 'interop'],
].flat()
const SUPPORT = new Set(['vectors', 'testing', 'interop'])

/** Packages that run in a browser too: Node's modules only behind "./node" or a condition. */
const BROWSER = new Set(
  LAYERS.slice(0, LAYERS.indexOf('storage-server') + 1)
    .concat('share-store-memory', 'immutable', 'mutable', 'dirnode', 'checker', 'client')
    .filter(
      (name) => !['native', 'transport-https', 'transport-foolscap', 'foolscap'].includes(name),
    ),
)

const problems = []
const shortName = (name) => name.replace('@lafs/', '')
const read = (file) => readFileSync(file, 'utf8')

/** Comments become blanks of the same length, and so do texts unless they are kept. */
function blank(source, keepTexts = false) {
  const pattern =
    /\/\*[^]*?\*\/|\/\/[^\n]*|'(?:\\.|[^'\\\n])*'|"(?:\\.|[^"\\\n])*"|`(?:\\.|[^`\\])*`/g
  return source.replace(pattern, (text) =>
    keepTexts && !text.startsWith('/') ? text : text.replace(/[^\n]/g, ' '),
  )
}

/** The doc comment that ends right before a position; undefined where there is none. */
function docBefore(source, position) {
  return /\/\*\*((?:(?!\*\/)[^])*\w(?:(?!\*\/)[^])*)\*\/\s*$/.exec(source.slice(0, position))?.[1]
}

/** What a source file exports: each name with where it is declared and whether it has a doc comment. */
function exportsOf(file, seen = new Set()) {
  const found = new Map()
  if (seen.has(file) || !existsSync(file)) return found
  seen.add(file)
  const source = read(file)
  const code = blank(source, true)
  for (const [, path] of code.matchAll(/^export (?:type )?\* from '(\.[^']+)'/gm)) {
    for (const [name, entry] of exportsOf(join(dirname(file), path), seen)) found.set(name, entry)
  }
  for (const [, list, path] of code.matchAll(
    /^export (?:type )?\{([^}]*)\}(?: from '([^']+)')?/gm,
  )) {
    const inner = path?.startsWith('.') ? exportsOf(join(dirname(file), path)) : new Map()
    for (const item of list.split(',')) {
      const [, from, to] = /^\s*(?:type\s+)?(\w+)(?:\s+as\s+(\w+))?\s*$/.exec(item) ?? []
      if (from !== undefined && inner.has(from)) found.set(to ?? from, inner.get(from))
    }
  }
  const declaration =
    /^export (?:declare )?(?:abstract )?(?:async )?(?:interface|class|type|const|let|function\*?|async function\*?) (\w+)/gm
  for (const match of blank(source).matchAll(declaration)) {
    const documented = docBefore(source, match.index) !== undefined
    const earlier = found.get(match[1])
    found.set(match[1], { file, documented: documented || earlier?.documented === true })
  }
  return found
}

/** The source files that an entry reaches by relative imports, itself included. */
function reachable(file, seen = new Set()) {
  if (seen.has(file) || !existsSync(file)) return seen
  seen.add(file)
  for (const [, path] of blank(read(file), true).matchAll(
    /\b(?:from|import\()\s*'(\.[^']+\.ts)'/g,
  )) {
    reachable(join(dirname(file), path), seen)
  }
  return seen
}

function checkEntries({ path, manifest, report }) {
  for (const entry of ['README.md', 'tsconfig.json', 'src/index.ts']) {
    if (!existsSync(join(path, entry))) report(`${entry} is missing`)
  }
  const readme = existsSync(join(path, 'README.md')) ? read(join(path, 'README.md')) : ''
  const lines = readme.trimEnd().split('\n').length
  if (lines > 40) report(`README.md has ${lines} lines, more than 40`)
  if (!readme.startsWith(`# ${manifest.name}\n`)) report(`README.md does not begin with the name`)
}

function checkManifest({ manifest, report }) {
  const needed = ['description', 'engines', 'type']
  if (!manifest.private) needed.push('license', 'files', 'repository', 'publishConfig', 'exports')
  for (const field of needed) {
    if (manifest[field] === undefined) report(`package.json has no "${field}"`)
  }
}

function checkLayers({ name, manifest, sources, report }) {
  const rank = LAYERS.indexOf(name)
  if (rank === -1) return report('stands in no layer: add it to LAYERS in tools/check-tree.mjs')
  const { dependencies, optionalDependencies, peerDependencies } = manifest
  const declared = Object.keys({ ...dependencies, ...optionalDependencies, ...peerDependencies })
  for (const dependency of declared.filter((other) => /^@lafs\/|^lafs$/.test(other))) {
    const other = LAYERS.indexOf(shortName(dependency))
    if (other === -1 || (other >= rank && !SUPPORT.has(name))) {
      report(`depends on ${dependency}, which is not below it`)
    }
    if (SUPPORT.has(shortName(dependency)) && !SUPPORT.has(name)) {
      report(`depends on ${dependency} outside its tests`)
    }
  }
  for (const file of sources) {
    const imports = blank(read(file), true).matchAll(
      /\b(?:from|import\()\s*'((?:@lafs\/[\w-]+|lafs)\b)/g,
    )
    for (const [, imported] of imports) {
      if (imported !== manifest.name && !declared.includes(imported) && !SUPPORT.has(name)) {
        report(`${relative(root, file)} imports ${imported}, which package.json does not declare`)
      }
    }
  }
}

function checkExports({ path, entries, report }) {
  for (const entry of entries) {
    for (const [name, { file, documented }] of exportsOf(join(path, entry))) {
      if (!documented) report(`${relative(root, file)}: ${name} has no doc comment`)
    }
  }
}

function checkErrorCodes({ sources, report }) {
  for (const file of sources) {
    const source = read(file)
    for (const union of source.matchAll(/^export type \w+ErrorCode =\n(?: {2}[^\n]*\n)+/gm)) {
      for (const code of union[0].matchAll(/^ *\|? *'(\w+)'/gm)) {
        if (docBefore(union[0], code.index) === undefined) {
          report(`${relative(root, file)}: the code ${code[1]} has no doc comment`)
        }
      }
    }
  }
}

function checkBuffers({ path, publicFiles, report }) {
  for (const file of publicFiles) {
    const types = join(path, 'dist', relative(join(path, 'src'), file)).replace(/\.ts$/, '.d.ts')
    if (!existsSync(types)) report(`${relative(root, types)} is missing: run "tsc -b"`)
    else if (/\bBuffer\b/.test(blank(read(types)))) {
      report(`${relative(root, file)} has Buffer in its public types`)
    }
  }
}

function checkBrowser({ name, path, entries, report }) {
  if (!BROWSER.has(name)) return
  const open = entries.filter((entry) => !/\bnode\b/.test(entry))
  for (const file of new Set(open.flatMap((entry) => [...reachable(join(path, entry))]))) {
    const [, found] = /\b(?:from|import\()\s*'(node:[^']+)'/.exec(blank(read(file), true)) ?? []
    if (found) report(`${relative(root, file)} imports ${found}, and must run in a browser`)
  }
}

const folders = readdirSync(join(root, 'packages')).map((name) => join(root, 'packages', name))
for (const path of folders) {
  const where = relative(root, path)
  if (!existsSync(join(path, 'package.json'))) {
    problems.push(`${where}: package.json is missing`)
    continue
  }
  const manifest = JSON.parse(read(join(path, 'package.json')))
  const sources = readdirSync(join(path, 'src'), { recursive: true })
    .filter((file) => file.endsWith('.ts'))
    .map((file) => join(path, 'src', file))
  const entries = Object.values(manifest.exports ?? {})
    .map((conditions) => conditions['@lafs/source'])
    .filter((entry) => typeof entry === 'string')
  const publicFiles = new Set(entries.flatMap((entry) => [...reachable(join(path, entry))]))
  const context = {
    name: shortName(manifest.name),
    path,
    manifest,
    sources,
    entries,
    publicFiles,
    report: (text) => problems.push(`${where}: ${text.replaceAll(`${where}/`, '')}`),
  }
  checkEntries(context)
  checkManifest(context)
  checkLayers(context)
  checkExports(context)
  checkErrorCodes(context)
  checkBuffers(context)
  checkBrowser(context)
}

if (problems.length > 0) {
  const lines = [...new Set(problems)].toSorted()
  console.error(
    `${lines.length} problems in the tree:\n${lines.map((line) => `  ${line}`).join('\n')}`,
  )
  process.exit(1)
}
console.log(`tree: ${folders.length} packages are whole`)
