import type { ShareIdentifier, ShareLocator } from '@lafs/filesystem-interface'
import type { GatewayContext } from '../context.ts'
import { badge, table } from './components.ts'
import { html } from './html.ts'
import type { Html } from './html.ts'
import { count, plainName, shorten } from './text.ts'
import { serverText, shortServerId } from './words.ts'

/** Where the shares of an object are, and what is known of the servers. */
export interface ShareMap {
  readonly sharemap: ReadonlyMap<ShareIdentifier, ReadonlySet<string>>
  /** Default: nothing is wrong with any. */
  readonly corruptShares?: readonly ShareLocator[]
  /** Servers that were asked and answered. Default: it is not said. */
  readonly serversResponding?: ReadonlySet<string>
  /** How many different shares there should be. Default: as many as there are. */
  readonly totalShares?: number
  /** 16 bytes: puts the servers into the order in which they are asked. */
  readonly storageIndex?: Uint8Array
}

/** What one server has. */
interface Holding {
  readonly serverId: string
  /** By share number. */
  readonly shares: Map<number, 'good' | 'other' | 'corrupt'>
}

/** Which server holds which share, as a picture and as a table. */
export function shareMap(context: Pick<GatewayContext, 'client'>, map: ShareMap): Html {
  const holdings = holdingsOf(context, map)
  if (holdings.length === 0) return html`<p class="empty">No server has any piece of it.</p>`
  const columns = [
    { label: 'Server' },
    { label: 'Pieces' },
    ...(map.serversResponding === undefined ? [] : [{ label: 'Answered' }]),
  ]
  const rows = holdings.map(({ serverId, shares }) => [
    serverText(context, serverId),
    sharesText(shares),
    ...(map.serversResponding === undefined
      ? []
      : [map.serversResponding.has(serverId) ? 'yes' : badge('warning', 'no')]),
  ])
  return html`${picture(context, holdings, map)}
  ${table('Which server holds which piece', columns, rows)}`
}

/** Which server holds which share after an upload. */
export function placement(
  context: Pick<GatewayContext, 'client'>,
  sharemap: ReadonlyMap<number, ReadonlySet<string>>,
): Html {
  return shareMap(context, { sharemap })
}

function holdingsOf({ client }: Pick<GatewayContext, 'client'>, map: ShareMap): Holding[] {
  const holdings = new Map<string, Holding>()
  const of = (serverId: string): Holding => {
    const holding = holdings.get(serverId) ?? { serverId, shares: new Map() }
    holdings.set(serverId, holding)
    return holding
  }
  if (map.storageIndex !== undefined && map.serversResponding !== undefined)
    for (const { serverId } of client.broker.serversForStorageIndex(map.storageIndex)) of(serverId)
  for (const serverId of map.serversResponding ?? []) of(serverId)
  if (map.serversResponding !== undefined)
    for (const { serverId } of client.broker.knownServers()) of(serverId)
  const best = bestVersion(map.sharemap)
  for (const [identifier, servers] of map.sharemap) {
    const { version, shareNumber } = partsOf(identifier)
    for (const serverId of servers)
      of(serverId).shares.set(shareNumber, version === best ? 'good' : 'other')
  }
  for (const { serverId, shareNumber } of map.corruptShares ?? [])
    of(serverId).shares.set(shareNumber, 'corrupt')
  return [...holdings.values()]
}

/** Shares of mutable files are named `seq3-abcd-sh0`, those of others by their number alone. */
function partsOf(identifier: ShareIdentifier): { version: string; shareNumber: number } {
  if (typeof identifier === 'number') return { version: '', shareNumber: identifier }
  const [, version = '', shareNumber = '0'] = /^(.*)-sh(\d+)$/.exec(identifier) ?? []
  return { version, shareNumber: Number(shareNumber) }
}

