export { uploadableFromStream } from '@lafs/immutable/node'
