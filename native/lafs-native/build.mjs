// Builds the addon into build/Release where a compiler is found, and does nothing if that build is up to
// date. Without a compiler it says so and succeeds: the addon is optional.
//
//   node build.mjs            build
//   node build.mjs --require  the same, but fail where nothing can be built
//   node build.mjs --prebuild make prebuilds/ for this platform, for a release
//
// binding.gyp is the one description of the build. On Windows, and for prebuilds, node-gyp carries it out;
// elsewhere this script calls the compiler itself: that needs neither Python, make, nor the headers of
// Node (those of Node-API come from npm), and nothing is downloaded.
import { execFile, execFileSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { existsSync, mkdirSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { basename, dirname, join } from 'node:path'
import { promisify } from 'node:util'

const root = import.meta.dirname
const output = join(root, 'build/Release')
const addonFile = join(output, 'lafs_native.node')
const stampFile = join(output, 'stamp')
const require = createRequire(import.meta.url)
const run = promisify(execFile)

const target = JSON.parse(readFileSync(join(root, 'binding.gyp'), 'utf8')).targets[0]

/** Changes whenever what goes into the build does. */
function stamp() {
  const hash = createHash('sha256')
  const sources = readdirSync(join(root, 'src')).toSorted()
  const files = ['build.mjs', 'binding.gyp', ...sources.map((name) => join('src', name))]
  for (const file of files) hash.update(file).update(readFileSync(join(root, file)))
  for (const name of ['node-addon-api', 'node-api-headers'])
    hash.update(require(`${name}/package.json`).version)
  hash.update(
    `${process.platform} ${process.arch} ${process.env.CC ?? ''} ${process.env.CXX ?? ''}`,
  )
  return hash.digest('hex')
}

/** The first of some commands that can be run, or undefined. */
function findCommand(names) {
  return names.find((name) => {
    if (!name) return false
    try {
      execFileSync(name, ['--version'], { stdio: 'ignore' })
      return true
    } catch {
      return false
    }
  })
}

async function buildWithCompiler(cc, cxx) {
  rmSync(output, { recursive: true, force: true })
  mkdirSync(output, { recursive: true })
  const includes = [require('node-addon-api').include_dir, require('node-api-headers').include_dir]
  const common = [
    '-fPIC',
    ...target.defines.map((define) => `-D${define}`),
    `-DNODE_GYP_MODULE_NAME=${target.target_name}`,
    ...includes.flatMap((folder) => ['-isystem', folder]),
    ...target.cflags,
  ]
  const objects = await Promise.all(
    target.sources.map(async (source) => {
      const object = join(output, `${basename(source)}.o`)
      const [compiler, flags] = source.endsWith('.c')
        ? [cc, target.cflags_c]
        : [cxx, target.cflags_cc]
      await run(compiler, [...common, ...flags, '-c', join(root, source), '-o', object])
      return object
    }),
  )
  const shared =
    process.platform === 'darwin' ? ['-bundle', '-undefined', 'dynamic_lookup'] : ['-shared']
  await run(cxx, [...shared, ...objects, '-o', addonFile])
}

/** The folder that holds Node's own headers, so that node-gyp need not download them. */
function nodeFolder() {
  const folder = join(dirname(process.execPath), process.platform === 'win32' ? '.' : '..')
  return existsSync(join(folder, 'include/node/node_api.h')) ? folder : undefined
}

function nodeGyp() {
  const folder = nodeFolder()
  if (folder === undefined) throw new Error('no Node headers beside this Node')
  const bin = require.resolve('node-gyp/bin/node-gyp.js')
  execFileSync(process.execPath, [bin, 'rebuild', `--nodedir=${folder}`], {
    cwd: root,
    stdio: 'pipe',
  })
}

function prebuild() {
  const folder = nodeFolder()
  const bin = require.resolve('prebuildify/bin.js')
  const options = ['--napi', '--strip', '--tag-libc', '--name=lafs_native']
  execFileSync(process.execPath, [bin, ...options], {
    cwd: root,
    stdio: 'inherit',
    env: { ...process.env, ...(folder ? { npm_config_nodedir: folder } : {}) },
  })
}

/** Builds if need be; returns whether it did. */
async function build() {
  const wanted = stamp()
  const built = existsSync(addonFile) && existsSync(stampFile) && readFileSync(stampFile, 'utf8')
  if (built === wanted) return false
  if (process.platform === 'win32') nodeGyp()
  else {
    const cc = findCommand([process.env.CC, 'cc', 'gcc', 'clang'])
    const cxx = findCommand([process.env.CXX, 'c++', 'g++', 'clang++'])
    if (cc === undefined || cxx === undefined) throw new Error('no C and C++ compiler found')
    await buildWithCompiler(cc, cxx)
  }
  writeFileSync(stampFile, wanted)
  return true
}

if (process.argv.includes('--prebuild')) prebuild()
else {
  try {
    if (await build()) console.log('@lafs/native: built')
  } catch (error) {
    // Half a build must not be taken for one.
    rmSync(output, { recursive: true, force: true })
    const required = process.argv.includes('--require')
    const report = error.stderr?.toString().trim() || error.message
    const reason = required ? report : report.split('\n').find((line) => /error/i.test(line))
    console.log(`@lafs/native: not built, other codecs will be used: ${reason ?? error.message}`)
    if (required) process.exitCode = 1
  }
}
