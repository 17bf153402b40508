export * from './local-grid.ts'
export * from './node-directory.ts'
export * from './storage-settings.ts'
export * from './tahoe-cfg.ts'
