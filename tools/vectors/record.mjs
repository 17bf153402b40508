// Records the known answers of packages/vectors from the real upstream: every record_AREA.py, or those
// whose AREA is named. With --check nothing is written: it fails when a fresh recording differs.
//   node tools/vectors/record.mjs [--check] [AREA…]
import { execFileSync, spawn } from 'node:child_process'
import { existsSync, mkdtempSync, readFileSync, readdirSync, rmSync } from 'node:fs'
import { cpus, tmpdir } from 'node:os'
import { join, relative } from 'node:path'

const root = join(import.meta.dirname, '../..')
const data = join(root, 'packages/vectors/data')
const areas = readdirSync(import.meta.dirname).flatMap(
  (file) => /^record_(.+)\.py$/.exec(file)?.[1] ?? [],
)
const check = process.argv.includes('--check')
const asked = process.argv.slice(2).filter((argument) => argument !== '--check')
for (const area of asked) {
  if (areas.includes(area)) continue
  console.error(`no record_${area}.py; there are ${areas.join(', ')}`)
  process.exit(1)
}

const upstream = process.env.LAFS_UPSTREAM ?? join(root, '.lafs/upstream')
const python = join(upstream, 'bin/python')
if (!existsSync(python)) {
  execFileSync(process.execPath, [join(root, 'tools/upstream.mjs'), '--require'], {
    stdio: 'inherit',
  })
}

/** Runs one script; its messages are shown when it fails. */
function record(area, folder) {
  const script = join(import.meta.dirname, `record_${area}.py`)
  const env = { ...process.env, PYTHONHASHSEED: '0', PYTHONDONTWRITEBYTECODE: '1' }
  const child = spawn(python, [script, folder], {
    cwd: folder,
    env,
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  let said = ''
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding('utf8').on('data', (text) => (said += text))
  }
  return new Promise((resolve, reject) => {
    child.on('error', reject)
    child.on('close', (code) => {
      if (code === 0) resolve()
      else reject(new Error(`record_${area}.py failed (${code}):\n${said}`))
    })
  })
}

/** The files below a folder, relative to it. */
function filesBelow(folder) {
  if (!existsSync(folder)) return []
  return readdirSync(folder, { withFileTypes: true, recursive: true })
    .filter((entry) => entry.isFile())
    .map((entry) => relative(folder, join(entry.parentPath, entry.name)))
}

/** What differs between what is committed and what upstream just said. */
function differences(fresh, whole) {
  const recorded = filesBelow(fresh)
  const changed = recorded.flatMap((file) => {
    const committed = join(data, file)
    if (!existsSync(committed)) return [`${file}: not committed`]
    return readFileSync(committed).equals(readFileSync(join(fresh, file)))
      ? []
      : [`${file}: differs`]
  })
  const stale = filesBelow(data).filter((file) => whole && !recorded.includes(file))
  return [...changed, ...stale.map((file) => `${file}: no script records it`)]
}

const chosen = asked.length > 0 ? asked : areas
const folder = check ? mkdtempSync(join(tmpdir(), 'lafs-vectors-')) : data
try {
  const waiting = [...chosen]
  await Promise.all(
    Array.from({ length: Math.min(cpus().length, waiting.length) }, async () => {
      for (let area = waiting.shift(); area !== undefined; area = waiting.shift()) {
        await record(area, folder)
      }
    }),
  )
  const found = check ? differences(folder, asked.length === 0) : []
  for (const line of found) console.error(line)
  console.log(
    `vectors: ${chosen.length} areas ${check ? 'checked' : 'recorded'}, ${found.length} differences`,
  )
  if (found.length > 0) process.exitCode = 1
} catch (error) {
  console.error(error.message)
  process.exitCode = 1
} finally {
  if (check) rmSync(folder, { recursive: true, force: true })
}
