import { expiringShares } from '@lafs/storage-server'
import type { JudgedShare } from '@lafs/storage-server'
import type { CommandContext } from '../command-context.ts'
import { kebabJson } from '../kebab-json.ts'
import type { JsonOption } from '../outcome.ts'
import { surveyBar } from '../progress.ts'
import { withStorage } from '../storage-folder.ts'
import { bytesText, policyText } from '../survey-text.ts'
import { writeTo } from '../terminal.ts'

/**
 * Tells which shares a storage server would delete were it to look at them now, and why: with its
 * settings, whether or not expiration is on. Deletes nothing.
 */
export async function adminExpiringCommand(
  context: CommandContext,
  folder: string | undefined,
  { json }: JsonOption,
): Promise<void> {
  const { stdout, stderr, now, signal } = context.terminal
  const bar = surveyBar(stderr, { now, quiet: context.quiet })
  await withStorage(context, folder, async ({ store, expiration, nowSeconds }) => {
    const write = async (text: string): Promise<void> => {
      bar.end()
      await writeTo(stdout, `${text}\n`)
    }
    const sum = new Sum()
    if (json !== true) await write(policyText(expiration))
    try {
      const asked = { nowSeconds, signal, onProgress: bar.update }
      for await (const share of expiringShares(store, expiration, asked)) {
        sum.add(share)
        await write(json === true ? kebabJson({ type: 'share', ...share }) : lineOf(share))
      }
    } finally {
      bar.end()
    }
    const total = json === true ? sum.json(expiration.enabled) : sum.line(expiration.enabled)
    await write(total)
  })
}

function lineOf(share: JudgedShare): string {
  const { storageIndex, shareNumber, kind, containerBytes, reason } = share
  return `SI ${storageIndex}, shnum ${shareNumber}: ${kind}, ${bytesText(containerBytes)}: ${reason}`
}

/** What the shares come to. */
class Sum {
  #expiring = 0
  #damaged = 0
  #containerBytes = 0
  #diskBytes = 0

  add({ verdict, containerBytes, diskBytes }: JudgedShare): void {
    if (verdict === 'damaged') {
      this.#damaged++
      return
    }
    this.#expiring++
    this.#containerBytes += containerBytes
    this.#diskBytes += diskBytes
  }

  json(enabled: boolean): string {
    return kebabJson({
      type: 'sum',
      enabled,
      shares: this.#expiring,
      containerBytes: this.#containerBytes,
      diskBytes: this.#diskBytes,
      damaged: this.#damaged,
    })
  }

  line(enabled: boolean): string {
    const shares = this.#expiring === 1 ? '1 share' : `${this.#expiring} shares`
    const fate = enabled ? 'will be deleted' : 'would be deleted if expiration were on'
    const bytes = `${bytesText(this.#containerBytes)}, ${bytesText(this.#diskBytes)} on disk`
    const damaged = this.#damaged === 0 ? '' : `; ${this.#damaged} damaged are left alone`
    return `done: ${shares} ${fate} (${bytes})${damaged}`
  }
}
