// Each page answers one request. What it shows is what the JSON of the same row says.

export { checkAndRepairResultsPage, checkResultsPage } from './check.ts'
export { directoryPage } from './directory.ts'
export { errorPage } from './error.ts'
export { helperPage } from './helper.ts'
export { infoPage } from './info.ts'
export { openPage } from './open.ts'
export { operationPage } from './operation.ts'
export {
  downloadStatusPage,
  mapUpdateStatusPage,
  publishStatusPage,
  retrieveStatusPage,
  uploadStatusPage,
} from './operation-status.ts'
export { renameFormPage } from './rename.ts'
export { statisticsPage } from './statistics.ts'
export { statusPage } from './status.ts'
export { storagePage } from './storage.ts'
export { uploadResultsPage } from './upload-results.ts'
export { welcomePage } from './welcome.ts'