/** The newest version, which has the greatest sequence number. */
function bestVersion(sharemap: ShareMap['sharemap']): string {
  const sequence = (version: string): number => Number(/^seq(\d+)/.exec(version)?.[1] ?? 0)
  let best = ''
  for (const identifier of sharemap.keys()) {
    const { version } = partsOf(identifier)
    if (sequence(version) > sequence(best)) best = version
  }
  return best
}

function sharesText(shares: Holding['shares']): Html {
  if (shares.size === 0) return html`<span class="faint">none</span>`
  const sorted = [...shares].toSorted(([a], [b]) => a - b)
  return html`${sorted.map(([shareNumber, state], index) => html`${index > 0 && ', '}${shareNumber}${state === 'corrupt' && html` ${badge('bad', 'damaged')}`}${state === 'other' && html` ${badge('plain', 'old version')}`}`)}`
}

const CELL = 22
const CHARACTER_WIDTH = 7.5
const NAME_LENGTH_MAX = 20

/** A column for each share, a row for each server. */
function picture(
  context: Pick<GatewayContext, 'client'>,
  holdings: readonly Holding[],
  { totalShares = 0, serversResponding }: ShareMap,
): Html {
  const highest = Math.max(-1, ...holdings.flatMap(({ shares }) => [...shares.keys()]))
  const columns = Array.from({ length: Math.max(totalShares, highest + 1) }, (_, number) => number)
  const names = holdings.map(({ serverId }) => shortName(context, serverId))
  const left = Math.max(...names.map((name) => name.length)) * CHARACTER_WIDTH + 16
  const middle = (shareNumber: number): number => left + shareNumber * CELL + CELL / 2
  const heads = columns.map(
    (shareNumber) =>
      html`<text class="axis" x="${middle(shareNumber)}" y="15" text-anchor="middle"
        >${shareNumber}</text
      >`,
  )
  const rows = holdings.map(({ serverId, shares }, index) => {
    const y = (index + 1) * CELL + CELL / 2
    const away = serversResponding !== undefined && !serversResponding.has(serverId)
    const cells = columns.map((share) => cell(shares.get(share), middle(share), y))
    return html`<text x="0" y="${y + 4}" ${away && html` class="away"`}>${names[index]}</text
      >${cells}`
  })
  const width = middle(columns.length)
  const height = (holdings.length + 1) * CELL + 4
  return html`<div class="picture" tabindex="0" role="group" aria-label="Picture of the pieces">
      <svg
        class="shares"
        role="img"
        aria-label="${pictureTitle(holdings)}"
        width="${width}"
        height="${height}"
        viewBox="0 0 ${width} ${height}"
      >
        ${heads}${rows}
      </svg>
    </div>
    <p class="legend">
      <span class="key good">good piece</span> <span class="key other">old version</span>
      <span class="key corrupt">damaged</span>
    </p>`
}

function pictureTitle(holdings: readonly Holding[]): string {
  const good = holdings.flatMap(({ shares }) =>
    [...shares].flatMap(([shareNumber, state]) => (state === 'good' ? [shareNumber] : [])),
  )
  const holders = holdings.filter(({ shares }) => shares.size > 0)
  return `${count(new Set(good).size, 'good piece')} on ${count(holders.length, 'server')}; the table below says which`
}

function shortName({ client }: Pick<GatewayContext, 'client'>, serverId: string): string {
  const nickname = client.broker.nicknameFor(serverId) ?? ''
  return shorten(plainName(nickname === '' ? shortServerId(serverId) : nickname), NAME_LENGTH_MAX)
}

function cell(state: 'good' | 'other' | 'corrupt' | undefined, x: number, y: number): Html {
  if (state === undefined) return html`<circle class="none" cx="${x}" cy="${y}" r="2" />`
  if (state === 'corrupt')
    return html`<path class="corrupt" d="M${x - 6} ${y - 6}l12 12m0 -12l-12 12" />`
  return html`<circle class="${state}" cx="${x}" cy="${y}" r="8" />`
}
