// Packs what lafs needs to run and builds a container image of it, with docker, podman or buildah:
//
//   node tools/image.mjs [--tag lafs] [--builder docker] [--node-image IMAGE]
//   node tools/image.mjs --context FOLDER      only fills the folder with what an image is built from
import { spawnSync } from 'node:child_process'
import { cpSync, mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { parseArgs } from 'node:util'
import { pack, root, run, setup } from './setup.mjs'

const { values } = parseArgs({
  options: {
    tag: { type: 'string', default: 'lafs' },
    builder: { type: 'string' },
    'node-image': { type: 'string' },
    context: { type: 'string' },
  },
})

/** What is there to build images with. */
function findBuilder() {
  const found = ['docker', 'podman', 'buildah'].find(
    (name) => spawnSync(name, ['--version'], { stdio: 'ignore' }).status === 0,
  )
  if (found !== undefined) return found
  console.error('Images are built with docker, podman or buildah: install one of them')
  process.exit(1)
}

const builder = values.context === undefined ? (values.builder ?? findBuilder()) : undefined
setup({ quiet: true })
const context = values.context
  ? resolve(values.context)
  : mkdtempSync(join(tmpdir(), 'lafs-image-'))
mkdirSync(join(context, 'packages'), { recursive: true })
pack(join(context, 'packages'), 'lafs')
cpSync(join(root, 'packages/lafs/deploy/Dockerfile'), join(context, 'Dockerfile'))
if (builder !== undefined) {
  process.on('exit', () => rmSync(context, { recursive: true, force: true }))
  const nodeImage = values['node-image']
  const nodeArgs = nodeImage === undefined ? [] : ['--build-arg', `NODE_IMAGE=${nodeImage}`]
  // The other format has no health checks.
  const format = builder === 'docker' ? [] : ['--format', 'docker']
  run(builder, ['build', ...format, '--tag', values.tag, ...nodeArgs, context])
}
