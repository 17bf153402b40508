import type { ProgressListener } from '@lafs/filesystem-interface'
import type { ProgressBar } from './progress.ts'
import { askText, parseAnswer } from './web-api.ts'
import type { WebContext } from './web-command.ts'

/** How often the gateway is asked how far it is. */
const ASK_EVERY_MS = 300

/** What hears of an upload. */
export interface UploadWatch {
  /** To be told how much the gateway has taken. */
  readonly update: ProgressListener
  /** Ends the asking. */
  end(): void
}

/**
 * Shows how far an upload is, or the last one of several: what the gateway has taken of it, and after
 * that how much of it the servers have. Nobody is asked where nobody looks.
 */
export function watchUpload({ api, quiet, terminal }: WebContext, bar: ProgressBar): UploadWatch {
  if (quiet || terminal.stderr.isTTY !== true) return { update: bar.update, end: () => undefined }
  const ended = new AbortController()
  let timer: NodeJS.Timeout | undefined
  let size: number | undefined
  const look = async (): Promise<void> => {
    try {
      const { signal } = ended
      const status = parseAnswer(await askText(api, 'GET', '/status?t=json', { signal }))
      const part = pushedPart(status, size)
      if (part !== undefined && size !== undefined && !signal.aborted) {
        bar.update({ phase: 'pushing', done: Math.round(part * size), total: size })
      }
    } catch {
      // An upload goes on even where nobody can say how far it is.
    }
    if (!ended.signal.aborted) timer = setTimeout(() => void look(), ASK_EVERY_MS)
  }
  return {
    update: (progress) => {
      bar.update(progress)
      if (progress.phase !== 'hashing') return
      size = progress.done
      if (progress.done === progress.total) timer ??= setTimeout(() => void look(), ASK_EVERY_MS)
    },
    end: () => {
      clearTimeout(timer)
      ended.abort()
    },
  }
}

/** How much of an upload of this size has come to the servers, from 0 to 1. @see allmydata.web.status.Status */
function pushedPart(status: unknown, size: number | undefined): number | undefined {
  const { active } = status as { readonly active?: unknown }
  if (!Array.isArray(active)) return undefined
  const upload = (active as Record<string, unknown>[]).find(
    (one) => one['type'] === 'upload' && one['total-size'] === size,
  )
  const part = upload?.['progress-encode-push']
  return typeof part === 'number' ? part : undefined
}
