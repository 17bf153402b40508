import type { OperationOptions, ServerAnnouncement } from '@lafs/storage-interface'
import type { ServiceVersion } from './version.ts'

/**
 * What a node announces: JSON. The first fields are every announcement's, the others the service's
 * (see {@link ServerAnnouncement} for `storage`). Names are upstream's, letter for letter, and
 * unknown fields stay.
 *
 * @see allmydata.introducer.interfaces.IIntroducerClient.subscribe_to
 */
export interface IntroducerAnnouncement extends ServerAnnouncement {
  /** Of the format: 0. */
  readonly version?: number
  readonly 'service-name': string
  readonly nickname?: string
  /** The versions of the software's parts. */
  readonly 'app-versions'?: Readonly<Record<string, string>>
  readonly 'my-version'?: string
  readonly 'oldest-supported'?: string
  /** Grows with every announcement of a node; a lower one never replaces a higher one. */
  readonly seqnum?: number
  /** Random text, so that no two announcements are alike. */
  readonly nonce?: string
}

/**
 * An announcement as it travels.
 *
 * @see allmydata.introducer.common.sign_to_foolscap
 */
export interface SignedAnnouncement {
  /** An {@link IntroducerAnnouncement} as UTF-8 JSON: the bytes that the signature covers. */
  readonly message: Uint8Array
  /** `v0-` and the base32 of the 64 bytes of the Ed25519 signature. */
  readonly signature: string
  /** `v0-` and the base32 of the 32 bytes of the Ed25519 public key. */
  readonly key: string
}

/** What a subscriber says of itself, for the introducer's status page. */
export type SubscriberInfo = Readonly<Record<string, unknown>>

/**
 * Hears announcements.
 *
 * @see allmydata.introducer.interfaces.RIIntroducerSubscriberClient_v2
 */
export interface RIIntroducerSubscriberClient_v2 {
  /** Announcements may come again, and in any order. Whoever gets them verifies them. */
  announceV2(
    announcements: readonly SignedAnnouncement[],
    options?: OperationOptions,
  ): Promise<void>
}

/**
 * An introducer: it passes each announcement on to whoever subscribed to its service.
 *
 * @see allmydata.introducer.interfaces.RIIntroducerPublisherAndSubscriberService_v2
 */
export interface RIIntroducerPublisherAndSubscriberService_v2 {
  getVersion(options?: OperationOptions): Promise<ServiceVersion>
  /**
   * Takes an announcement. It replaces the earlier one of the same service and key.
   *
   * @param canary - aborts when the publisher is gone, for the status page.
   */
  publishV2(
    announcement: SignedAnnouncement,
    canary: AbortSignal,
    options?: OperationOptions,
  ): Promise<void>
  /** Passes all announcements of a service on, past and to come. A second call with one subscriber does nothing. */
  subscribeV2(
    subscriber: RIIntroducerSubscriberClient_v2,
    serviceName: string,
    subscriberInfo: SubscriberInfo,
    options?: OperationOptions,
  ): Promise<void>
}

/**
 * Hears of an announcement whose signature is good: new ones, changed ones, and some twice.
 *
 * @param key - `v0-` and the base32 of the announcer's public key: the server's id.
 */
export type AnnouncementListener = (key: string, announcement: IntroducerAnnouncement) => void

/**
 * A node's side of an introducer.
 *
 * @see allmydata.introducer.interfaces.IIntroducerClient
 */
export interface IIntroducerClient {
  /**
   * Announces a service now and after every reconnection.
   *
   * @param announcement - the service's own fields; the rest is filled in.
   * @param signingKey - 32 bytes, the Ed25519 seed; borrowed.
   */
  publish(
    serviceName: string,
    announcement: Readonly<Record<string, unknown>>,
    signingKey: Uint8Array,
  ): void
  subscribeTo(serviceName: string, listener: AnnouncementListener): void
  readonly connectedToIntroducer: boolean
}

/** A subscriber, for a status page. @see allmydata.introducer.common.SubscriberDescriptor */
export interface SubscriberDescriptor {
  readonly serviceName: string
  /** Milliseconds since the epoch. */
  readonly sinceMs: number
  readonly nickname: string
  readonly version: string
  readonly appVersions: Readonly<Record<string, string>>
  readonly remoteAddress: string
  readonly tubId: string | undefined
}

/** An announcement, for a status page. @see allmydata.introducer.common.AnnouncementDescriptor */
export interface AnnouncementDescriptor {
  /** When it came first: milliseconds since the epoch. */
  readonly sinceMs: number
  readonly serverId: string
  readonly serviceName: string
  readonly nickname: string
  readonly version: string
  /** Where the announcer listens, without the secret part of its FURL. */
  readonly connectionHints: readonly string[]
  readonly announcement: IntroducerAnnouncement
}
