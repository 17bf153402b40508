/**
 * What a service says of itself: its protocols, each named by a URL (below), with what there is to
 * tell about it, and `application-version`, a text that names the software.
 *
 * @see allmydata.interfaces.RIHelper.get_version
 */
export type ServiceVersion = ReadonlyMap<string, unknown>

/** The protocol that a helper names in its version. */
export const HELPER_PROTOCOL = 'http://allmydata.org/tahoe/protocols/helper/v1'
/** The protocol that one upload through a helper names in its version. */
export const CHK_UPLOAD_HELPER_PROTOCOL =
  'http://allmydata.org/tahoe/protocols/helper/chk-upload/v1'
/** The protocol that an introducer names in its version. */
export const INTRODUCER_PROTOCOL = 'http://allmydata.org/tahoe/protocols/introducer/v2'

/** The name that each remote interface goes by on a Foolscap connection. */
export const REMOTE_NAMES = {
  RIStorageServer: 'RIStorageServer.tahoe.allmydata.com',
  RIEncryptedUploadable: 'RIEncryptedUploadable.tahoe.allmydata.com',
  RICHKUploadHelper: 'RIUploadHelper.tahoe.allmydata.com',
  RIHelper: 'RIHelper.tahoe.allmydata.com',
  RIStatsProvider: 'RIStatsProvider.tahoe.allmydata.com',
  RIStatsGatherer: 'RIStatsGatherer.tahoe.allmydata.com',
  RIKeyGenerator: 'RIKeyGenerator.tahoe.allmydata.com',
  RIIntroducerSubscriberClient_v2: 'RIIntroducerSubscriberClient_v2.tahoe.allmydata.com',
  RIIntroducerPublisherAndSubscriberService_v2:
    'RIIntroducerPublisherAndSubscriberService_v2.tahoe.allmydata.com',
} as const
