export * from './local-grid.ts'
export * from './node-directory.ts'
export * from './tahoe-cfg.ts'
export * from './storage-settings.ts'
