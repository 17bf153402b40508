/** Why a name of upstream has another one here, or none. */
export interface Change {
  /** What stands for it: an exported name, or a member of the same interface. */
  readonly to?: string
  readonly why: string
}

const limit = 'a schema of Foolscap; what it limits is a constant'
const plain = 'a schema of Foolscap for a plain value, which has no name here'

/** Interfaces, errors and constants. */
export const changedNames: Readonly<Record<string, Change>> = {
  NoSpace: { to: 'NoSpaceError', why: 'errors end in Error' },
  DownloadStopped: { to: 'DownloadStoppedError', why: 'errors end in Error' },
  DEFAULT_MAX_SEGMENT_SIZE: {
    to: 'DEFAULT_MUTABLE_MAX_SEGMENT_SIZE',
    why: 'upstream keeps this value for mutable files and has a larger one for immutable ones',
  },
  Hash: { to: 'HASH_SIZE', why: limit },
  Nodeid: { to: 'NODE_ID_SIZE', why: limit },
  FURL: { to: 'FURL_SIZE_MAX', why: limit },
  URI: { to: 'URI_SIZE_MAX', why: limit },
  URIExtensionData: { to: 'URI_EXTENSION_SIZE_MAX', why: limit },
  WriteEnablerSecret: { to: 'WRITE_ENABLER_SIZE', why: limit },
  LeaseRenewSecret: { to: 'LEASE_SECRET_SIZE', why: limit },
  LeaseCancelSecret: { to: 'LEASE_SECRET_SIZE', why: limit },
  ShareData: { why: `${plain}: Uint8Array` },
  Number: { why: `${plain}: a safe integer` },
  Offset: { why: `${plain}: a safe integer` },
  ReadSize: { why: `${plain}: a safe integer` },
  ReadData: { why: `${plain}: Uint8Array[]` },
  DataVector: { to: 'WriteVector', why: 'named for what it does' },
  TestAndWriteVectorsForShares: { to: 'TestWriteVectors', why: 'one share; all are a Map of them' },
  UploadResults: { to: 'HelperUploadResults', why: 'upstream lets anything through' },
  VersionMessage: { to: 'ServerVersion', why: 'a shape in place of a dictionary' },
  Announcement_v2: { to: 'SignedAnnouncement', why: 'upstream lets anything through' },
  IFoolscapStoragePlugin: {
    to: 'StorageTransport',
    why: 'plug-ins of storage are transports, of Foolscap or of anything else',
  },
  IAnnounceableStorageServer: {
    to: 'StorageListener',
    why: 'what a transport serves and the announcement for it',
  },
  IAddressFamily: { to: 'StorageTransport', why: 'how to connect is the business of a transport' },
}

const factory = 'parameters are given when the object is made, so that it is never half-built'
const argument = 'an argument of the operation'
const spelled = 'the field’s word, spelled out'
const unit = 'the unit is in the name'
const count = 'counts end in Count'
const asStreams = 'AbortSignal and onProgress of the operation do it'
const retired = 'retired by upstream before 1.20; only tests and old pages called it'

