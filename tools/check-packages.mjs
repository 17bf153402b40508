// Packs every public package, checks the tarballs with publint and attw, installs them all into an
// empty project and imports every entry point: what a user of the registry would get.
import { spawn, spawnSync } from 'node:child_process'
import { mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { pack, root, toolEnvironment } from './setup.mjs'

const folder = mkdtempSync(join(tmpdir(), 'lafs-packages-'))
process.on('exit', () => rmSync(folder, { recursive: true, force: true }))

function packages() {
  return ['packages', 'native']
    .flatMap((room) => readdirSync(join(root, room)).map((name) => join(root, room, name)))
    .map((path) => ({ path, ...JSON.parse(readFileSync(join(path, 'package.json'), 'utf8')) }))
    .filter((manifest) => !manifest.private)
}

/** Runs a checker and keeps what it says for when it fails. */
function attempt(command, args, cwd = root) {
  const result = spawnSync(command, args, { cwd, env: toolEnvironment, encoding: 'utf8' })
  return result.status === 0 ? undefined : `${result.stdout}${result.stderr}`
}

const failures = []
const bin = (name) => join(root, 'node_modules', '.bin', name)
const all = packages()
const overrides = {}

pack(folder)
for (const manifest of all) {
  const tarball = join(
    folder,
    `${manifest.name.replace('@', '').replace('/', '-')}-${manifest.version}.tgz`,
  )
  overrides[manifest.name] = `file:${tarball}`
  const lint = attempt(bin('publint'), ['run', tarball, '--strict'])
  if (lint) failures.push(`publint ${manifest.name}\n${lint}`)
  const types = attempt(bin('attw'), [
    tarball,
    '--profile',
    'esm-only',
    '--exclude-entrypoints',
    ...Object.keys(manifest.exports).filter(
      (entry) => entry.includes('*') || entry.endsWith('.json'),
    ),
  ])
  if (types) failures.push(`attw ${manifest.name}\n${types}`)
}

/** An empty project with every tarball in it. */
function installAll() {
  writeFileSync(join(folder, 'package.json'), JSON.stringify({ private: true, type: 'module' }))
  const lines = Object.entries(overrides).map(([name, file]) => `  '${name}': '${file}'`)
  writeFileSync(
    join(folder, 'pnpm-workspace.yaml'),
    `overrides:\n${lines.join('\n')}\npackages: []\n`,
  )
  const manifest = {
    private: true,
    type: 'module',
    dependencies: { ...overrides, vitest: '4.1.12' },
  }
  writeFileSync(join(folder, 'package.json'), JSON.stringify(manifest))
  const { packageManager } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'))
  const args = ['--yes', packageManager, 'install', '--prefer-offline', '--ignore-scripts']
  return attempt('npx', args, folder)
}

const installFailure = installAll()
if (installFailure) failures.push(`install\n${installFailure}`)
else {
  for (const manifest of all) {
    for (const entry of Object.keys(manifest.exports)) {
      if (entry.includes('*') || entry.endsWith('.json')) continue
      // The suites register tests and can only be loaded by a test runner.
      if (manifest.name === '@lafs/conformance') continue
      const specifier = `${manifest.name}${entry.slice(1)}`
      const failure = attempt(
        process.execPath,
        ['-e', `import(${JSON.stringify(specifier)})`],
        folder,
      )
      if (failure) failures.push(`import ${specifier}\n${failure}`)
    }
    for (const name of Object.keys(manifest.bin ?? {})) {
      const failure = attempt(join(folder, 'node_modules', '.bin', name), ['--version'], folder)
      if (failure) failures.push(`${name} --version\n${failure}`)
    }
  }
}

/** Runs what a container runs: a fresh node that becomes healthy, and ends when it is told to. */
async function runAsContainer() {
  const data = join(folder, 'data')
  const env = {
    ...toolEnvironment,
    PATH: `${join(folder, 'node_modules', '.bin')}:${process.env.PATH}`,
    LAFS_DATA: data,
    LAFS_WEB_PORT: '0',
    LAFS_STORAGE: 'no',
  }
  const deploy = join(folder, 'node_modules', 'lafs', 'deploy')
  const node = spawn('/bin/sh', [join(deploy, 'start.sh')], { env, stdio: 'pipe' })
  const ended = new Promise((resolve) => {
    node.once('close', (code, signal) => resolve(code ?? signal))
  })
  let said = ''
  for (const stream of [node.stdout, node.stderr]) stream.on('data', (text) => (said += text))
  const isHealthy = () =>
    spawnSync(process.execPath, [join(deploy, 'health.mjs')], { env, stdio: 'ignore' }).status === 0
  let healthy = false
  for (let second = 0; second < 30 && !healthy && node.exitCode === null; second++) {
    await sleep(1000)
    healthy = isHealthy()
  }
  node.kill('SIGTERM')
  const status = await Promise.race([ended, sleep(20_000, 'no end')])
  if (status === 'no end') node.kill('SIGKILL')
  if (healthy && status === 0 && !isHealthy()) return undefined
  return `healthy: ${healthy}, ended with ${status}\n${said}`
}

if (failures.length === 0 && process.platform !== 'win32') {
  const failure = await runAsContainer()
  if (failure) failures.push(`a node as a container runs it\n${failure}`)
}

if (failures.length > 0) {
  console.error(failures.join('\n\n'))
  process.exit(1)
}
console.log(`${all.length} packages: packed, linted, installed, imported and run`)
