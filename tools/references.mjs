// Writes (or with --check, verifies) the tsconfig files of every package from its package.json, so
// that TypeScript's project references and the workspace dependencies cannot drift apart.
import { existsSync, readFileSync, readdirSync, writeFileSync } from 'node:fs'
import { join, relative } from 'node:path'

const root = join(import.meta.dirname, '..')
const check = process.argv.includes('--check')

const folders = readdirSync(join(root, 'packages')).map((name) => join(root, 'packages', name))
const manifests = new Map(
  folders
    .filter((folder) => existsSync(join(folder, 'package.json')))
    .map((folder) => [folder, JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8'))]),
)
const folderOf = new Map([...manifests].map(([folder, { name }]) => [name, folder]))

/** The folders of the workspace packages that one kind of dependency names. */
function references(manifest, kinds) {
  const names = kinds.flatMap((kind) => Object.keys(manifest[kind] ?? {}))
  return [...new Set(names)].filter((name) => folderOf.has(name)).toSorted()
}

const runtime = ['dependencies', 'optionalDependencies', 'peerDependencies']
const drifted = []

function write(file, value) {
  const text = `${JSON.stringify(value, null, 2)}\n`
  if (existsSync(file) && readFileSync(file, 'utf8') === text) return
  if (check) drifted.push(relative(root, file))
  else writeFileSync(file, text)
}

const projects = []
for (const [folder, manifest] of manifests) {
  const at = (name) => ({ path: relative(folder, folderOf.get(name)) })
  write(join(folder, 'tsconfig.json'), {
    extends: '../../tsconfig.base.json',
    compilerOptions: { rootDir: 'src', outDir: 'dist', tsBuildInfoFile: 'dist/.tsbuildinfo' },
    include: ['src'],
    references: references(manifest, runtime).map(at),
  })
  write(join(folder, 'tsconfig.test.json'), {
    extends: '../../tsconfig.base.json',
    compilerOptions: {
      rootDir: '../..',
      outDir: 'build/test',
      tsBuildInfoFile: 'build/test/.tsbuildinfo',
      emitDeclarationOnly: true,
      // Tests import sources of their package by path, across the border of the two projects.
      rewriteRelativeImportExtensions: false,
      allowImportingTsExtensions: true,
      declarationMap: false,
      isolatedDeclarations: false,
    },
    include: ['test', 'bench'],
    references: [{ path: '.' }, ...references(manifest, [...runtime, 'devDependencies']).map(at)],
  })
  const path = relative(root, folder)
  projects.push({ path }, { path: `${path}/tsconfig.test.json` })
}
write(join(root, 'tsconfig.json'), { files: [], references: projects })

if (drifted.length > 0) {
  console.error(`Out of date, run "pnpm references":\n  ${drifted.join('\n  ')}`)
  process.exit(1)
}