/** Methods and attributes, as `Interface.method`. */
export const changedMembers: Readonly<Record<string, Change>> = {
  'ICodecEncoder.set_params': { why: `${factory}: CodecProvider.createEncoder` },
  'ICodecEncoder.get_params': { to: 'requiredShares', why: 'each parameter is a property' },
  'ICodecEncoder.get_encoder_type': { to: 'codecType', why: 'it is a property' },
  'ICodecEncoder.get_block_size': { why: 'the blocks that come in say it' },
  'ICodecEncoder.encode_proposal': { to: 'encode', why: 'a proposal that nobody implements' },
  'ICodecDecoder.set_params': { why: `${factory}: CodecProvider.createDecoder` },
  'ICodecDecoder.get_needed_shares': { to: 'requiredShares', why: 'one word for one thing' },

  'RIStorageServer.renew_lease': { to: 'addLease', why: 'it renews a lease with the same secret' },
  'RIStorageServer.get_buckets': {
    to: 'listShares',
    why: 'readers are opened one at a time: openShare',
  },
  'IStorageBucketWriter.put_plaintext_hashes': {
    why: 'nobody sends plaintext hashes any more; the field of the layout is zero',
  },
  'IStorageBucketReader.get_block_data': { to: 'getBlock', why: 'a block is data' },
  'IStorageBroker.get_servers_for_psi': { to: 'serversForStorageIndex', why: spelled },
  'IStorageBroker.get_all_serverids': { to: 'serverIds', why: spelled },
  'IStorageBroker.get_nickname_for_serverid': { to: 'nicknameFor', why: spelled },
  'IStorageBroker.get_all_connections': { to: 'connectedServers', why: retired },
  'IStorageBroker.get_all_connectors': { to: 'knownServers', why: retired },
  'IStorageBroker.get_all_peerids': { to: 'serverIds', why: retired },
  'IStorageBroker.get_all_connections_for': { to: 'connectedServers', why: retired },
  'IStorageBroker.get_permuted_peers': { to: 'serversForStorageIndex', why: retired },
  'IServer.start_connecting': { to: 'storageServer', why: 'it connects when it is asked for' },
  'IServer.get_rref': { to: 'storageServer', why: 'upstream’s later name; not Foolscap alone' },
  'IDisplayableServer.get_longname': { to: 'longName', why: spelled },
  'IConnectionStatus.last_connection_time': { to: 'lastConnectionTimeMs', why: unit },
  'IConnectionStatus.last_received_time': { to: 'lastReceivedTimeMs', why: unit },
  'IMutableSlotWriter.put_encprivkey': { to: 'putEncryptedPrivateKey', why: spelled },
  'IMutableSlotWriter.put_blockhashes': { to: 'putBlockHashes', why: spelled },
  'IMutableSlotWriter.put_sharehashes': { to: 'putShareHashes', why: spelled },

  'IURI.init_from_string': { why: 'parseCap of @lafs/uri makes caps' },
  'IURI.to_string': { to: 'format', why: 'toString must not tell a secret by accident' },
  'IVerifierURI.init_from_string': { why: 'parseCap of @lafs/uri makes caps' },
  'IVerifierURI.to_string': { to: 'format', why: 'toString must not tell a secret by accident' },
  'IFilesystemNode.get_readcap': { to: 'readCap', why: spelled },
  'IMutableFileVersion.replace': { to: 'overwrite', why: 'upstream’s later name' },

  'IEncoder.set_size': { why: factory },
  'IEncoder.set_params': { why: factory },
  'IEncoder.set_encrypted_uploadable': { why: factory },
  'IEncoder.get_param': { to: 'parameters', why: 'each parameter is a property of it' },
  'IEncoder.set_shareholders': { to: 'start', why: argument },
  'IDecoder.setup': { to: 'start', why: 'it gives the plaintext in place of writing to a file' },
  'IDecoder.set_shareholders': { to: 'start', why: argument },
  'IDownloadTarget.register_canceller': { why: asStreams },
  'IUploadable.set_upload_status': { why: asStreams },
  'IUploadable.set_default_encoding_parameters': {
    to: 'encoding',
    why: 'it says its wishes, and the uploader fills in the rest',
  },
  'IUploadable.get_all_encoding_parameters': {
    to: 'encoding',
    why: 'it says its wishes, and the uploader fills in the rest',
  },
  'IEncryptedUploadable.set_upload_status': { why: asStreams },
  'IEncryptedUploadable.get_all_encoding_parameters': { to: 'encodingParameters', why: spelled },
  'IEncryptedUploadable.get_plaintext_hashtree_leaves': { why: 'obsolete in 1.9.2 already' },
  'IEncryptedUploadable.get_plaintext_hash': { why: 'obsolete in 1.9.2 already' },
  'IUploader.upload_ssk': { why: 'an open question in 1.9.2, removed since' },
  'IUploadResults.get_verifycapstr': { to: 'verifyCap', why: spelled },
  'IUploadStatus.get_started': { to: 'startedMs', why: unit },
  'IDownloadStatus.get_started': { to: 'startedMs', why: unit },

  'ICheckResults.get_data': { to: 'goodShareCount', why: 'each key is a property, as in 1.20' },
  'ICheckResults.get_encoding_needed': { to: 'requiredShares', why: 'one word for one thing' },
  'ICheckResults.get_encoding_expected': { to: 'totalShares', why: 'one word for one thing' },
  'ICheckResults.get_share_counter_good': { to: 'goodShareCount', why: count },
  'ICheckResults.get_share_counter_wrong': { to: 'wrongShareCount', why: count },
  'ICheckResults.get_host_counter_good_shares': { to: 'goodShareHostCount', why: count },
  'ICheckResults.get_version_counter_recoverable': { to: 'recoverableVersionCount', why: count },
  'ICheckResults.get_version_counter_unrecoverable': {
    to: 'unrecoverableVersionCount',
    why: count,
  },
}
