// Makes the virtual environment with the real upstream that the interop tests and the vector scripts
// run, and prints where it is. Where it cannot, it prints why and exits 0, or 1 with --require.
// LAFS_UPSTREAM names an environment that is there already.
import { execFileSync } from 'node:child_process'
import { existsSync, mkdirSync, rmSync } from 'node:fs'
import { dirname, join } from 'node:path'

const version = '1.20.0'
const zfecVersion = '1.6.0.0'
const own = join(import.meta.dirname, '../.lafs/upstream')
const folder = process.env.LAFS_UPSTREAM ?? own
const quiet = process.argv.includes('--quiet')

/** Runs a program and gives what it printed; what it printed on failure becomes the error. */
function run(program, ...args) {
  try {
    return execFileSync(program, args, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] })
  } catch (error) {
    const printed = (error.stderr || error.message).trim().split('\n').slice(-3).join('\n  ')
    throw new Error(`${program} ${args.join(' ')}\n  ${printed}`, { cause: error })
  }
}

/** The version of upstream that an environment holds, or undefined. */
function installedVersion() {
  const python = join(folder, 'bin/python')
  if (!existsSync(python) || !existsSync(join(folder, 'bin/tahoe'))) return undefined
  const ask = 'from importlib.metadata import version; print(version("tahoe-lafs"))'
  try {
    return run(python, '-c', ask).trim()
  } catch {
    return undefined
  }
}

function install() {
  if (process.env.LAFS_UPSTREAM !== undefined) {
    throw new Error(`LAFS_UPSTREAM names ${folder}, which holds no tahoe-lafs ${version}`)
  }
  if (!quiet) console.log(`upstream: installing tahoe-lafs ${version} from PyPI into ${folder}`)
  rmSync(own, { recursive: true, force: true })
  mkdirSync(dirname(own), { recursive: true })
  run('python3', '-m', 'venv', own)
  const pip = ['-m', 'pip', 'install', '--quiet', '--disable-pip-version-check', '--retries=2']
  // Upstream needs the module cgi, which Python dropped.
  const cgi = 'legacy-cgi; python_version >= "3.13"'
  run(join(own, 'bin/python'), ...pip, `tahoe-lafs==${version}`, `zfec==${zfecVersion}`, cgi)
}

try {
  if (installedVersion() !== version) install()
  const found = installedVersion()
  if (found !== version) throw new Error(`expected tahoe-lafs ${version}, got ${found ?? 'none'}`)
  if (!quiet) console.log(`upstream: tahoe-lafs ${version} in ${folder}`)
} catch (error) {
  if (process.env.LAFS_UPSTREAM === undefined) rmSync(own, { recursive: true, force: true })
  console.error(`upstream: not there, so what needs it will be skipped: ${error.message}`)
  process.exitCode = process.argv.includes('--require') ? 1 : 0
}
