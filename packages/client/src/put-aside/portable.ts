export { uploadableFromStream } from '@lafs/immutable'
