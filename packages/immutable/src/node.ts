export { uploadableFromFile } from './file-uploadable.ts'
export { createUploadJournal } from './resume/journal-folder.ts'
export { uploadableFromStream, type ConvergenceOptions, type SpoolOptions } from './spool.ts'
