import type { CrawlerProgress, LeaseChecker, StorageServer } from '@lafs/storage-server'
import type { GatewayResponse } from '../exchange.ts'
import type { Exchange } from '../context.ts'
import { badge, banner, facts, fold, section, tiles } from './components.ts'
import { html } from './html.ts'
import type { Html, Part } from './html.ts'
import { pageResponse } from './layout.ts'
import { rootOf } from './links.ts'
import { diskBar } from './statistics.ts'
import { ago, count, duration, number, size, sizeText } from './text.ts'

/** GET /storage */
export async function storagePage(exchange: Exchange): Promise<GatewayResponse> {
  const { storage } = exchange.context
  const body = html`<h1>Storage for others</h1>
    ${storage === undefined ? absent() : await present(exchange, storage)}`
  return pageResponse(exchange, { title: 'Storage', section: 'storage', body })
}

function absent(): Html {
  return banner(
    'plain',
    'This node stores nothing for others',
    html`<p>
      It is a client only. A node that also offers its disk to the grid has
      <code>enabled = true</code> under <code>[storage]</code> in its tahoe.cfg.
    </p>`,
  )
}

async function present(exchange: Exchange, storage: StorageServer): Promise<Html> {
  const stats = Object.fromEntries(
    [...(await storage.getStats())].map(([name, value]) => [name, value ?? null]),
  )
  const of = (name: string): number | null => stats[`storage_server.${name}`] ?? null
  const accepting = of('accepting_immutable_shares') === 1
  const buckets = storage.crawlers?.bucketCounter.state()['last-complete-bucket-count'] ?? null
  return html`${accepting ? banner('good', 'It takes new shares') : banner('warning', 'It takes no new shares', 'It is read-only, or its disk is full.')}
    ${tiles([
      [
        'Room for shares',
        of('disk_avail') === null ? 'no limit known' : size(of('disk_avail') ?? 0),
      ],
      ['Kept free', size(of('reserved_space') ?? 0)],
      ['Objects with shares here', buckets === null ? 'not counted yet' : number(buckets)],
    ])}
    ${
      of('disk_total') !== null &&
      section(
        'disk',
        'Disk',
        html`${diskBar(stats)}${facts([
          ['Whole', sizeText(of('disk_total'))],
          ['Used', sizeText(of('disk_used'))],
          ['Free for everybody', sizeText(of('disk_free_for_nonroot'))],
          ['Free for root', sizeText(of('disk_free_for_root'))],
        ])}`,
      )
    }
    ${storage.crawlers === undefined ? html`` : section('care', 'Counting and looking after', care(exchange, storage.crawlers))}
    <p><a href="${rootOf(exchange.request)}storage?t=json">All of it as JSON</a></p>`
}

function care({ context }: Exchange, crawlers: NonNullable<StorageServer['crawlers']>): Html {
  const { bucketCounter, leaseChecker } = crawlers
  return html`${facts([
      ['Counting objects', progressText(bucketCounter.progress())],
      ['Looking at leases', progressText(leaseChecker.progress())],
    ])}
    <p class="prose">
      A lease is a client's word that it still wants something kept. It runs for a month and can be
      renewed.
    </p>
    ${leases(leaseChecker, context.clock.nowMs())}`
}

function progressText(progress: CrawlerProgress): Html {
  const cycle = progress['estimated-time-per-cycle']
  const each = cycle !== null && ` (each round takes about ${duration(cycle * 1000)})`
  if (!progress['cycle-in-progress']) {
    const wait = progress['remaining-wait-time']
    return html`${wait === null ? 'stands still' : `next round in ${duration(Math.max(0, wait) * 1000)}`}${each}`
  }
  const part = progress['cycle-complete-percentage']
  const left = progress['estimated-cycle-complete-time-left']
  return html`<progress max="100" value="${part.toFixed(1)}" aria-label="This round"></progress>
    ${part.toFixed(1)}%${left !== null && `, about ${duration(Math.max(0, left) * 1000)} left`}${each}`
}

type Space = Readonly<Record<string, number | null>>

function leases(checker: LeaseChecker, nowMs: number): Html {
  const { history, 'cycle-to-date': current } = checker.state()
  const last = history[String(Math.max(-1, ...Object.keys(history).map(Number)))]
  const finished = last?.['cycle-start-finish-times'][1]
  const enabled = (current ?? last)?.['expiration-enabled']
  const expiry: Part =
    enabled === undefined
      ? undefined
      : enabled
        ? badge('warning', 'Shares whose leases have ended are removed')
        : badge('good', 'Nothing is removed')
  return html`${expiry}
  ${current !== undefined && fold('This round so far', round(current['space-recovered'], current['expiration-enabled'], current['corrupt-shares']))}
  ${last !== undefined && fold(`Last whole round${finished === undefined ? '' : `, ${ago(finished * 1000, nowMs)}`}`, round(last['space-recovered'], last['expiration-enabled'], last['corrupt-shares']))}`
}

function round(
  space: Space,
  enabled: boolean,
  corrupt: readonly (readonly [string, number])[],
): Html {
  const line = (which: string): string =>
    `${count(space[`${which}-shares`] ?? 0, 'share')} of ${count(space[`${which}-buckets`] ?? 0, 'object')}, ${size(space[`${which}-diskbytes`] ?? 0)}`
  return html`${facts([
    ['Looked at', line('examined')],
    enabled
      ? ['Removed', line('actual')]
      : ['Would be removed by the rules set up', line('configured')],
    ['Leases ended by their own word', line('original')],
    ['Damaged shares', number(corrupt.length)],
  ])}
  ${
    corrupt.length > 0 &&
    html`<ul>
      ${corrupt.slice(0, 100).map(([storageIndex, shareNumber]) => html`<li><code>${storageIndex}</code>, share ${shareNumber}</li>`)}
    </ul>`
  }`
}
