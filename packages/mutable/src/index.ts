export type { MutableContext, MutableFile } from './file.ts'
