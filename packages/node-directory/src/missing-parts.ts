import { NodeDirectoryError } from './errors.ts'
import { badOption, booleanOption, placeOf, tahoeCfgOption } from './tahoe-cfg.ts'
import type { TahoeCfg } from './tahoe-cfg.ts'

/** Options that ask for a service beside the rest: without it the node is as good as it is. */
const SERVICES_TO_DO_WITHOUT: readonly (readonly [
  section: string,
  option: string,
  what: string,
])[] = [
  ['client', 'helper.furl', 'no helper is used: helpers speak Foolscap; uploads go to the servers'],
  ['client', 'key_generator.furl', 'this is ignored, as by upstream: keys are made here'],
  ['node', 'log_gatherer.furl', 'nothing is logged there: log gatherers speak Foolscap'],
]

/** What would be connected to by Tor or I2P with upstream's nodes is connected to by nothing. */
const NO_CONNECTIONS = [
  'connections',
  'tcp',
  'no storage server is connected to: neither Tor nor I2P is spoken here',
] as const

const SWITCHES_TO_DO_WITHOUT: typeof SERVICES_TO_DO_WITHOUT = [
  ['helper', 'enabled', 'no helper is run: helpers speak Foolscap'],
  ['tor', 'launch', 'no Tor is started: Tor is not spoken here'],
  ['tor', 'onion', 'there is no onion service: Tor is not spoken here'],
  ['i2p', 'launch', 'no I2P router is started: I2P is not spoken here'],
  ['i2p', 'dest', 'there is no I2P destination: I2P is not spoken here'],
]

/**
 * What a `tahoe.cfg` asks for and this version does not have, where the node is of use without it.
 *
 * @returns a line about each, which names the option.
 * @throws {@link NodeDirectoryError} `NODEDIR_UNAVAILABLE` where the node would do what it was told not to
 *   do, or nothing at all; `NODEDIR_BAD_CONFIG` where upstream refuses it, too.
 */
export function missingParts(cfg: TahoeCfg): string[] {
  refuse(cfg)
  const asksFor = ([section, option]: readonly [string, string, string]): boolean =>
    !['', 'None'].includes(tahoeCfgOption(cfg, section, option) ?? '')
  const isOn = ([section, option]: readonly [string, string, string]): boolean =>
    booleanOption(cfg, section, option, false)
  return [
    ...SERVICES_TO_DO_WITHOUT.filter(asksFor),
    ...SWITCHES_TO_DO_WITHOUT.filter(isOn),
    ...(tcpHandler(cfg) === 'disabled' ? [NO_CONNECTIONS] : []),
  ].map(
    ([section, option, what]) =>
      `${placeOf(cfg, section, option)}: [${section}] ${option}: ${what}`,
  )
}

function refuse(cfg: TahoeCfg): void {
  for (const section of ['client', 'storage']) {
    if (!booleanOption(cfg, section, 'force_foolscap', false)) continue
    throw unavailable(cfg, section, 'force_foolscap', 'Foolscap is not spoken here, HTTPS is')
  }
  for (const [section, option] of [
    ['storage', 'plugins'],
    ['client', 'storage.plugins'],
  ] as const) {
    const names = tahoeCfgOption(cfg, section, option) ?? ''
    if (!/[^\s,]/.test(names)) continue
    throw unavailable(cfg, section, option, 'there are no storage plugins here')
  }
  const tcp = tcpHandler(cfg)
  if (tcp === 'tor' || tcp === 'i2p') {
    throw unavailable(cfg, 'connections', 'tcp', `${tcp} is not spoken here`)
  }
  if (tcp !== 'tcp' && tcp !== 'disabled') {
    throw badOption(cfg, 'connections', 'tcp', 'tcp, tor, i2p or disabled')
  }
  if (!booleanOption(cfg, 'node', 'reveal-ip-address', true) && tcp === 'tcp') {
    throw new NodeDirectoryError(
      'NODEDIR_BAD_CONFIG',
      `${placeOf(cfg, 'node', 'reveal-ip-address')}: reveal-IP-address = false, but without [connections] tcp = disabled servers would see the address`,
    )
  }
}

function tcpHandler(cfg: TahoeCfg): string {
  return (tahoeCfgOption(cfg, 'connections', 'tcp') ?? 'tcp').toLowerCase()
}

function unavailable(
  cfg: TahoeCfg,
  section: string,
  option: string,
  why: string,
): NodeDirectoryError {
  return new NodeDirectoryError(
    'NODEDIR_UNAVAILABLE',
    `${placeOf(cfg, section, option)}: [${section}] ${option}: ${why}`,
  )
}
